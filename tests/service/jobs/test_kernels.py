"""The BLAS kernel behind a job's bits: recorded, reported if it changes, and pinned by a setting."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from service import blas, main
from service.api.responses import jobs as job_responses
from service.jobs import machine
from service.settings import Settings
from tests.service.jobs.test_commits_refused import outcome
from tests.service.jobs.world import classifier, ended, job_world, submit, until
from tests.service.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def kernels() -> tuple[str, str]:
    """Two kernels that this processor runs."""
    named = ("Haswell", "Zen", "SkylakeX", "Sandybridge", "Nehalem", "Prescott", "ARMV8", "NEOVERSEN1")
    found = [name for name in named if blas.why_not(name) is None][:2]
    if len(found) < 2:
        pytest.skip("this machine's BLAS has no two kernels")
    return found[0], found[1]


def body() -> dict[str, Any]:
    """Products that are long enough for kernels to add up in different orders."""
    layers = [{"type": "Dense", "units": 50, "activation": "tanh"}, {"type": "Dense", "units": 3}]
    softmax = {"type": "Activation", "activation": "softmax"}
    whole = classifier(rows=300, epochs=30, model={"input_shape": [6], "layers": [*layers, softmax]})
    # labels that the features tell, so that nothing is warned of but the machine
    labels = [int(3 * row[0]) for row in whole["data"]["x"]]
    return whole | {"data": whole["data"] | {"y": {"dtype": "int64", "data": labels}}}


async def half(here: World) -> str:
    """A job that was paused halfway."""
    job_id = await submit(here, body())
    await until(here, job_id, lambda found: found["progress"]["step"] > 50)
    await here.client.post(f"/v1/jobs/{job_id}/pause")
    found = await until(here, job_id, lambda found: found["status"] in ("paused", "succeeded"))
    assert found["status"] == "paused"
    return job_id


async def test_another_kernel_is_told_and_the_same_one_gives_the_same_bits(
    tmp_path: Path, kernels: tuple[str, str]
) -> None:
    first, second = kernels
    async with job_world(tmp_path, blas_kernel=first) as here:
        whole = await submit(here, body())
        await ended(here, whole)
        expected = await outcome(here, whole)
        moved, stays = await half(here), await half(here)
        places = (tmp_path / "data" / "jobs" / stays / "checkpoints").glob("*/position.json")
        recorded = [json.loads(place.read_text())["machine"] for place in places]
        assert {each["blas_kernel"] for each in recorded} == {first}
        assert recorded[0].keys() == machine.record("cpu").keys()
    async with job_world(tmp_path, blas_kernel=second) as here:
        await here.client.post(f"/v1/jobs/{moved}/resume")
        done = await ended(here, moved)
        job_responses.Job.model_validate(done)
        [warning] = done["warnings"]
        assert (done["status"], warning["code"]) == ("succeeded", "other_machine")
        assert warning["differences"] == [{"what": "blas_kernel", "before": first, "now": second}]
        assert f"GRADWIRE_BLAS_KERNEL={first}" in warning["message"]
        stream = (await here.client.get(f"/v1/jobs/{moved}/events")).text
        assert '"code":"other_machine"' in stream
        assert "the same bits are not promised" in stream
        listed = (await here.client.get("/v1/jobs")).json()["jobs"]
        told = next(each for each in listed if each["id"] == moved)
        job_responses.ListedJob.model_validate(told)
        assert told["warnings"] == [warning]
    async with job_world(tmp_path, blas_kernel=first) as here:
        await here.client.post(f"/v1/jobs/{stays}/resume")
        done = await ended(here, stays)
        assert (done["status"], done["attempt"], done["warnings"]) == ("succeeded", 2, [])
        assert await outcome(here, stays) == expected


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("numpy", "1.0"),
        ("scipy", "1.0"),
        ("blas", "another 1.0"),
        ("blas_kernel", "Katmai"),
        ("simd", "baseline"),
        ("threads", 64),
        ("machine", "vax"),
    ],
)
def test_whatever_the_bits_depend_on_is_compared(what: str, other: Any) -> None:
    now = machine.record("cpu")
    found = machine.differences({**now, what: other}, now)
    assert found == [{"what": what, "before": other, "now": now[what]}]
    assert str(other) in machine.warning(found)["message"]
    assert ("GRADWIRE_BLAS_KERNEL" in machine.warning(found)["message"]) == (what == "blas_kernel")


def test_what_an_older_checkpoint_does_not_say_is_not_compared() -> None:
    now = machine.record("cpu")
    older = {name: now[name] for name in ("machine", "numpy", "executor", "threads")}
    assert machine.differences(older, now) == []


def test_a_kernel_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    if blas.in_use().kernel is None:
        pytest.skip("this machine's BLAS does not tell its kernel")
    assert main.main(["serve", "--blas-kernel", "Katmai9"]) == 1
    assert "blas_kernel" in (said := capsys.readouterr().err)
    assert "Katmai9" in said


def test_the_setting_reaches_every_process(kernels: tuple[str, str]) -> None:
    settings = Settings(blas_kernel=kernels[1])
    assert settings.blas_environment["OPENBLAS_CORETYPE"] == kernels[1]
    assert settings.as_environment()["GRADWIRE_BLAS_KERNEL"] == kernels[1]
    assert "OPENBLAS_CORETYPE" not in Settings().blas_environment


def test_settings_are_read_before_numpy() -> None:
    """The kernel is chosen when NumPy is imported: what reads the settings must not import it."""
    import subprocess

    text = "import service.main, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
