"""A step that is dropped: `for v, g in zip(variables, gradients): v = v - rate * g` changes no variable.

The name is bound to a new tensor, and the variable keeps its value. If the name is a loop's own, or a
parameter of a function, and nothing reads it afterwards, the tensor is lost.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import CodeType

from gradwire._locations import user_frame
from gradwire._notices import warn
from gradwire._tracing.syntax import Source, expression
from gradwire.errors import TrainingWarning

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Loop = ast.For | ast.AsyncFor
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_MOST = 4096

_found: dict[tuple[int, int], tuple[CodeType, tuple[str, str] | None]] = {}


def warn_if_dropped(name: str) -> None:
    """Warn if the user's line takes something off the variable `name`, and drops what comes out."""
    frame = user_frame()
    if frame is None:
        return
    key = (id(frame.f_code), frame.f_lasti)  # the entry keeps the code, so that its id stays its own
    entry = _found.get(key)
    if entry is None:
        if len(_found) >= _MOST:
            _found.clear()
        seen = expression(frame)
        entry = _found[key] = (frame.f_code, None if seen is None else _dropped(*seen))
    told = entry[1]
    if told is not None:
        text, cure = told
        bound = cure.partition(".")[0]
        warn(
            TrainingWarning,
            f"`{text}` binds the name '{bound}' to a new tensor, which nothing reads: the variable '{name}' "
            f"keeps its value. Write {cure}, or optimizer.apply_gradients(zip(grads, variables))",
            ("dropped", text),
        )


def _dropped(source: Source, node: ast.AST) -> tuple[str, str] | None:
    """The statement `v = v - step` around an expression, and its cure; None if its result is of use."""
    statement: ast.AST | None = node
    if not isinstance(node, ast.AugAssign):
        statement = source.parents.get(node)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
        if value is not node or not isinstance(value, ast.BinOp):
            return None
        left, sign, right = value.left, value.op, value.right
        if not (isinstance(left, ast.Name) and isinstance(target, ast.Name) and left.id == target.id):
            return None
    elif isinstance(statement, ast.AugAssign):
        target, sign, right = statement.target, statement.op, statement.value
    else:
        return None
    if not isinstance(target, ast.Name) or not isinstance(sign, ast.Add | ast.Sub):
        return None
    if not _is_lost(source, statement, target.id):
        return None
    method = "assign_sub" if isinstance(sign, ast.Sub) else "assign_add"
    return source.segment(statement), f"{target.id}.{method}({source.segment(right)})"


def _is_lost(source: Source, statement: ast.AST, name: str) -> bool:
    """Whether a name that a statement binds is a loop's own or a parameter, and is not read afterwards."""
    around = source.functions(statement)[0]
    loops = [above for above in _above(source, statement, around) if isinstance(above, _Loop | ast.While)]
    own = next((loop for loop in loops if isinstance(loop, _Loop) and _binds(loop.target, name)), None)
    if own is None and not (isinstance(around, _Function) and _is_parameter(around, name)):
        return False
    if any(isinstance(n, ast.Global | ast.Nonlocal) and name in n.names for n in ast.walk(around)):
        return False
    inner = loops[: loops.index(own)] if own is not None else loops
    return not any(
        isinstance(node, ast.Name)
        and node.id == name
        and isinstance(node.ctx, ast.Load)
        and not _is_within(source, node, statement)
        and (_start(node) > _start(statement) or any(_is_within(source, node, loop) for loop in inner))
        and not _is_bound_again(source, node, name, own, around)
        for node in ast.walk(around)
    )


def _is_bound_again(source: Source, node: ast.AST, name: str, own: ast.AST | None, around: ast.AST) -> bool:
    """Whether another loop, a comprehension or a function binds a name before `node` reads it."""
    for above in _above(source, node, around):
        if above is own:
            return False
        if isinstance(above, _Loop) and _binds(above.target, name):
            return True
        if isinstance(above, _Comprehension) and any(_binds(each.target, name) for each in above.generators):
            return True
        if isinstance(above, _Function | ast.Lambda) and _is_parameter(above, name):
            return True
    return False


def _above(source: Source, node: ast.AST, end: ast.AST) -> Iterator[ast.AST]:
    above = source.parents.get(node)
    while above is not None and above is not end:
        yield above
        above = source.parents.get(above)


def _is_within(source: Source, node: ast.AST, whole: ast.AST) -> bool:
    above: ast.AST | None = node
    while above is not None and above is not whole:
        above = source.parents.get(above)
    return above is whole


def _binds(target: ast.AST, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(target))


def _is_parameter(function: _Function | ast.Lambda, name: str) -> bool:
    given = function.args
    return any(each.arg == name for each in (*given.posonlyargs, *given.args, *given.kwonlyargs))


def _start(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]  # names and statements have both
