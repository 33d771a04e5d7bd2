"""Statements and functions, in the order they stand."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from engine.errors import (
    Cycle,
    DuplicateName,
    InvalidAttribute,
    Origin,
    OverLimit,
    SyntaxFault,
    UnknownName,
    UnknownOp,
    UserError,
    WrongArity,
    same_but_for_case,
)
from engine.frontend.function_checks import MAX_DEPTH, link
from engine.frontend.graph import NAME, Graph
from engine.frontend.json_reader import name_at
from engine.frontend.program.body import Body, Item, Ref
from engine.frontend.program.counting import ELEMENTS, counted_from_zero
from engine.frontend.program.cures import assignment, cure
from engine.frontend.program.evaluation import Value
from engine.frontend.program.evaluator import Evaluator
from engine.frontend.program.followed import follow_cures, paste
from engine.frontend.program.foreign import DECIMALS, mark, with_points
from engine.frontend.program.input_names import ascii_names, ranks_of
from engine.frontend.program.literals import NotLiteral, literal
from engine.frontend.program.repairs import repair
from engine.frontend.program.text import (
    GRAPH_HINT,
    SPLIT_HINT,
    ProgramText,
    parses,
)
from engine.frontend.program.updates import UPDATED, without_updates

RESULT = "result"
_SPARE_ARROW = re.compile(r"(?:^|;)[ \t]*[A-Za-z_]\w*[ \t]*<-", re.MULTILINE)


def parse_program(text: str, *, declared: Mapping[str, Any] | None = None, path: str = "$.program") -> Graph:
    """The graph that a program in NumPy's syntax means; it is never evaluated as Python.

    `declared` are the names given under `inputs`: those that the text does not use become unused inputs.
    Raises SyntaxFault for what is not in the language, and UnknownOp, UnknownName, DuplicateName,
    WrongArity, InvalidAttribute, Cycle and OverLimit, each with the place in the text.

    >>> graph = parse_program("mean((W * x + b - y) ** 2)")
    >>> [node.name for node in graph.nodes], graph.outputs
    (['multiply_1', 'add_1', 'subtract_1', 'pow_1', 'result'], ('result',))
    """
    source = ProgramText(text, path)
    names = [name_at(name, "$.inputs", ascii_names(declared, text)) for name in declared or ()]
    try:
        try:
            program = _Program(source, names)
            program.check_foreign()
        except SyntaxFault as fault:
            raise _repaired(fault, text, ranks_of(declared or {})) from None
        try:
            graph = program.graph()
        except (SyntaxFault, WrongArity, InvalidAttribute, UnknownOp) as fault:
            raise _pointed(fault, text, ranks_of(declared or {})) from None
    except RecursionError:  # where the caller has used up most of Python's stack
        raise source.too_deep() from None
    link(graph, path)
    return graph


def _repaired(fault: SyntaxFault, text: str, ranks: Mapping[str, int]) -> SyntaxFault:
    """The fault of a text that cannot be parsed, with the repaired text as its hint, if a rule repairs it."""
    if fault.hint in (SPLIT_HINT, GRAPH_HINT):
        return fault

    repaired = repair(text, parses, partial(_compiles, names=[*ranks]), ranks)
    if repaired is not None:
        whole, reasons = follow_cures(repaired.text, partial(_check, names=[*ranks]))
        paste(fault, text, whole, "; ".join(dict.fromkeys([repaired.why, *reasons])))
    return fault


def _pointed(fault: UserError, text: str, ranks: Mapping[str, int]) -> UserError:
    """The fault of a text with decimal commas, with points in their place as its hint."""
    pointed = with_points(text)
    if pointed != text and _compiles(pointed, [*ranks]):
        paste(fault, text, pointed, DECIMALS)
    elif isinstance(fault, UnknownOp) and ranks.get(fault.op or ""):
        counted = counted_from_zero(text, ranks)
        if counted != text and parses(counted):
            whole, reasons = follow_cures(counted, partial(_check, names=[*ranks]))
            paste(fault, text, whole, "; ".join(dict.fromkeys([ELEMENTS, *reasons])))
    elif "'<-'" not in fault.detail and _SPARE_ARROW.search(text) and isinstance(fault, SyntaxFault):
        return _repaired(fault, text, ranks)
    return fault


def _compiles(text: str, names: list[str]) -> bool:
    """Whether a text is a program."""
    try:
        _check(text, names)
    except (UserError, RecursionError):
        return False
    return True


def _check(text: str, names: list[str]) -> None:
    """Raise UserError for a text that is no program."""
    program = _Program(ProgramText(text, ""), names)
    program.check_foreign()
    program.graph()


class _Program:
    """The text's functions, each made into a graph when it is first met, and its statements."""

    def __init__(self, text: ProgramText, declared: list[str]) -> None:
        self.text = text
        self.declared = declared
        self.tree = text.parse()
        self.definitions: dict[str, ast.FunctionDef] = {}
        for statement in self.tree.body:
            if isinstance(statement, ast.FunctionDef):
                self._define(statement)
        # What the text calls anything is never given to a node that has no name.
        self.reserved = {*declared, *self.definitions, RESULT}
        self.reserved.update(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        self.reserved.update(node.arg for node in ast.walk(self.tree) if isinstance(node, ast.arg))
        self.made: dict[str, Graph] = {}
        self.making: list[str] = []

    def check_foreign(self) -> None:
        """Raise SyntaxFault for syntax of another language that Python reads as something else."""
        foreign = mark(self.text.text, self.declared, self._stored)
        if foreign is not None:
            fault = self.text.fault_at(foreign.offset, foreign.what, foreign.why)
            if foreign.text is not None:
                paste(fault, self.text.text, foreign.text, foreign.why)
            raise fault

    def _stored(self) -> set[str]:
        """Every name that the text assigns, or gives a parameter."""
        stored = {
            node.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        return (
            stored
            | {node.arg for node in ast.walk(self.tree) if isinstance(node, ast.arg)}
            | {*self.definitions}
        )

    def graph(self) -> Graph:
        body = Body(self.text.path, self.declared, self.reserved)
        statements = _Statements(self, body, free=True)
        last: Item | None = None
        lines = [line for line in self.tree.body if not isinstance(line, ast.FunctionDef)]
        for statement in lines:
            if isinstance(statement, ast.Expr):
                if statement is not lines[-1]:
                    raise self.text.fault(
                        statement, "the value of this line is not used", "give it a name: y = …"
                    )
                last = statements.bind(RESULT, statement.value, single=True)
            else:
                last = statements.run(statement)
        if last is None:
            if self.definitions:
                raise self._uncalled(list(self.definitions.values())[-1])
            raise self.text.fault_at(
                0, "expected an expression, got none", "end with one: mean((w * x - y) ** 2)"
            )
        self._check_constants(statements.evaluator.constants)
        for name in self.definitions:
            self.function(name)
        graph = body.finish([Ref(last)], dict(sorted(self.made.items())))
        return replace(graph, inputs=dict(sorted(graph.inputs.items())))

    def _uncalled(self, definition: ast.FunctionDef) -> SyntaxFault:
        """The fault of a text of functions alone, none of which is called."""
        call = f"{definition.name}({', '.join(self._parameters(definition))})"
        hint = f"end with a line that calls it: {call}"
        return self.text.fault(definition, f"'{definition.name}' is defined and never called", hint)

    def _check_constants(self, used: Mapping[str, ast.Name]) -> None:
        """Raise UnknownName if a constant stands for an input that differs in case and is not used."""
        mentioned = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        for name, node in used.items():
            meant = [other for other in same_but_for_case(name, self.declared) if other not in mentioned]
            if meant:
                why = f"'{meant[0]}' is given and not used"
                raise UnknownName(
                    f"'{name}' is a constant, and '{meant[0]}' an input that the text does not use, at line "
                    f"{node.lineno} of {self.text.path}",
                    path=self.text.path,
                    source=self.text.source(node),
                    hint=self.text.instead(node, ast.Name(meant[0], ast.Load()), why),
                )

    def function(self, name: str) -> Graph | None:
        """The function of a name, None if there is none; raises Cycle for recursion."""
        if name not in self.definitions or name in self.made:
            return self.made.get(name)
        definition = self.definitions[name]
        origin = Origin(None, "def", self.text.path, self.text.source(definition))
        if name in self.making:
            circle = " → ".join([*self.making[self.making.index(name) :], name])
            hint = "functions are expanded, so recursion never ends; use scan or while_loop"
            raise Cycle(f"the functions {circle} call themselves", hint=hint).at(origin)
        if len(self.making) >= MAX_DEPTH:
            hint = "write the innermost functions out"
            raise OverLimit(f"functions call functions more than {MAX_DEPTH} deep", hint=hint).at(origin)
        self.making.append(name)
        self.made[name] = self._make(definition)
        self.making.pop()
        return self.made[name]

    def _define(self, statement: ast.FunctionDef) -> None:
        name = statement.name
        if name in self.definitions or name in self.declared:
            raise DuplicateName(
                f"the name '{name}' is taken, at line {statement.lineno} of {self.text.path}",
                path=self.text.path,
                source=self.text.source(statement),
                hint="each function has a name of its own",
            )
        check_name(self.text, statement, name)
        self.definitions[name] = statement

    def _make(self, definition: ast.FunctionDef) -> Graph:
        body = Body(self.text.path, self._parameters(definition), self.reserved)
        statements = _Statements(self, body, free=False)
        *lines, last = definition.body
        for line in lines:
            if isinstance(line, ast.Return):
                raise self.text.fault(line, "a return ends its function", "delete what follows it")
            statements.run(line)
        if not isinstance(last, ast.Return | ast.Assign | ast.Expr):
            statements.run(last)
        if not isinstance(last, ast.Return) or last.value is None:
            raise self.text.fault(
                last, f"the function '{definition.name}' returns nothing", "end it with return …"
            )
        return body.finish(statements.results(last.value))

    def _parameters(self, definition: ast.FunctionDef) -> list[str]:
        arguments = definition.args
        plain = [*arguments.posonlyargs, *arguments.args]
        odd = [*arguments.kwonlyargs, *arguments.defaults, *filter(None, [arguments.vararg, arguments.kwarg])]
        odd += definition.decorator_list
        odd += filter(None, [definition.returns, *(parameter.annotation for parameter in plain)])
        if odd:
            hint = "functions are written def f(x, y): …; return …"
            raise self.text.fault(odd[0], "expected plain parameters", hint)
        for parameter in plain:
            check_name(self.text, parameter, parameter.arg)
        return [parameter.arg for parameter in plain]


class _Statements:
    """The statements of one body."""

    def __init__(self, program: _Program, body: Body, *, free: bool) -> None:
        self.program = program
        self.text = program.text
        self.body = body
        self.evaluator = Evaluator(self.text, body, program.function, free=free)

    def run(self, statement: ast.stmt) -> Item:
        """An assignment; returns the item whose name was assigned last."""
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Subscript):
            raise self._updates(statement)
        if not isinstance(statement, ast.Assign):
            what, hint = cure(self.text, statement)
            raise self.text.fault(statement, f"{what} is not in the language", hint)
        if len(statement.targets) > 1:
            *others, last = statement.targets
            lines = [assignment(last, statement.value)]
            lines += [assignment(other, last) for other in reversed(others)]
            hint = self.text.instead(statement, lines, "write one line for each name")
            raise self.text.fault(statement.targets[1], "a line assigns once", hint)
        target = statement.targets[0]
        if isinstance(target, ast.Tuple | ast.List):
            return self._unpack(target, statement.value)
        return self.bind(self._target(target), statement.value)

    def bind(self, name: str, expression: ast.expr, *, single: bool = False) -> Item:
        """`name = expression`, which has to be one tensor where `single`."""
        self._check_comma(expression)
        evaluate = self.evaluator.operand if single else self.evaluator.value
        value = evaluate(expression)
        try:
            constant = literal(expression, self.evaluator.names)
        except NotLiteral:
            self.evaluator.names.pop(name, None)
        else:
            self.evaluator.names[name] = constant
        source = self.text.source(expression)
        return self.body.assign(name, value, source)

    def _check_comma(self, expression: ast.expr) -> None:
        """Raise SyntaxFault for 0,5 * x, two values in Python, whose comma is that of a decimal fraction."""
        if not isinstance(expression, ast.Tuple):
            return
        written = self.text.segment(expression)
        whole = with_points(written)
        plain = all(isinstance(part, ast.Constant) for part in expression.elts)
        if written.startswith(("(", "[")) or whole.count(",") or (plain and len(expression.elts) != 2):
            return
        raise self.text.fault(
            expression,
            f"'{written}' is {'two numbers' if len(expression.elts) == 2 else 'several numbers'}",
            f"{DECIMALS}: write `{whole}` instead of `{written}`, or brackets around several values",
        )

    def _updates(self, node: ast.AST) -> SyntaxFault:
        """The fault of elements that are given a value in place."""
        hint = self.text.instead_of_all(self.text.rewritten(without_updates), UPDATED)
        return self.text.fault(node, "only names are assigned", hint)

    def results(self, expression: ast.expr) -> list[Ref]:
        """What a function returns: one value, or a tuple of them."""
        parts = expression.elts if isinstance(expression, ast.Tuple) else [expression]
        answers: list[Ref] = []
        for part in parts:
            value = self.evaluator.value(part)
            if isinstance(value, Ref) and value.output is None and value.count and len(parts) == 1:
                return self.body.unpack(value, value.count)
            value = self.evaluator.single(value, part)
            source = self.text.source(part)
            answers.append(value if isinstance(value, Ref) else self.body.number(value, source))
        return answers

    def _unpack(self, target: ast.Tuple | ast.List, expression: ast.expr) -> Item:
        names = [self._target(part) for part in target.elts]
        if not names:
            raise self.text.fault(target, "expected names, got none", "write a name for each output")
        values = self._values(expression, len(names))
        items: list[Item] = []
        for name, part, value in zip(names, target.elts, values, strict=True):
            self.evaluator.names.pop(name, None)
            items.append(self.body.assign(name, value, self.text.source(part)))
        return items[-1]

    def _values(self, expression: ast.expr, count: int) -> list[Value]:
        """The `count` values of the right side of an unpacking."""
        if isinstance(expression, ast.Tuple | ast.List):
            if len(expression.elts) != count:
                raise self._mismatch(expression, count, len(expression.elts))
            return [self.evaluator.operand(part) for part in expression.elts]
        value = self.evaluator.value(expression)
        if not isinstance(value, Ref) or value.output is not None:
            raise self.text.fault(expression, "one tensor cannot be unpacked", "index it: a, b = x[0], x[1]")
        if value.count not in (None, count):
            raise self._mismatch(expression, count, value.count)
        unpacked: list[Value] = [*self.body.unpack(value, count)]
        return unpacked

    def _mismatch(self, expression: ast.expr, names: int, values: int | None) -> SyntaxFault:
        return self.text.fault(
            expression, f"{names} names are given {values} values", "write a name for each value"
        )

    def _target(self, target: ast.expr) -> str:
        if isinstance(target, ast.Name):
            check_name(self.text, target, target.id)
            if target.id in self.program.definitions:
                raise DuplicateName(
                    f"the name '{target.id}' is a function's, at line {target.lineno} of {self.text.path}",
                    path=self.text.path,
                    source=self.text.source(target),
                    hint="give the value another name",
                )
            return target.id
        if isinstance(target, ast.Subscript):
            raise self._updates(target)
        hint = "tensors never change: build a new one, as in where(mask, a, b), and give it a name"
        if isinstance(target, ast.Starred):
            hint = "write a name for each output"
        raise self.text.fault(target, "only names are assigned", hint)


def check_name(text: ProgramText, node: ast.AST, name: str) -> None:
    """Raise SyntaxFault for what cannot be a name of the graph."""
    if name.startswith("__") or not NAME.fullmatch(name):
        hint = "names are letters, digits and _, 128 characters at most, and start with no __"
        raise text.fault(node, f"'{name[:40]}' is no name for a value", hint)
