"""A gradient by one argument that is taken off another one: `w = w - rate * gw.grad(loss)(X, y, w)`."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import CodeType, FrameType

from gradwire._locations import user_frame
from gradwire._notices import warn
from gradwire._tracing.syntax import Source, expression, name_of
from gradwire.errors import GradientWarning

Found = tuple[str, int, str]  # the variable, its position, and the text that takes the gradient off

_found: dict[tuple[int, int], tuple[CodeType, Found | None]] = {}
_MOST = 4096


def warn_of_another_argument(name: str, label: str, names: Sequence[str], position: int) -> bool:
    """Warn if the caller's text takes the gradient by the argument at `position` off another argument.

    `name` is what was called, `grad` or `value_and_grad`, `label` the function and `names` its parameters.
    Returns whether it does.
    """
    frame = user_frame()
    found = None if frame is None else _at(frame, position)
    if found is None:
        return False
    variable, other, text = found
    warn(
        GradientWarning,
        f"gw.{name}({label}) differentiates by its argument {position}, '{names[position]}', and `{text}` "
        f"takes that gradient off '{variable}', argument {other}: write gw.{name}({label}, argnums={other})",
        ("argnums", label, other),
    )
    return True


def _at(frame: FrameType, position: int) -> Found | None:
    key = (id(frame.f_code), frame.f_lasti)  # the entry keeps the code, so that its id stays its own
    entry = _found.get(key)
    if entry is None:
        if len(_found) >= _MOST:
            _found.clear()
        seen = expression(frame)
        told = None
        if seen is not None and isinstance(seen[1], ast.Call):
            told = _subtracted(seen[0], seen[1], position)
        entry = _found[key] = (frame.f_code, told)
    return entry[1]


def _subtracted(source: Source, call: ast.Call, position: int) -> Found | None:
    """The argument of `call`, another than that at `position`, off which its result is taken."""
    given = [name_of(argument) for argument in call.args]
    if position >= len(given) or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    results = _names_of_result(source, call)
    for taken_off, rest, whole in _differences(source, call):
        if taken_off not in given or given[position] == taken_off or given.count(taken_off) != 1:
            continue
        if any(
            part is call or (isinstance(part, ast.Name) and part.id in results) for part in ast.walk(rest)
        ):
            return taken_off, given.index(taken_off), source.segment(whole)
    return None


def _names_of_result(source: Source, call: ast.Call) -> set[str]:
    """What a gradient is called: `g = …`, or `value, g = …`."""
    above = source.parents.get(call)
    if not isinstance(above, ast.Assign) or len(above.targets) != 1:
        return set()
    target = above.targets[0]
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:
        target = target.elts[1]
    return {target.id} if isinstance(target, ast.Name) else set()


def _differences(source: Source, call: ast.Call) -> list[tuple[str, ast.AST, ast.AST]]:
    """(what something is taken off, what is taken off, the whole) in the function around a call."""
    found: list[tuple[str, ast.AST, ast.AST]] = []
    for node in ast.walk(source.functions(call)[0]):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            found.append((name_of(node.left), node.right, node))
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub):
            found.append((name_of(node.target), node.value, node))
    return [each for each in found if each[0]]
