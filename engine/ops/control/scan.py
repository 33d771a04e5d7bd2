"""scan: a loop over the first axis. It casts the carried values and becomes a `scan_loop`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.dtypes import TensorType
from engine.errors import ShapeMismatch, WrongArity
from engine.ir.attributes import FUNCTION, Attribute
from engine.ir.derivative import JOINT
from engine.ir.families import COMPOSITE, define
from engine.ir.function_rules import FunctionRule, Sizes, Specialize, Types, expect_inputs, outputs_of, settle
from engine.ir.tape import Tape
from engine.ops.control.loop_rules import loop
from engine.ops.control.scan_loop import COUNTS
from engine.ops.control.subtape import input_types


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    carry, scanned = attributes.get("carry", 1), attributes.get("scanned", 1)
    if carry + scanned > inputs:
        raise WrongArity(
            f"{carry} carried and {scanned} scanned inputs are named, and the node has {inputs}",
            hint="inputs are the carried, then the scanned, then constants",
        )
    expect_inputs(attributes["body"], sizes, inputs, "the carried, one step of the scanned, the constants")
    answers = sizes(attributes["body"])[1]
    if answers < carry:
        raise WrongArity(
            f"the function '{attributes['body']}' has {answers} outputs, and {carry} are carried on",
            hint="the first outputs are carried to the next step, the others are stacked",
        )


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    carry, scanned = attributes.get("carry", 1), attributes.get("scanned", 1)
    steps = {}
    for position in range(carry, carry + scanned):
        if not types[position].shape:
            raise ShapeMismatch(f"input {position} is scanned and has no axes", hint="steps lie along axis 0")
        steps[position] = types[position].shape[0]
    if len(set(steps.values())) > 1:
        listed = ", ".join(f"input {i} has {n}" for i, n in steps.items())
        raise ShapeMismatch(
            f"scanned inputs share their first axis: {listed}", hint="give each as many steps"
        )
    rows = [TensorType(t.shape[1:] if i < scanned else t.shape, t.dtype) for i, t in enumerate(types[carry:])]
    body = settle(
        specialize,
        attributes["body"],
        types[:carry],
        rows,
        lambda tape: outputs_of(tape)[:carry],
        lambda tape: outputs_of(tape)[carry:],
    )
    return {"body": body}


def _scan(*xs: Any, body: Tape, carry: int, scanned: int, reverse: bool, length: int | None) -> Any:
    types = input_types(body)
    inputs = [x.astype(types[i].dtype) if i < carry else x for i, x in enumerate(xs)]
    answers = loop(
        inputs, body=body, carry=carry, scanned=scanned, reverse=reverse, length=length, counted=False
    )
    results = answers[: len(body.outputs)]
    return results[0] if len(results) == 1 else tuple(results)


scan = define(
    "scan",
    family=COMPOSITE,
    summary="A loop over the first axis: body(carried, step of the scanned, constants) → (carried, results).",
    formula=_scan,
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    functions=FunctionRule(_link, lambda attributes, sizes: sizes(attributes["body"])[1], _bind),
    attributes=(Attribute("body", FUNCTION), *COUNTS),
    outputs=None,
    conventions="Carried values keep their shapes and dtypes; bare numbers take the dtype of what follows. "
    "The gradient stores what was carried into each step and computes the rest again.",
)
