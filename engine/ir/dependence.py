"""How the elements of an input reach the output of an op, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reach:
    """Three steps; each is None if it does nothing.

    `take`: the input's element in each place, -1 for none. `into`: the group, one of `groups`, that each
    place belongs to. `read`: the group (or place, or element) that each output element reads.
    """

    take: Numbers | None = None
    into: Numbers | None = None
    groups: int = 0
    read: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """The input passes, from position `first` on, into every function attribute of `names`, whose outputs are
    the op's. With `adjoint` the function pulls back: it takes inputs, outputs, cotangents.
    """

    names: tuple[str, ...]
    first: int = 0
    adjoint: bool = False


@dataclass(frozen=True, slots=True)
class Stepwise:
    """The op is a loop over its `body`: carried from step to step, scanned row by row."""


#: A rule `rule(step, position)` of `engine.ir.dependence_rules`, or how a function does the work.
Dependence = Callable[[Any, int], Reach | None] | Inside | Stepwise
