"""Units that the name and the size of an input tell: degrees for radians, percents for fractions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import say, write
from engine.diagnosis.texts.source_text import Expressions, bracket
from engine.ir.tape import Instruction

_ANGLES = re.compile(
    r"^(?:lat|lon|lng|latitude|longitude|azimuth|bearing|heading|elevation|zenith|declination|tilt|slope)"
    r"(?:$|_|\d)",
    re.IGNORECASE,
)
_RATES = re.compile(
    r"^(?:r|rate|interest|apr|apy|yield_?|coupon|discount|inflation)(?:$|_|\d)", re.IGNORECASE
)
_TURN = 6.3  # radians beyond which such an angle holds degrees
_WHOLE = 2.0  # a rate beyond 200 percent a period is a percentage
_DEEPEST = 6  # steps between a sine and the input that it comes from
_STEPS = frozenset({"negative", "add", "subtract", "multiply", "divide"})
Told = Callable[..., Caveat | None]


def wrong_units(
    expressions: Expressions, steps: Sequence[Instruction]
) -> Iterator[tuple[tuple[int, ...], Told]]:
    """The inputs whose units may be others than an op takes."""
    inputs = {slot: name for name, slot in expressions.graph.tape.inputs.items()}
    watched_slots: set[int] = set()
    for step in steps:
        if step.op.name in ("sin", "cos", "tan") and step.origin.op == step.op.name:
            for slot in _leaves(expressions, step.inputs[0], inputs):
                if _ANGLES.search(inputs[slot]) and slot not in watched_slots:
                    watched_slots.add(slot)
                    yield (slot,), _degrees(step, inputs[slot])
        elif step.op.name == "pow":
            rate = _rate_of(expressions, step, inputs)
            if rate is not None and rate not in watched_slots:
                watched_slots.add(rate)
                yield (rate,), _percent(expressions, step, inputs[rate])


def _leaves(expressions: Expressions, slot: int, inputs: dict[int, str], depth: int = 0) -> Iterator[int]:
    """The inputs that a slot is a sum, a difference or a small multiple of; none behind a conversion."""
    if slot in inputs:
        yield slot
        return
    step = expressions.maker(slot)
    if step is None or depth == _DEEPEST or step.op.name not in _STEPS:
        return
    constants = expressions.graph.tape.constants
    for one in step.inputs:
        constant = constants.get(one)
        if constant is not None and step.op.name in ("multiply", "divide"):
            number = float(np.abs(constant).max(initial=0.0))
            if number > 12 or not float(2 * number).is_integer():
                return
    if step.op.name in ("multiply", "divide") and not any(one in constants for one in step.inputs):
        return
    for one in step.inputs:
        yield from _leaves(expressions, one, inputs, depth + 1)


def _degrees(step: Instruction, name: str) -> Told:
    def tell(value: Array) -> Caveat | None:
        if not value.size or not float(np.nanmax(np.abs(value))) > _TURN:
            return None
        words = {"op": step.op.name, "node": str(step.origin.node), "name": name}
        words["value"] = f"{float(value.flat[int(np.nanargmax(np.abs(value)))]):g}"
        fix = say(f"Begin with {name} = {name} * pi / 180, or send '{name}' in radians")
        return Caveat(LIKELY_MISTAKE, step.origin.node, "degrees_by_value", words, fix)

    return tell


def _rate_of(expressions: Expressions, step: Instruction, inputs: dict[int, str]) -> int | None:
    """The rate in (1 + rate) ** t."""
    base = expressions.maker(step.inputs[0])
    constants = expressions.graph.tape.constants
    if base is None or base.op.name != "add":
        return None
    numbers = [one for one in base.inputs if one in constants and constants[one].size == 1]
    others = [one for one in base.inputs if one not in numbers]
    if len(numbers) != 1 or float(constants[numbers[0]].real.item()) != 1 or others[0] not in inputs:
        return None
    return others[0] if _RATES.search(inputs[others[0]]) else None


def _percent(expressions: Expressions, step: Instruction, name: str) -> Told:
    def tell(value: Array) -> Caveat | None:
        if not value.size or not float(np.nanmax(value)) > _WHOLE:
            return None
        base = expressions.operand(step, 0)
        bare = base[1:-1] if base.startswith("(") and base.endswith(")") else base
        new = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", f"{name} / 100", bare)
        words = {"node": str(step.origin.node), "name": name, "value": f"{float(np.nanmax(value)):g}"}
        fix = write(f"({new})", bracket(bare), f"'{name}' is in percent then")
        return Caveat(LIKELY_MISTAKE, step.origin.node, "percent", words, fix)

    return tell
