"""Contestants timed in turns, so that a disturbance of the machine affects all of them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Call = Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """Seconds for each call: the median of the rounds, the best round, the processor time."""

    wall: float
    best: float
    cpu: float


def take_turns(contestants: Mapping[str, Call], *, rounds: int, turn: float = 0.02) -> dict[str, Timing]:
    """Time each contestant once a round, a turn of at least `turn` seconds.

    Each begins as often as the others. Every contestant is called twice before, so that it is compiled.
    """
    counts = {name: _calls_in(turn, call) for name, call in contestants.items()}
    walls: dict[str, list[float]] = {name: [] for name in contestants}
    cpus: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            call, count = contestants[name], counts[name]
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(count):
                call()
            walls[name].append((time.perf_counter() - wall) / count)
            cpus[name].append((time.process_time() - cpu) / count)
    return {
        name: Timing(statistics.median(walls[name]), min(walls[name]), statistics.median(cpus[name]))
        for name in names
    }


def _calls_in(seconds: float, call: Call) -> int:
    call()
    start = time.perf_counter()
    call()
    return max(1, math.ceil(seconds / max(time.perf_counter() - start, 1e-7)))
