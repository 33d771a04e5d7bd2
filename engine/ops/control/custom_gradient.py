"""custom_gradient: a function whose derivative is another function.

Tangents go through it by a function given for them (`jvp`), or, where `backward` is linear in the
cotangents, by pulling it back once more: the VJP of a VJP is the JVP. Linearity is proven from the tape.
Complex cotangents meet the user's functions conjugated, as everywhere where users see them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import DerivativeNotImplemented, ShapeMismatch
from engine.ir.attributes import FUNCTION, Attribute
from engine.ir.batch_rules import aligned
from engine.ir.cost import free
from engine.ir.dependence import Inside
from engine.ir.derivative import JOINT
from engine.ir.families import CONTROL, define
from engine.ir.function_rules import (
    FunctionRule,
    Sizes,
    Specialize,
    Types,
    expect_inputs,
    expect_outputs,
    outputs_of,
)
from engine.ir.shapes import broadcast, cast_back
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.ops.control.subtape import Body, input_types
from engine.transforms.linearity import first_nonlinear
from engine.transforms.vjp import backward as walk_back
from engine.transforms.vjp import zeros
from engine.transforms.vmap import batch


def _infer(types: Sequence[TensorType], *, forward: Tape, **_: Any) -> tuple[TensorType, ...]:
    return tuple(TensorType(t.shape, t.dtype) for t in outputs_of(forward))


def _pull(
    gs: Sequence[Variable], ys: Sequence[Variable], *xs: Variable, backward: Tape, **_: Any
) -> list[Variable | None]:
    answers = xs[0].tape.inline(backward, [*xs, *ys, *(g.conj() for g in gs)])
    return [
        _fit(answer, x, "backward").conj() if dtypes.is_inexact(x.dtype) else None
        for answer, x in zip(answers, xs, strict=True)
    ]


def _fit(answer: Variable, x: Variable, word: str) -> Variable:
    """What a user's function answered, as a direction of `x`: broadcast and cast, real where x is real."""
    if not _broadcasts(answer.shape, x.shape):
        raise ShapeMismatch(
            f"the {word} function answered shape {answer.shape} for a tensor of shape {x.shape}",
            op="custom_gradient",
            hint="a cotangent or tangent has the shape of what it belongs to; sum over the extra axes",
        )
    direction: Variable = cast_back(answer, x).broadcast_to(x.shape)
    return direction


def _push(
    tangents: Sequence[Variable | None], xs: Sequence[Variable], *, forward: Tape, backward: Tape, jvp: Any
) -> list[Variable | None]:
    """The given `jvp`, else the pulled-back backward; the outputs are the same as before, and merged."""
    tape = xs[0].tape
    settings = {"forward": forward, "backward": backward, "jvp": jvp}
    ys: Sequence[Variable] = tape.apply(custom_gradient, xs, settings)
    if jvp is None:
        return _push_by_pulling(tangents, xs, ys, backward)
    moved = [zeros(tape, x) if t is None else t for t, x in zip(tangents, xs, strict=True)]
    answers = tape.inline(jvp, [*xs, *ys, *moved])
    return [
        _fit(answer, y, "jvp") if dtypes.is_inexact(y.dtype) else None
        for answer, y in zip(answers, ys, strict=True)
    ]


def _push_by_pulling(
    tangents: Sequence[Variable | None], xs: Sequence[Variable], ys: Sequence[Variable], backward: Tape
) -> list[Variable | None]:
    """<dy, J t> = <J' dy, t>: where J' dy is linear in dy, its own VJP at t is J t."""
    tape = xs[0].tape
    moving = [i for i, t in enumerate(tangents) if t is not None]
    _require_linear(backward, len(xs) + len(ys), moving)
    probes = [F.identity(zeros(tape, y)) for y in ys]
    start = len(tape.instructions)
    answers = tape.inline(backward, [*xs, *ys, *(probe.conj() for probe in probes)])
    seeds: dict[int, Variable] = {}
    for i in moving:
        tangent = tangents[i]
        assert tangent is not None
        seeds[F.identity(_fit(answers[i], xs[i], "backward").conj()).slot] = tangent
    cotangents = walk_back(tape, seeds, [probe.slot for probe in probes], since=start)
    return [cotangents.get(probe.slot) for probe in probes]


def _require_linear(backward: Tape, first: int, moving: Sequence[int]) -> None:
    """Raise DerivativeNotImplemented unless the answers at `moving` are linear from input `first` on."""
    culprit = first_nonlinear(backward, list(backward.inputs)[first:], moving)
    if culprit is None:
        return
    why = culprit if isinstance(culprit, str) else f"{culprit.op.name} was not shown to be linear"
    if not isinstance(culprit, str) and culprit.origin.node:
        why = f"{culprit.op.name} at '{culprit.origin.node}' was not shown to be linear"
    raise DerivativeNotImplemented(
        "tangents go through a custom_gradient where `backward` is linear in the cotangents, and this one "
        f"was not shown to be: {why}",
        op="custom_gradient",
        hint="give `jvp`, a function h(x1..xn, y1..ym, t1..tn) → dy1..dym",
    )


# -- rows --------------------------------------------------------------------------------------------


