"""How ops that take functions bind them, once types are known: each function becomes a sub-tape.

`engine.linking` has checked that the functions exist and take as many inputs as they get; here the
shapes and dtypes of what they answer are checked too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.families import broadcast
from engine.tape import Tape

Types = Sequence[TensorType]
Specialize = Callable[[str, Types], Tape]
Bind = Callable[[Specialize, Mapping[str, Any], Types], dict[str, Tape]]


def _call(specialize: Specialize, attributes: Mapping[str, Any], xs: Types) -> dict[str, Tape]:
    return {"function": specialize(attributes["function"], xs)}


def _custom_gradient(specialize: Specialize, attributes: Mapping[str, Any], xs: Types) -> dict[str, Tape]:
    """forward: x1..xn → y1..ym; backward: x1..xn, y1..ym, dy1..dym → dx1..dxn."""
    forward = specialize(attributes["forward"], xs)
    ys = outputs_of(forward)
    dys = [replace(y, weak=False) for y in ys]
    backward = specialize(attributes["backward"], [*xs, *ys, *dys])
    for position, (x, dx) in enumerate(zip(xs, outputs_of(backward), strict=True)):
        if dtypes.is_inexact(x.dtype) and not _broadcasts(dx.shape, x.shape):
            raise ShapeMismatch(
                f"the backward function '{attributes['backward']}' answers shape {dx.shape} "
                f"for input {position}, which has shape {x.shape}",
                hint="a cotangent has its input's shape; sum over the extra axes",
            )
    return {"forward": forward, "backward": backward}


def outputs_of(tape: Tape) -> list[TensorType]:
    """The types of a sub-tape's outputs."""
    return [tape.types[slot] for slot in tape.outputs]


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return broadcast(shape, to) == to
    except ShapeMismatch:
        return False


BINDINGS: Final[Mapping[str, Bind]] = {
    "call": _call,
    "checkpoint": _call,
    "custom_gradient": _custom_gradient,
}
