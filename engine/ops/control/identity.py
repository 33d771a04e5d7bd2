"""Ops about the gradient itself, and the call of a function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.ir.attributes import FUNCTION, Attribute
from engine.ir.derivative import JOINT
from engine.ir.families import COMPOSITE, define, elementwise
from engine.ir.function_rules import FunctionRule, Sizes, Specialize, Types, expect_inputs
from engine.ir.no_gradient import stop
from engine.ir.table import TABLE

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


MOST_INLINED = 1024  # instructions of a function that is expanded more than once on a tape


def _call(*xs: Any, function: Any) -> Any:
    tape = xs[0].tape
    if len(function.instructions) > MOST_INLINED:  # expanding it again and again takes longer than it saves
        if function in tape.derived.setdefault("called", []):
            outputs = tape.apply(TABLE["checkpoint"], xs, {"function": function})
            return outputs[0] if len(outputs) == 1 else outputs
        tape.derived["called"].append(function)
    outputs = tape.inline(function, xs)
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
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    attributes=(Attribute("function", FUNCTION, doc="takes as many inputs as are given"),),
    outputs=None,
)
