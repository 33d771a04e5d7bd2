"""What one run of an instruction costs."""

from __future__ import annotations

from dataclasses import dataclass


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
