"""Expressions as the table of rewrites writes them: matched against a tape, and played onto it.

A small letter stands for any tensor, the same letter for the same one; a capital letter for the value of an
attribute; a number for a constant all of whose elements are that number. Sums and products match in either
order, and what is the same in another guise (`x * x`, `x ** 2`, `square(x)`) matches as well.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.ir.attributes import REQUIRED
from engine.ir.table import TABLE
from engine.ir.tape import Instruction, Tape

Operand = int | float  # a slot, or a float that no slot holds
Bound = dict[str, Any]  # small letters to operands, capitals to attributes

_OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
}
_COMMUTES = frozenset({"add", "multiply", "logaddexp"})


@dataclass(frozen=True, slots=True)
class Call:
    """An op on patterns, with its attributes: literals, or letters to bind."""

    op: str
    inputs: tuple[Pattern, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Letter:
    """Any tensor (small) or attribute (capital)."""

    name: str


Pattern = Call | Letter | float


def parse(text: str) -> Pattern:
    """The pattern that a text of the table means."""
    return _pattern(ast.parse(text, mode="eval").body)


def _pattern(node: ast.AST) -> Pattern:
    if isinstance(node, ast.Name):
        return Letter(node.id)
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]  # the table holds numbers
    if isinstance(node, ast.UnaryOp):
        return Call("negative", (_pattern(node.operand),), {})
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        assert isinstance(node.right, ast.Constant)
        assert node.right.value == 2, "the table has squares only"
        return Call("square", (_pattern(node.left),), {})
    if isinstance(node, ast.BinOp):
        return Call(_OPERATORS[type(node.op)], (_pattern(node.left), _pattern(node.right)), {})
    assert isinstance(node, ast.Call), ast.dump(node)
    assert isinstance(node.func, ast.Name)
    attributes = {word.arg or "": _setting(word.value) for word in node.keywords}
    return Call(node.func.id, tuple(map(_pattern, node.args)), attributes)


def _setting(node: ast.AST) -> Any:
    return Letter(node.id) if isinstance(node, ast.Name) else ast.literal_eval(node)


@dataclass(frozen=True, slots=True)
class Guise:
    """A step as one of the ops that it is the same as."""

    op: str
    inputs: tuple[Operand, ...]
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class Matcher:
    """What a tape computes, looked at backwards: `makers` of slots and their `places` in order.

    Slots that are `opaque` are not looked through.
    """

    tape: Tape
    opaque: frozenset[int] = frozenset()
    makers: dict[int, Instruction] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    _first: dict[int, int] = field(default_factory=dict)
    _first_outputs: dict[Any, tuple[int, ...]] = field(default_factory=dict)

    def learn(self, step: Instruction) -> None:
        """Know what makes the outputs of a step, and that it comes after all known ones."""
        place = len(self.places)
        for slot in step.outputs:
            self.makers[slot], self.places[slot] = step, place
        if not step.op.rules.functions:
            key = (step.op.name, tuple(map(self._named, step.inputs)), repr(step.attributes))
            first = self._first_outputs.setdefault(key, step.outputs)
            self._first.update(zip(step.outputs, first, strict=True))

    def matches(
        self, pattern: Call, step: Instruction, guises: Iterable[Guise]
    ) -> Iterator[tuple[Bound, list[Instruction]]]:
        """The ways in which a step, in one of its guises, is `pattern`, with the steps that it covers."""
        for guise in guises:
            for bound, steps in self._match_guise(pattern, guise, {}):
                yield bound, [step, *steps]

    def guises(self, step: Instruction) -> Iterator[Guise]:
        """A step as what it is, and as what it is the same as."""
        op, inputs = step.op.name, step.inputs
        yield Guise(op, inputs, self._settings(step))
        if op == "pow":
            named_power = {2.0: "square", 0.5: "sqrt"}.get(self.number(inputs[1]) or 0.0)
            if named_power is not None:
                yield Guise(named_power, inputs[:1], {})
            elif self.number(inputs[1]) == -1:
                yield Guise("divide", (1.0, inputs[0]), {})
        elif op == "multiply":
            if self.is_same(inputs[0], inputs[1]):
                yield Guise("square", inputs[:1], {})
            for a, b in (inputs, inputs[::-1]):
                if self.number(a) == -1:
                    yield Guise("negative", (b,), {})
        elif op == "reciprocal":
            yield Guise("divide", (1.0, inputs[0]), {})
        elif op == "add":
            for a, b in (inputs, inputs[::-1]):
                maker = self._maker(b)
                if maker is not None and maker.op.name == "negative":
                    yield Guise("subtract", (a, maker.inputs[0]), {})
                if self.number(b) == -1:
                    yield Guise("subtract", (a, 1.0), {})

    def _settings(self, step: Instruction) -> Mapping[str, Any]:
        """A step's attributes; a dtype that its input has anyway counts as none."""
        same = step.attributes.get("dtype") == (self.tape.types[step.inputs[0]].dtype if step.inputs else "")
        return {**step.attributes, "dtype": None} if same else step.attributes

    def _match_guise(
        self, pattern: Call, guise: Guise, bound: Bound
    ) -> Iterator[tuple[Bound, list[Instruction]]]:
        if guise.op != pattern.op or len(guise.inputs) != len(pattern.inputs):
            return
        with_settings = _settings(pattern, guise.attributes, bound)
        if with_settings is None:
            return
        orders = [guise.inputs]
        if guise.op in _COMMUTES and guise.inputs[0] != guise.inputs[1]:
            orders.append(guise.inputs[::-1])
        for order in orders:
            yield from self._all(pattern.inputs, order, with_settings)

    def _all(
        self, patterns: Sequence[Pattern], operands: Sequence[Operand], bound: Bound
    ) -> Iterator[tuple[Bound, list[Instruction]]]:
        if not patterns:
            yield bound, []
            return
        for first, steps in self._one(patterns[0], operands[0], bound):
            for rest, more in self._all(patterns[1:], operands[1:], first):
                yield rest, steps + more

    def _one(
        self, pattern: Pattern, operand: Operand, bound: Bound
    ) -> Iterator[tuple[Bound, list[Instruction]]]:
        if isinstance(pattern, Letter):
            binding = bound.get(pattern.name)
            if binding is None:
                yield {**bound, pattern.name: operand}, []
            elif self.is_same(binding, operand):
                yield bound, []
        elif isinstance(pattern, float):
            number = self.number(operand) if isinstance(operand, int) else operand
            if number == pattern:
                yield bound, []
        else:
            step = self._maker(operand) if isinstance(operand, int) else None
            if step is not None:
                for guise in self.guises(step):
                    for match, steps in self._match_guise(pattern, guise, bound):
                        yield match, [step, *steps]

    def _maker(self, slot: int) -> Instruction | None:
        """The step that makes a slot; names for it and new axes of size 1 are looked through."""
        while slot not in self.opaque:
            step = self.makers.get(slot)
            if step is None or not self._adds_axes(step):
                return step
            slot = step.inputs[0]
        return None

    def _adds_axes(self, step: Instruction) -> bool:
        """Whether a step gives every element of its input, in order, with at most more axes."""
        if step.op.name != "getitem":
            return step.op.name in ("identity", "expand_dims")
        sizes = [self.tape.types[slot].size for slot in (step.inputs[0], step.outputs[0])]
        parts = step.attributes["index"]
        ahead = all(part is None or (isinstance(part, slice) and part.step == 1) for part in parts)
        return sizes[0] == sizes[1] and len(step.inputs) == 1 and ahead

    def number(self, slot: Operand) -> float | None:
        """The one number that a constant repeats."""
        if isinstance(slot, float):
            return slot
        constant = self.tape.constants.get(slot)
        if constant is None:
            maker = self._maker(slot)
            is_wrapped = maker is not None and maker.op.name in ("broadcast_to", "astype")
            return self.number(maker.inputs[0]) if maker is not None and is_wrapped else None
        if constant.size == 0 or constant.dtype.kind not in "biuf" or constant.size > SMALL:
            return None
        first = constant.flat[0]
        return float(first) if bool((constant == first).all()) else None

    def is_same(self, first: Any, operand: Operand) -> bool:
        """Whether two operands hold the same value by how they were computed."""
        if first == operand:
            return True
        a, b = (self._named(slot) for slot in (first, operand))
        if a == b:
            return True
        numbers = self.number(a), self.number(b)
        return numbers[0] is not None and numbers[0] == numbers[1]

    def _named(self, slot: Operand) -> Operand:
        """The first slot that was computed in the same way; names for it are looked through."""
        while isinstance(slot, int) and slot not in self.opaque:
            step = self.makers.get(slot)
            if step is None or step.op.name != "identity":
                return self._first.get(slot, slot)
            slot = step.inputs[0]
        return slot


