"""Ops about the gradient itself, and ops that take functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine import dtypes
from engine.attributes import FUNCTION, Attribute
from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.families import COMPOSITE, CONTROL, broadcast, define, elementwise, free
from engine.functions import (
    FunctionRule,
    Sizes,
    Specialize,
    Types,
    expect_inputs,
    expect_outputs,
    outputs_of,
)
from engine.op import jointly, stop

identity = elementwise(
    "identity",
    summary="The same tensor.",
    forward=lambda m, x: x,
    kinds="any",
    vjp=lambda g, y, x: g,
    linear_in=frozenset({0}),
    flops=0,
    view=True,
)

stop_gradient = elementwise(
    "stop_gradient",
    "detach",
    summary="The same tensor; no gradient passes through it.",
    forward=lambda m, x: x,
    kinds="any",
    vjp=stop("stop_gradient was called here"),
    flops=0,
    view=True,
)


def _call(*xs: Any, function: Any) -> Any:
    outputs = xs[0].tape.inline(function, xs)
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _link_call(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    expect_inputs(attributes["function"], sizes, inputs, "one for each input of the node")


def _bind_call(specialize: Specialize, attributes: Mapping[str, Any], xs: Types) -> dict[str, Any]:
    return {"function": specialize(attributes["function"], xs)}


CALLED = FunctionRule(_link_call, lambda attributes, sizes: sizes(attributes["function"])[1], _bind_call)

call = define(
    "call",
    functions=CALLED,
    family=COMPOSITE,
    summary="The outputs of a function of `functions` on x1, x2, …; it is expanded in place.",
    formula=_call,
    vjp=jointly,
    kinds="any",
    promote=False,
    variadic=True,
    attributes=(Attribute("function", FUNCTION, doc="takes as many inputs as are given"),),
    outputs=None,
)


def _infer_custom(types: Sequence[TensorType], *, forward: Any, **_: Any) -> tuple[TensorType, ...]:
    return tuple(forward.types[slot] for slot in forward.outputs)


def _pull_custom(gs: Sequence[Any], ys: Sequence[Any], *xs: Any, forward: Any, backward: Any) -> list[Any]:
    answers = xs[0].tape.inline(backward, [*xs, *ys, *gs])
    return [fit(answer, x) for answer, x in zip(answers, xs, strict=True)]


def fit(cotangent: Any, x: Any) -> Any:
    """What a user's backward function answered, as a cotangent of `x`: broadcast and cast."""
    if broadcast(cotangent.shape, x.shape) != x.shape:
        raise ShapeMismatch(
            f"the backward function answered shape {cotangent.shape} for an input of shape {x.shape}",
            op="custom_gradient",
            hint="a cotangent has its input's shape; sum over the extra axes",
        )
    return cotangent.astype(x.dtype).broadcast_to(x.shape)


def _link_custom(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    forward, backward = attributes["forward"], attributes["backward"]
    expect_inputs(forward, sizes, inputs, "one for each input of the node")
    m = sizes(forward)[1]
    expect_inputs(backward, sizes, inputs + 2 * m, f"x1..x{inputs}, y1..y{m}, dy1..dy{m}")
    expect_outputs(backward, sizes, inputs, f"dx1..dx{inputs}, one cotangent for each input of the node")


def _bind_custom(specialize: Specialize, attributes: Mapping[str, Any], xs: Types) -> dict[str, Any]:
    forward = specialize(attributes["forward"], xs)
    ys = outputs_of(forward)
    dys = [TensorType(y.shape, y.dtype) for y in ys]
    backward = specialize(attributes["backward"], [*xs, *ys, *dys])
    for position, (x, dx) in enumerate(zip(xs, outputs_of(backward), strict=True)):
        if dtypes.is_inexact(x.dtype) and not _broadcasts(dx.shape, x.shape):
            raise ShapeMismatch(
                f"the backward function '{attributes['backward']}' answers shape {dx.shape} "
                f"for input {position}, which has shape {x.shape}",
                hint="a cotangent has its input's shape; sum over the extra axes",
            )
    return {"forward": forward, "backward": backward}


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
    functions=FunctionRule(
        _link_custom, lambda attributes, sizes: sizes(attributes["forward"])[1], _bind_custom
    ),
    summary="The outputs of `forward`; its gradient is what `backward` answers.",
    forward=_unexpanded,
    infer=_infer_custom,
    pullback=_pull_custom,
    vjp=jointly,
    kinds="any",
    promote=False,
    variadic=True,
    cost=free,
    attributes=(
        Attribute("forward", FUNCTION, doc="f(x1..xn) → y1..ym"),
        Attribute("backward", FUNCTION, doc="g(x1..xn, y1..ym, dy1..dym) → dx1..dxn"),
    ),
    outputs=None,
    conventions="Values captured from outside are extra inputs of `forward`.",
)
