"""Losses: values by hand, certain predictions, reductions, shapes, labels out of range."""

import math

import numpy as np
import pytest

from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, IndexOutOfRange, InvalidAttribute, ShapeMismatch
from engine.ir.table import TABLE, lookup
from engine.ir.tape import Tape
from tests.engine.derive import derive

EPSILON = 1e-7


def value(name, *inputs, **attributes):
    return derive(name, *inputs, **attributes).value


BY_HAND = [
    ("mean_squared_error", [1.0, 2.0], [1.5, 0.0], {}, (0.25 + 4) / 2),
    ("mean_absolute_error", [1.0, 2.0], [1.5, 0.0], {}, 1.25),
    ("mean_absolute_percentage_error", [1.0, -2.0], [1.5, -1.0], {}, 50.0),
    ("mean_squared_logarithmic_error", [0.0], [math.e - 1], {}, 1.0),
    ("huber", [0.0, 0.0], [0.5, 3.0], {}, (0.125 + 2.5) / 2),
    ("huber", [0.0], [3.0], {"delta": 2.0}, 4.0),
    ("huber", [0.0], [math.inf], {}, math.inf),
    ("log_cosh", [0.0], [1.0], {}, math.log(math.cosh(1))),
    ("hinge", [1.0, -1.0, 0.0], [0.5, 0.5, -2.0], {}, (0.5 + 1.5 + 0) / 3),
    ("squared_hinge", [1.0, -1.0], [0.5, 0.5], {}, (0.25 + 2.25) / 2),
    ("categorical_hinge", [[0.0, 1.0, 0.0]], [[0.5, 0.7, 0.1]], {}, 0.8),
    ("poisson", [2.0], [3.0], {}, 3 - 2 * math.log(3)),
    ("binary_crossentropy", [1.0, 0.0], [0.8, 0.4], {}, -(math.log(0.8) + math.log(0.6)) / 2),
    ("categorical_crossentropy", [[0.0, 1.0]], [[0.1, 0.3]], {}, -math.log(0.75)),
    ("sparse_categorical_crossentropy", [1], [[0.1, 0.3]], {}, -math.log(0.75)),
    ("kl_divergence", [[0.5, 0.5]], [[0.25, 0.75]], {}, 0.5 * math.log(2) + 0.5 * math.log(2 / 3)),
    ("cosine_similarity_loss", [[3.0, 0.0]], [[1.0, 1.0]], {}, -math.sqrt(0.5)),
]


@pytest.mark.parametrize(("name", "y_true", "y_pred", "attributes", "expected"), BY_HAND)
def test_values_by_hand(name, y_true, y_pred, attributes, expected):
    np.testing.assert_allclose(value(name, y_true, y_pred, **attributes), expected, rtol=1e-12)


# -- certain predictions -------------------------------------------------------------------------------

CERTAIN = [
    ("binary_crossentropy", [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]),
    ("categorical_crossentropy", [[0.0, 1.0]], [[0.0, 1.0]], [1.0, 0.0]),
    ("sparse_categorical_crossentropy", [1], [[0.0, 1.0]], [1.0, 0.0]),
    ("kl_divergence", [[0.0, 1.0]], [[0.0, 1.0]], [1.0, 0.0]),
]


@pytest.mark.parametrize(("name", "y_true", "right", "wrong"), CERTAIN)
def test_certainty_costs_nothing_where_right_and_a_finite_sum_where_wrong(name, y_true, right, wrong):
    found = derive(name, y_true, right)
    assert found.value == 0
    for g in (*found.first, *found.second):
        assert g is None or np.isfinite(g).all()
    found = derive(name, y_true, np.reshape(wrong, np.shape(right)))
    np.testing.assert_allclose(found.value, -math.log(EPSILON))
    for g in (*found.first, *found.second):
        assert g is None or np.isfinite(g).all()


def test_the_gradient_of_a_right_and_certain_prediction_points_the_right_way():
    gradient = derive("binary_crossentropy", [1.0, 0.0], [1.0, 0.0], reduction="none").first[1]
    weights = np.cos([0, 1])
    np.testing.assert_allclose(gradient, weights * [-1.0, 1.0])


def test_logits_have_exact_tails():
    found = derive("binary_crossentropy", [1.0], [-800.0], from_logits=True)
    assert (found.value, found.first[1].tolist()) == (800.0, [-1.0])
    found = derive("categorical_crossentropy", [[1.0, 0.0]], [[-800.0, 0.0]], from_logits=True)
    assert (found.value, found.first[1].tolist()) == (800.0, [[-1.0, 1.0]])
    found = derive("sparse_categorical_crossentropy", [0], [[-800.0, 0.0]], from_logits=True)
    assert (found.value, found.first[0].tolist()) == (800.0, [[-1.0, 1.0]])


def test_probabilities_and_logits_agree():
    logits = np.array([[0.3, -1.2, 2.0], [0.0, 0.5, -0.5]])
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = np.eye(3)[[2, 0]]
    dense = value("categorical_crossentropy", labels, chances)
    assert dense == pytest.approx(value("categorical_crossentropy", labels, logits, from_logits=True))
    assert dense == pytest.approx(value("sparse_categorical_crossentropy", [2, 0], chances))
    assert dense == pytest.approx(value("sparse_categorical_crossentropy", [2, 0], logits, from_logits=True))
    sigmoid = 1 / (1 + np.exp(-logits))
    assert value("binary_crossentropy", labels, sigmoid) == pytest.approx(
        value("binary_crossentropy", labels, logits, from_logits=True)
    )


