"""A gradient by one argument that is taken off another one: `w = w - rate * gw.grad(loss)(X, y, w)`."""

from __future__ import annotations

from collections.abc import Sequence

from gradwire._notices import warn
from gradwire._tracing.caller import caller
from gradwire.errors import GradientWarning


def warn_of_another_argument(name: str, label: str, names: Sequence[str], position: int) -> bool:
    """Warn if the caller's text takes the gradient by the argument at `position` off another argument.

    `name` is what was called, `grad` or `value_and_grad`, `label` the function and `names` its parameters.
    Returns whether it does.
    """
    expression = caller()
    reduced = None if expression is None else expression.reduced_argument(position)
    if reduced is None:
        return False
    warn(
        GradientWarning,
        f"gw.{name}({label}) differentiates by its argument {position}, '{names[position]}', and "
        f"`{reduced.text}` takes that gradient off '{reduced.name}', argument {reduced.position}: "
        f"write gw.{name}({label}, argnums={reduced.position})",
        ("argnums", label, reduced.position),
    )
    return True
