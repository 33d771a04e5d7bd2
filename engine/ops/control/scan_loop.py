"""scan_loop: the loop that `scan` becomes; its body is planned once.

Beside its results it answers what was carried into each step, stacked; the executor stores that only where
something reads it, and the gradient does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.ir.attributes import BOOLEAN, FUNCTION, SIZE, Attribute
from engine.ir.cost import Cost
from engine.ir.dependence import Stepwise
from engine.ir.derivative import JOINT
from engine.ir.families import CONTROL, define
from engine.ir.function_rules import FunctionRule, Sizes, Specialize, Types, expect_inputs, outputs_of
from engine.ir.tape import Tape
from engine.ops.control.batch_rules import batched_loop
from engine.ops.control.loop_rules import length_of, pull, push
from engine.ops.control.stepping import stacks_of, walk
from engine.ops.control.subtape import cost_of_runs

COUNTS = (
    Attribute("carry", SIZE, 1, "how many inputs are carried from step to step; they come first"),
    Attribute("scanned", SIZE, 1, "how many inputs are scanned along their first axis; they come next"),
    Attribute("reverse", BOOLEAN, False, "start at the end; results keep the order of the inputs"),
    Attribute("length", SIZE, None, "the number of steps if nothing is scanned"),
)


def _infer(
    types: Sequence[TensorType], *, body: Tape, carry: int, scanned: int, length: int | None, **_: Any
) -> tuple[TensorType, ...]:
    steps = length_of(types, carry, scanned, length)
    outs = outputs_of(body)
    carried = [TensorType(t.shape, t.dtype) for t in outs[:carry]]
    stacked = [TensorType((steps, *t.shape), t.dtype) for t in (*outs[carry:], *carried)]
    return (*carried, *stacked)


def _run(
    xp: Any,
    *xs: Any,
    body: Any,
    carry: int,
    scanned: int,
    reverse: bool,
    length: int | None,
    counted: bool,
    needed: Sequence[bool],
) -> list[Any]:
    """The loop itself; `counted` loops run only as many steps as their last input says."""
    count = xp.item(xs[-1]) if counted else None
    xs = xs[:-1] if counted else xs
    carried, walked, constants = list(xs[:carry]), xs[carry : carry + scanned], xs[carry + scanned :]
    steps = walked[0].shape[0] if walked else int(length or 0)
    types = body.outputs
    stacks = stacks_of(xp, (*types[carry:], *types[:carry]), steps, needed[carry:])
    results, entries = stacks[: len(types) - carry], stacks[len(types) - carry :]
    order = range(steps if count is None else min(count, steps))
    order = order[::-1] if reverse else order
    return [*walk(xp, body, carried, walked, constants, order, results, entries), *stacks]


def _cost(
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    body: Tape,
    carry: int,
    scanned: int,
    length: int | None,
    **_: Any,
) -> Cost:
    return cost_of_runs(body, length_of(types, carry, scanned, length))


def _bind_loop(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    carry, scanned = attributes.get("carry", 1), attributes.get("scanned", 1)
    own = types[:-1] if attributes.get("counted") else types
    walked = range(carry, carry + scanned)
    rows = [TensorType(t.shape[1:] if i in walked else t.shape, t.dtype) for i, t in enumerate(own)]
    return {"body": specialize(attributes["body"], rows)}


def _link_loop(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    own = inputs - 1 if attributes.get("counted") else inputs
    expect_inputs(attributes["body"], sizes, own, "the carried, one step of the scanned, the constants")


scan_loop = define(
    "scan_loop",
    functions=FunctionRule(
        _link_loop,
        lambda attributes, sizes: sizes(attributes["body"])[1] + attributes.get("carry", 1),
        _bind_loop,
    ),
    family=CONTROL,
    summary="What scan becomes: its results, and what was carried into each step.",
    forward=_run,
    infer=_infer,
    pullback=pull,
    pushforward=push,
    batch=batched_loop,
    dependence=Stepwise(),
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    cost=_cost,
    takes_needed=True,
    attributes=(Attribute("body", FUNCTION), *COUNTS, Attribute("counted", BOOLEAN, False)),
    outputs=None,
    internal=True,
)
