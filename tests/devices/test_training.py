"""Training on a device, on the stand-in: the CPU's numbers, resumed with the same bits, and few transfers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import DeviceUnavailable
from engine.training import EpochDone, StepDone, TrainingFailure, TrainingRun, choose_device
from engine.training.loop.events import Stalled
from tests.engine.training.test_resume import STOPPING, elsewhere, same
from tests.engine.training.world import classes, job, layered

MEMORY = 64 << 20
JOBS: dict[str, dict[str, Any]] = {
    "adam": {},
    "stopping": {"validation_split": 0.2, "early_stopping": STOPPING, "epochs": 6},
    "in order": {"shuffle": False, "optimizer": {"name": "rmsprop", "momentum": 0.9, "centered": True}},
    "clipped": {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True, "global_clipnorm": 1.0}},
}


def trained(fields: dict[str, Any], device: str, memory: int = MEMORY) -> tuple[TrainingRun, list[Any]]:
    data = classes()
    run = TrainingRun(job(layered(**fields), data), data, device=device, device_memory=memory)
    return run, list(run)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_trains_as_on_the_cpu(name: str, device: dict[str, int]) -> None:
    there, events = trained(JOBS[name], "cuda:0")
    here, expected = trained(JOBS[name], "cpu")
    assert [type(event) for event in events] == [type(event) for event in expected]
    for got, wanted in zip(events, expected, strict=True):
        if isinstance(wanted, StepDone | EpochDone):
            assert got.metrics == pytest.approx(wanted.metrics, rel=1e-5)
    learned, known = {**there.parameters, **there.state}, {**here.parameters, **here.state}
    for weight, got in learned.items():
        assert isinstance(got, np.ndarray), weight
        np.testing.assert_allclose(got, known[weight], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("memory", [MEMORY, 1 << 20])
def test_batches_gathered_on_the_device_are_those_that_are_brought(
    memory: int, device: dict[str, int]
) -> None:
    data = classes(rows=3_000, features=24) if memory != MEMORY else classes()
    run = TrainingRun(job(layered(epochs=1), data), data, device="cuda:0", device_memory=memory)
    expected = TrainingRun(job(layered(epochs=1), data), data)
    for got, wanted in zip(run, expected, strict=True):
        if isinstance(wanted, StepDone):
            assert got.metrics == pytest.approx(wanted.metrics, rel=1e-4)


def test_what_a_step_moves_between_host_and_device(device: dict[str, int]) -> None:
    data = classes(rows=64)
    run = TrainingRun(job(layered(), data), data, device="cuda:0", device_memory=MEMORY)
    next(run)  # plans, and brings the columns
    device.update(uploads=0, downloads=0)
    next(run)
    # up: the numbers of the rows, the mask of the dropout; down: loss and accuracy, whether all is finite
    assert device == {"uploads": 2, "downloads": 3}


def test_a_job_goes_on_with_the_same_bits(device: dict[str, int]) -> None:
    data = classes()
    spec = job(layered(validation_split=0.2, early_stopping=STOPPING), data)
    run = TrainingRun(spec, data, device="cuda:0", device_memory=MEMORY)
    snapshots, events = [run.snapshot()], []
    for event in run:
        events.append(event)
        snapshots.append(run.snapshot())
    assert all(isinstance(array, np.ndarray) for array in snapshots[-1].arrays.values())
    for k in range(0, len(snapshots), 4):
        again = TrainingRun(spec, data, resume=elsewhere(snapshots[k]), device="cuda:1", device_memory=MEMORY)
        assert list(again) == events[k:]
        same(again.snapshot(), snapshots[-1])


def test_a_failure_is_explained_as_on_the_cpu(device: dict[str, int]) -> None:
    x = np.linspace(0.1, 1.0, 40)[:, None]
    x[17] = 300.0
    data = {"x": x, "y": np.zeros((40, 1))}
    document = {
        "program": "inside = 1.0 - w * x\nlogs = log(inside)\nloss = mean((logs - y) ** 2)",
        "parameters": {"w": {"value": 0.01}},
        "optimizer": {"name": "sgd", "learning_rate": 0.0},
        "batch_size": 8,
    }
    run = TrainingRun(job(document, data), data, device="cuda:0", device_memory=MEMORY)
    with pytest.raises(TrainingFailure) as caught:
        list(run)
    assert (caught.value.node, caught.value.diagnosis["rows"]) == ("logs", [17])


def test_an_embedding_gathers_and_scatters_there(device: dict[str, int]) -> None:
    rng = np.random.default_rng(3)
    data = {"x": rng.integers(0, 7, (40, 3)), "y": rng.integers(0, 2, 40)}
    document = {
        "model": {
            "layers": [
                {"type": "Embedding", "input_dim": 7, "output_dim": 4},
                {"type": "Flatten"},
                {"type": "Dense", "units": 2},
            ]
        },
        "loss": {"name": "sparse_categorical_crossentropy", "from_logits": True},
        "optimizer": {"name": "adam"},
        "batch_size": 16,
        "epochs": 2,
    }
    spec = job(document, data)
    there = TrainingRun(spec, data, device="cuda:0", device_memory=MEMORY)
    here = TrainingRun(spec, data)
    for got, wanted in zip(there, here, strict=True):
        if isinstance(wanted, EpochDone):
            assert got.metrics == pytest.approx(wanted.metrics, rel=1e-5)


def test_which_device_a_job_trains_on(device: dict[str, int]) -> None:
    data = classes()
    assert choose_device(job(layered(), data)) == "cpu"  # auto: far too little work
    assert choose_device(job(layered(device="cuda"), data)) == "cuda:0"
    assert choose_device(job(layered(device="cuda:1"), data)) == "cuda:1"
    assert choose_device(job(layered(device="cpu"), data)) == "cpu"
    with pytest.raises(DeviceUnavailable, match="cuda:2"):
        choose_device(job(layered(device="cuda:2"), data))
    layers = [{"type": "Dense", "units": 4096, "activation": "relu"}, {"type": "Dense", "units": 3}]
    large = {"model": {"layers": layers}, "loss": {"name": "mean_squared_error"}, "batch_size": 4096}
    wide = {"x": np.zeros((4096, 4096), np.float32), "y": np.zeros((4096, 3), np.float32)}
    assert choose_device(job({**large, "epochs": 100}, wide)) == "cuda:0"
    assert choose_device(job({**large, "epochs": 100}, wide), 1 << 20) == "cpu"  # it would not fit


def test_what_does_not_learn_is_told_as_on_the_cpu(device: dict[str, int]) -> None:
    data = {"x": np.ones((32, 2), np.float32), "y": np.ones((32, 1), np.float32)}
    document = {
        "program": "h = relu(x @ w - 100.0)\nloss = mean((sum(h, axis=1, keepdims=True) * v - y) ** 2)",
        "parameters": {"w": {"shape": [2, 4], "initializer": "ones"}, "v": {"value": 1.0}},
        "optimizer": {"name": "adam"},
        "batch_size": 8,
        "epochs": 10,
    }
    told = [
        [
            event
            for event in TrainingRun(job(document, data), data, device=where)
            if isinstance(event, Stalled)
        ]
        for where in ("cuda:0", "cpu")
    ]
    assert [e.findings[0]["node"] for e in told[0]] == [e.findings[0]["node"] for e in told[1]] != []
