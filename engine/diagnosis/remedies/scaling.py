"""What is saturated, of a smaller argument."""

from __future__ import annotations

import numpy as np

from engine.diagnosis.remedies.forms import Form
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.fix import Fix, write
from engine.ir.tape import Instruction


def scale_argument(prescriber: Prescriber, step: Instruction) -> Fix | None:
    """The same op of its argument divided by a power of ten; None if none that is tried has a slope."""
    if step.origin.op != step.op.name or len(step.inputs) != 1 or not prescriber.can_try:
        return None
    if set(step.attributes) - {"axis"}:
        return None
    x, axis = step.inputs[0], step.attributes.get("axis")
    axes = () if axis is None else tuple(axis)
    last = not axes or axes == (prescriber.type(x).ndim - 1,)
    more = "" if last else f", axis={axes[0] if len(axes) == 1 else axes!r}"
    value = np.abs(np.asarray(prescriber.value(x), float))
    most = float(value[np.isfinite(value)].max(initial=1.0))
    for power in (0, 1, 2):
        scale = 10 ** (max(1, int(np.ceil(np.log10(max(most, 1.0))))) + power)
        written = prescriber.expressions.operand(step, 0)
        form = Form(f"{step.op.name}(x / S{more})", {"x": x}, {"S": str(scale)}, {"x": written})
        outcome = prescriber.outcome(step, step.outputs[0], form)
        if outcome is not None and outcome.is_healthy:
            why = (
                f"its argument goes up to {most:.6g}, and beyond about 20 the slope rounds to 0; scale or "
                "normalise the data, or start from smaller weights: either changes the values"
            )
            return write(form.render(prescriber.expressions), prescriber.expressions.node(step), why)
    return None
