"""Initialisers, schedules, random streams and metrics, each against its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from engine.arrays.philox import Stream
from engine.arrays.types import Array
from engine.dtypes import TensorType
from engine.errors import ShapeMismatch, UserError
from engine.ir.tape import Tape
from engine.runtime.executors.numpy import run_tape
from engine.training.catalogue.initializers import INITIALIZERS, initial
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.metrics import METRICS, total
from engine.training.catalogue.schedules import SCHEDULES, rate_at, read_schedule

# -- random streams -------------------------------------------------------------------------------------


def test_a_stream_is_a_function_of_seed_purpose_name_and_step() -> None:
    streams = [(0, "dropout", "a", 0), (1, "dropout", "a", 0), (0, "shuffle", "a", 0), (0, "dropout", "b", 0)]
    words = [Stream(*key).words(4).tolist() for key in [*streams, (0, "dropout", "a", 1)]]
    assert len({tuple(w) for w in words}) == len(words)
    assert Stream(0, "dropout", "a", 5).words(7).tolist() == Stream(0, "dropout", "a").at(5).words(7).tolist()


def test_words_are_those_of_philox_and_never_change() -> None:
    # the key is (seed, first eight bytes of BLAKE2b of purpose and name), the counter (0, 0, 0, step)
    assert [hex(w) for w in Stream(3, "dropout", "dense", 2).words(2)] == PINNED


PINNED = ["0x1119a4886b72907f", "0xf7b9bdda5a8eb99d"]


def test_uniform_normal_mask_and_order_have_their_distributions() -> None:
    u = Stream(0, "test").uniform((20_000,))
    assert 0 < u.min() < u.max() < 1
    assert u.mean() == pytest.approx(0.5, abs=0.01)
    z = Stream(1, "test").normal((20_000,))
    assert (z.mean(), z.std()) == pytest.approx((0, 1), abs=0.02)
    cut = Stream(2, "test").truncated_normal((20_000,))
    assert np.abs(cut).max() <= 2
    assert cut.std() == pytest.approx(0.8796, abs=0.01)
    mask = Stream(3, "test").mask((199, 101), 0.3, "float32")
    assert mask.dtype == np.float32
    assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (mask == 0).mean() == pytest.approx(0.3, abs=0.01)
    order = Stream(4, "test").order(1000)
    assert sorted(order) == list(range(1000))


# -- initialisers ---------------------------------------------------------------------------------------


def made(value: Any, shape: tuple[int, ...], seed: int = 0) -> Array:
    return initial(INITIALIZERS.read(value, "$"), seed=seed, name="w", shape=shape, dtype="float64")


@pytest.mark.parametrize(
    ("name", "deviation", "bound"),
    [
        ("glorot_uniform", math.sqrt(2 / 500), math.sqrt(6 / 500)),
        ("glorot_normal", math.sqrt(2 / 500), 2 * math.sqrt(2 / 500) / 0.8796),
        ("he_uniform", math.sqrt(2 / 200), math.sqrt(6 / 200)),
        ("HeNormal", math.sqrt(2 / 200), 2 * math.sqrt(2 / 200) / 0.8796),
        ("lecun_uniform", math.sqrt(1 / 200), math.sqrt(3 / 200)),
        ("lecun_normal", math.sqrt(1 / 200), 2 * math.sqrt(1 / 200) / 0.8796),
        ("random_normal", 0.05, math.inf),
        ("random_uniform", 0.05 / math.sqrt(3), 0.05),
        ("truncated_normal", 0.05 * 0.8796, 0.1),
    ],
)
def test_initializers_have_their_deviation_and_bound(name: str, deviation: float, bound: float) -> None:
    w = made(name, (200, 300))
    assert w.std() == pytest.approx(deviation, rel=0.02)
    assert w.mean() == pytest.approx(0, abs=deviation / 50)
    assert np.abs(w).max() <= bound * (1 + 1e-6)
    assert not np.array_equal(w, made(name, (200, 300), seed=1))
    np.testing.assert_array_equal(w, made(name, (200, 300)))


def test_initializers_that_draw_nothing() -> None:
    np.testing.assert_array_equal(made("zeros", (2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(made("ones", ()), np.ones(()))
    np.testing.assert_array_equal(made({"name": "constant", "value": 2}, (2,)), [2.0, 2.0])
    np.testing.assert_array_equal(made({"name": "identity", "gain": 3.0}, (2, 3)), 3 * np.eye(2, 3))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 3, 5)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape: tuple[int, ...]) -> None:
    q = made("orthogonal", shape).reshape(-1, shape[-1])
    gram = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_an_initializers_own_seed_stands_in_for_the_jobs() -> None:
    value = {"name": "glorot_uniform", "seed": 9}
    np.testing.assert_array_equal(made(value, (3, 3), seed=0), made(value, (3, 3), seed=1))


# -- schedules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (0.1, {0: 0.1, 1000: 0.1}),
        (
            {"name": "step", "boundaries": [2, 4], "values": [1, 0.5, 0.1]},
            {0: 1, 2: 1, 3: 0.5, 4: 0.5, 5: 0.1},
        ),
        (
            {"name": "ExponentialDecay", "initial_learning_rate": 1, "decay_steps": 10, "decay_rate": 0.5},
            {0: 1, 5: 0.5**0.5, 10: 0.5},
        ),
        (
            {
                "name": "exponential",
                "initial_learning_rate": 1,
                "decay_steps": 10,
                "decay_rate": 0.5,
                "staircase": True,
            },
            {9: 1, 10: 0.5, 25: 0.25},
        ),
        (
            {"name": "cosine_decay", "initial_learning_rate": 1, "decay_steps": 10, "alpha": 0.1},
            {0: 1, 5: 0.55, 10: 0.1, 99: 0.1},
        ),
        (
            {
                "name": "cosine_decay",
                "initial_learning_rate": 0,
                "decay_steps": 10,
                "warmup_target": 1,
                "warmup_steps": 4,
            },
            {0: 0, 1: 0.25, 4: 1, 9: 0.5, 14: 0, 20: 0},
        ),
        ({"name": "linear_warmup", "learning_rate": 1, "warmup_steps": 4}, {0: 0, 2: 0.5, 4: 1, 9: 1}),
        (
            {
                "name": "polynomial_decay",
                "initial_learning_rate": 1,
                "decay_steps": 10,
                "end_learning_rate": 0,
            },
            {0: 1, 5: 0.5, 20: 0},
        ),
        (
            {"name": "inverse_time_decay", "initial_learning_rate": 1, "decay_steps": 2, "decay_rate": 1},
            {0: 1, 2: 0.5, 4: 1 / 3},
        ),
    ],
)
def test_schedules_at_known_steps(schedule: Any, expected: dict[int, float]) -> None:
    chosen = read_schedule(schedule, "$")
    assert {step: rate_at(chosen, step) for step in expected} == pytest.approx(expected, abs=1e-15)


def test_every_schedule_has_a_case_here() -> None:
    marks = test_schedules_at_known_steps.pytestmark  # type: ignore[attr-defined]  # what parametrize put there
    tested = {read_schedule(case[0], "$").record.name for case in marks[0].args[1]}
    assert tested == {record.name for record in SCHEDULES}


def test_settings_of_a_schedule_that_do_not_fit_each_other() -> None:
    with pytest.raises(UserError, match="one value more"):
        read_schedule({"name": "step", "boundaries": [1], "values": [1]}, "$.rate")


# -- metrics --------------------------------------------------------------------------------------------


def measured(name: Any, y_true: Array, y_pred: Array) -> float:
    tape = Tape()
    a = tape.input("a", TensorType(y_true.shape, y_true.dtype.name))
    b = tape.input("b", TensorType(y_pred.shape, y_pred.dtype.name))
    chosen = METRICS.read(name, "$")
    summed, count = total(chosen, a, b)
    tape.outputs = [summed.slot]
    (answer,) = run_tape(tape, {"a": y_true, "b": y_pred})
    return chosen.record.finish(answer.item() / count)


SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]])
LABELS = np.array([1, 1, 2, 0])


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "expected"),
    [
        ("accuracy", np.eye(3)[LABELS], SCORES, 0.75),
        ("accuracy", LABELS, SCORES, 0.75),
        ("acc", LABELS[:, None], SCORES, 0.75),
        ("accuracy", np.array([[1.0], [0.0], [1.0]]), np.array([[0.7], [0.6], [0.2]]), 1 / 3),
        ("accuracy", np.array([1.0, 0.0, 1.0]), np.array([[0.7], [0.4], [0.2]]), 2 / 3),
        ("accuracy", np.array([1.0, 0.0, 1.0]), np.array([0.7, 0.4, 0.2]), 2 / 3),
        ("accuracy", np.array([[1.0], [0.0], [1.0]]), np.array([0.7, 0.4, 0.2]), 2 / 3),
        ("categorical_accuracy", np.eye(3)[LABELS], SCORES, 0.75),
        ("sparse_categorical_accuracy", LABELS, SCORES, 0.75),
        ({"name": "binary_accuracy", "threshold": 0.65}, np.array([[1.0, 0.0]]), np.array([[0.7, 0.6]]), 1.0),
        ({"name": "top_k_categorical_accuracy", "k": 2}, np.eye(3)[LABELS], SCORES, 1.0),
        ({"name": "sparse_top_k_categorical_accuracy", "k": 1}, LABELS, SCORES, 0.75),
        ("rmse", np.array([[1.0], [2.0]]), np.array([[4.0], [6.0]]), math.sqrt(12.5)),
        ("mse", np.array([[1.0], [2.0]]), np.array([[4.0], [6.0]]), 12.5),
        ("mae", np.array([[1.0], [2.0]]), np.array([[4.0], [6.0]]), 3.5),
        ("categorical_crossentropy", np.eye(3)[[1]], SCORES[:1], -math.log(0.7)),
    ],
)
def test_metrics_by_hand(name: Any, y_true: Array, y_pred: Array, expected: float) -> None:
    assert measured(name, y_true, y_pred) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["categorical_accuracy", "top_k_categorical_accuracy"])
def test_one_number_a_sample_is_no_row_of_scores(name: str) -> None:
    with pytest.raises(ShapeMismatch, match=r"predictions of shape \(4,\) are no rows of scores"):
        measured(name, np.ones(4), np.ones(4))


@pytest.mark.parametrize("name", [loss.name for loss in LOSSES])
def test_every_loss_is_a_metric_of_the_same_value(name: str) -> None:
    labels = LABELS if LOSSES.named(name, "$").labels else np.eye(3)[LABELS]
    tape = Tape()
    a = tape.input("a", TensorType(labels.shape, labels.dtype.name))
    b = tape.input("b", TensorType(SCORES.shape))
    tape.outputs = [LOSSES.named(name, "$").op(a, b).slot]
    (loss,) = run_tape(tape, {"a": labels, "b": SCORES})
    assert measured(name, labels, SCORES) == pytest.approx(loss.item())


@pytest.mark.oracle
def test_initializers_spread_as_torchs_do(oracle: Callable[[str], ModuleType]) -> None:
    torch = oracle("torch")
    w = torch.empty(300, 200)  # torch keeps (out, in)
    for ours, theirs in [("glorot_uniform", "xavier_uniform_"), ("he_uniform", "kaiming_uniform_")]:
        arguments = {"nonlinearity": "relu"} if theirs.startswith("kaiming") else {}
        getattr(torch.nn.init, theirs)(w, **arguments)
        assert made(ours, (200, 300)).std() == pytest.approx(w.std().item(), rel=0.02)
