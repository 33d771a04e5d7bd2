"""A run that meets a value that is not finite names the node that made it, and undoes that step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import UserError
from engine.training import TrainingFailure, TrainingRun
from engine.training.loop.run import LOOK
from tests.engine.training.world import classes, job, layered


def failure(run: TrainingRun) -> TrainingFailure:
    with pytest.raises(TrainingFailure) as caught:
        list(run)
    return caught.value


def test_the_node_that_left_its_domain_is_named_with_the_rows_of_the_data() -> None:
    x = np.linspace(0.1, 2.0, 40)[:, None]
    data = {"x": x, "y": np.zeros((40, 1))}
    document = {
        "program": "inside = 1.0 - w * x\nlogs = log(inside)\nloss = mean((logs - y) ** 2)",
        "parameters": {"w": {"value": 0.01}},
        "optimizer": {"name": "sgd", "learning_rate": -0.0},
        "shuffle": True,
        "batch_size": 8,
        "epochs": 2,
    }
    data["x"][17] = 300.0
    run = TrainingRun(job(document, data), data)
    error = failure(run)
    assert (error.code, error.node, error.op) == ("non_finite", "logs", "log")
    assert error.diagnosis["rows"] == [17]
    assert str(error).endswith("of the batch (domain). In the data this is row 17.")
    assert error.diagnosis["reason"] == "domain"
    assert error.step == run.step + 1
    assert error.epoch == 1
    assert error.fields()["step"] == error.step
    assert "log 'logs'" in error.detail
    assert error.hint


def test_the_run_stands_before_the_step_that_failed_however_far_from_the_last_copy() -> None:
    x = np.ones((1, 1))
    data = {"x": x, "y": x}
    document = {
        "program": "loss = sum(sqrt(3.0 - w * x) * y)",
        "parameters": {"w": {"value": 0.0}},
        "optimizer": {"name": "sgd", "learning_rate": 0.02},
        "epochs": 1000,
        "dtype": "float64",
    }
    spec = job(document, data)
    run = TrainingRun(spec, data)
    error = failure(run)
    assert error.step > 100
    w = 0.0
    for _ in range(error.step - 1):
        w += 0.02 * 0.5 / np.sqrt(3.0 - w)
    assert run.parameters["w"] == pytest.approx(w, rel=1e-12)
    assert np.isfinite(run.parameters["w"])
    again = TrainingRun(spec, data, resume=run.snapshot())
    assert failure(again).step == error.step


def test_data_that_are_not_finite_are_told_as_data() -> None:
    data = classes()
    data["x"][31, 2] = np.nan
    error = failure(TrainingRun(job(layered(shuffle=False), data), data))
    assert (error.node, error.op) == ("x", "input")
    assert error.diagnosis["rows"] == [31]
    assert error.step == 2


def test_an_exploding_rate_is_an_overflow_with_a_cure() -> None:
    x = np.linspace(-1, 1, 8)[:, None]
    data = {"x": x, "y": x}
    document = {
        "model": {"layers": [{"type": "Dense", "units": 4}, {"type": "Dense", "units": 1}]},
        "loss": "mse",
        "optimizer": {"name": "sgd", "learning_rate": 1e30},
        "epochs": 50,
    }
    run = TrainingRun(job(document, data), data)
    error = failure(run)
    assert error.diagnosis["reason"] == "overflow"
    assert "learning rate" in str(error.hint)
    assert all(np.isfinite(value).all() for value in run.parameters.values())


def test_a_parameter_that_overflows_where_it_starts_is_named() -> None:
    data = {"x": np.ones((4, 2)), "y": np.ones((4, 1))}
    document = {
        "program": "loss = mean((x @ W + b - y) ** 2)",
        "parameters": {
            "W": {"value": [[1.0], [1.0]]},
            "b": {"shape": [1], "initializer": {"name": "constant", "value": 1e300}},
        },
    }
    error = failure(TrainingRun(job(document, data), data))
    assert error.node == "b"
    assert "'b'" in error.detail
    assert (
        error.hint
        == "this parameter does not start from finite numbers: give it another initializer or value"
    )


@pytest.mark.parametrize(
    ("label", "said"),
    [(3, "label 3 is out of range"), (0.5, "got 0.5"), (np.nan, "got nan")],
)
@pytest.mark.parametrize("validating", [False, True])
def test_a_label_that_is_none_is_told_with_its_step_and_its_row(
    label: float, said: str, validating: bool
) -> None:
    data = classes(rows=40, sparse=True)
    labels = data["y"].astype(float)
    labels[37 if validating else 17] = label
    data["y"] = labels
    document = layered(
        loss="sparse_categorical_crossentropy", metrics=[], batch_size=8, validation_split=0.25 * validating
    )
    run = TrainingRun(job(document, data), data)
    with pytest.raises(UserError, match=said) as caught:
        list(run)
    when = "validation after epoch 1" if validating else f"step {run.step + 1} (epoch 1)"
    assert caught.value.detail.startswith(f"{when}: ")
    row = 37 if validating else 17
    assert caught.value.detail.endswith(f"; row {row} of the data is the first of its batch to do so")


@pytest.mark.parametrize(
    ("pred", "x", "subject", "hint"),
    [
        ("sqrt(w * x)", [1.0, -2.0], "sqrt 'pred' was", "sqrt(maximum(w * x, 1e-12))"),
        ("sqrt(w * x)", [1.0, 0.0], "the derivative of sqrt 'pred' was", "sqrt(w * x + 1e-12)"),
        ("sqrt((w - x) ** 2)", [1.0, 2.0], "the derivative of sqrt 'pred' was", "Write abs(w - x)"),
        ("log(1 - sigmoid(w * x))", [1.0, 400.0], "log 'pred' was", "Write log_sigmoid(-(w * x))"),
    ],
)
def test_the_cure_is_that_of_a_diagnosis(pred: str, x: list[float], subject: str, hint: str) -> None:
    data = {"x": np.array(x), "y": np.ones(2)}
    document = {
        "program": f"pred = {pred}\nloss = mean((pred - y) ** 2)",
        "parameters": {"w": {"value": 2.0}},
        "batch_size": 2,
        "shuffle": False,
    }
    error = failure(TrainingRun(job(document, data), data))
    assert subject in error.detail
    assert hint in str(error.hint)
    assert error.diagnosis["fix"] == error.hint
    assert error.diagnosis["rows"] == [1]
    assert "stabilize" not in str(error.hint)  # which no job has


def test_infinities_that_mask_are_not_told_to_be_cleaned_away() -> None:
    data = {"x": np.ones((2, 2)), "m": np.array([[0.0, 0.0], [-np.inf, -np.inf]]), "y": np.ones(2)}
    document = {
        "program": "loss = mean((sum(softmax(w * x + m) * x, axis=1) - y) ** 2)",
        "parameters": {"w": {"value": 0.5}},
        "batch_size": 2,
        "shuffle": False,
    }
    error = failure(TrainingRun(job(document, data), data))
    assert (error.node, error.diagnosis["rows"]) == ("m", [1])
    assert "-1e9" in str(error.hint)


def hidden_failure(bad: int, epochs: int = 1) -> tuple[TrainingRun, Any]:
    """A run of 40 steps an epoch whose step `bad` spoils `w`, which no later loss shows."""
    x = np.linspace(0.5, 1.0, 40)[:, None]
    x[bad - 1] = 0.0
    data = {"x": x}
    document = {
        "program": "loss = mean(where(x > 0, (v - x) ** 2, sqrt(w * x)))",
        "parameters": {"w": {"value": 1.0}, "v": {"value": 0.0}},
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "shuffle": False,
        "batch_size": 1,
        "epochs": epochs,
        "dtype": "float64",
    }
    return TrainingRun(job(document, data), data), (document, data)


@pytest.mark.parametrize("bad", [1, 7, 8, 9, 12, 23, 39, 40])
def test_the_step_that_spoilt_a_parameter_is_named_if_no_loss_shows_it(bad: int) -> None:
    run, (document, data) = hidden_failure(bad)
    error = failure(run)
    assert (error.step, run.step) == (bad, bad - 1)
    assert error.diagnosis["rows"] == [bad - 1]
    same = TrainingRun(job(document, data), data)
    for _ in range(bad - 1):
        next(same)
    assert run.snapshot().position == same.snapshot().position
    for name, array in run.parameters.items():
        np.testing.assert_array_equal(array, same.parameters[name])


@pytest.mark.parametrize("look", ["snapshot", "parameters", "state"])
def test_nobody_gets_parameters_that_are_not_finite(look: str) -> None:
    run, _ = hidden_failure(18)
    seen = [next(run) for _ in range(18)]
    with pytest.raises(TrainingFailure) as raised:
        getattr(run, look)() if look == "snapshot" else getattr(run, look)
    assert (raised.value.step, run.step) == (18, 17)
    assert seen
    assert np.isfinite(run.parameters["w"])


def test_parameters_that_are_not_finite_are_noticed_a_few_steps_later_at_most() -> None:
    run, _ = hidden_failure(18)
    events: list[Any] = []
    with pytest.raises(TrainingFailure):
        events.extend(iter(run))
    assert 17 <= events[-1].step < 18 + LOOK
