"""Targets without a minimum, known from the formula alone: minus a square, a likelihood without its minus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engine.frontend.graph import Graph, Node
from engine.training.job.objective import Objective

_DEEPEST = 200  # nodes between the target and its terms
_THROUGH = frozenset({"mean", "sum", "reshape", "squeeze", "identity", "expand_dims", "stop_gradient"})
_SQUARES = frozenset({"square", "abs", "squared_difference", "cosh", "log_cosh"})
_ERRORS = frozenset(
    {"mean_squared_error", "mean_absolute_error", "huber_loss", "log_cosh", "squared_difference"}
)
#: What grows without bound along with a parameter in it.
_OPEN = frozenset(
    {
        "add",
        "subtract",
        "multiply",
        "matmul",
        "negative",
        "reshape",
        "transpose",
        "permute_dims",
        "sum",
        "mean",
    }
    | {"getitem", "dot", "einsum", "gather", "squeeze", "expand_dims", "exp", "matrix_transpose", "concat"}
)
_LOGS = frozenset({"log_softmax", "log_sigmoid"})
_PROBABILITIES = frozenset({"softmax", "sigmoid"})
_PICKS = frozenset({"multiply", "sum", "mean", "getitem", "gather", "take_along_axis", "reshape", "squeeze"})
_BETWEEN = frozenset(
    {
        "add",
        "subtract",
        "clip",
        "maximum",
        "minimum",
        "getitem",
        "gather",
        "take_along_axis",
        "sum",
        "multiply",
    }
    | {"reshape", "squeeze"}
)
_TO_MAXIMISE = re.compile(
    r"(?<![a-z])(log_?lik(elihood)?s?|likelihood|ll|elbo|log_?p(rob(ability)?)?|log_?density|log_?posterior|"
    r"reward|returns?|profit|gain|utility|accuracy|r2|score)$"
)


def unbounded_target(objective: Objective) -> Iterator[Mapping[str, Any]]:
    """A warning of a target that falls without end, or that is called what one makes large."""
    graph, target = objective.train, objective.target.partition(":")[0]
    learned = objective.depending
    terms = list(_terms(graph, target, learned)) if target in learned else []
    falls = next((node for sign, node in terms if sign < 0 and _is_unbounded(graph, node, learned)), None)
    if falls is not None and all(sign < 0 for sign, _ in terms):
        yield _warning(
            target,
            f"a job makes its target small, and '{target}' has no minimum: it falls without end as "
            f"{falls.op.name} '{falls.name}' grows, which counts negatively. Is its sign right? An error "
            "is not negated; to make a likelihood or a score large, minimise its negative: write "
            f"loss = -({target}) and make that the target",
        )
    elif (likely := _likelihood(graph, terms, learned)) is not None:
        yield _warning(
            target,
            f"a job makes its target small, and '{target}' adds up logarithms of probabilities "
            f"('{likely.name}') without a minus, a likelihood, which is to be made large. Write "
            f"loss = -({target}) and make that the target",
        )
    elif _TO_MAXIMISE.search(target.lower()) and not re.search(r"neg|minus|nll|loss|cost", target.lower()):
        node = graph.names.get(target)
        bounded = any(sign < 0 or _is_unbounded(graph, each, learned) for sign, each in terms)
        if node is not None and node.op.name != "negative" and not bounded:
            yield {
                "code": "likely_mistake",
                "node": target,
                "message": f"a job makes its target small, and '{target}' is the name of something to be "
                f"made large: if it is, write loss = -{target} and make 'loss' the target; if it has its "
                "minus already, call it loss",
            }


def _warning(node: str, message: str) -> dict[str, Any]:
    return {"code": "unbounded", "node": node, "message": message}


def _terms(graph: Graph, target: str, learned: frozenset[str]) -> Iterator[tuple[int, Node]]:
    """What is added up to the target, each with its sign; only what depends on a parameter.

    What is multiplied by something of an unknown sign counts as a term of its own.
    """
    stack: list[tuple[int, str]] = [(1, target)]
    whole = graph.names.get(target)
    for _ in range(_DEEPEST):
        if not stack:
            return
        sign, name = stack.pop()
        node = graph.names.get(name)
        if node is None:
            continue
        references = [each.partition(":")[0] if isinstance(each, str) else each for each in node.inputs]
        behind = [each for each in references if isinstance(each, str) and each in learned]
        op = node.op.name
        if op in _THROUGH and len(behind) == 1:
            stack.append((sign, behind[0]))
        elif op == "negative":
            stack.append((-sign, behind[0]))
        elif op in ("add", "subtract"):
            for place, each in enumerate(references):
                if isinstance(each, str) and each in learned:
                    stack.append((-sign if op == "subtract" and place == 1 else sign, each))
        elif (
            op in ("multiply", "divide")
            and len(behind) == 1
            and (op == "multiply" or references[0] in behind)
        ):
            other = next((each for each in references if each not in behind), None)
            factor = _sign(graph, other)
            if factor:
                stack.append((sign * factor, behind[0]))
            else:
                yield sign, node
        else:
            yield sign, node
    if whole is not None:  # too long to tell
        yield 1, whole


def _sign(graph: Graph, other: Any) -> int:
    """The sign of a number or a constant; 0 if it is not known."""
    if isinstance(other, str):
        constant = graph.constants.get(other)
        if constant is None:
            node = graph.names.get(other)
            if node is not None and node.op.name == "negative" and len(node.inputs) == 1:
                return -_sign(graph, node.inputs[0])
            return 0
        values = np.asarray(constant.array)
        if values.dtype.kind not in "biuf" or not values.size:
            return 0
        return 1 if (values > 0).all() else -1 if (values < 0).all() else 0
    if isinstance(other, bool | int | float):
        return (other > 0) - (other < 0)
    return 0


def _is_unbounded(graph: Graph, node: Node, learned: frozenset[str]) -> bool:
    """Whether a term grows beyond all bounds along with a parameter."""
    even = node.op.name == "pow" and len(node.inputs) == 2 and _is_even(graph, node.inputs[1])
    if node.op.name not in _SQUARES and node.op.name not in _ERRORS and not even:
        return False
    stack = [each for each in node.inputs if isinstance(each, str)]
    visited: set[str] = set()
    while stack:
        name = stack.pop().partition(":")[0]
        inner = graph.names.get(name)
        if name in visited or name not in learned or inner is None:
            continue
        visited.add(name)
        references = [each for each in inner.inputs if isinstance(each, str)]
        if inner.op.name == "divide":
            below = graph.names.get(references[-1]) if isinstance(inner.inputs[1], str) else None
            if below is not None and below.name in learned and below.op.name != "exp":
                return False  # a norm may keep it in bounds
        elif inner.op.name not in _OPEN:
            return False
        stack.extend(references)
    return True


def _likelihood(graph: Graph, terms: Sequence[tuple[int, Node]], learned: frozenset[str]) -> Node | None:
    """A logarithm of a probability, if such are added up, and nothing but squares beside them."""
    logs = [(sign, node) for sign, node in terms if _is_log_probability(graph, node, learned)]
    rest = [(sign, node) for sign, node in terms if (sign, node) not in logs]
    penalties = all(sign > 0 and _is_unbounded(graph, node, learned) for sign, node in rest)
    if not logs or not penalties or any(sign < 0 for sign, _ in logs):
        return None
    # log(1 - p) alone is what a generator minimises
    return next((node for _, node in logs if not _is_complement(graph, node, learned)), None)


def _is_complement(graph: Graph, node: Node, learned: frozenset[str]) -> bool:
    """Whether a log-probability is that of 1 - p."""
    inner: Node | None = node
    while inner is not None and inner.op.name in _PICKS:
        inner = graph.names.get(next(each for each in _references(inner) if each in learned))
    below = graph.names.get(_references(inner)[0]) if inner is not None and inner.op.name == "log" else None
    return below is not None and below.op.name == "subtract"


def _is_log_probability(graph: Graph, node: Node | None, learned: frozenset[str]) -> bool:
    """Whether a node is the logarithm of a probability, perhaps weighed by data."""
    for _ in range(_DEEPEST):
        if node is None or node.op.name in _LOGS:
            return node is not None
        behind = [each for each in _references(node) if each in learned]
        if len(behind) != 1:
            return False
        inner = graph.names.get(behind[0])
        if node.op.name == "log":
            return _is_probability(graph, inner, learned)
        if node.op.name not in _PICKS:
            return False
        node = inner
    return False


def _is_probability(graph: Graph, node: Node | None, learned: frozenset[str]) -> bool:
    """Whether a node is a sigmoid or softmax, clipped, picked from or taken from 1."""
    for _ in range(_DEEPEST):
        if node is None or node.op.name in _PROBABILITIES:
            return node is not None
        behind = [each for each in _references(node) if each in learned]
        if len(behind) != 1 or node.op.name not in _BETWEEN:
            return False
        node = graph.names.get(behind[0])
    return False


def _references(node: Node) -> list[str]:
    return [each.partition(":")[0] for each in node.inputs if isinstance(each, str)]


def _is_even(graph: Graph, exponent: Any) -> bool:
    if isinstance(exponent, str):
        constant = graph.constants.get(exponent)
        if constant is None or np.asarray(constant.array).size != 1:
            return False
        exponent = np.asarray(constant.array).reshape(-1)[0].item()
    return isinstance(exponent, int | float) and exponent > 0 and exponent % 2 == 0
