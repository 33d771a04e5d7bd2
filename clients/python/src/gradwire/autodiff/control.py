"""Loops, branches, maps and checkpoints of Python functions.

Each function is traced once, without values, into a sub-graph of one node; what it uses from outside
becomes a further input of that node, so that gradients flow to it. Values that go round or are mapped may
be nested lists, tuples and dicts of tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gradwire._tracing.node import Edge, Op, Recorder
from gradwire._tracing.structure import leaves, rebuild
from gradwire._tracing.subgraph import Body, close, expect_functions, rebuilt, run, run_closed, tensors
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.tracer import trace
from gradwire.autodiff.scan_returns import expected_pair, unlike, warn_of_exchange
from gradwire.autodiff.transformed import Transformed
from gradwire.errors import TraceError

__all__ = ["checkpoint", "cond", "map", "scan", "while_loop"]


def scan(
    function: Callable[..., Any], init: Any, xs: Any = None, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    """Loop over the first axis of `xs` with a carried value: `function(carry, x)` returns (carry, y).

    Returns (the last carry, the ys stacked along a new first axis). Without `xs`, give the `length`; the
    function then gets None for x. The carried value keeps its structure, shapes and dtypes. The body is
    planned once, however many steps there are. Raises TraceError if the function returns anything else.
    """
    expect_functions("scan", "gw.scan(lambda carry, x: (carry + x, carry), init, xs)", function=function)
    inside = Recorder()
    walked = [x for x in leaves(xs) if x is not None]
    body = run(function, init, xs, inside=inside)
    if not isinstance(body.answer, tuple | list) or len(body.answer) != 2:
        raise TraceError(expected_pair(function, init, body.answer))
    carried = list(leaves(init))
    if _outline(init) != _outline(body.answer[0]):
        mistake = unlike(function, init, body.answer, _outline)
        if mistake is not None:
            raise TraceError(mistake)
    _expect_same(body.label, init, body.answer[0])
    warn_of_exchange(function, body.answer)
    (lowered,), captured = close([body], inside)
    counts = {"carry": len(carried), "scanned": len(walked), "reverse": reverse or None}
    node = trace(
        "scan",
        [*carried, *walked, *tensors(captured)],
        {**counts, "length": None if walked else length},
        functions={"body": lowered},
    )
    results = _outputs(node, len(body.roots))
    stacked = rebuilt(body.answer[1], results[len(carried) :])
    return rebuild(init, iter(results[: len(carried)])), stacked


def while_loop(
    condition: Callable[[Any], Any], body: Callable[[Any], Any], init: Any, max_steps: int | None = None
) -> Any:
    """Repeat `body(value)`, starting from `init`, while `condition(value)` is true; return the last value.

    The value keeps its structure, shapes and dtypes. The gradient stores the value at up to `max_steps` steps
    (the server's default is 1,000); exceeding them is an error, OverLimit.
    """
    example = "gw.while_loop(lambda v: v < 10.0, lambda v: 2.0 * v, init)"
    expect_functions("while_loop", example, condition=condition, body=body)
    inside = Recorder()
    test, step = run(condition, init, inside=inside), run(body, init, inside=inside)
    _expect_same(step.label, init, step.answer)
    functions, captured = close([test, step], inside)
    carried = list(leaves(init))
    node = trace(
        "while_loop",
        [*carried, *tensors(captured)],
        {"carry": len(carried), "max_steps": max_steps},
        functions=dict(zip(("condition", "body"), functions, strict=True)),
    )
    return rebuild(init, iter(_outputs(node, len(carried))))


def cond(
    predicate: Any, true_function: Callable[..., Any], false_function: Callable[..., Any], *operands: Any
) -> Any:
    """Return `true_function(*operands)` if `predicate` is true, else `false_function(*operands)`.

    `predicate` is one boolean. Only one of the functions runs. Both return the same structure, shapes and
    dtypes. To choose element by element, use `where`.
    """
    given_functions = {"true_function": true_function, "false_function": false_function}
    expect_functions("cond", "gw.cond(predicate, lambda: a, lambda: b)", **given_functions)
    inside = Recorder()
    branches = [run(f, *operands, inside=inside) for f in (true_function, false_function)]
    _expect_same(branches[1].label, branches[0].answer, branches[1].answer)
    functions, captured = close(branches, inside)
    arguments = [leaf for leaf in leaves(operands) if leaf is not None]
    node = trace(
        "cond",
        [predicate, *arguments, *tensors(captured)],
        functions=dict(zip(("then", "else"), functions, strict=True)),
    )
    return _answer(node, branches[0])


def map(function: Callable[..., Any], xs: Any) -> Any:
    """Apply `function` to every row of `xs` along the first axis, all rows in one pass; stack the results.

    If `xs` is a structure of several tensors, all have the same number of rows.
    """
    expect_functions("map", "gw.map(lambda row: gw.sum(row ** 2), xs)", function=function)
    inside = Recorder()
    body = run(function, xs, inside=inside)
    return map_rows(body, list(leaves(xs)), inside)


def map_rows(body: Body, rows: Sequence[Any], inside: Recorder) -> Any:
    """Record the node that runs a body on the rows of its parameters."""
    (lowered,), captured = close([body], inside)
    arguments = [*rows, *tensors(captured)]
    return _answer(trace("map", arguments, {"mapped": len(rows)}, functions={"body": lowered}), body)


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, but its gradient computes intermediate values again instead of keeping them.

    Positional arguments are tensors, or structures of them; keyword arguments are passed on as they are.
    """
    expect_functions("checkpoint", "gw.checkpoint(f)(x), with f a function of x", function=function)
    return _Checkpoint(function)


class _Checkpoint(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self._function
        chosen = functools.wraps(function)(functools.partial(function, **kwargs))
        body, lowered, captured = run_closed(chosen, *args)
        arguments = [leaf for leaf in leaves(args) if leaf is not None]
        node = trace("checkpoint", [*arguments, *tensors(captured)], functions={"function": lowered})
        return _answer(node, body)


def _outputs(node: Op, count: int) -> list[Tensor]:
    return [Tensor(Edge(node, k)) for k in range(count)]


def _answer(node: Op, body: Body) -> Any:
    return rebuilt(body.answer, _outputs(node, len(body.roots)))


def _expect_same(label: str, expected: Any, came: Any) -> None:
    """Raise TraceError unless two structures are alike."""
    if _outline(expected) != _outline(came):
        raise TraceError(
            f"'{label}' answers {_outline(came)}, expected {_outline(expected)}: what is carried, and what "
            "two branches answer, have one structure"
        )


def _outline(tree: Any) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {_outline(item)}" for key, item in tree.items()) + "}"
    if isinstance(tree, list | tuple):
        ends = "[]" if isinstance(tree, list) else "()"
        return ends[0] + ", ".join(_outline(item) for item in tree) + ends[1]
    return "None" if tree is None else "tensor"
