"""A step that is dropped: `for v, g in zip(variables, gradients): v = v - rate * g` changes no variable.

The name is bound to a new tensor, and the variable keeps its value. If the name is a loop's own, or a
parameter of a function, and nothing reads it afterwards, the tensor is lost.
"""

from __future__ import annotations

from gradwire._notices import warn
from gradwire._tracing.caller import caller
from gradwire.errors import TrainingWarning


def warn_if_dropped(name: str) -> None:
    """Warn if the user's line takes something off the variable `name`, and drops what comes out."""
    expression = caller()
    step = None if expression is None else expression.dropped_step
    if step is not None:
        warn(
            TrainingWarning,
            f"`{step.text}` binds the name '{step.name}' to a new tensor, which nothing reads: the variable "
            f"'{name}' keeps its value. Write {step.cure}, or "
            "optimizer.apply_gradients(zip(grads, variables))",
            ("dropped", step.text),
        )
