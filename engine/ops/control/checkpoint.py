"""checkpoint: a function whose intermediate values are computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.ir.attributes import FUNCTION, Attribute
from engine.ir.cost import Cost
from engine.ir.dependence import Inside
from engine.ir.derivative import JOINT
from engine.ir.families import CONTROL, define
from engine.ir.function_rules import outputs_of
from engine.ir.tape import Tape, Variable
from engine.ops.control.identity import CALLED
from engine.ops.control.subtape import Body, cost_of_runs, inexact, input_types, with_tangents
from engine.transforms.vjp import backward, zeros
from engine.transforms.vmap import batch


def _infer(types: Sequence[TensorType], *, function: Tape) -> tuple[TensorType, ...]:
    return tuple(TensorType(t.shape, t.dtype) for t in outputs_of(function))


def _cost(types: Sequence[TensorType], outputs: Sequence[TensorType], *, function: Tape) -> Cost:
    return cost_of_runs(function, 1, answered=True)


def _pull(
    gs: Sequence[Variable], ys: Sequence[Variable], *xs: Variable, function: Tape
) -> list[Variable | None]:
    """Another checkpoint, which runs the function and walks it back: nothing inside is shared."""
    live, moving = inexact(outputs_of(function)), inexact([x.type for x in xs])
    pulled: list[Variable | None] = [None] * len(xs)
    if not moving:
        return pulled
    if "pulled" not in function.derived:
        function.derived["pulled"] = _pulled(function, live, moving)
    tape = function.derived["pulled"]
    answer = xs[0].tape.apply(checkpoint, [*xs, *(gs[i] for i in live)], {"function": tape})
    for place, i in enumerate(moving):
        pulled[i] = answer[place]
    return pulled


def _pulled(function: Tape, live: Sequence[int], moving: Sequence[int]) -> Tape:
    """The function, and its cotangents by the inputs `moving` for those of its outputs `live`."""
    outs = outputs_of(function)
    body = Body()
    arguments = body.inputs(input_types(function))
    cotangents = {i: body.input(outs[i]) for i in live}
    answers = body.play(function, arguments)
    wanted = [arguments[i] for i in moving]
    adjoints = backward(
        body.tape, {answers[i].slot: g for i, g in cotangents.items()}, [v.slot for v in wanted]
    )
    return body.finish([adjoints[v.slot] if v.slot in adjoints else zeros(body.tape, v) for v in wanted])


def _push(
    tangents: Sequence[Variable | None], xs: Sequence[Variable], *, function: Tape
) -> list[Variable | None]:
    moving = [i for i, t in enumerate(tangents) if t is not None]
    key = ("pushed", *moving)
    if key not in function.derived:
        function.derived[key] = with_tangents(function, moving)
    tape, emitted = function.derived[key]
    answer = xs[0].tape.apply(checkpoint, [*xs, *(tangents[i] for i in moving)], {"function": tape})
    pushed: list[Variable | None] = [None] * len(function.outputs)
    for place, i in enumerate(emitted, len(function.outputs)):
        pushed[i] = answer[place]
    return pushed


def _batched(
    op: Any, xs: Sequence[Variable], batched: Sequence[bool], n: int, *, function: Tape
) -> tuple[Variable, ...]:
    names = [name for name, flag in zip(function.inputs, batched, strict=True) if flag]
    key = ("batched", n, *names)
    if key not in function.derived:
        function.derived[key] = batch(function, names, n)
    many = function.derived[key]
    answer: tuple[Variable, ...] = xs[0].tape.apply(op, xs, {"function": many})
    return answer


checkpoint = define(
    "checkpoint",
    family=CONTROL,
    summary="The outputs of a function; the gradient computes its intermediate values again.",
    forward=lambda xp, *xs, function: function(xs),
    infer=_infer,
    pullback=_pull,
    pushforward=_push,
    batch=_batched,
    functions=CALLED,
    dependence=Inside(("function",)),
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    cost=_cost,
    attributes=(Attribute("function", FUNCTION, doc="takes as many inputs as are given"),),
    outputs=None,
    conventions="Values and gradients are those of `call`; memory is traded for a second computation.",
)
