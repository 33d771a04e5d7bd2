"""How long fuzzers run, and what they share: a case is a seed, and what goes wrong is gathered by kind.

`GRADWIRE_FUZZ_CASES` says how many cases each fuzzer makes, `GRADWIRE_FUZZ_SEED` from which seed on.
"""

from __future__ import annotations

import json
import os
import random
import traceback
import warnings
from collections.abc import Callable
from typing import Any

SEED = int(os.environ.get("GRADWIRE_FUZZ_SEED", "0"))


def cases(default: int) -> int:
    """How many cases to make; `default` is what the checks of each change can afford."""
    return int(os.environ.get("GRADWIRE_FUZZ_CASES", str(default)))


def fault_of(run: Callable[[], str | None]) -> str | None:
    """What `run` says is wrong, or the end of the traceback of what it raised; None if all is well."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return run()
        except Exception:  # a 500, were it a server
            return "".join(traceback.format_exc().splitlines(keepends=True)[-6:])


def run_cases(count: int, run: Callable[[int], str | None]) -> None:
    """Run the cases `SEED`, `SEED + 1`, …; fails with one example of each kind of fault."""
    faults: dict[str, Any] = {}
    for seed in range(SEED, SEED + count):
        fault = fault_of(lambda seed=seed: run(seed))  # type: ignore[misc]
        if fault:
            faults.setdefault(fault.strip().rsplit("\n", 1)[-1][:160], (seed, fault))
    assert not faults, json.dumps(faults, indent=1, default=str)


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Nearly the same bytes: some are changed, left out, doubled or put in."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        if not changed:
            break
        place = rng.randrange(len(changed))
        match rng.randrange(6):
            case 0:
                changed[place] = rng.randrange(256)
            case 1:
                changed[place] ^= 1 << rng.randrange(8)
            case 2:
                del changed[place : place + rng.choice((1, 2, 7, 100, len(changed)))]
            case 3:
                changed[place:place] = rng.choice((b"\0", b"\xff" * 8, b"-", b"9" * 30, b"\x00\x00\x00\x80"))
            case 4:
                changed[place:place] = changed[: rng.randrange(1, 60)]
            case _:
                width = rng.choice((1, 2, 4, 8))
                values = (0, 1, 2**31 - 1, 2**31, 2**63, 2**64 - 1)
                value = rng.choice(values) % 256**width
                changed[place : place + width] = value.to_bytes(width, "little")
    return bytes(changed)
