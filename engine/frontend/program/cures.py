"""What Python has and the language has not: what it is called, why, and what to write instead.

One row for each kind of syntax node. A row's `rewrite` makes the replacement from the node; without one, or
if it makes none of this node, the reason alone is the hint. `engine.frontend.program.vectors` writes loops as
ops.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from engine.frontend.program.pasting import Replacement, replaced
from engine.frontend.program.text import ProgramText
from engine.frontend.program.vectors import reduced, unrolled, vectorized

_PLAIN = "a program is lines of name = expression; see docs/programs.md"
_WHOLE = "write the op on the whole tensor: exp(x), sum(x, axis=0)"
_LOGIC = "tensors are combined with & and |, with brackets around comparisons"
_FUNCTION = "functions are written def f(x): return …"
_RAISES = "a program has no errors of its own: use where(condition, a, b)"

Rewrite = Callable[[Any], Replacement | None]


@dataclass(frozen=True, slots=True)
class Cure:
    """What a kind of syntax node is called, why it is not there, and how it is rewritten."""

    what: str
    why: str
    advice: str = ""  # instead of the reason, if there is no replacement
    rewrite: Rewrite = lambda node: None
    around: Callable[[Any, ast.stmt], Replacement | None] | None = None  # rewrites the whole statement


def template(text: str, **parts: ast.expr | str) -> ast.expr:
    """The expression `text`, with nodes, or names, in place of its names."""
    return _Names(parts).visit(ast.parse(text, mode="eval").body)  # type: ignore[no-any-return]  # untyped there


class _Names(ast.NodeTransformer):
    def __init__(self, parts: dict[str, ast.expr | str]) -> None:
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        part = self.parts.get(node.id, node)
        return ast.Name(part, ast.Load()) if isinstance(part, str) else part


def assignment(target: ast.expr | str, value: ast.expr) -> ast.Assign:
    """`target = value`."""
    name = ast.Name(target, ast.Store()) if isinstance(target, str) else target
    return ast.Assign([name], value, lineno=0)


def definition(name: str, parameters: ast.arguments, value: ast.expr) -> ast.FunctionDef:
    """`def name(…): return value`."""
    return ast.FunctionDef(name, parameters, [ast.Return(value)], [], lineno=0)


def _either(node: ast.BoolOp) -> ast.expr:
    operator = ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr()
    return reduce(lambda left, right: ast.BinOp(left, operator, right), node.values)


def _defined(node: ast.Lambda, statement: ast.stmt) -> Replacement | None:
    """A function with a name: in place of `f = lambda …`, or on a line before."""
    if node.args.defaults or node.args.vararg or node.args.kwonlyargs or node.args.kwarg:
        return None
    name, value = _assigned(statement)
    if name is not None and value is node:
        return definition(name, node.args, node.body)
    used = {part.id for part in ast.walk(statement) if isinstance(part, ast.Name)}
    name = next(name for name in ("f", "g", "function", "function_") if name not in used)
    return [definition(name, node.args, node.body), replaced(statement, node, ast.Name(name, ast.Load()))]


def _named_before(node: ast.NamedExpr, statement: ast.stmt) -> Replacement:
    """The value on a line of its own, before it is used."""
    name = ast.Name(node.target.id, ast.Load())
    return [assignment(node.target, node.value), replaced(statement, node, name)]


def _written_out(node: ast.AugAssign) -> Replacement | None:
    if not isinstance(node.target, ast.Name):
        return None
    value = ast.Name(node.target.id, ast.Load())
    return assignment(node.target, ast.BinOp(value, node.op, node.value))


def _chosen(node: ast.If) -> Replacement | None:
    """An if statement that gives one name a value."""
    then, other = _only(node.body), _only(node.orelse)
    if isinstance(then, ast.Return) and isinstance(other, ast.Return) and then.value and other.value:
        return ast.Return(template("where(c, a, b)", c=node.test, a=then.value, b=other.value))
    name, value = _assigned(then)
    if name is None or value is None:
        return None
    before: ast.expr = ast.Name(name, ast.Load())
    if node.orelse:
        if isinstance(other, ast.If):
            inner = _chosen(other)
            other = inner if isinstance(inner, ast.Assign) else None
        same, before_or_none = _assigned(other)
        if same != name or before_or_none is None:
            return None
        before = before_or_none
    return assignment(name, template("where(c, a, b)", c=node.test, a=value, b=before))


def _only(block: list[ast.stmt]) -> ast.stmt | None:
    return block[0] if len(block) == 1 else None


def _assigned(statement: ast.stmt | None) -> tuple[str | None, ast.expr | None]:
    if isinstance(statement, ast.AugAssign):
        written = _written_out(statement)
        statement = written if isinstance(written, ast.stmt) else None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id, statement.value
    return None, None


def _comparison(node: ast.Compare) -> ast.expr | None:
    """`is`, `is not`, `in`, `not in` between two values."""
    if len(node.ops) > 1 or _is_none(node.left) or _is_none(node.comparators[0]):
        return None
    texts = {ast.Is: "a == b", ast.IsNot: "a != b", ast.In: "any(a == b)", ast.NotIn: "all(a != b)"}
    return template(texts[type(node.ops[0])], a=node.left, b=node.comparators[0])


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


_COMPARED: Final = "a tensor is never None, and two are compared by their elements"
_HELD: Final = "elements are compared with == and reduced with any"
_COMPREHENSION: Final = Cure(
    "a comprehension",
    "an op acts on the whole tensor",
    f"{_WHOLE}; or map: `def f(v): return sum(v ** 2)\nmap(f, x)`",
    rewrite=vectorized,
)

_CURES: Final[dict[type[ast.AST], Cure]] = {
    ast.If: Cure("an if statement", "a choice is where(condition, a, b)", rewrite=_chosen),
    ast.IfExp: Cure(
        "a conditional expression",
        "a choice is where(condition, a, b)",
        rewrite=lambda node: template("where(c, a, b)", c=node.test, a=node.body, b=node.orelse),
    ),
    ast.For: Cure(
        "a for loop",
        "loops are written out, or as ops on whole tensors",
        f"{_WHOLE}; a loop that carries a value is a scan: "
        "`def step(s, v): s = 0.5 * s + v; return s, s\nlast, all = scan(step, 0.0, x); all`",
        rewrite=lambda node: reduced(node) or unrolled(node),
    ),
    ast.While: Cure(
        "a while loop",
        "use while_loop: `def more(v): return v > 1\ndef step(v): return v / 2\nwhile_loop(more, step, x)`",
    ),
    ast.Lambda: Cure("a lambda", "functions have names, def f(x): return …", around=_defined),
    ast.ListComp: _COMPREHENSION,
    ast.SetComp: _COMPREHENSION,
    ast.DictComp: _COMPREHENSION,
    ast.GeneratorExp: _COMPREHENSION,
    ast.Import: Cure("an import", "ops need no import: delete the line, and write sin(x), not np.sin(x)"),
    ast.ImportFrom: Cure("an import", "ops need no import: delete the line, and write sin(x), not np.sin(x)"),
    ast.BoolOp: Cure("Python's and, or", _LOGIC, rewrite=_either),
    ast.Not: Cure("not", "not is ~", rewrite=lambda node: ast.UnaryOp(ast.Invert(), node.operand)),
    ast.Is: Cure("is", f"use ==: {_COMPARED}", rewrite=_comparison),
    ast.IsNot: Cure("is not", f"use !=: {_COMPARED}", rewrite=_comparison),
    ast.In: Cure("in", _HELD, rewrite=_comparison),
    ast.NotIn: Cure("not in", _HELD, rewrite=_comparison),
    ast.NamedExpr: Cure(":=", "give the value a name in a statement of its own", around=_named_before),
    ast.JoinedStr: Cure("an f-string", "texts are attributes only, and plain: 'float32'"),
    ast.AugAssign: Cure("an assignment in place", "write it out", rewrite=_written_out),
    ast.AnnAssign: Cure(
        "an annotation",
        "shapes and dtypes come with the inputs",
        rewrite=lambda node: assignment(node.target, node.value) if node.value else None,
    ),
    ast.Starred: Cure("a star", "write the arguments out"),
    ast.Dict: Cure("a dict", _PLAIN),
    ast.Set: Cure("a set", "a tensor is a list", rewrite=lambda node: ast.List(node.elts, ast.Load())),
    ast.Slice: Cure("a slice", "slices stand in an index: x[1:3]"),
    ast.ClassDef: Cure("a class", f"{_FUNCTION}, and their parameters are inputs"),
    ast.AsyncFunctionDef: Cure("an async function", _FUNCTION),
    ast.FunctionDef: Cure("a function in a function", "write all functions side by side at the top"),
    ast.Return: Cure(
        "a return outside of a function",
        "the last expression or the last name is the answer",
        rewrite=lambda node: ast.Expr(node.value) if node.value else None,
    ),
    ast.BitXor: Cure("^", "use ** for powers, bitwise_xor(a, b) for bits"),
    ast.LShift: Cure("<<", "use bitwise_left_shift(a, b)"),
    ast.RShift: Cure(">>", "use bitwise_right_shift(a, b)"),
    ast.Pass: Cure("pass", "delete the line: every line gives a value a name"),
    ast.Delete: Cure("del", "delete the line: names cost nothing"),
    ast.Assert: Cure("an assertion", _RAISES),
    ast.Raise: Cure("raise", _RAISES),
    ast.Try: Cure("try", _RAISES),
    ast.With: Cure(
        "a with block",
        "leave it out: the request says what is differentiated, as in `wrt`",
        rewrite=lambda node: node.body,
    ),
    ast.Global: Cure("global", "a function sees its parameters only: hand the value over"),
    ast.Nonlocal: Cure("nonlocal", "a function sees its parameters only: hand the value over"),
    ast.Break: Cure("break", "a loop that ends early is a while_loop"),
    ast.Continue: Cure("continue", "a step that is left out is where(condition, new, old)"),
    ast.Yield: Cure("yield", "return all values as one tensor: stack(a, b)"),
    ast.YieldFrom: Cure("yield", "return all values as one tensor: stack(a, b)"),
    ast.Await: Cure("await", "leave it out"),
    ast.Match: Cure("match", "choices are where(condition, a, b)"),
}


def cure(text: ProgramText, node: ast.expr | ast.stmt, part: ast.AST | None = None) -> tuple[str, str]:
    """What `node`, or the operator `part` of it, is called, and the hint that says what to write instead."""
    kind = type(part or node)
    row = _CURES.get(kind) or Cure(f"Python's {kind.__name__.lower()}", _PLAIN)
    statement = text.statement(node)
    if row.around is not None and statement in text.tree.body:
        node, by = statement, row.around(node, statement)
    else:
        by = row.rewrite(node)
    return row.what, row.advice or row.why if by is None else text.instead(node, by, row.why)
