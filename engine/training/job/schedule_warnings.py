"""Learning-rate schedules that end long before the run, or that the run ends long before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.training.catalogue.registry import Choice
from engine.training.catalogue.schedules import Schedule, rate_at
from engine.training.job.spec import TrainingSpec

_SAMPLES = 2000  # steps at which the rate is looked at
_FEWEST = 10  # steps of a run in which a schedule has a meaning
#: A rate that stays below this part of its peak for this part of the run moves nothing.
_DEAD = ((1e-3, 0.5), (1.01e-2, 0.9))
_EARLY = 0.1  # of the run: a schedule that has ended by then was counted in something else than steps
_GROWN, _LARGEST = 1e3, 10.0
_ENDING = frozenset({"cosine_decay", "polynomial_decay"})  # those that have an end of their own


def schedule_warnings(spec: TrainingSpec) -> Iterator[Mapping[str, Any]]:
    """A warning of a schedule whose length does not fit the number of steps, with the length that does."""
    schedule, total = spec.method.schedule, spec.steps
    if schedule.record.name == "constant" or total < _FEWEST:
        return
    steps = sorted(
        {*(round(k * (total - 1) / _SAMPLES) for k in range(_SAMPLES + 1)), *_turns(schedule, total)}
    )
    try:
        rates = [rate_at(schedule, step) for step in steps]
    except OverflowError:
        yield _warning("rate_grows", f"the schedule {schedule.record.name} grows without bound: {_GROWS}")
        return
    peak = max(rates)
    if peak <= 0:  # as a constant rate of 0: nothing is meant to move
        return
    message = (
        _of_warmup(spec, schedule, rates)
        or _of_death(spec, schedule, steps, rates, peak)
        or _of_early_end(spec, schedule, rates, peak)
    )
    if message is not None:
        yield _warning(*message)
    elif rates[-1] > max(_LARGEST, _GROWN * rates[0]):
        growth = f"the schedule brings the learning rate from {rates[0]:.3g} to {rates[-1]:.3g}: {_GROWS}"
        yield _warning("rate_grows", growth)
    elif counted := _of_rows(spec, schedule):
        yield _warning("schedule_too_long", counted)


_GROWS = "a decay_rate above 1 lets it grow; to halve it every decay_steps write decay_rate=0.5"


def _warning(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "node": None, "message": message}


def _turns(schedule: Choice[Schedule], total: int) -> Iterator[int]:
    """Steps at which the rate may change at once."""
    for boundary in schedule.settings.get("boundaries", ()):
        yield from (step for step in (int(boundary), int(boundary) + 1) if 0 <= step < total)


def _epochs(spec: TrainingSpec) -> str:
    """The length of the run in words."""
    each = f"{spec.epochs:,} epochs of {spec.steps_per_epoch:,}" if spec.epochs > 1 else "1 epoch"
    return f"the run has {spec.steps:,} steps ({each})"


def _of_warmup(
    spec: TrainingSpec, schedule: Choice[Schedule], rates: Sequence[float]
) -> tuple[str, str] | None:
    """A climb that the run does not finish."""
    settings = schedule.settings
    target = settings.get("warmup_target") if "warmup_target" in settings else settings.get("learning_rate")
    warmup = settings.get("warmup_steps") or 0
    if target is None or warmup < spec.steps or not max(rates) < target:
        return None
    return "warmup_too_long", (
        f"the warm-up takes {warmup:,} steps, and {_epochs(spec)}: the learning rate ends at "
        f"{rates[-1]:.3g} of {target:g}. Write warmup_steps={max(1, spec.steps // 10)}, a tenth of the run"
    )


def _of_death(
    spec: TrainingSpec, schedule: Choice[Schedule], steps: Sequence[int], rates: Sequence[float], peak: float
) -> tuple[str, str] | None:
    """A rate that is next to nothing for most of the run."""
    for part, share in _DEAD:
        alive = max((k for k, rate in enumerate(rates) if rate > part * peak), default=0)
        if alive + 1 >= len(steps):
            continue
        first = steps[alive + 1]
        if spec.steps - first >= share * spec.steps:
            return "rate_vanishes", (
                f"the schedule brings the learning rate from {peak:g} to {rates[alive + 1]:.2g} by step "
                f"{first + 1:,} and to {rates[-1]:.2g} at the end, and {_epochs(spec)}: almost nothing is "
                f"learned after epoch {first // spec.steps_per_epoch + 1:,}. {_cure(spec, schedule)}"
            )
    return None


def _of_early_end(
    spec: TrainingSpec, schedule: Choice[Schedule], rates: Sequence[float], peak: float
) -> tuple[str, str] | None:
    """A decay that is over after a small part of the run."""
    length = _length(schedule)
    if length is None or rates[-1] > 0.5 * peak or spec.steps_per_epoch == 1:
        return None
    if length > spec.epochs or length > _EARLY * spec.steps:
        return None
    return "rate_vanishes", (
        f"the schedule has ended after {length:,} steps, and {_epochs(spec)}: from then on the learning rate "
        f"is {rates[-1]:.3g} of {peak:g}. {_cure(spec, schedule)}"
    )


def _of_rows(spec: TrainingSpec, schedule: Choice[Schedule]) -> str | None:
    """A length that counts samples, where a step takes a batch of them."""
    length = _length(schedule)
    if schedule.record.name not in _ENDING or spec.batch_size == 1 or length is None:
        return None
    if length <= 2 * spec.steps or length not in (spec.rows * spec.epochs, spec.rows):
        return None
    return (
        f"the schedule takes {length:,} steps, the number of samples, and {_epochs(spec)}, since a step "
        f"takes a batch of {spec.batch_size:,}: the learning rate hardly falls. Write "
        f"decay_steps={spec.steps}"
    )


def _length(schedule: Choice[Schedule]) -> int | None:
    """After how many steps a schedule has ended; None if it has no end."""
    settings = schedule.settings
    if schedule.record.name == "piecewise_constant_decay":
        return int(settings["boundaries"][-1]) if settings["boundaries"] else None
    if schedule.record.name not in _ENDING or settings.get("cycle"):
        return None
    return int(settings["decay_steps"] + (settings.get("warmup_steps") or 0))


def _cure(spec: TrainingSpec, schedule: Choice[Schedule]) -> str:
    """The lengths in steps that were meant, if they count epochs now."""
    settings, each = schedule.settings, spec.steps_per_epoch
    piecewise = "boundaries" in settings
    name = "boundaries" if piecewise else "decay_steps"
    if name not in settings:
        return "Let it fall more slowly"
    lengths = list(settings[name]) if piecewise else [settings[name]]
    if each > 1 and lengths and lengths[-1] <= spec.epochs:
        meant = [int(length * each) for length in lengths]
        return (
            f"{name} {'count' if piecewise else 'counts'} steps, of which an epoch has {each:,}: if epochs "
            f"are meant, write {name}={meant if piecewise else meant[0]}"
        )
    if schedule.record.name in _ENDING:
        return f"decay_steps counts steps: for the whole run write decay_steps={spec.steps}"
    return "Let it fall later or less" + ("" if piecewise else ": a larger decay_steps, a milder decay_rate")
