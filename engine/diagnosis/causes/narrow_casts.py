"""Casts that round numbers to the same one: times in seconds, and identities, in a dtype of few digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import write
from engine.diagnosis.texts.source_text import Expressions, bracket
from engine.ir.tape import Instruction

_FEW = 1000  # steps of the narrow dtype that the numbers have to spread over
_LARGEST = 1 << 16  # elements beyond which they are not looked at
_NARROW = ("float32", "float16")
_WIDE = ("float64", "int64", "int32", "uint64", "uint32", "float32")
Told = Callable[..., Caveat | None]


def narrow_casts(
    expressions: Expressions, steps: Sequence[Instruction]
) -> Iterator[tuple[tuple[int, ...], Told]]:
    """What is cast to a dtype of fewer digits."""
    types = expressions.graph.tape.types
    for step in steps:
        if step.op.name != "astype" or step.origin.op != "astype":
            continue
        before, after = types[step.inputs[0]], types[step.outputs[0]]
        fits = after.dtype in _NARROW and before.dtype in _WIDE and before.dtype != after.dtype
        if fits and before.size <= _LARGEST:
            yield (step.inputs[0],), _told(expressions, step, after.dtype)


def _told(expressions: Expressions, step: Instruction, dtype: str) -> Told:
    def tell(values: Array) -> Caveat | None:
        if not values.size or not np.isfinite(values).all():
            return None
        wide = values.astype(np.float64)
        largest = wide.flat[int(np.abs(wide).argmax())]
        unit = float(np.spacing(np.abs(largest).astype(dtype)))
        narrow = wide.astype(dtype).astype(np.float64)
        spread = float(np.ptp(wide))
        if not np.isfinite(unit) or (narrow == wide).all() or unit < 1:
            return None  # whole numbers keep their places, and a fraction its leading digits
        if spread > 0 and spread > _FEW * unit:
            return None
        x = expressions.operand(step, 0)
        words = {"node": str(step.origin.node), "x": x, "dtype": dtype, "unit": f"{unit:g}"}
        at = int(np.abs(narrow - wide).argmax())
        words |= {"old": f"{wide.flat[at]:.17g}", "new": f"{narrow.flat[at]:.17g}"}
        first = f"astype({bracket(x)} - {wide.flat[0]:.17g}, {dtype})"
        fix = write(x, expressions.node(step), f"it keeps its digits; or subtract first, as in {first}")
        return Caveat(LIKELY_MISTAKE, step.origin.node, "narrow_cast", words, fix)

    return tell
