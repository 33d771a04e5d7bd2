"""Calls: which argument is a function, which an array, which an attribute.

Functions come first, then arrays, then attributes in the order of the op's signature, as in NumPy; all
but the functions' and arrays' order may be given by keyword. `concat(a, b)` is `concat([a, b])`.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from engine import dtypes
from engine.errors import InvalidAttribute, Origin, WrongArity, did_you_mean
from engine.frontend.function_checks import count_outputs, function_attributes
from engine.frontend.graph import Number
from engine.frontend.program import indexing, literals, mistakes
from engine.frontend.program.body import Ref
from engine.frontend.program.evaluation import Evaluation
from engine.frontend.program.notation import FUNCTIONS
from engine.ir.attributes import BOOLEAN, REQUIRED, Attribute
from engine.ir.op import Op

_SEQUENCES: Final = frozenset({"new_shape", "shape", "axes", "ints"})


def call(evaluator: Evaluation, node: ast.Call) -> Ref:
    """The node of `op(…)`, `x.op(…)`, or `f(…)` for a function of the program."""
    for keyword in node.keywords:
        if keyword.arg is None:
            raise evaluator.text.fault(keyword, "a star is not in the language", "write the arguments out")
        if sum(keyword.arg == other.arg for other in node.keywords) > 1:
            raise evaluator.text.fault(node, f"'{keyword.arg}' is given twice", "write it once")
    function = node.func
    if isinstance(function, ast.Name) and evaluator.functions(function.id) is not None:
        return _call_function(evaluator, node, function.id)
    if not isinstance(function, ast.Name | ast.Attribute):
        hint = "write op(x) or x.op()"
        if len(node.args) == 1 and not node.keywords:
            power = _power_before(evaluator.text.statement(node), node)
            if power is None:
                hint = evaluator.text.instead(node, _multiplied(node), f"{hint}; a product has its *")
            else:
                hint = evaluator.text.instead(power, *_meant_by(power, function, node.args[0]))
        raise evaluator.text.fault(node, "only ops and functions are called", hint)
    name = function.id if isinstance(function, ast.Name) else function.attr
    if name.startswith("_"):
        hint = "a program is a formula, not Python; GET /v1/ops lists the ops"
        dot = "." if isinstance(function, ast.Attribute) else ""
        raise evaluator.text.fault(node, f"'{dot}{name[:40]}' is no op", hint)
    mistakes.check(evaluator, node, name)
    op = evaluator.op(name, node)
    binding = _Binding(evaluator, node)
    if isinstance(function, ast.Name):
        return binding.bind(op)
    return binding.bind(op, [evaluator.operand(function.value, _kind(op, 0))])


def _power_before(statement: ast.stmt, node: ast.Call) -> ast.BinOp | None:
    """X ** 2(y), of which the call is the exponent, and only its number is meant."""
    for part in ast.walk(statement):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow) and part.right is node:
            return part
    return None


def _meant_by(power: ast.BinOp, exponent: ast.expr, argument: ast.expr) -> tuple[ast.expr, str]:
    """cos(y) ** 2 for cos ** 2(y), and x ** 2 * y for x ** 2(y), with the reason."""
    if isinstance(power.left, ast.Name) and power.left.id in FUNCTIONS:
        called = ast.BinOp(ast.Call(power.left, [argument], []), ast.Pow(), exponent)
        return called, "the power of a function stands behind its argument"
    product = ast.BinOp(ast.BinOp(power.left, ast.Pow(), exponent), ast.Mult(), argument)
    return product, "write op(x) or x.op(); a product has its *"


def _multiplied(node: ast.expr) -> ast.expr:
    """3(x + 1)(x - 2) as products, however many factors stand side by side."""
    if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
        return node
    if isinstance(node.func, ast.Name | ast.Attribute):
        return node
    return ast.BinOp(_multiplied(node.func), ast.Mult(), node.args[0])


def _call_function(evaluator: Evaluation, node: ast.Call, name: str) -> Ref:
    """`f(x, y)` is `call(f, x, y)`."""
    if node.keywords:
        raise evaluator.text.fault(
            node, f"'{name}' was given an argument by keyword", "functions of a program bind by position"
        )
    operands = [evaluator.operand(argument) for argument in node.args]
    function = evaluator.functions(name)
    assert function is not None, name
    op = evaluator.op("call", node)
    return evaluator.apply(op, operands, {"function": name}, node, len(function.outputs))


def _are_sizes(count: int, waiting: Sequence[Attribute]) -> bool:
    """Whether so many arguments would be the sizes of the first attribute, as in x.reshape(2, 3)."""
    if not waiting or waiting[0].kind.name not in _SEQUENCES:
        return False
    switch = len(waiting) > 1 and waiting[0].default is REQUIRED and waiting[1].kind is BOOLEAN
    return count > (1 if switch else len(waiting))


class _Binding:
    """The arguments of one call, as they are taken."""

    def __init__(self, evaluator: Evaluation, node: ast.Call) -> None:
        self.evaluator = evaluator
        self.node = node
        self.positional = deque(node.args)
        self.keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
        self.attributes: dict[str, Any] = {}

    def bind(self, op: Op, operands: Sequence[Ref | Number] = ()) -> Ref:
        """Write the node; `operands` are those that stand before the call's own, as x in x.op()."""
        for attribute in op.attributes:
            if attribute.kind.name == "function":
                self._take_function(op, attribute)
        equation = next((a for a in op.attributes if a.kind.name == "text"), None)
        if equation is not None and self.positional and _is_text(self.positional[0]):
            self.attributes[equation.name] = self._value(op, self.positional.popleft(), equation)
        written = self._index_of(op, len(operands))
        arrays = [*operands, *self._arrays(op, len(operands))]
        if written is not None:
            places: list[Any] = [None]  # tensors are numbered from 1, as the index of getitem has them
            self.attributes["index"] = indexing.written_index(self.evaluator, written, places)
            arrays += places[1:]
        self._take_attributes(op)
        mistakes.check_carry(self.evaluator, self.node, op, self.attributes)
        count = count_outputs(op, len(arrays), self.attributes, self._sizes_of)
        return self.evaluator.apply(op, arrays, self.attributes, self.node, count)

    def _index_of(self, op: Op, before: int) -> ast.expr | None:
        """The index of index_set and its like, as it stands in brackets elsewhere; taken out of the call."""
        if all(attribute.kind.name != "index" for attribute in op.attributes):
            return None
        index = self.keywords.pop("index", None)
        if index is None and before + len(self.positional) == len(op.inputs) and len(op.inputs) > 1:
            return self.positional.pop()
        return index

    def _take_function(self, op: Op, attribute: Attribute) -> None:
        functions = self.evaluator.functions
        argument = self.keywords.pop(attribute.name, None)
        if argument is None and self.positional:
            first = self.positional[0]
            is_function = isinstance(first, ast.Name) and functions(first.id) is not None
            if is_function or isinstance(first, ast.Lambda) or attribute.default is not None:
                argument = self.positional.popleft()
        if argument is None:
            return  # the op's record says whether it can do without
        if isinstance(argument, ast.Lambda):
            raise self.evaluator.refused(argument)
        if not isinstance(argument, ast.Name) or functions(argument.id) is None:
            name = argument.id if isinstance(argument, ast.Name) else "f"
            raise self.evaluator.text.fault(
                argument,
                f"{op.name} expects the name of a function as '{attribute.name}'",
                f"define it first: def {name}(x): return …",
            )
        self.attributes[attribute.name] = argument.id

    def _arrays(self, op: Op, offset: int) -> list[Ref | Number]:
        """The arrays from the parameter at `offset` on; those before it are bound already."""
        arrays: list[Ref | Number] = []
        fixed = op.inputs[:-1] if op.variadic else op.inputs
        for position, parameter in enumerate(fixed[offset:], offset):
            if parameter.name in self.keywords:
                arrays.append(self.evaluator.operand(self.keywords.pop(parameter.name), parameter.kind))
            elif self.positional:
                arrays.append(self.evaluator.operand(self.positional.popleft(), _kind(op, position)))
        return [*arrays, *self._spread(op, offset + len(arrays))] if op.variadic else arrays

    def _spread(self, op: Op, before: int) -> list[Ref | Number]:
        """The arrays of a variadic input: the elements of a list, or all that stand there."""
        kind = op.inputs[-1].kind
        first = self.positional[0] if self.positional else None
        if isinstance(first, ast.List | ast.Tuple) and not function_attributes(op):
            self.positional.popleft()
            return [self.evaluator.operand(item, kind) for item in first.elts]
        if op.joins and before + len(self.positional) == 1:
            return self._only(op, kind)
        rest = list(self.positional)
        self.positional.clear()
        return [self.evaluator.operand(item, kind) for item in rest]

    def _only(self, op: Op, kind: str) -> list[Ref | Number]:
        """The elements of the one list to be joined; raises SyntaxFault for one tensor."""
        value = self.evaluator.value(self.positional.popleft(), kind) if self.positional else None
        if isinstance(value, Ref) and value.output is None and value.count is not None:
            return [*value.outputs(value.count)]
        raise self.evaluator.text.fault(
            self.node,
            f"{op.name} joins a list of tensors, got one tensor",
            f"write {op.name}([x]) for a list of one; NumPy would join the rows of x, which stand together "
            "in x already: reshape or moveaxis it",
        )

    def _take_attributes(self, op: Op) -> None:
        waiting = [a for a in op.attributes if a.kind.name != "function" and a.name not in self.attributes]
        if _are_sizes(len(self.positional), waiting):
            sizes = [self._value(op, argument, waiting[0]) for argument in self.positional]
            if all(type(size) is int for size in sizes):
                self.attributes[waiting[0].name] = sizes
                self.positional.clear()
        if len(self.positional) > len(waiting):
            raise self._wrong_arity(op, len(self.positional) - len(waiting))
        for attribute in waiting[: len(self.positional)]:
            if attribute.name in self.keywords:
                raise self._invalid(op, self.node, f"'{attribute.name}' is given twice", op.signature)
            self.attributes[attribute.name] = self._value(op, self.positional.popleft(), attribute)
        by_name = {attribute.name: attribute for attribute in op.attributes}
        for name, value in self.keywords.items():
            if name in by_name:
                self.attributes[name] = self._value(op, value, by_name[name])
            else:
                mistakes.check_keyword(self.evaluator, self.node, op, name)
                self.attributes[name] = None  # refused with the op's attributes listed

    def _value(self, op: Op, node: ast.expr, attribute: Attribute) -> Any:
        try:
            return literals.attribute_value(node, attribute, self.evaluator.names)
        except literals.NotLiteral as error:
            if attribute.kind.name == "dtype" and isinstance(error.node, ast.Name):
                detail = (
                    f"expected {attribute.kind.expected} for '{attribute.name}', got {error.node.id[:40]}"
                )
                near = did_you_mean(error.node.id, dtypes.ALL)
                listed = f"the dtypes are {dtypes.names(dtypes.ALL)}"
                raise self._invalid(op, error.node, detail, f"{near} {listed}" if near else listed) from None
            hint = mistakes.cure_of_option(self.evaluator, self.node, op, attribute.name, error.node)
            reason = "attributes are fixed before the data are known"
            number = literals.computed(error.node)
            if number in (0.0, 1.0):  # such as 1 - 1e-20, which is no bound that keeps away from 1
                reason += f", and rounded to a number it is exactly {number:g}"
            raise self._invalid(
                op,
                error.node,
                f"expected {attribute.kind.expected} for '{attribute.name}', written out, got an expression",
                hint or f"{reason}: write a literal; {op.signature}"
                if number is None
                else self.evaluator.text.instead(error.node, ast.Constant(number), reason),
            ) from None

    def _sizes_of(self, name: str) -> tuple[int, int]:
        function = self.evaluator.functions(name)
        assert function is not None, name
        return len(function.inputs), len(function.outputs)

    def _wrong_arity(self, op: Op, extra: int) -> WrongArity:
        source = self.evaluator.text.source(self.node)
        error = WrongArity(f"got {extra} argument{'s' if extra > 1 else ''} too many", hint=op.signature)
        return error.at(Origin(None, op.name, self.evaluator.text.path, source))

    def _invalid(self, op: Op, node: ast.expr, detail: str, hint: str) -> InvalidAttribute:
        source = self.evaluator.text.source(node)
        error = InvalidAttribute(detail, hint=hint)
        return error.at(Origin(None, op.name, self.evaluator.text.path, source))


def _kind(op: Op, position: int) -> str:
    return op.input(position).kind if op.inputs else "any"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
