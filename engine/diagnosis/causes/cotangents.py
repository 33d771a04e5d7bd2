"""Backward functions of custom gradients that do not use their cotangent, so that their gradient is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine import dtypes
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.source_text import bracket
from engine.errors import Source
from engine.ir.tape import Instruction, Tape
from engine.transforms.linearity import first_nonlinear


def ignored_cotangents(steps: Iterable[Instruction]) -> Iterator[Caveat]:
    """A warning for each custom gradient whose backward function has an output that is not zero and that no
    cotangent has a part in: it is proven from the function, whatever the values.
    """
    for step in steps:
        output = ignoring_output(step)
        if output is not None:
            words = {
                "op": step.origin.op or step.op.name,
                "node": str(step.origin.node),
                "output": str(output),
            }
            yield Caveat("likely_mistake", step.origin.node, "ignored_cotangent", words, _fix(step, output))


def ignoring_output(step: Instruction) -> int | None:
    """The first output of the backward function that no cotangent has a part in; None if there is none."""
    if step.op.name != "custom_gradient":
        return None
    backward: Tape = step.attributes["backward"]
    first = len(backward.inputs) - len(step.outputs)
    cotangents = list(backward.inputs)[first:]
    for place in range(len(backward.outputs)):
        slot = list(backward.inputs.values())[place]
        if not dtypes.is_inexact(backward.types[slot].dtype):
            continue
        if isinstance(first_nonlinear(backward, cotangents, [place]), str):
            return place
    return None


def _fix(step: Instruction, output: int) -> Fix:
    backward: Tape = step.attributes["backward"]
    cotangents = list(backward.inputs)[len(backward.inputs) - len(step.outputs) :]
    listed = " or ".join(f"'{name}'" for name in cotangents)
    slot = backward.outputs[output]
    maker = next((inner for inner in backward.instructions if slot in inner.outputs), None)
    source = None if maker is None else maker.origin.source
    alike = (
        len(cotangents) == 1
        and backward.types[slot].shape == backward.types[backward.inputs[cotangents[0]]].shape
    )
    if not alike or not isinstance(source, Source):
        return Fix("use_cotangent", {"names": listed})
    words: Mapping[str, Any] = {"old": source.text, "new": f"{bracket(source.text)} * {cotangents[0]}"}
    return Fix("multiply_cotangent", words)