def test_label_smoothing_moves_labels_towards_the_middle():
    smooth = value("binary_crossentropy", [1.0, 0.0], [0.8, 0.4], label_smoothing=0.2)
    assert smooth == pytest.approx(value("binary_crossentropy", [0.9, 0.1], [0.8, 0.4]))
    smooth = value(
        "categorical_crossentropy", [[1.0, 0.0, 0.0, 0.0]], [[0.4, 0.3, 0.2, 0.1]], label_smoothing=0.2
    )
    spread = [[0.85, 0.05, 0.05, 0.05]]
    assert smooth == pytest.approx(value("categorical_crossentropy", spread, [[0.4, 0.3, 0.2, 0.1]]))


# -- reductions and shapes -----------------------------------------------------------------------------

OF_ALL = {"dice", "tversky"}  # one number for all elements, whatever the reduction
LOSSES = sorted(
    op.name
    for op in TABLE.public()
    if any(a.name == "reduction" for a in op.attributes) and op.name not in OF_ALL
)


@pytest.mark.parametrize("name", LOSSES)
def test_mean_and_sum_are_of_what_none_answers(name):
    sample = lookup(name).samples.cases[0]
    rng = np.random.default_rng(0)
    domain = [lookup(name).samples.domain_of(i) for i in range(len(sample.inputs))]
    inputs = [
        rng.uniform(d.low, d.high, x) if isinstance(x, tuple) else np.asarray(x)
        for x, d in zip(sample.inputs, domain, strict=True)
    ]
    losses = value(name, *inputs, reduction="none")
    assert value(name, *inputs) == pytest.approx(losses.mean())
    assert value(name, *inputs, reduction="sum") == pytest.approx(losses.sum())


def test_pointwise_losses_answer_one_for_each_element_and_the_others_one_for_each_sample():
    y = np.full((4, 3), 0.3)
    assert value("mean_squared_error", y, y, reduction="none").shape == (4, 3)
    assert value("categorical_crossentropy", y, y, reduction="none").shape == (4,)
    assert value("categorical_crossentropy", y, y, reduction="none", axis=0).shape == (3,)


@pytest.mark.parametrize("shapes", [((3,), (3, 1)), ((3, 1), (3,))])
def test_a_column_against_a_vector_is_not_broadcast_to_a_square(shapes):
    truth, prediction = np.ones(shapes[0]), np.arange(3.0).reshape(shapes[1])
    found = derive("mean_squared_error", truth, prediction, reduction="none")
    assert found.value.shape == (3,)
    assert found.first[1].shape == shapes[1]


def test_labels_may_be_a_column_and_of_any_integer_dtype():
    chances = np.array([[0.2, 0.8], [0.5, 0.5]])
    expected = value("sparse_categorical_crossentropy", [1, 0], chances)
    for labels in (np.array([[1], [0]]), np.array([1, 0], "uint8"), np.array([1, 0], "int32")):
        assert value("sparse_categorical_crossentropy", labels, chances) == expected


def test_integer_targets_take_the_dtype_of_the_prediction():
    assert value("mean_squared_error", np.array([1, 2]), np.array([1.0, 2.5], "float32")).dtype == "float32"


# -- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], np.array([0, 200], "uint8")])
@pytest.mark.parametrize("from_logits", [True, False])
def test_a_label_out_of_range_is_an_error_when_it_runs(labels, from_logits):
    with pytest.raises(IndexOutOfRange, match="is out of range for 3 classes"):
        value("sparse_categorical_crossentropy", labels, np.full((2, 3), 0.3), from_logits=from_logits)


REFUSED = [
    ("sparse_categorical_crossentropy", ("int64", (2,)), ("float64", (3, 4)), {}, ShapeMismatch),
    ("sparse_categorical_crossentropy", ("float64", (2,)), ("float64", (2, 4)), {}, DtypeMismatch),
    ("categorical_crossentropy", ("float64", (2,)), ("float64", (2, 4)), {}, ShapeMismatch),
    ("mean_squared_error", ("float64", (2,)), ("float64", (3,)), {}, ShapeMismatch),
    ("mean_squared_error", ("complex128", (2,)), ("float64", (2,)), {}, DtypeMismatch),
    ("mean_squared_error", ("float64", (2,)), ("float64", (2,)), {"reduction": "max"}, InvalidAttribute),
    ("huber", ("float64", (2,)), ("float64", (2,)), {"delta": 0}, InvalidAttribute),
    ("binary_crossentropy", ("float64", (2,)), ("float64", (2,)), {"label_smoothing": 2}, InvalidAttribute),
]


@pytest.mark.parametrize(("name", "y_true", "y_pred", "attributes", "error"), REFUSED)
def test_what_a_loss_refuses(name, y_true, y_pred, attributes, error):
    tape = Tape()
    inputs = [tape.input(n, TensorType(s, d)) for n, (d, s) in (("y", y_true), ("p", y_pred))]
    with pytest.raises(error):
        lookup(name)(*inputs, **attributes)
