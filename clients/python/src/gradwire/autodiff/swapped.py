"""Results that are unpacked the other way round: `grads, loss = gw.value_and_grad(f)(w)`."""

from __future__ import annotations

import ast
import re
from types import CodeType

from gradwire._locations import user_frame
from gradwire._notices import warn
from gradwire._tracing.syntax import Source, expression
from gradwire.errors import GradientWarning

_GRADIENT = re.compile(r"(g|grads?|gradients?|d[a-z]|d(loss|params|theta|weights)|g(rads?)?_\w+|\w+_grads?)")
_VALUE = re.compile(r"(l|v|val|vals|value|loss|losses|cost|energy|objective|loss_\w+|\w+_(loss|value|val))")

_found: dict[tuple[int, int, str], tuple[CodeType, tuple[str, str] | None]] = {}
_MOST = 4096


def warn_of_swapped_results(name: str, label: str) -> None:
    """Warn if the caller's text unpacks what `gw.<name>(<label>)` returns into names for something else."""
    frame = user_frame()
    if frame is None:
        return
    key = (id(frame.f_code), frame.f_lasti, name)  # the entry keeps the code, so that its id stays its own
    entry = _found.get(key)
    if entry is None:
        if len(_found) >= _MOST:
            _found.clear()
        seen = expression(frame)
        entry = _found[key] = (frame.f_code, None if seen is None else _unpacked(*seen))
    names = entry[1]
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


def _unpacked(source: Source, call: ast.AST) -> tuple[str, str] | None:
    """The two names that the result of a call is assigned to; the second is empty for a pair of names."""
    above = source.parents.get(call)
    if not isinstance(call, ast.Call) or not isinstance(above, ast.Assign) or len(above.targets) != 1:
        return None
    target = above.targets[0]
    if not isinstance(target, ast.Tuple | ast.List) or len(target.elts) != 2:
        return None
    first, second = target.elts
    if not isinstance(first, ast.Name):
        return None
    if isinstance(second, ast.Name):
        return first.id, second.id
    return (first.id, "") if isinstance(second, ast.Tuple) and len(second.elts) == 2 else None
