"""map: a function over the rows of its first inputs, all rows in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import ShapeMismatch, WrongArity
from engine.ir.attributes import FUNCTION, SIZE, Attribute
from engine.ir.derivative import JOINT
from engine.ir.families import COMPOSITE, define
from engine.ir.function_rules import FunctionRule, Sizes, Specialize, Types, expect_inputs
from engine.ir.tape import Tape, Variable
from engine.transforms.vmap import batch


def _map(*xs: Variable, body: Tape, mapped: int) -> Any:
    rows = batch(body, list(body.inputs)[:mapped], xs[0].shape[0])
    answers = xs[0].tape.inline(rows, [x.astype(t.dtype) for x, t in zip(xs, _types(body), strict=True)])
    return answers[0] if len(answers) == 1 else tuple(answers)


def _types(body: Tape) -> Sequence[TensorType]:
    return [body.types[slot] for slot in body.inputs.values()]


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    mapped = attributes.get("mapped", 1)
    if not 1 <= mapped <= inputs:
        raise WrongArity(
            f"{mapped} mapped inputs are named, and the node has {inputs}",
            hint="the mapped inputs come first, then those that every row shares",
        )
    expect_inputs(attributes["body"], sizes, inputs, "a row of each mapped input, then the shared ones")


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    mapped = attributes.get("mapped", 1)
    counts = []
    for i, type in enumerate(types[:mapped]):
        if not type.shape:
            raise ShapeMismatch(f"input {i} is mapped and has no axes", hint="rows lie along axis 0")
        counts.append(type.shape[0])
    if len(set(counts)) > 1:
        raise ShapeMismatch(
            f"mapped inputs share their first axis, and have {counts}", hint="give each as many rows"
        )
    rows = [TensorType(t.shape[1:] if i < mapped else t.shape, t.dtype) for i, t in enumerate(types)]
    return {"body": specialize(attributes["body"], rows)}


map_rows = define(
    "map",
    "vmap",
    family=COMPOSITE,
    summary="A function over the rows of the first `mapped` inputs; its outputs are stacked.",
    formula=_map,
    vjp=JOINT,
    kinds="any",
    promote=False,
    variadic=True,
    functions=FunctionRule(_link, lambda attributes, sizes: sizes(attributes["body"])[1], _bind),
    attributes=(
        Attribute("body", FUNCTION),
        Attribute("mapped", SIZE, 1, "how many inputs are mapped; they come first"),
    ),
    outputs=None,
    conventions="All rows run in one pass; ops without a batching rule run row after row.",
)
