"""Where the loss goes from epoch to epoch: away upwards, down without end, or nowhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from engine.training.loop.finding import Finding, finding

_EPOCHS = 3  # in a row
_KEPT = 10  # losses of epochs that are remembered
_GROWN = 100.0  # times what it was at first, before anything is said of a loss that keeps growing
_EXPLODED = 1e3  # times what it was at first
_FALLEN, _FALLEN_AT_LAST = 1e3, 100.0
_WORSE = 3.0  # times the loss of the first epoch, at the end
_SETTLED = 1e-3
_SAME = 1e-5
_FLAT = 0.01  # of a loss that is called constant
_NEAR = 0.005  # of that of a constant answer
_FEWEST_EPOCHS, _FEWEST_STEPS = 4, 50  # after which a loss should be better than that of a constant answer
_FAR = 10.0  # times the loss of a constant answer: what has been so bad was thrown there by a step


@dataclass(slots=True)
class Losses:
    """The losses so far, as far as they are remembered: `step` is that of the first batch, `first` that of
    the first epoch, `worst` the highest of an epoch, `recent` those of the last epochs.
    """

    step: float | None = None
    first: float | None = None
    worst: float = -math.inf
    count: int = 0
    recent: list[float] = field(default_factory=list)

    def add(self, loss: float) -> None:
        """Take in an epoch's loss."""
        self.first = loss if self.first is None else self.first
        self.worst = max(self.worst, loss)
        self.count += 1
        self.recent = [*self.recent[1 - _KEPT :], loss]


class Drift:
    """Tells what the losses of epochs show. `constant` is the loss of the best constant answer, if known;
    `scale` says in words which data are large.
    """

    def __init__(
        self,
        optimizer: Mapping[str, Any],
        losses: Losses | None = None,
        *,
        constant: float | None = None,
        scale: str = "",
    ) -> None:
        rate = optimizer.get("learning_rate")
        self._rate = f" (it is {rate:g})" if isinstance(rate, int | float) else ""
        self._losses = losses or Losses()
        self._constant, self._scale = constant, scale

    @property
    def settled(self) -> bool:
        """Whether the loss has fallen so far that parameters may well stand still."""
        losses = self._losses
        return (
            losses.first is not None
            and losses.count > 1
            and abs(losses.recent[-1]) < _SETTLED * abs(losses.first)
        )

    @property
    def stuck(self) -> bool:
        """Whether the loss of two epochs is the same, but for rounding."""
        recent = self._losses.recent[-2:]
        return len(recent) > 1 and abs(recent[1] - recent[0]) <= _SAME * abs(recent[1]) > 0

    def overflown(self, slot: str) -> Finding:
        """What is said of an optimiser's memory that is infinite, so that its parameters stand still."""
        return finding(
            "optimizer_overflow",
            f"what the optimizer remembers of earlier gradients ('{slot}') has overflowed, and parameters "
            f"stand still from then on: gradients, or their squares, are too large. {self._smaller()}",
        )

    def see(self, loss: float, *, last: bool = False, steps: int = _FEWEST_STEPS) -> list[Finding]:
        """Take in an epoch's loss; what is wrong, if that has just become plain. `last` is whether no epoch
        follows, `steps` how many are done.
        """
        self._losses.add(loss)
        return [
            *self._upwards(loss, last=last),
            *self._downwards(loss, last=last),
            *self._nowhere(last, steps),
        ]

    def _upwards(self, loss: float, *, last: bool) -> Iterator[Finding]:
        losses = self._losses
        first = losses.first or 0.0
        rises = [after > before for before, after in pairwise(losses.recent[-_EPOCHS - 2 :])]
        keeps = len(rises) > _EPOCHS and all(rises)
        worse = last and losses.count > _EPOCHS and loss > _WORSE * first and all(rises)
        if first > 0 and ((keeps and loss > _GROWN * first) or loss > _EXPLODED * first or worse):
            since = f"{first:g} after the first epoch, {loss:g} after {losses.count}"
        elif (
            losses.step is not None
            and losses.step > 0
            and loss > _EXPLODED * max(losses.step, self._constant or 0)
        ):
            since = f"{losses.step:g} in the first step, {loss:g} over epoch {losses.count}"
        else:
            return
        yield finding("diverging", f"the loss grows: {since}. {self._smaller()}")

    def _downwards(self, loss: float, *, last: bool) -> Iterator[Finding]:
        losses = self._losses
        first = (
            abs(losses.first or 0.0)
            if losses.step is None
            else min(abs(losses.first or 0.0), abs(losses.step))
        )
        window = losses.recent if last or len(losses.recent) == _KEPT else losses.recent[-_EPOCHS - 3 :]
        falls = [before - after for before, after in pairwise(window)]
        if len(falls) <= _EPOCHS or loss >= 0:
            return
        pace = (
            len(losses.recent) == _KEPT
            and max(falls) < (1 + 1e-3) * min(falls)
            and loss < -10 * max(1.0, first)
        )
        unbraked = all(later > 0.98 * earlier > 0 for earlier, later in pairwise(falls))
        if pace or (unbraked and loss < -(_FALLEN_AT_LAST if last else _FALLEN) * max(1.0, first)):
            faster = falls[-1] > 1.02 * falls[0]
            yield finding(
                "unbounded",
                f"the loss falls {'faster and faster' if faster else 'without end'}: {losses.first:g} after "
                f"the first epoch, {loss:g} after {losses.count}. It has no minimum: is its sign right? A "
                "likelihood is made large by minimising its negative; a squared error is not negated; an "
                "error needs its square or absolute value",
            )

    def _nowhere(self, last: bool, steps: int) -> Iterator[Finding]:
        """A loss that stays at, or above, that of a model which returns the same for every sample."""
        losses, constant = self._losses, self._constant
        if constant is None or losses.count < _FEWEST_EPOCHS or steps < _FEWEST_STEPS:
            return
        lately = losses.recent[-_EPOCHS:]
        falling = all(after < before for before, after in pairwise(lately))
        if min(lately) < (1 - _NEAR) * constant or (falling and lately[-1] < (1 - _FLAT) * lately[0]):
            return
        level = max(lately) < (1 + _FLAT) * constant and max(lately) - min(lately) <= _FLAT * constant
        thrown = (
            losses.worst > _FAR * max(constant, 0.1 * abs(losses.step or 0.0))
            and losses.worst > 3 * lately[-1]
        )
        if not last and not (thrown and level):
            return
        before = (
            f" It was {losses.worst:,.4g} in an epoch before: a step has thrown it there." if thrown else ""
        )
        if thrown or (not falling and lately[-1] > (1 + 2 * _FLAT) * constant):
            cure = self._smaller()
        elif self._scale and lately[-1] > _WORSE * constant:
            cure = f"At this learning rate{self._rate} it takes too many steps: scale the data{self._scale}"
        else:
            cure = f"{_NOT_LARGE}{self._rate}"
        yield finding(
            "constant_answer",
            f"after {losses.count} epochs the loss is {lately[-1]:.4g}, no better than {constant:.4g}, that "
            f"of a model which returns the same for every sample.{before} {cure}",
        )

    def _smaller(self) -> str:
        return (
            f"The steps are too large: lower the learning rate{self._rate}, clip the gradient "
            f"(global_clipnorm), or scale the data{self._scale}"
        )


_NOT_LARGE = (
    "Either the labels have nothing to do with the features (are rows of x and y in the same order?), or the "
    "steps are too small or too few: more epochs, a larger or much smaller learning rate"
)
