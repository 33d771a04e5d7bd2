"""kill -9 of a job's process at every critical moment: nothing is lost, and no bit differs."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest

from service.jobs.states import FINAL
from tests.service.jobs.fatal import MARK
from tests.service.jobs.world import ended, job, job_world, submit, until
from tests.service.world import World

pytestmark = pytest.mark.anyio

#: Three steps an epoch, the last of two rows; validation; stopped early after epoch 6, epoch 1 restored.
EPOCHS, STEPS = 6, 3
BODY: dict[str, Any] = {
    "target": "loss",
    "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
    "data": {"x": [[k / 4] for k in range(10)], "y": [[2 * k / 4 + 1] for k in range(10)]},
    "optimizer": {"name": "adam", "learning_rate": 0.01},
    "batch_size": 3,
    "epochs": EPOCHS + 2,
    "validation_split": 0.2,
    "early_stopping": {
        "monitor": "val_loss",
        "min_delta": 100.0,
        "patience": EPOCHS - 1,
        "restore_best_weights": True,
    },
}
#: Looking costs as much as training: few looks.
AT_ONCE, LOOK_S = 6, 0.1
Plan = dict[str, list[Any]]


@dataclass(frozen=True)
class Outcome:
    """Everything that must not depend on what was killed."""

    status: str
    progress: dict[str, int]
    parameters: bytes
    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    ends: int


def between_a_step_and_its_epoch() -> Iterator[Plan]:
    """Once or twice between the last step of an epoch and the epoch's end."""
    for first, second in product(range(1, EPOCHS + 1), repeat=2):
        if first <= second:
            yield {"1": ["epoch", first], "2": ["epoch", second]}


def at_checkpoints() -> Iterator[Plan]:
    """At each checkpoint: before it, within it, after it unreported, after its report; then once more."""
    for number, phase, again in product(range(1, 8), range(4), range(4)):
        yield {"1": ["checkpoint", number, phase], "2": ["checkpoint", 1, again]}


def after_a_pause() -> Iterator[Plan]:
    """Paused after each step, those that end an epoch too, resumed, and killed soon after."""
    for step, then in product(range(1, EPOCHS * STEPS), (1, 2, 3, "end")):
        epoch = (step - 1) // STEPS + 1
        plan = ["epoch", min(EPOCHS, epoch + 1)] if then == "end" else ["step", then]
        yield {"1": ["stop", step], "2": plan}


def plans(count: int) -> list[Plan]:
    """So many, as many of each kind."""
    kinds = between_a_step_and_its_epoch(), at_checkpoints(), after_a_pause()
    each = [cycle(kind) for kind in kinds]
    return [next(each[k % 3]) for k in range(count)]


def sampled(count: int) -> list[Plan]:
    """So many out of all, spread evenly."""
    everything = [*between_a_step_and_its_epoch(), *at_checkpoints(), *after_a_pause()]
    return everything[:: len(everything) // count]


async def outcome(here: World, job_id: str) -> Outcome:
    path = f"/v1/jobs/{job_id}"
    found = await job(here, job_id)
    events = (await here.client.get(f"{path}/events")).text.splitlines()
    return Outcome(
        found["status"],
        found["progress"],
        (await here.client.get(f"{path}/parameters?format=safetensors")).content,
        (await here.client.get(f"{path}/metrics?by=step")).json()["metrics"],
        (await here.client.get(f"{path}/metrics?by=epoch")).json()["metrics"],
        events.count("event: end"),
    )


def body(plan: Plan) -> dict[str, Any]:
    program = f"pred = W * x + b\nloss = mean((pred - y) ** 2)\n{MARK}{json.dumps(plan)}"
    return {**BODY, "program": program}


async def killed(folder: Path, chosen: list[Plan]) -> Counter[str]:
    """Run a job for each plan; what became of them, beside a job that nothing disturbed."""
    figures: Counter[str] = Counter({"jobs": len(chosen)})
    bound = asyncio.Semaphore(AT_ONCE)
    settings = {"checkpoint_steps": 2, "job_retry_s": 0.0}
    async with job_world(folder, module="tests.service.jobs.fatal", **settings) as here:
        expected = await outcome(here, (await ended(here, await submit(here, body({}))))["id"])
        assert (expected.status, expected.ends) == ("succeeded", 1)
        assert [row["step"] for row in expected.steps] == list(range(1, EPOCHS * STEPS + 1))
        assert [row["epoch"] for row in expected.epochs] == list(range(1, EPOCHS + 1))

        async def reached(job_id: str, *statuses: str) -> dict[str, Any]:
            return await until(here, job_id, lambda found: found["status"] in statuses, 120, LOOK_S)

        async def run(plan: Plan) -> None:
            async with bound:
                job_id = await submit(here, body(plan))
                if plan["1"][0] == "stop":
                    await reached(job_id, "running")
                    assert (await here.client.post(f"/v1/jobs/{job_id}/pause")).status_code == 202
                    await reached(job_id, "paused")
                    assert (await here.client.post(f"/v1/jobs/{job_id}/resume")).status_code == 202
                found = await reached(job_id, *FINAL)
                figures["attempts"] += found["attempt"]
                figures["undisturbed"] += found["attempt"] == 1
                figures["lost"] += found["status"] != "succeeded"
                different = found["status"] == "succeeded" and await outcome(here, job_id) != expected
                figures["different"] += different

        await asyncio.gather(*(run(plan) for plan in chosen))
    return figures


async def test_a_job_killed_at_a_fatal_moment_is_not_lost(tmp_path: Path) -> None:
    figures = await killed(tmp_path, sampled(18))
    assert (figures["undisturbed"], figures["lost"], figures["different"]) == (0, 0, 0), figures
    assert figures["attempts"] > 2 * figures["jobs"]


@pytest.mark.slow
async def test_300_jobs_killed_at_fatal_moments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = await killed(tmp_path, plans(300))
    with capsys.disabled():
        print(f"\n300 jobs killed at fatal moments: {dict(figures)}")
    assert (figures["undisturbed"], figures["lost"], figures["different"]) == (0, 0, 0), figures