SMALL = 4096  # elements of a constant that are looked at


def _settings(pattern: Call, attributes: Mapping[str, Any], bound: Bound) -> Bound | None:
    """What is bound with the attributes of a step; those not named in a pattern are at their default."""
    answer = dict(bound)
    for attribute in TABLE[pattern.op].attributes:
        value = attributes.get(attribute.name)
        expected = pattern.attributes.get(attribute.name, attribute.default)
        if isinstance(expected, Letter):
            if answer.setdefault(expected.name, value) != value:
                return None
        elif expected is REQUIRED or value != expected:
            return None
    return answer


def play(pattern: Pattern, tape: Tape, bound: Bound) -> Any:
    """Record what a pattern says, for what its letters are bound to."""
    if isinstance(pattern, float):
        return pattern
    if isinstance(pattern, Letter):
        value = bound[pattern.name]
        return tape.variable(value) if isinstance(value, int) else value
    inputs = [play(one, tape, bound) for one in pattern.inputs]
    if not any(hasattr(value, "tape") for value in inputs):
        return _evaluate(pattern.op, inputs)
    attributes = {
        name: bound[value.name] if isinstance(value, Letter) else value
        for name, value in pattern.attributes.items()
    }
    return tape.apply(TABLE[pattern.op], inputs, attributes)


def _evaluate(op: str, numbers: Sequence[float]) -> float:
    """An op on numbers alone."""
    function: Callable[..., Any] = getattr(np, op)
    return float(function(*numbers))


def letters(pattern: Pattern) -> Iterator[str]:
    """The small letters of a pattern."""
    if isinstance(pattern, Letter):
        yield pattern.name
    elif isinstance(pattern, Call):
        for one in pattern.inputs:
            yield from letters(one)
