"""A run that stops between any two events and continues elsewhere ends with the same bits."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from engine.training import EpochDone, Finished, Snapshot, StepDone, TrainingRun
from tests.engine.training.world import classes, job, layered

STOPPING = {"monitor": "val_loss", "patience": 1, "restore_best_weights": True}


def elsewhere(snapshot: Snapshot) -> Snapshot:
    """What another process would read: arrays copied, the position through JSON."""
    position = json.loads(json.dumps(dict(snapshot.position), allow_nan=False))
    return Snapshot({name: array.copy() for name, array in snapshot.arrays.items()}, position)


def same(a: Snapshot, b: Snapshot) -> None:
    assert a.position == b.position
    assert a.arrays.keys() == b.arrays.keys()
    for name, array in a.arrays.items():
        assert array.tobytes() == b.arrays[name].tobytes(), name


def resume_everywhere(document: dict[str, Any], data: dict[str, Any]) -> None:
    """Stop a run after every third event: each resumed run ends with the same bits."""
    spec = job(document, data)
    run = TrainingRun(spec, data)
    snapshots, events = [run.snapshot()], []
    for event in run:
        events.append(event)
        snapshots.append(run.snapshot())
    for k in range(0, len(snapshots), 3):
        again = TrainingRun(spec, data, resume=elsewhere(snapshots[k]))
        assert list(again) == events[k:]
        same(again.snapshot(), snapshots[-1])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"validation_split": 0.2, "early_stopping": STOPPING, "epochs": 6},
        {"shuffle": False, "optimizer": {"name": "rmsprop", "momentum": 0.9, "centered": True}},
        {
            "optimizer": {
                "name": "adam",
                "learning_rate": {"name": "cosine", "initial_learning_rate": 0.1, "decay_steps": 9},
            }
        },
    ],
    ids=["adam", "early_stopping", "rmsprop", "cosine"],
)
def test_resuming_between_any_two_events_gives_the_same_bits(fields: dict[str, Any]) -> None:
    data = classes()
    resume_everywhere(layered(**fields), data)


def test_a_run_stopped_after_every_event_is_the_run_that_never_stopped() -> None:
    data = classes()
    spec = job(layered(), data)
    undisturbed = TrainingRun(spec, data)
    events = list(undisturbed)
    snapshot, told = None, []
    while not told or not isinstance(told[-1], Finished):
        run = TrainingRun(spec, data, resume=snapshot)
        told.append(next(run))
        snapshot = elsewhere(run.snapshot())
    assert told == events
    assert snapshot is not None
    same(snapshot, undisturbed.snapshot())


def test_a_finished_run_stays_finished() -> None:
    data = classes()
    spec = job(layered(epochs=1), data)
    run = TrainingRun(spec, data)
    assert [type(event) for event in run] == [StepDone] * 4 + [EpochDone, Finished]
    assert list(run) == []
    assert list(TrainingRun(spec, data, resume=run.snapshot())) == []


def test_a_snapshot_is_a_copy() -> None:
    data = classes()
    run = TrainingRun(job(layered(), data), data)
    before = run.snapshot()
    kept = {name: array.copy() for name, array in before.arrays.items()}
    list(run)
    for name, array in kept.items():
        np.testing.assert_array_equal(before.arrays[name], array)


def test_the_seed_alone_decides_initial_values_masks_and_order() -> None:
    data = classes()
    ends = [
        list(TrainingRun(job(layered(seed=seed), data), data))[-2].metrics["loss"]
        for seed in (0, 0, 1)  # type: ignore[union-attr]  # the event before the last is an epoch's
    ]
    assert ends[0] == ends[1] != ends[2]


def test_mapped_data_give_the_bits_of_data_in_memory(tmp_path: Any) -> None:
    data = classes()
    np.save(tmp_path / "x.npy", data["x"])
    mapped = {**data, "x": np.load(tmp_path / "x.npy", mmap_mode="r")}
    spec = job(layered(validation_split=0.2), data)
    assert list(TrainingRun(spec, data)) == list(TrainingRun(spec, mapped))
