"""Devices of a continued job: `auto` keeps the one it chose while it is present, and a change is reported."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import DeviceUnavailable
from engine.runtime import devices
from service.jobs import machine
from service.jobs.worker import child
from tests.engine.training.world import classes, job, layered


class Report:
    """Takes events."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def event(self, kind: str, epoch: Any, step: Any, data: dict[str, Any]) -> None:
        assert kind == "log"
        self.messages.append(data["message"])


def keeper(before: str | None) -> tuple[child._CheckpointWriter, Report]:
    report = Report()
    made = child._CheckpointWriter({"folder": "/nowhere", "checkpoint": None}, report)  # type: ignore[arg-type]
    made._before = None if before is None else machine.record(before)
    return made, report


@pytest.mark.parametrize(
    ("asked", "before", "chosen"),
    [
        ("auto", None, "cpu"),
        ("auto", "cuda:1", "cuda:1"),
        ("auto", "cpu", "cpu"),
        ("cuda:1", None, "cuda:1"),
        ("cuda", "cpu", "cuda:0"),
        ("cpu", "cuda:0", "cpu"),
    ],
)
def test_where_a_job_goes_on(asked: str, before: str | None, chosen: str, device: dict[str, int]) -> None:
    made, report = keeper(before)
    assert made.device(job(layered(device=asked), classes()), None) == chosen
    made.begin(chosen)
    assert any("another machine" in message for message in report.messages) == (before not in (None, chosen))
    assert any(message == f"training on {chosen}" for message in report.messages) == (chosen != "cpu")


def test_a_checkpoint_says_where_it_was_made(device: dict[str, int]) -> None:
    assert machine.record("cuda:1") | {"threads": 0} == {
        "machine": "Fake",
        "executor": "cupy",
        "device": "cuda:1",
        "threads": 0,
        "numpy": machine.record("cpu")["numpy"],
    }
    assert (machine.record("cpu")["executor"], machine.record("cpu")["device"]) == ("numpy", "cpu")


def test_a_checkpoint_of_before_devices_was_made_on_the_cpu(device: dict[str, int]) -> None:
    made, report = keeper("cpu")
    assert made._before is not None
    del made._before["device"]
    made.begin(made.device(job(layered(device="auto"), classes()), None))
    assert report.messages == []


def test_auto_is_chosen_anew_where_its_gpu_is_gone(
    monkeypatch: pytest.MonkeyPatch, device: dict[str, int]
) -> None:
    made, report = keeper("cuda:1")
    devices.tell(devices.Inventory(missing="CUDA does not answer"))
    try:
        spec = job(layered(device="auto"), classes())
        assert made.device(spec, None) == "cpu"
        made.begin("cpu")
        with pytest.raises(DeviceUnavailable, match="cuda:1"):
            made.device(job(layered(device="cuda:1"), classes()), None)
    finally:
        devices._override.clear()
        devices.inventory.cache_clear()
    assert len(report.messages) == 1
