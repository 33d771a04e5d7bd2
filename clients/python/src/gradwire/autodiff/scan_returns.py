"""What the body of a `scan` returns, if that is not (carry, y): told with the `return` that is meant."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from gradwire._locations import Place
from gradwire._notices import warn
from gradwire._tracing.structure import leaves
from gradwire._tracing.subgraph import label_of
from gradwire._tracing.syntax import definition_of
from gradwire.errors import GradientWarning

_OUTPUTS = frozenset(
    {"y", "ys", "out", "output", "outputs", "logits", "pred", "prediction", "emission", "obs"}
)
_STATES = frozenset({"h", "c", "s", "state", "states", "carry", "hidden", "cell_state", "new_state", "new_h"})


def expected_pair(function: Callable[..., Any], init: Any, answer: Any) -> str:
    """What to return instead of something that is no pair."""
    label, count = label_of(function), len(init) if isinstance(init, tuple | list) else 0
    if count and isinstance(answer, tuple | list) and len(answer) == count + 1:
        names = _returned(function, answer)
        return (
            f"'{label}' returns {len(answer)} values, expected (carry, y) with {count} carried: write "
            f"`return ({', '.join(names[:-1])}), {names[-1]}`"
        )
    if count and isinstance(answer, tuple | list) and len(answer) == count:
        return _without_y(function, answer)
    kind = type(answer).__name__
    return (
        f"expected '{label}' to answer (carry, y), got {kind}; end it with `return carry, y`, y being None "
        "where nothing is stacked"
    )


def unlike(function: Callable[..., Any], init: Any, answer: Any, outline: Callable[[Any], str]) -> str | None:
    """Why a pair is not (carry, y), if its second part, or the whole of it, is as the carry is."""
    if outline(answer) == outline(init):
        return _without_y(function, answer)
    if outline(answer[1]) == outline(init):
        first, second = _returned(function, answer)
        return (
            f"'{label_of(function)}' returns (y, carry), as other libraries do, and scan takes (carry, y): "
            f"write `return {second}, {first}`"
        )
    return None


def warn_of_exchange(function: Callable[..., Any], answer: Any) -> None:
    """Warn if the text of a body returns what it made of the carry second, and something else first."""
    exchange = _return_of(function)
    if exchange is None or len(list(leaves(answer))) < 2:
        return
    carry, node, changed, place = exchange
    first, second = (each.id if isinstance(each, ast.Name) else "" for each in node.elts)
    exchanged = second == carry and first != carry and carry in changed
    if exchanged or (first in _OUTPUTS and second in _STATES):
        texts = [ast.unparse(each) for each in node.elts]
        warn(
            GradientWarning,
            f"'{label_of(function)}' returns `{texts[0]}, {texts[1]}`, and scan carries the first on: "
            f"'{texts[1]}' looks like the state, which comes first here, (carry, y). Write "
            f"`return {texts[1]}, {texts[0]}`, at {place}",
            ("exchanged", str(place)),
        )


def _without_y(function: Callable[..., Any], answer: Any) -> str:
    names = ", ".join(_returned(function, answer))
    return (
        f"'{label_of(function)}' returns what is carried alone, ({names}), and scan takes (carry, y): write "
        f"`return ({names}), None`, or what is to be stacked in place of None"
    )


def _returned(function: Callable[..., Any], answer: Any) -> list[str]:
    """The parts of what a function returns, as they are written; a, b, … if that is not to be had."""
    node = _pair_of(function)
    if node is not None and len(node.elts) == len(answer):
        return [ast.unparse(each) for each in node.elts]
    return [chr(ord("a") + k) for k in range(len(answer))]


def _pair_of(function: Callable[..., Any]) -> ast.Tuple | None:
    """The tuple that the only `return` of a function has."""
    tree = definition_of(function)
    if isinstance(tree, ast.Lambda):
        return tree.body if isinstance(tree.body, ast.Tuple) else None
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return)] if tree else []
    value = returns[0].value if len(returns) == 1 else None
    return value if isinstance(value, ast.Tuple) else None


def _return_of(function: Callable[..., Any]) -> tuple[str, ast.Tuple, set[str], Place] | None:
    """The name of the carry, the pair that is returned, the names that the body assigns, and its line."""
    tree, pair = definition_of(function), _pair_of(function)
    if not isinstance(tree, ast.FunctionDef) or pair is None or len(pair.elts) != 2 or not tree.args.args:
        return None
    changed = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    code = inspect.unwrap(function).__code__
    line = code.co_firstlineno + pair.lineno - 1
    return tree.args.args[0].arg, pair, changed, Place(code.co_filename, line)
