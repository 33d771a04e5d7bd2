"""Parameters that do not learn are reported once, with node, rows and step; intended ones are not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.training import Snapshot, Stalled, TrainingRun
from engine.training.loop.plateau import CAUSES, PlateauWatch
from tests.engine.training.world import classes, job, layered

RELU = [{"type": "Dense", "units": 4, "activation": "relu"}, {"type": "Dense", "units": 1}]
DEAD = {"dense.kernel": {"value": [[-1.0] * 4] * 2}, "dense.bias": {"value": [-1.0] * 4}}


def positive(rows: int = 64) -> dict[str, Array]:
    x = np.abs(np.random.default_rng(0).normal(size=(rows, 2)))
    return {"x": x, "y": x.sum(1, keepdims=True)}


def network(**changes: Any) -> dict[str, Any]:
    rest = {"loss": "mse", "optimizer": {"name": "sgd", "learning_rate": 0.01}, "batch_size": 8, "epochs": 5}
    return {"model": {"layers": RELU}, **rest, **changes}


def stalls(
    document: Mapping[str, Any], data: Mapping[str, Array], resume: Snapshot | None = None
) -> tuple[TrainingRun, list[Stalled]]:
    run = TrainingRun(job(document, data), data, resume=resume)
    return run, [event for event in run if isinstance(event, Stalled)]


def test_dead_relus_are_told_with_node_step_and_rows() -> None:
    data = positive()
    document = network(parameters=DEAD, shuffle=False)
    _, [told] = stalls(document, data)
    by_name = {finding["parameter"]: finding for finding in told.findings}
    assert list(by_name) == ["dense.kernel", "dense.bias", "dense_1.kernel"]
    first = by_name["dense.kernel"]
    assert (first["node"], first["op"], first["reason"]) == ("dense/relu", "relu", "unselected")
    assert (first["epoch"], first["step"]) == (told.epoch, told.step) == (5, 40)
    assert first["rows"] == list(range(56, 64)), "the last batch"
    assert by_name["dense_1.kernel"]["reason"] == "zero_operand"
    assert first["diagnosis"]["status"] == "zero"
    assert "'dense.kernel' did not move in 40 steps" in told.message
    assert "2 more" in told.message


def test_a_parameter_of_no_numbers_hides_no_other() -> None:
    x = np.full((32, 1), -1.0)
    document = {
        "program": "loss = mean(relu(w * x) + (b - y) ** 2) + sum(first) + sum(last)",
        "parameters": {
            "first": {"value": []},
            "w": {"value": [1.0]},
            "b": {"value": [0.5]},
            "last": {"value": []},
        },
        "optimizer": {"name": "sgd", "learning_rate": 0.01},
        "batch_size": 8,
        "epochs": 5,
    }
    _, [told] = stalls(document, {"x": x, "y": x})
    assert [finding["parameter"] for finding in told.findings] == ["w"]


def test_some_rows_and_shuffled_ones_are_named_as_in_the_data() -> None:
    """One row in a batch is let through, but its factor is zero: only the others are the relu's doing."""
    x = np.full((32, 1), -1.0)
    program = "hidden = relu(w * x)\nloss = mean(hidden + (b - y) ** 2)"
    document = {
        "program": program,
        "parameters": {"w": {"value": [1.0]}, "b": {"value": [0.5]}},
        "batch_size": 4,
        "epochs": 2,
        "seed": 4,
    }
    data = {"x": x, "y": np.zeros((32, 1))}
    _, [told] = stalls(document, data)
    [finding] = told.findings
    run = TrainingRun(job(document, data), data)
    expected = sorted(run._order.places(1, 7).tolist())  # type: ignore[union-attr]  # shuffled, so an array
    assert (finding["parameter"], finding["rows"]) == ("w", expected)


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        ("adam", True),
        ({"name": "adamw", "weight_decay": 0.1}, True),
        ({"name": "sgd", "momentum": 0.9, "weight_decay": 0.1}, True),
        ({"name": "rmsprop", "learning_rate": 0.001}, True),
        ({"name": "sgd", "weight_decay": 0.1}, False),  # moved by decay, and no memory that would tell
    ],
)
def test_every_optimizer_is_seen_through(optimizer: Any, told: bool) -> None:
    _, found = stalls(network(parameters=DEAD, optimizer=optimizer), positive())
    assert bool(found) is told


@pytest.mark.parametrize(
    "document",
    [
        network(),
        network(optimizer={"name": "sgd", "learning_rate": 0.0}),
        {
            "program": "loss = mean((w * 0.0 + x - x) ** 2) + mean(y) * 0.0",
            "parameters": {"w": {"value": 1.0}},
        },
        {"program": "loss = mean((w - 2.0) ** 2) + mean(x * y)", "parameters": {"w": {"value": 2.0}}},
    ],
    ids=["healthy", "a rate of zero", "a loss of zero", "at the minimum"],
)
def test_what_is_as_it_should_be_is_not_told(document: dict[str, Any]) -> None:
    _, found = stalls({"epochs": 5, **document}, positive())
    assert found == []


def test_a_few_steps_tell_nothing() -> None:
    _, found = stalls(network(parameters=DEAD, epochs=1), positive())
    assert found == []


def test_nothing_is_learned_says_so() -> None:
    document = {
        "program": "loss = mean(clip(w * x, 5.0, 9.0) + y)",
        "parameters": {"w": {"value": [1.0]}},
        "epochs": 10,
    }
    data = {"x": np.linspace(0.0, 1.0, 64)[:, None], "y": np.ones((64, 1))}
    _, [told] = stalls(document, data)
    assert told.message.startswith("nothing was learned in 20 steps: 'w'")


def test_it_is_told_once_even_across_a_restart_and_changes_no_bit() -> None:
    data, document = positive(), network(parameters=DEAD, epochs=120)
    whole, [told] = stalls(document, data)
    assert told.step == 256, "the first end of an epoch after a window"
    spec = job(document, data)
    run = TrainingRun(spec, data)
    while not isinstance(event := next(run), Stalled):
        assert event
    middle = run.snapshot()
    resumed, again = stalls(document, data, resume=middle)
    assert again == []
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(array, resumed.parameters[name])


def test_no_bit_depends_on_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    data, document = classes(), layered(epochs=80)
    with monkeypatch.context() as patched:
        patched.setattr(PlateauWatch, "due", lambda self, step: False)
        without, _ = stalls(document, data)
    with monkeypatch.context() as patched:
        patched.setattr(PlateauWatch, "candidates", lambda self, step: list(without.parameters))
        patched.setattr(PlateauWatch, "window", 1, raising=False)
        looked, _ = stalls(document, data)
    for name, array in without.parameters.items():
        np.testing.assert_array_equal(array, looked.parameters[name])


def test_looking_costs_next_to_nothing() -> None:
    data = classes(rows=64)
    spec = job(layered(epochs=200), data)
    start = time.perf_counter()
    run = TrainingRun(spec, data)
    for _ in run:
        pass
    seconds = time.perf_counter() - start
    watch = PlateauWatch(spec, run._memory, 0)
    start = time.perf_counter()
    for step in range(1, 101):
        watch.candidates(step)
    looks = (time.perf_counter() - start) / 100 * (spec.steps / 256 + 1)
    assert looks < 0.01 * seconds


def test_the_causes_are_reasons_of_the_diagnosis() -> None:
    from engine.ir.table import TABLE

    known = {op.derivative.zero_reason for op in TABLE.public()} | {
        "underflow",
        "empty_selection",
        "constant",
    }
    assert known >= CAUSES
