"""The table of mistakes whose cure is an expression: what was written, what is wrong with it, what to write.

A pattern of `before` is matched against the tape as the table of stable forms is (`engine.passes.stable`);
its letters are those of `forms`, which are tried in order. Texts are templates: {x} is the user's expression.
Nothing here computes: what is offered is checked by `engine.diagnosis.remedies.trial` before it is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from engine.arrays.types import Array
from engine.dtypes import TensorType
from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound, Call, parse


class Scene(Protocol):
    """What a condition may ask: the value and the type behind a letter."""

    def value(self, operand: Any) -> Array:
        """The value of a slot, or a number."""

    def type(self, slot: int) -> TensorType:
        """The type of a slot."""

    def depends(self, slot: int) -> bool:
        """Whether a variable that is asked for has a part in a slot."""

    def text(self, slot: int) -> str:
        """What makes a slot, as it is written, whatever its name is."""

    def operand_text(self, step: Instruction, position: int) -> str:
        """What a step reads, as it is written there."""


Condition = Callable[[Scene, Instruction, Bound], bool]
Words = Callable[[Scene, Instruction, Bound], Mapping[str, str]]


@dataclass(frozen=True)
class Remedy:
    """What to write where any of `before` is to blame for one of `reasons`.

    `says` takes the place of the reason in the message, and `reason` that on the wire: the step is then the
    culprit wherever it lies between the variable and the target. `plain` is what to do if no form helps, a
    template without a full stop; with `final` no later entry is looked at. `alone` says that a form is
    offered only if nothing else has to be mended, `known` that it is a formula with a name, which is looked
    for before its parts are mended. `exact` says that a form is the same function and is offered even if its
    gradient is large, `right` that a gradient of zero is right there, `keeps` that `why` says how the form
    differs from what was written. `words` binds capital letters that no attribute does,
    and `position` is the operand by which the variable has to come in.
    """

    before: tuple[str, ...]
    reasons: frozenset[str]
    forms: tuple[str, ...] = ()
    why: str = ""
    plain: str = ""
    says: str = ""
    reason: str | None = None
    right: bool = False
    keeps: bool = False
    final: bool = False
    alone: bool = False
    known: bool = False
    exact: bool = False
    when: Condition | None = None
    words: Words | None = None
    position: int | None = None

    @cached_property
    def patterns(self) -> tuple[Call, ...]:
        """The expressions that are matched."""
        parsed = tuple(parse(text) for text in self.before)
        assert all(isinstance(pattern, Call) for pattern in parsed), self.before
        return parsed  # type: ignore[return-value]  # asserted in the line before


ZERO = frozenset({"saturated", "stationary", "cancellation", "zero_operand", "unselected", "underflow"})
WRONG = frozenset({"domain", "infinite_derivative", "overflow"})
EDGE = frozenset({"domain", "infinite_derivative"})
STEEP = frozenset({"infinite_derivative"})
DOMAIN = frozenset({"domain"})
FLAT = frozenset({"unselected"})
CANCELS = frozenset({"cancellation"})
ANY = ZERO | WRONG
