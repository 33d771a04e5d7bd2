"""Value, first and second derivative of one op, for tests of ops."""

from typing import Any, NamedTuple

import numpy as np

import engine.ops  # noqa: F401
from engine import dtypes
from engine.dtypes import TensorType
from engine.ir.table import F, lookup
from engine.ir.tape import Tape, Variable
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward


class Derived(NamedTuple):
    """The op's value, and for each floating or complex input its gradient and its second gradient (None: no
    path), complex ones as users see them.
    """

    value: Any
    first: list[Any]
    second: list[Any]


def weights(shape: tuple[int, ...], phase: float = 0.0, *, turned: bool = False) -> Any:
    """The cotangent used: no constant, so that nothing cancels by symmetry; complex where `turned`."""
    places = np.arange(np.prod(shape, dtype=int)) + phase
    values = np.cos(places) + 1j * np.sin(2 * places + 1) if turned else np.cos(places)
    return values.reshape(shape)


def cotangent(tape: Tape, like: Variable, phase: float = 0.0) -> Variable:
    """The weights of a variable, as the walk takes them."""
    return tape.constant(weights(like.shape, phase, turned=dtypes.is_complex(like.dtype)), like.dtype).conj()


def derive(name: str, *values: Any, **attributes: Any) -> Derived:
    """The weights of y pulled back, and gradients of the weighted sum of what that gives."""
    arrays = [np.asarray(value) for value in values]
    tape = Tape()
    inputs = [tape.input(f"x{i}", TensorType(a.shape, a.dtype.name)) for i, a in enumerate(arrays)]
    y = lookup(name)(*inputs, **attributes)
    wrt = [x.slot for x in inputs if dtypes.is_inexact(x.dtype)]
    first, second = [None] * len(wrt), [None] * len(wrt)
    if dtypes.is_inexact(y.dtype):
        adjoints = backward(tape, {y.slot: cotangent(tape, y)}, wrt)
        first = [_seen(adjoints.get(slot)) for slot in wrt]
        total = None
        for i, g in enumerate(first):
            if g is not None:
                term = F.sum(g * cotangent(tape, g, i + 1.0)).real()
                total = term if total is None else total + term
        if total is not None:
            adjoints = backward(tape, {total.slot: tape.constant(1.0, total.dtype)}, wrt)
            second = [_seen(adjoints.get(slot)) for slot in wrt]
    found = [v for v in (y, *first, *second) if v is not None]
    tape.outputs = [v.slot for v in found]
    answers = dict(zip(tape.outputs, run_tape(tape, {f"x{i}": a for i, a in enumerate(arrays)}), strict=True))
    return Derived(
        answers[y.slot],
        [None if v is None else answers[v.slot] for v in first],
        [None if v is None else answers[v.slot] for v in second],
    )


def _seen(adjoint: Variable | None) -> Variable | None:
    return None if adjoint is None else adjoint.conj()
