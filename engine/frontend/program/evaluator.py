"""Expressions to nodes: operators, names, properties and lists; calls and indices have files of their own."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from engine.errors import EngineError, Origin, SyntaxFault, UnknownName, did_you_mean
from engine.frontend.graph import NAME, canonical_attributes, public_op
from engine.frontend.program import calls, indexing, literals, mistakes
from engine.frontend.program.body import Body, Ref
from engine.frontend.program.cures import cure
from engine.frontend.program.evaluation import Functions, Value
from engine.frontend.program.text import ProgramText
from engine.ir.budget import charge
from engine.ir.op import Op
from engine.ir.operands import check_arity

_BINARY: Final[Mapping[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
}
_UNARY: Final[Mapping[type[ast.unaryop], str]] = {
    ast.USub: "negative",
    ast.UAdd: "positive",
    ast.Invert: "bitwise_invert",
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_PROPERTIES: Final = {
    "T": "permute_dims",
    "mT": "matrix_transpose",
    "real": "real",
    "imag": "imag",
    "shape": "shape",
    "ndim": "ndim",
    "size": "size",
}


class Evaluator:
    """Writes the nodes of expressions into a body.

    `functions` gives the function of a name, or None; `names` are the names that stand for literals.
    `free` says whether a name that nothing defines is an input, as it is outside of functions.
    """

    def __init__(self, text: ProgramText, body: Body, functions: Functions, *, free: bool) -> None:
        self.text = text
        self.body = body
        self.functions = functions
        self.free = free
        self.constants: dict[str, ast.Name] = {}  # those that stand in the text, and where first
        self.names: dict[str, Any] = {
            name: value for name, value in literals.CONSTANTS.items() if name not in body.inputs
        }

    def value(self, node: ast.expr, kind: str = "numeric") -> Value:
        """What an expression stands for; lists of integers are int64 if an op's `kind` asks for it."""
        charge()
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise self.refused(node)
        return handler(self, node, kind)

    def operand(self, node: ast.expr, kind: str = "numeric") -> Value:
        """The value of an expression as one tensor."""
        return self.single(self.value(node, kind), node)

    def single(self, value: Value, node: ast.expr) -> Value:
        """`value`, provided that it is one tensor, as a node can take it."""
        if not isinstance(value, Ref):
            return value if math.isfinite(value) else self.body.number(value, self.text.source(node))
        if value.output is None:
            hint = "unpack them, a, b = …, or take one by its number, …[0]"
            several = "a list of one tensor stands" if value.count == 1 else "several tensors stand"
            raise self.text.fault(node, f"{several} where one belongs", hint)
        return value

    def apply(
        self,
        op: Op,
        operands: Sequence[Value],
        attributes: Mapping[str, Any],
        node: ast.expr,
        count: int | None = 1,
    ) -> Ref:
        """Write a node; raises WrongArity and InvalidAttribute with the place in the text."""
        source = self.text.source(node)
        try:
            check_arity(op, len(operands))
            settings = canonical_attributes(op, attributes)
        except EngineError as error:
            raise error.at(Origin(None, op.name, self.text.path, source)) from None
        return self.body.node(op, operands, settings, source, count)

    def op(self, name: str, node: ast.expr) -> Op:
        """The op called `name`; raises UnknownOp with the place in the text."""
        try:
            return public_op(name)
        except EngineError as error:
            error.hint = mistakes.cure_of_unknown(self, node, name) or error.hint
            raise error.at(Origin(None, name, self.text.path, self.text.source(node))) from None

    def refused(self, node: ast.expr, part: ast.AST | None = None) -> SyntaxFault:
        """The error for a part of Python that the language does not have: `part` of a node, or all of it."""
        what, hint = cure(self.text, node, part)
        return self.text.fault(node, f"{what} is not in the language", hint)

    # -- one method for each kind of expression ------------------------------------------------------

    def _constant(self, node: ast.Constant, kind: str) -> Value:
        if isinstance(node.value, complex):
            return self.body.constant(np.asarray(node.value), self.text.source(node))
        number = literals.number(node)
        if number is None:
            what = "None" if node.value is None else "a text" if isinstance(node.value, str) else "this"
            raise self.text.fault(node, f"{what} has no value as a tensor", "numbers, lists and names have")
        return number

    def _name(self, node: ast.Name, kind: str) -> Value:
        name = node.id
        if name in self.body.values:
            return self.body.values[name]
        if name in literals.CONSTANTS:
            self.constants.setdefault(name, node)
            return literals.CONSTANTS[name]
        if name.startswith("__") or not NAME.fullmatch(name):
            raise self.text.fault(node, f"'{name[:40]}' is no name for a tensor", _NAMES_HINT)
        if self.functions(name) is not None:
            hint = f"call it: {name}(x); or hand it to an op: call({name}, x)"
            raise self.text.fault(node, f"'{name}' is a function and has no value", hint)
        if self.free:
            return self.body.input(name)
        raise UnknownName(
            f"'{name}' is not known in this function, at line {node.lineno} of {self.text.path}",
            path=self.text.path,
            source=self.text.source(node),
            hint=did_you_mean(name, self.body.values)
            or f"a function sees its parameters only: add '{name}' to them and to the call",
        )

    def _binary(self, node: ast.BinOp, kind: str) -> Value:
        spine: list[ast.BinOp] = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp):  # a + b + c nests on the left, as deep as it is long
            spine.append(first)
            first = first.left
        value = self.operand(first)
        for step in reversed(spine):
            name = _BINARY.get(type(step.op))
            if name is None:
                raise self.refused(step, step.op)
            operands = [value, self.operand(step.right)]
            value = self.apply(self.op(name, step), _wide_enough(name, operands), {}, step)
        return value

    def _unary(self, node: ast.UnaryOp, kind: str) -> Value:
        number = literals.number(node)
        if number is not None:
            return number
        if isinstance(node.op, ast.Not):
            raise self.refused(node, node.op)
        name = _UNARY[type(node.op)]
        return self.apply(self.op(name, node), [self.operand(node.operand)], {}, node)

    def _comparison(self, node: ast.Compare, kind: str) -> Value:
        mistakes.check_comparison(self, node)
        left = self.operand(node.left)
        answer: Value | None = None
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            name = _COMPARISONS.get(type(operator))
            if name is None:
                raise self.refused(node, operator)
            right = self.operand(comparator)
            holds = self.apply(self.op(name, node), [left, right], {}, node)
            answer = (
                holds
                if answer is None
                else self.apply(self.op("logical_and", node), [answer, holds], {}, node)
            )
            left = right
        assert answer is not None, "a comparison compares"
        return answer

    def _list(self, node: ast.List | ast.Tuple, kind: str) -> Value:
        try:
            array = literals.array(node, kind)
        except ValueError as error:
            raise self.text.fault(node, f"this is no array: {error}", "lists are rectangular") from None
        if array is not None:
            return self.body.constant(array, self.text.source(node))
        parts = [self.operand(item, kind) for item in node.elts]
        return self.apply(self.op("stack", node), parts, {}, node)

    def _attribute(self, node: ast.Attribute, kind: str) -> Value:
        mistakes.check_library(self, node, node.attr)
        name = _PROPERTIES.get(node.attr)
        if name is not None:
            return self.apply(self.op(name, node), [self.operand(node.value)], {}, node)
        hint = mistakes.cure_of_property(self, node, _PROPERTIES)
        raise self.text.fault(node, f"there is no property '.{node.attr[:40]}'", hint)

    def _call(self, node: ast.Call, kind: str) -> Value:
        if isinstance(node.func, ast.Attribute):
            mistakes.check_library(self, node.func, node.func.attr)
        return calls.call(self, node)


def _wide_enough(op: str, operands: list[Value]) -> list[Value]:
    """Literals between which the op could leave int64, as 9 ** 9 ** 9 does, as floats."""
    integers = [operand for operand in operands if type(operand) is int]
    small = op != "pow" and all(abs(integer) < 2**31 for integer in integers)
    return operands if small or len(integers) < len(operands) else [float(integer) for integer in integers]


_NAMES_HINT = "names are letters, digits and _, start with one letter or _, and are 128 characters at most"


_HANDLERS: Final[Mapping[type[ast.expr], Callable[[Evaluator, Any, str], Value]]] = {
    ast.Constant: Evaluator._constant,
    ast.Name: Evaluator._name,
    ast.BinOp: Evaluator._binary,
    ast.UnaryOp: Evaluator._unary,
    ast.Compare: Evaluator._comparison,
    ast.List: Evaluator._list,
    ast.Tuple: Evaluator._list,
    ast.Attribute: Evaluator._attribute,
    ast.Call: Evaluator._call,
    ast.Subscript: lambda evaluator, node, kind: indexing.subscript(evaluator, node),
}
