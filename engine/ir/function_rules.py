"""How ops take functions: what each function takes and returns, before and after types are known.

An op that names functions carries one `FunctionRule` in its record. `link` checks counts when a graph
is decoded, `bind` makes each function a sub-tape for the types at hand when it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, ShapeMismatch, WrongArity

Types = Sequence[TensorType]
Sizes = Callable[[str], tuple[int, int]]  # a function's numbers of inputs and outputs


class SubTape(Protocol):
    """What binding needs of a tape."""

    types: list[TensorType]
    outputs: list[int]


class Specialize(Protocol):
    """Makes the sub-tape of a function for the types of its inputs."""

    def __call__(self, name: str, types: Types) -> Any:
        """The function's tape."""

    def sizes(self, name: str) -> tuple[int, int]:
        """The function's numbers of inputs and outputs."""


@dataclass(frozen=True, slots=True)
class FunctionRule:
    """The three questions about an op's functions.

    `link(attributes, inputs, sizes)` raises WrongArity; `outputs(attributes, sizes)` counts the node's
    outputs; `bind(specialize, attributes, types)` gives the sub-tape of each function attribute.
    """

    link: Callable[[Mapping[str, Any], int, Sizes], None]
    outputs: Callable[[Mapping[str, Any], Sizes], int]
    bind: Callable[[Specialize, Mapping[str, Any], Types], dict[str, Any]]


def expect_inputs(name: str, sizes: Sizes, expected: int, meaning: str) -> None:
    """Raise WrongArity unless the function takes `expected` inputs."""
    came = sizes(name)[0]
    if came != expected:
        raise WrongArity(
            f"the function '{name}' takes {counted(came, 'input')}, expected {expected}: {meaning}",
            hint="inputs of functions bind by position; values captured from outside are extra inputs",
        )


def expect_outputs(name: str, sizes: Sizes, expected: int, meaning: str) -> None:
    """Raise WrongArity unless the function has `expected` outputs."""
    came = sizes(name)[1]
    if came != expected:
        raise WrongArity(
            f"the function '{name}' has {counted(came, 'output')}, expected {expected}: {meaning}",
            hint="list the function's `outputs` in this order",
        )


def counted(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def outputs_of(tape: SubTape) -> list[TensorType]:
    """The types of a sub-tape's outputs."""
    return [tape.types[slot] for slot in tape.outputs]


def expect_same(came: TensorType, expected: TensorType, what: str) -> None:
    """Raise unless two types agree in shape and dtype; `what` names the one that came."""
    if came.shape != expected.shape:
        raise ShapeMismatch(
            f"{what} has shape {came.shape}, expected {expected.shape}",
            hint="what is carried keeps its shape; broadcast_to or zeros can give the first value that shape",
        )
    if came.dtype != expected.dtype:
        raise DtypeMismatch(
            f"{what} is {came.dtype}, expected {expected.dtype}",
            hint=f"convert it: astype(…, '{expected.dtype}')",
        )


def settle(
    specialize: Specialize,
    name: str,
    carries: Types,
    rest: Types,
    answered: Callable[[Any], Types],
    others: Callable[[Any], Types] = lambda tape: (),
) -> Any:
    """The function's tape for carried types that it returns again.

    A carried value that was written as a bare number takes the dtype that the function returns for it.
    `others` are the outputs that are not carried on: they may have been exchanged with those that are.
    Raises ShapeMismatch or DtypeMismatch if a carried value changes its type.
    """
    types = [TensorType(t.shape, t.dtype) for t in carries]
    tape = specialize(name, [*types, *rest])
    for _ in range(2):
        answers = answered(tape)
        widened = [
            TensorType(t.shape, a.dtype) if c.weak else t
            for c, t, a in zip(carries, types, answers, strict=False)
        ]
        if widened == types:
            break
        types = widened
        tape = specialize(name, [*types, *rest])
    for position, (came, expected) in enumerate(zip(answered(tape), types, strict=False)):
        try:
            expect_same(came, expected, f"output {position} of '{name}', which is carried on,")
        except ShapeMismatch as error:
            shapes = [t.shape for t in types]
            if shapes and [t.shape for t in others(tape)][-len(shapes) :] == shapes:
                error.hint = (
                    f"what is carried on is returned first, and the last output of '{name}' has its shape, "
                    f"{expected.shape}: they look exchanged. Return (carry, y), as in `return h, y`; other "
                    "libraries return (output, state)"
                )
            raise
    return tape
