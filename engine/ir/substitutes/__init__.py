"""What to write if an op of another library is not there: formulas of ops, or a sentence on what is so.

`find("diff").written([x])` is `x[..., 1:] - x[..., :-1]`. The tables are data: `arrays`, `special`,
`distributions` and `networks` hold formulas, `traced` those for options that are tensors, `absent` sentences,
`spellings` what attributes are called elsewhere. The one place that makes text of them is
`Substitute.advice`.
"""

from __future__ import annotations

import ast
import copy
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Final

from engine.ir.substitutes import absent, arrays, distributions, networks, special, traced
from engine.ir.substitutes.spellings import spelled

_IGNORED: Final = re.compile(r"\b_(?=\w)")  # the mark of parameters that a formula does without
_TABLES: Final = (arrays, special, distributions, networks)


@dataclass(frozen=True, slots=True)
class Formula:
    """One call that other libraries know, and the expression that does the same."""

    call: str
    text: str

    def bind(self, args: Sequence[ast.expr], keywords: Mapping[str, ast.expr]) -> ast.expr | None:
        """The expression for these arguments of the call; None if they do not fit it."""
        names, defaults = _parameters(self.call)
        if len(args) > len(names):
            return None
        arguments = dict(zip(names, args, strict=False))
        for keyword, value in keywords.items():
            name = keyword if keyword in names else spelled(keyword, names)
            if name is None or name in arguments:
                return None
            arguments[name] = value
        body = _expression(self.text)
        called = {id(node.func) for node in ast.walk(body) if isinstance(node, ast.Call)}
        used = {node.id for node in ast.walk(body) if isinstance(node, ast.Name) and id(node) not in called}
        for name in names:
            if name not in arguments and name not in defaults:
                return None
            ignored = name.startswith("_")
            if (
                name in arguments
                and name not in used
                and not ignored
                and not _same(arguments[name], defaults.get(name))
            ):
                return None
        filled: ast.expr = _Fill(arguments, defaults).visit(copy.deepcopy(body))
        return filled


@dataclass(frozen=True, slots=True)
class Substitute:
    """What stands in for the op `name`: formulas, one for each way to call it, or a sentence."""

    name: str
    formulas: tuple[Formula, ...] = ()
    note: str = ""
    sentence: str = ""

    def written(self, args: Sequence[ast.expr], keywords: Mapping[str, ast.expr]) -> ast.expr | None:
        """The expression in place of a call with these arguments; None if no formula fits."""
        bound = (formula.bind(args, keywords) for formula in self.formulas)
        return next((expression for expression in bound if expression is not None), None)

    @property
    def advice(self) -> str:
        """What to write instead, as a hint in general terms."""
        if not self.formulas:
            return self.sentence
        note = f", {self.note}" if self.note else ""
        new, old = self.shown
        return f"write `{new}` instead of `{old}`{note}"

    @property
    def shown(self) -> tuple[str, str]:
        """The first formula without its options, and the call that it stands for."""
        formula = self.formulas[0]
        names, defaults = _parameters(formula.call)
        needed: list[ast.expr] = [ast.Name(name, ast.Load()) for name in names if name not in defaults]
        body = formula.bind(needed, {})
        assert body is not None, "a call without options fits"
        call = ast.Call(ast.Name(self.name, ast.Load()), needed, [])
        return ast.unparse(body), _IGNORED.sub("", ast.unparse(call))


@cache
def find(name: str) -> Substitute | None:
    """The substitute for an op that is not there, by the name that another library gives it."""
    formulas = _formulas().get(name)
    if formulas is not None:
        return Substitute(name, formulas, note=_notes().get(name, ""))
    sentence = absent.SENTENCES.get(name)
    return None if sentence is None else Substitute(name, sentence=sentence)


def names() -> list[str]:
    """Every name that has a substitute."""
    return sorted({*_formulas(), *absent.SENTENCES})


def without_options(op: str, options: Mapping[str, ast.expr]) -> ast.expr | None:
    """The formula for a call of `op` with tensors for its options; None if no row fits."""
    rows = (Formula(call, text) for call, text in traced.FORMULAS.items() if call.startswith(f"{op}("))
    bound = (row.bind([], options) for row in rows)
    return next((expression for expression in bound if expression is not None), None)


def note_of_option(op: str, options: Mapping[str, ast.expr]) -> str | None:
    """What is so of an option of `op` that is a tensor, in words."""
    texts = {"start": "0", "step": "1"} | {name: ast.unparse(value) for name, value in options.items()}
    note = traced.NOTES.get(op)
    return None if note is None else note.format(**texts)


@cache
def _formulas() -> dict[str, tuple[Formula, ...]]:
    formulas: dict[str, tuple[Formula, ...]] = {}
    for call, text in chain.from_iterable(table.FORMULAS.items() for table in _TABLES):
        name = call.partition("(")[0]
        formulas[name] = (*formulas.get(name, ()), Formula(call, text))
    return formulas


@cache
def _notes() -> dict[str, str]:
    return {name: note for table in _TABLES for name, note in table.NOTES.items()}


@cache
def _parameters(call: str) -> tuple[tuple[str, ...], dict[str, ast.expr]]:
    """The parameters' names of a call written as in a definition, and the defaults of those that have one."""
    definition = ast.parse(f"def {call}: pass").body[0]
    assert isinstance(definition, ast.FunctionDef), call
    names = tuple(parameter.arg for parameter in definition.args.args)
    defaults = definition.args.defaults
    return names, dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))


@cache
def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


class _Fill(ast.NodeTransformer):
    """Puts arguments in place of parameters; an option that is not given is left out of its call."""

    def __init__(self, arguments: Mapping[str, ast.expr], defaults: Mapping[str, ast.expr]) -> None:
        self.arguments = arguments
        self.defaults = defaults

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.arguments.get(node.id, self.defaults.get(node.id))
        return node if value is None else copy.deepcopy(value)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        node.args = [self.visit(argument) for argument in node.args]
        keywords = [k for k in node.keywords if not self._left_out(k.value)]
        for keyword in keywords:
            keyword.value = self.visit(keyword.value)
        node.keywords = keywords
        return node

    def _left_out(self, value: ast.expr) -> bool:
        return isinstance(value, ast.Name) and value.id in self.defaults and value.id not in self.arguments

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Arithmetic between two written numbers is done here, for attributes are literals; what adds 0 or
        multiplies by 1 is left out.
        """
        self.generic_visit(node)
        if _is(node.right, 0) and isinstance(node.op, ast.Sub | ast.Add):
            return node.left
        if _is(node.right, 1) and isinstance(node.op, ast.Div | ast.Mult):
            return node.left
        if _is(node.left, 0) and isinstance(node.op, ast.Add):
            return node.right
        if _is(node.left, 1) and isinstance(node.op, ast.Mult):
            return node.right
        operate = _ARITHMETIC.get(type(node.op))
        left, right = _number(node.left), _number(node.right)
        if operate is None or left is None or right is None:
            return node
        return ast.Constant(operate(left, right))


_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Div: operator.truediv,
}


def _is(node: ast.expr, number: int) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value == number


def _number(node: ast.expr) -> float | int | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value else None


def _same(argument: ast.expr, default: ast.expr | None) -> bool:
    return default is not None and ast.dump(argument) == ast.dump(default)
