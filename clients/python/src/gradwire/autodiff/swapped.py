"""Results that are unpacked the other way round: `grads, loss = gw.value_and_grad(f)(w)`."""

from __future__ import annotations

import re

from gradwire._notices import warn
from gradwire._tracing.caller import caller
from gradwire.errors import GradientWarning

_GRADIENT = re.compile(r"(g|grads?|gradients?|d[a-z]|d(loss|params|theta|weights)|g(rads?)?_\w+|\w+_grads?)")
_VALUE = re.compile(r"(l|v|val|vals|value|loss|losses|cost|energy|objective|loss_\w+|\w+_(loss|value|val))")


def warn_of_swapped_results(name: str, label: str) -> None:
    """Warn if the caller's text unpacks what `gw.<name>(<label>)` returns into names for something else."""
    expression = caller()
    names = None if expression is None else expression.unpacked_names
    if names is None:
        return
    first, second = names
    if name == "value_and_grad" and _is_gradient(first) and (_VALUE.fullmatch(second) or not second):
        pair = f"{second}, {first}" if second else f"(value, rest), {first}"
        text = (
            f"gw.value_and_grad({label}) returns (value, gradient), in this order, and this line calls the "
            f"value '{first}'{f' and the gradient {second!r}' if second else ''}: write `{pair} = …`"
        )
        warn(GradientWarning, text, ("swapped", name, label))
    elif name == "grad" and len(first) > 1 and _VALUE.fullmatch(first) and _is_gradient(second):
        text = (
            f"gw.grad({label}) returns the gradient alone, and this line takes it apart as '{first}' and "
            f"'{second}': for both write {first}, {second} = gw.value_and_grad({label})(…)"
        )
        warn(GradientWarning, text, ("swapped", name, label))


def _is_gradient(name: str) -> bool:
    return bool(_GRADIENT.fullmatch(name)) and not _VALUE.fullmatch(name)  # `g_loss` is a generator's loss
