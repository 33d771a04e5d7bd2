"""The caller's text: which expression of the user's file is being evaluated, and what becomes of its result.

A file is parsed once, an expression is looked up once in its tree, and each question about it is answered
once: `assigned_name`, `unpacked_names`, `dropped_step` and `reduced_argument`.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FrameType

from gradwire._locations import Place, user_frame
from gradwire._tracing.syntax import Source, name_of, read

_MOST = 4096
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Loop = ast.For | ast.AsyncFor
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class DroppedStep:
    """`text`, a statement such as `v = v - step`, binds `name` to a result that nothing reads."""

    text: str
    name: str
    cure: str


@dataclass(frozen=True, slots=True)
class ReducedArgument:
    """The result of a call is taken off its argument `name`, at `position`, in the expression `text`."""

    name: str
    position: int
    text: str


class Expression:
    """An expression or statement of the user's file, `node` of the tree of `source`."""

    def __init__(self, source: Source, node: ast.AST) -> None:
        self.source = source
        self.node = node
        self._reduced: dict[int, ReducedArgument | None] = {}

    @property
    def text(self) -> str:
        """The text, on one line."""
        return self.source.segment(self.node)

    @cached_property
    def assigned_name(self) -> str:
        """The name that the result is assigned to, by itself; empty if there is none."""
        return self.source.assigned(self.node)

    @cached_property
    def unpacked_names(self) -> tuple[str, str] | None:
        """The two names that the result of a call is assigned to; the second is empty for a pair of names."""
        target = self.source.target(self.node) if isinstance(self.node, ast.Call) else None
        if not isinstance(target, ast.Tuple | ast.List) or len(target.elts) != 2:
            return None
        first, second = target.elts
        if not isinstance(first, ast.Name):
            return None
        if isinstance(second, ast.Name):
            return first.id, second.id
        return (first.id, "") if isinstance(second, ast.Tuple) and len(second.elts) == 2 else None

    @cached_property
    def dropped_step(self) -> DroppedStep | None:
        """The statement `v = v - step` around the expression, if nothing reads its result."""
        statement: ast.AST | None = self.node
        if not isinstance(statement, ast.AugAssign):
            statement = self.source.parents.get(self.node)
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
            if value is not self.node or not isinstance(value, ast.BinOp):
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
        if not _is_lost(self.source, statement, target.id):
            return None
        method = "assign_sub" if isinstance(sign, ast.Sub) else "assign_add"
        cure = f"{target.id}.{method}({self.source.segment(right)})"
        return DroppedStep(self.source.segment(statement), target.id, cure)

    def reduced_argument(self, position: int) -> ReducedArgument | None:
        """The argument of a call, another than that at `position`, off which its result is taken."""
        if position not in self._reduced:
            call = self.node
            self._reduced[position] = (
                _reduced_argument(self.source, call, position) if isinstance(call, ast.Call) else None
            )
        return self._reduced[position]


_expressions: dict[tuple[int, int], tuple[CodeType, Expression | None]] = {}


def caller() -> Expression | None:
    """What the innermost frame of the user's own code evaluates; None if its source cannot be read."""
    frame = user_frame()
    return None if frame is None else expression_in(frame)


def expression_in(frame: FrameType) -> Expression | None:
    """The expression or statement that a frame is evaluating; None if its source cannot be read."""
    linecache.lazycache(frame.f_code.co_filename, frame.f_globals)
    return _look_up(frame.f_code, frame.f_lasti)


def expression_at(place: Place | None) -> Expression | None:
    """The expression or statement at a place; None if its source cannot be read."""
    return None if place is None or place.code is None else _look_up(place.code, place.offset)


def _look_up(code: CodeType, offset: int) -> Expression | None:
    """What the instruction at an offset of `code` evaluates."""
    key = (id(code), offset)  # the entry keeps the code, so that its id stays its own
    entry = _expressions.get(key)
    if entry is None:
        source = read(code.co_filename)
        node = None if source is None else source.node_around(_span(code, offset))
        entry = (code, None if source is None or node is None else Expression(source, node))
        if len(_expressions) >= _MOST:
            _expressions.clear()
        entry = _expressions.setdefault(key, entry)
    return entry[1]


def _span(code: CodeType, offset: int) -> tuple[int, int, int, int] | None:
    position = next((p for k, p in enumerate(code.co_positions()) if k == offset // 2), None)
    if position is None:
        return None
    line, end_line, column, end_column = position
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, column, end_line, end_column


def _is_lost(source: Source, statement: ast.AST, name: str) -> bool:
    """Whether a name that a statement binds is a loop's own or a parameter, and is not read afterwards."""
    around = source.functions(statement)[0]
    loops = [above for above in source.above(statement, around) if isinstance(above, _Loop | ast.While)]
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
        and not source.is_within(node, statement)
        and (_start(node) > _start(statement) or any(source.is_within(node, loop) for loop in inner))
        and not _is_bound_again(source, node, name, own, around)
        for node in ast.walk(around)
    )


def _is_bound_again(source: Source, node: ast.AST, name: str, own: ast.AST | None, around: ast.AST) -> bool:
    """Whether another loop, a comprehension or a function binds a name before `node` reads it."""
    for above in source.above(node, around):
        if above is own:
            return False
        if isinstance(above, _Loop) and _binds(above.target, name):
            return True
        if isinstance(above, _Comprehension) and any(_binds(each.target, name) for each in above.generators):
            return True
        if isinstance(above, _Function | ast.Lambda) and _is_parameter(above, name):
            return True
    return False


def _binds(target: ast.AST, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(target))


def _is_parameter(function: _Function | ast.Lambda, name: str) -> bool:
    parameters = function.args
    return any(
        each.arg == name for each in (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)
    )


def _start(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]  # names and statements have both


def _reduced_argument(source: Source, call: ast.Call, position: int) -> ReducedArgument | None:
    names = [name_of(argument) for argument in call.args]
    if position >= len(names) or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    results = _names_of_result(source, call)
    for minuend, subtrahend, whole in _differences(source, call):
        if minuend not in names or names[position] == minuend or names.count(minuend) != 1:
            continue
        parts = list(ast.walk(subtrahend))
        if any(part is call or (isinstance(part, ast.Name) and part.id in results) for part in parts):
            return ReducedArgument(minuend, names.index(minuend), source.segment(whole))
    return None


def _names_of_result(source: Source, call: ast.Call) -> set[str]:
    """What a gradient is called: `g = …`, or `value, g = …`."""
    target = source.target(call)
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:
        target = target.elts[1]
    return {target.id} if isinstance(target, ast.Name) else set()


def _differences(source: Source, call: ast.Call) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """(name of the minuend, subtrahend, the whole) of each difference in the function around a call."""
    for node in ast.walk(source.functions(call)[0]):
        if not isinstance(node, ast.BinOp | ast.AugAssign) or not isinstance(node.op, ast.Sub):
            continue
        pair = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
        if name := name_of(pair[0]):
            yield name, pair[1], node
