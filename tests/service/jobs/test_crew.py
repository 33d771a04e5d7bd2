"""How the server reads its workers' signs of life, and how it counts their ends."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from service.jobs.worker import heartbeat, supervisor
from service.jobs.worker.heartbeat import Heartbeat
from service.jobs.worker.supervisor import Workers, WorkerSupervisor
from service.settings import Settings
from tests.service.world import World, soon, world

pytestmark = pytest.mark.anyio


async def test_a_sign_is_fresh_for_as_long_as_it_is_given(tmp_path: Path) -> None:
    sign = Heartbeat(tmp_path, "worker-0")
    assert heartbeat.living(tmp_path / "nowhere") == []
    sign.start()
    [beat] = heartbeat.living(tmp_path)
    assert (beat.pid, beat.parent) == (os.getpid(), os.getppid())
    old = time.time() - heartbeat.STALE_S - 1
    os.utime(tmp_path / "worker-0.alive", (old, old))
    assert heartbeat.living(tmp_path) == []
    assert [beat.pid for beat in heartbeat.signs(tmp_path)] == [os.getpid()]
    await soon(lambda: bool(heartbeat.living(tmp_path)), 30)
    sign.stop()
    assert heartbeat.signs(tmp_path) == []
    (tmp_path / "worker-1.alive").write_text("{")
    assert heartbeat.signs(tmp_path) == [], "half written"


@pytest.mark.parametrize(
    ("workers", "state"),
    [
        (Workers(1, 1, 0, None), "ok"),
        (Workers(1, 1, 0, "Killed"), "ok"),
        (Workers(2, 1, 1, "Killed"), "ok"),
        (Workers(1, 0, 0, None), "no sign of life from a worker in the last 10 s"),
        (
            Workers(1, 1, 1, "status 1: x"),
            "the worker ends again and again soon after the start; the last one ended with status 1: x",
        ),
        (
            Workers(2, 0, 2, "status 3"),
            "2 of 2 workers end again and again soon after the start; the last one ended with status 3",
        ),
    ],
)
def test_the_state_in_words(workers: Workers, state: str) -> None:
    assert workers.state == state


async def ends(here: World, count: int) -> list[float]:
    """The pauses after the first ends of workers."""
    await soon(lambda: len(here.lines("worker ended and is started again")) >= count, 120)
    return [line["again_in_s"] for line in here.lines("worker ended and is started again")[:count]]


@pytest.mark.parametrize(
    ("program", "pauses"),
    [
        ("raise SystemExit('no')", [0.01, 0.02, 0.04]),
        # Longer than it takes to count as steady, but it never took a job.
        ("import time; time.sleep(0.3); raise SystemExit('no')", [0.01, 0.02, 0.04]),
        ("import time; time.sleep(0.3); raise SystemExit(0)", [0.01, 0.01, 0.01]),
    ],
    ids=["at once", "later", "in good order"],
)
async def test_pauses_grow_with_early_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, pauses: list[float]
) -> None:
    monkeypatch.setattr(supervisor, "_AGAIN_S", 0.01)
    monkeypatch.setattr(supervisor, "_STEADY_S", 0.2)
    monkeypatch.setattr("service.interpreter.command", lambda *_: [sys.executable, "-I", "-S", "-c", program])
    async with world(tmp_path) as here:
        kept = WorkerSupervisor(Settings(data=tmp_path / "data", workers=1), here.services.logger)
        kept.start()
        try:
            assert await ends(here, 3) == pauses
            told = await kept.workers()
            assert (told.failing == 1) == (pauses[-1] > pauses[0])
            assert told.alive == 0
            reason = here.lines("worker ended and is started again")[0]["why"]
            assert reason == ("status 0" if "(0)" in program else "status 1: no")
        finally:
            await kept.close()


async def test_the_signs_of_other_servers_workers_do_not_count(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        folder = tmp_path / "data" / "workers"
        folder.mkdir()
        sign = Heartbeat(folder, "worker-7")
        sign.start()
        assert (await here.services.supervisor.workers()).alive == 1, (
            "a server without workers counts them all"
        )
        kept = WorkerSupervisor(Settings(data=tmp_path / "data", workers=1), here.services.logger)
        kept._places = [supervisor._Place()]
        assert (await kept.workers()).alive == 0
        sign.stop()
        await asyncio.sleep(0)
