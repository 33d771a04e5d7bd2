"""Where the loss goes from epoch to epoch: away upwards, or down without end."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from engine.training.loop.suspicions import Finding, finding

_EPOCHS = 3  # in a row
_GROWN = 100.0  # times what it was at first, before anything is said
_FALLEN = 1e4
_SETTLED = 1e-3


class Drift:
    """Remembers the losses of epochs, and tells what they show, each thing once."""

    def __init__(self, optimizer: Mapping[str, Any]) -> None:
        rate = optimizer.get("learning_rate")
        self._rate = f" (it is {rate:g})" if isinstance(rate, int | float) else ""
        self._losses: list[float] = []

    @property
    def settled(self) -> bool:
        """Whether the loss has fallen so far that parameters may well stand still."""
        return len(self._losses) > 1 and abs(self._losses[-1]) < _SETTLED * abs(self._losses[0])

    def see(self, loss: float) -> Finding | None:
        """Take in an epoch's loss; what is wrong, where it has just become plain."""
        self._losses.append(loss)
        if len(self._losses) < _EPOCHS + 2:
            return None
        first, recent = self._losses[0], self._losses[-_EPOCHS - 2 :]
        steps = [after - before for before, after in pairwise(recent)]
        if loss > _GROWN * abs(first) > 0 and all(step > 0 for step in steps):
            return finding(
                "diverging",
                f"the loss grows: {first:g} after the first epoch, {loss:g} after {len(self._losses)}. "
                "The steps "
                f"are too large: lower the learning rate{self._rate}, clip the gradient "
                "(global_clipnorm), or "
                "scale the data",
            )
        faster = all(after < before < 0 for before, after in pairwise(steps))
        if loss < -_FALLEN * max(1.0, abs(first)) and faster:
            return finding(
                "unbounded",
                f"the loss falls faster and faster: {first:g} after the first epoch, {loss:g} after "
                f"{len(self._losses)}. It has no minimum: is its sign right? A likelihood is made large by "
                "minimising its negative; a squared error is not negated",
            )
        return None
