"""Metrics by object: what a job computes with them, and what they add up here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw

metrics = gw.keras.metrics
LABELS = np.random.default_rng(1).integers(0, 4, 50)
SCORES = np.random.default_rng(2).normal(size=(50, 4)) + 1.5 * np.eye(4)[LABELS]


def fed(metric: Any, y_true: Any, y_pred: Any, **weights: Any) -> float:
    """In two batches of different sizes."""
    metric.update_state(y_true[:7], y_pred[:7], **{k: w[:7] for k, w in weights.items()})
    return float(metric(y_true[7:], y_pred[7:], **{k: w[7:] for k, w in weights.items()}))


def model(units: int, features: int) -> gw.Sequential:
    return gw.Sequential([gw.layers.Dense(units, input_shape=(features,))], dtype="float64")


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("given", "sparse"),
    [
        (["accuracy", metrics.SparseCategoricalAccuracy(), metrics.SparseTopKCategoricalAccuracy(k=2)], True),
        (["accuracy", metrics.CategoricalAccuracy(), metrics.TopKCategoricalAccuracy(k=2)], False),
        ([{"name": "top_k_categorical_accuracy", "k": 3}], False),
        (
            [
                metrics.BinaryAccuracy(threshold=0.2),
                metrics.MeanSquaredError(),
                metrics.MeanAbsoluteError(),
                metrics.RootMeanSquaredError(),
            ],
            False,
        ),
        ([{"name": "binary_accuracy", "threshold": 0.2}, "rmse", "mse", "acc"], False),
    ],
)
def test_a_job_an_evaluation_and_a_loop_agree(given: list[Any], sparse: bool) -> None:
    y: Any = LABELS if sparse else np.eye(4)[LABELS]
    network = model(4, 4)
    loss: Any = gw.losses.SparseCategoricalCrossentropy(from_logits=True) if sparse else "mse"
    network.compile(gw.optimizers.SGD(1e-3), loss, metrics=given)
    history = network.fit(SCORES, y, epochs=1, batch_size=16, verbose=0, validation_data=(SCORES, y)).history
    there = {name.removeprefix("val_"): values[-1] for name, values in history.items() if "val_" in name}
    here = network.evaluate(SCORES, y, return_dict=True)
    assert here == pytest.approx(there, rel=1e-12)
    predicted = network.predict(SCORES)
    for metric in given:
        if isinstance(metric, metrics.Metric):
            assert fed(metric, y, predicted) == pytest.approx(there[metric.name], rel=1e-12)


@pytest.mark.usefixtures("client")
def test_a_metric_is_called_what_it_was_called(capsys: pytest.CaptureFixture[str]) -> None:
    network = model(4, 4)
    loss = gw.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("sgd", loss, metrics=[metrics.SparseCategoricalAccuracy("acc")])
    stop = gw.callbacks.EarlyStopping("val_acc", patience=0, mode="max", min_delta=1.0)
    history = network.fit(SCORES, LABELS, epochs=9, validation_data=(SCORES, LABELS), callbacks=[stop])
    assert set(history.history) == {"loss", "acc", "val_loss", "val_acc"}
    assert len(history.epoch) < 9, "it was stopped by the metric's own name"
    assert "val_acc=" in capsys.readouterr().out
    assert network.evaluate(SCORES, LABELS, return_dict=True).keys() == {"loss", "acc"}
    assert (metrics.Mean("train_loss").name, metrics.Mean().name) == ("train_loss", "mean")


@pytest.mark.usefixtures("client")
def test_two_metrics_of_a_kind_are_refused() -> None:
    network = model(4, 4)
    kind = metrics.SparseTopKCategoricalAccuracy
    network.compile("sgd", "sparse_categorical_crossentropy", metrics=[kind(1, "first"), kind(2, "second")])
    with pytest.raises(gw.errors.ConfigurationError, match="got 'first' and 'second': a job reports each"):
        network.fit(SCORES, LABELS, verbose=0)
    network.compile("sgd", "sparse_categorical_crossentropy", metrics=[kind(1), kind(2)])
    with pytest.raises(gw.errors.ProblemError, match="asked for twice"):
        network.fit(SCORES, LABELS, verbose=0)


def test_samples_may_weigh_differently() -> None:
    right = SCORES.argmax(1) == LABELS
    weights = np.arange(50.0)
    answer = fed(metrics.SparseCategoricalAccuracy(), LABELS, SCORES, sample_weight=weights)
    assert answer == pytest.approx((right * weights).sum() / weights.sum())
    with pytest.raises(ValueError, match=r"weights of shape \(3,\) do not fit samples of shape \(50,\)"):
        metrics.SparseCategoricalAccuracy().update_state(LABELS, SCORES, np.ones(3))


def test_a_mean_of_losses_starts_anew_with_each_epoch() -> None:
    mean = metrics.Mean()
    assert mean.result().numpy() == 0
    for loss in (gw.constant(1.0), 2.0, np.array([3.0, 6.0])):
        mean.update_state(loss)
    assert f"{mean.result():.2f}" == "3.00"
    mean.reset_state()
    assert mean(5).numpy() == 5


def test_a_column_is_as_good_as_numbers() -> None:
    labels, predicted = np.array([0.0, 1.0, 1.0]), np.array([[0.2], [0.7], [0.4]])
    for y_true, y_pred in (
        (labels, predicted),
        (labels[:, None], predicted[:, 0]),
        (labels, predicted[:, 0]),
    ):
        assert float(metrics.BinaryAccuracy()(y_true, y_pred)) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (metrics.MeanSquaredError(), r"y_true has shape \(50,\), y_pred has shape \(50, 4\)"),
        (metrics.CategoricalAccuracy(), "y_true has shape"),
        (metrics.SparseCategoricalAccuracy(), "do not fit scores"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(metric: Any, message: str) -> None:
    y_true = LABELS[:, None, None] if "Sparse" in type(metric).__name__ else LABELS
    with pytest.raises(ValueError, match=message):
        metric.update_state(y_true, SCORES)


def test_numbers_are_no_rows_of_scores() -> None:
    with pytest.raises(ValueError, match=r"expected rows of scores, got predictions of shape \(50,\)"):
        metrics.CategoricalAccuracy().update_state(LABELS, SCORES[:, 0])
