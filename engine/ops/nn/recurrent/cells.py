"""One step of a simple recurrent cell, an LSTM (Hochreiter and Schmidhuber 1997), a GRU (Cho et al. 2014).

Weights are Keras's: kernel (features, gates · units), recurrent kernel (units, gates · units), bias (gates ·
units), the gates in the order i, f, c, o and z, r, h. A cell's `step` takes what the inputs add to the gates,
`x @ kernel + bias`, which a sequence computes for all steps at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from engine.errors import ShapeMismatch
from engine.ir.table import F


def _gate(x: Any, k: int, units: int) -> Any:
    return F.getitem(x, index=(..., slice(k * units, (k + 1) * units)))


@dataclass(frozen=True)
class Simple:
    """h = activation(x @ kernel + bias + h @ recurrent)."""

    activation: str

    states: ClassVar[int] = 1
    gates: ClassVar[int] = 1
    biases: ClassVar[int] = 1

    def step(self, projected: Any, states: Sequence[Any], recurrent: Any, own: Any) -> tuple[Any, ...]:
        """The next states."""
        return (getattr(F, self.activation)(projected + F.matmul(states[0], recurrent)),)


@dataclass(frozen=True)
class Lstm:
    """c = σ(f) c + σ(i) tanh(c'); h = σ(o) tanh(c)."""

    states: ClassVar[int] = 2
    gates: ClassVar[int] = 4
    biases: ClassVar[int] = 1

    def step(self, projected: Any, states: Sequence[Any], recurrent: Any, own: Any) -> tuple[Any, ...]:
        """The next states, h and c."""
        h, c = states
        gates, units = projected + F.matmul(h, recurrent), c.shape[-1]
        i, f, o = (F.sigmoid(_gate(gates, k, units)) for k in (0, 1, 3))
        c = f * c + i * F.tanh(_gate(gates, 2, units))
        return o * F.tanh(c), c


@dataclass(frozen=True)
class Gru:
    """h = σ(z) h + (1 - σ(z)) tanh(h'), where the reset gate multiplies h @ recurrent, or h before it."""

    reset_after: bool

    states: ClassVar[int] = 1
    gates: ClassVar[int] = 3

    @property
    def biases(self) -> int:
        """How many biases each gate has."""
        return 2 if self.reset_after else 1

    def step(self, projected: Any, states: Sequence[Any], recurrent: Any, own: Any) -> tuple[Any, ...]:
        """The next state; `own` is the recurrent bias."""
        (h,) = states
        units = h.shape[-1]
        if self.reset_after:
            inner = F.matmul(h, recurrent) + own
            z, r = (F.sigmoid(_gate(projected, k, units) + _gate(inner, k, units)) for k in (0, 1))
            new = F.tanh(_gate(projected, 2, units) + r * _gate(inner, 2, units))
        else:
            inner = F.matmul(h, F.getitem(recurrent, index=(slice(None), slice(0, 2 * units))))
            z, r = (F.sigmoid(_gate(projected, k, units) + _gate(inner, k, units)) for k in (0, 1))
            new = F.tanh(_gate(projected, 2, units) + F.matmul(r * h, _gate(recurrent, 2, units)))
        return (z * h + (1 - z) * new,)


Cell = Simple | Lstm | Gru


def check(cell: Cell, x: Any, kernel: Any, recurrent: Any, bias: Any) -> int:
    """The number of units; raises ShapeMismatch unless the weights fit the cell and x."""
    units = recurrent.shape[0] if recurrent.ndim == 2 else 0
    wide = cell.gates * units
    biases = (wide,) if cell.biases == 1 else (cell.biases, wide)
    expected = {
        "kernel": (kernel.shape, (x.shape[-1] if x.ndim else 0, wide)),
        "recurrent_kernel": (recurrent.shape, (units, wide)),
        "bias": (bias.shape, biases),
    }
    for name, (shape, wanted) in expected.items():
        if shape != wanted:
            raise ShapeMismatch(
                f"expected '{name}' of shape {wanted}, got {shape}",
                hint=f"{cell.gates} gates of each unit lie side by side; zeros are a bias that adds nothing",
            )
    return int(units)


def inputs_part(cell: Cell, x: Any, kernel: Any, bias: Any) -> tuple[Any, Any]:
    """What the inputs add to the gates, and the recurrent bias (zero if there is none)."""
    if cell.biases == 1:
        return F.matmul(x, kernel) + bias, None
    return F.matmul(x, kernel) + F.getitem(bias, index=(0,)), F.getitem(bias, index=(1,))
