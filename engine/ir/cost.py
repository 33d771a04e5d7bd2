"""What one run of an instruction costs, and the estimates that ops share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.dtypes import TensorType


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of an instruction takes: floating-point operations, bytes moved, scratch bytes.

    `retained` is how much of the scratch stays until the whole run is over, as the buffers of a function do.

    An elementwise op counts one operation an element; `slow` is the further time that it takes, as a number
    of simple operations, so that an exponential or a loop of many calls is predicted rightly.
    """

    flops: int
    bytes: int
    workspace: int = 0
    slow: int = 0
    retained: int = 0


def moved(types: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """Bytes read and written by a kernel that touches each element once."""
    return sum(t.nbytes for t in types) + sum(t.nbytes for t in outputs)


def per_element(flops: int, workspace: int = 0) -> Callable[..., Cost]:
    """One operation for each element of the larger side, as slow as `flops` simple ones; `workspace` scratch
    arrays of the output's size.
    """

    def cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
        every = [*types, *outputs]
        sizes = [t.nbytes for t in every]
        scratch = workspace * max(sizes) if workspace else 0
        elements = max([t.size for t in every])
        return Cost(min(flops, 1) * elements, sum(sizes), scratch, max(0, flops - 1) * elements)

    return cost


def free(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    """A view: nothing is computed or moved."""
    return Cost(0, 0)
