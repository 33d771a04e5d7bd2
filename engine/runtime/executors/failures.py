"""Errors of a running plan, reported at the user's node."""

from __future__ import annotations

from typing import NoReturn

from engine.errors import IndexOutOfRange, InternalError, OverLimit, UserError
from engine.runtime.plan import Plan


def failed(plan: Plan, error: Exception, position: int, place: str) -> NoReturn:
    """Raise what the step at `position` did wrong: the user's fault at the user's node, else ours."""
    instruction = plan.steps[position].instruction
    origin = instruction.origin
    if isinstance(error, UserError):
        raise error.at(origin) from None
    if isinstance(error, IndexError):
        raise IndexOutOfRange(str(error), hint="an index runs from -size to size - 1").at(origin) from error
    if isinstance(error, MemoryError):
        raise no_memory(plan, place).at(origin) from None
    raise InternalError(f"the kernel of {instruction.op.name} failed on {place}: {error}").at(
        origin
    ) from error


def no_memory(plan: Plan, place: str) -> OverLimit:
    """The machine, or the device, cannot give what the plan needs."""
    return OverLimit(
        f"{place} has not the {plan.estimate.peak_bytes:,} bytes that this needs",
        estimate=plan.estimate.as_dict(),
        hint="use smaller tensors, float32, or fewer outputs at once",
    )