def _batched(
    op: Any,
    xs: Sequence[Variable],
    batched: Sequence[bool],
    n: int,
    *,
    forward: Tape,
    backward: Tape,
    jvp: Tape | None,
) -> tuple[Variable, ...]:
    """Each function for all rows; a cotangent of what every row shares is summed over them."""
    outs = [True] * len(forward.outputs)
    many: dict[str, Any] = {
        "forward": batch(forward, _flagged(forward, batched), n),
        "backward": _rows_of_backward(backward, xs, [*batched, *outs, *outs], n),
        "jvp": None if jvp is None else _rows_of_jvp(jvp, forward, [*batched, *outs, *batched], n),
    }
    answer: tuple[Variable, ...] = xs[0].tape.apply(op, xs, many)
    return answer


def _flagged(tape: Tape, flags: Sequence[bool]) -> list[str]:
    return [name for name, flag in zip(tape.inputs, flags, strict=True) if flag]


def _played(tape: Tape, flags: Sequence[bool], n: int) -> tuple[Body, list[Variable]]:
    """A body that runs `tape` for all rows, and what it answers, rows first."""
    rows = batch(tape, _flagged(tape, flags), n)
    body = Body()
    return body, body.play(rows, body.inputs(input_types(rows)))


def _rows_of_backward(tape: Tape, xs: Sequence[Variable], flags: Sequence[bool], n: int) -> Tape:
    body, answers = _played(tape, flags, n)
    cotangents = []
    for x, has_rows, answer in zip(xs, flags, answers, strict=False):
        axes = x.ndim - has_rows
        if not dtypes.is_inexact(x.dtype) or answer.ndim - 1 > axes:
            cotangents.append(answer)  # belongs to nothing, or is refused when it is used
            continue
        row = aligned(answer, True, axes)
        cotangents.append(row if has_rows else F.sum(row.broadcast_to((n, *x.shape)), axis=0))
    return body.finish(cotangents)


def _rows_of_jvp(tape: Tape, forward: Tape, flags: Sequence[bool], n: int) -> Tape:
    body, answers = _played(tape, flags, n)
    axes = [len(y.shape) for y in outputs_of(forward)]
    return body.finish([aligned(a, True, max(k, a.ndim - 1)) for a, k in zip(answers, axes, strict=True)])


# -- how the functions bind --------------------------------------------------------------------------


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    forward, backward, jvp = (attributes.get(key) for key in ("forward", "backward", "jvp"))
    expect_inputs(str(forward), sizes, inputs, "one for each input of the node")
    m = sizes(str(forward))[1]
    expect_inputs(str(backward), sizes, inputs + 2 * m, f"x1..x{inputs}, y1..y{m}, dy1..dy{m}")
    expect_outputs(str(backward), sizes, inputs, f"dx1..dx{inputs}, one cotangent for each input of the node")
    if jvp is not None:
        expect_inputs(jvp, sizes, 2 * inputs + m, f"x1..x{inputs}, y1..y{m}, t1..t{inputs}")
        expect_outputs(jvp, sizes, m, f"dy1..dy{m}, one tangent for each output of the node")


def _bind(specialize: Specialize, attributes: Mapping[str, Any], xs: Types) -> dict[str, Any]:
    forward = specialize(attributes["forward"], xs)
    ys = [TensorType(y.shape, y.dtype) for y in outputs_of(forward)]
    backward = specialize(attributes["backward"], [*xs, *ys, *ys])
    _check(attributes["backward"], "input", outputs_of(backward), xs)
    jvp = attributes.get("jvp")
    if jvp is None:
        return {"forward": forward, "backward": backward}
    tangents = [TensorType(x.shape, x.dtype) for x in xs]
    pushed = specialize(jvp, [*xs, *ys, *tangents])
    _check(jvp, "output", outputs_of(pushed), ys)
    return {"forward": forward, "backward": backward, "jvp": pushed}


def _check(name: str, word: str, answers: Types, own: Types) -> None:
    for position, (type, answer) in enumerate(zip(own, answers, strict=True)):
        if dtypes.is_inexact(type.dtype) and not _broadcasts(answer.shape, type.shape):
            raise ShapeMismatch(
                f"the function '{name}' answers shape {answer.shape} for {word} {position}, "
                f"which has shape {type.shape}",
                hint="a cotangent or tangent has the shape of what it belongs to; sum over the extra axes",
            )


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return broadcast(shape, to) == to
    except ShapeMismatch:
        return False


def _unexpanded(xp: Any, *xs: Any, **_: Any) -> Any:
    raise AssertionError("custom_gradient is expanded before a plan is made")


custom_gradient = define(
    "custom_gradient",
    family=CONTROL,
    functions=FunctionRule(_link, lambda attributes, sizes: sizes(attributes["forward"])[1], _bind),
    summary="The outputs of `forward`; the gradient is what `backward` returns.",
    forward=_unexpanded,
    infer=_infer,
    pullback=_pull,
    pushforward=_push,
    batch=_batched,
    dependence=Inside(("backward",), adjoint=True),
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    cost=free,
    attributes=(
        Attribute("forward", FUNCTION, doc="f(x1..xn) → y1..ym"),
        Attribute("backward", FUNCTION, doc="g(x1..xn, y1..ym, dy1..dym) → dx1..dxn"),
        Attribute("jvp", FUNCTION, None, doc="h(x1..xn, y1..ym, t1..tn) → dy1..dym", nullable=True),
    ),
    outputs=None,
    conventions="Values captured from outside are extra inputs of `forward`. Without `jvp`, tangents need a "
    "`backward` that is linear in the cotangents.",
)
