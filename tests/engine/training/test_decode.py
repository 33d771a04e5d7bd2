"""What cannot be trained is refused at submit, with the place and the cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.errors import UserError
from engine.training import estimate_of
from tests.engine.training.world import classes, job, layered

LINE: dict[str, Any] = {
    "program": "loss = mean((W * x + b - y) ** 2)",
    "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
}
ROWS = {"x": np.ones((6, 1)), "y": np.ones((6, 1))}


def dense(**settings: Any) -> dict[str, Any]:
    return {"layers": [{"type": "Dense", "units": 3, **settings}]}


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"optimiser": "adam"}, "unknown_field", "$.optimiser"),
        ({"optimizer": "adan"}, "unknown_name", "$.optimizer"),
        ({"optimizer": {"name": "adam", "beta1": 0.9}}, "unknown_field", "$.optimizer.beta1"),
        ({"optimizer": {"name": "adam", "beta_1": 1.0}}, "invalid_attribute", "$.optimizer.beta_1"),
        (
            {"optimizer": {"name": "adam", "learning_rate": -1}},
            "invalid_attribute",
            "$.optimizer.learning_rate",
        ),
        (
            {"optimizer": {"name": "adam", "learning_rate": {"name": "cosine"}}},
            "invalid_attribute",
            "$.optimizer.learning_rate.initial_learning_rate",
        ),
        ({"batch_size": 0}, "invalid_attribute", "$.batch_size"),
        ({"epochs": 1.5}, "invalid_attribute", "$.epochs"),
        ({"seed": -1}, "invalid_attribute", "$.seed"),
        ({"dtype": "int64"}, "invalid_attribute", "$.dtype"),
        ({"validation_split": 1.0}, "invalid_attribute", "$.validation_split"),
        ({"validation_split": 0.999}, "dataset_mismatch", "$.validation_split"),
        ({"early_stopping": {"monitor": "val_loss"}}, "unknown_name", "$.early_stopping.monitor"),
        ({"early_stopping": {"patience": -1}}, "invalid_attribute", "$.early_stopping.patience"),
        ({"device": "gpu"}, "invalid_document", "$.device"),
        ({"device": 0}, "invalid_document", "$.device"),
        ({"metrics": ["accurracy"]}, "unknown_name", "$.metrics[0]"),
        ({"loss": "crossentropy"}, "unknown_name", "$.loss"),
        ({"loss": None}, "invalid_document", "$.loss"),
        ({"target": "loss"}, "invalid_document", "$.target"),
        ({"graph": {}}, "invalid_document", "$"),
        ({"model": {"layers": []}}, "invalid_document", "$.model.layers"),
        ({"model": {"layers": [{"type": "Flatten"}]}}, "invalid_document", "$.model.layers"),
        ({"model": {"layers": [{"type": "Dens", "units": 3}]}}, "unknown_name", "$.model.layers[0].type"),
        ({"model": {"layers": [{"units": 3}]}}, "invalid_document", "$.model.layers[0]"),
        ({"model": dense(units=0)}, "invalid_attribute", "$.model.layers[0].units"),
        ({"model": dense(activation="rellu")}, "unknown_name", "$.model.layers[0].activation"),
        (
            {"model": dense(kernel_initializer={"name": "random_normal", "stddev": -1})},
            "invalid_attribute",
            "$.model.layers[0].kernel_initializer.stddev",
        ),
        ({"model": dense(name="a b")}, "invalid_document", "$.model.layers[0].name"),
        ({"model": {**dense(), "input_shape": [7]}}, "dataset_mismatch", "$.data.x"),
        ({"model": dense(units=4)}, "shape_mismatch", "$.loss"),
        ({"parameters": {"dense.kernal": {"value": 1.0}}}, "unknown_name", '$.parameters["dense.kernal"]'),
        ({"parameters": {"dense.bias": {"value": [1.0]}}}, "shape_mismatch", '$.parameters["dense.bias"]'),
        ({"parameters": {"dense.bias": [1.0]}}, "invalid_document", '$.parameters["dense.bias"]'),
        ({"metrics": "accuracy"}, "invalid_document", "$.metrics"),
        ({"early_stopping": True}, "invalid_document", "$.early_stopping"),
        (
            {"model": dense(bias_initializer="orthogonal")},
            "shape_mismatch",
            "$.model.layers[0].bias_initializer",
        ),
        (
            {"model": dense(activation={"name": "elu", "alfa": 1})},
            "unknown_field",
            "$.model.layers[0].activation.alfa",
        ),
        (
            {"model": {"layers": [{"type": "Activation"}]}},
            "invalid_attribute",
            "$.model.layers[0].activation",
        ),
        ({"model": {**dense(), "input_shape": [None, 6]}}, "invalid_attribute", "$.model.input_shape"),
        (
            {"model": {"input_shape": [7], "layers": [{"type": "Input", "shape": [6]}, *dense()["layers"]]}},
            "invalid_document",
            "$.model.layers[0].shape",
        ),
        (
            {"model": {"layers": [*dense()["layers"], {"type": "Input", "shape": [6]}]}},
            "invalid_document",
            "$.model.layers[1]",
        ),
        ({"loss": "mse", "model": dense(units=1)}, "shape_mismatch", "$.data.y"),
        ({"loss": "mae", "model": dense(units=2)}, "shape_mismatch", "$.data.y"),
    ],
)
def test_a_job_of_layers_is_refused_with_its_place(fields: dict[str, Any], code: str, path: str) -> None:
    document = {"model": dense(activation="softmax"), "loss": "categorical_crossentropy", **fields}
    with pytest.raises(UserError) as caught:
        job({k: v for k, v in document.items() if v is not None}, classes())
    assert (caught.value.code, caught.value.path) == (code, path)


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"parameters": {}}, "missing_input", "$.parameters"),
        ({"parameters": {**LINE["parameters"], "c": {"value": 1.0}}}, "unconnected", "$.parameters"),
        ({"parameters": {"W": {"value": [0.5]}}}, "missing_input", "$.data"),
        ({"parameters": {**LINE["parameters"], "b": {}}}, "invalid_document", "$.parameters.b"),
        (
            {"parameters": {**LINE["parameters"], "b": {"initializer": "zeros"}}},
            "invalid_attribute",
            "$.parameters.b.shape",
        ),
        ({"target": "los"}, "unknown_name", "$.target"),
        ({"target": "subtract_1"}, "invalid_target", "$.target"),
        ({"program": "loss = mean((round(W) * x + b - y) ** 2)"}, "unconnected", "$.parameters"),
        ({"program": "loss = mean((W @ x + b - y) ** 2)"}, "shape_mismatch", "$.program"),
        ({"loss": "mse"}, "invalid_document", "$.loss"),
        ({"metrics": ["accuracy"]}, "unknown_name", "$.metrics[0]"),
        ({"metrics": ["subtract_1"]}, "invalid_target", "$.metrics"),
        (
            {"parameters": {**LINE["parameters"], "W": {"value": ["NaN"]}}},
            "invalid_tensor",
            "$.parameters.W.value",
        ),
        (
            {"parameters": {**LINE["parameters"], "W": {"value": [1e300]}}},
            "invalid_tensor",
            "$.parameters.W.value",
        ),
        (
            {"parameters": {**LINE["parameters"], "b": {"shape": [1], "initializer": "identity"}}},
            "shape_mismatch",
            "$.parameters.b.initializer",
        ),
    ],
)
def test_a_program_is_refused_with_its_place(fields: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(UserError) as caught:
        job({**LINE, **fields}, ROWS)
    assert (caught.value.code, caught.value.path) == (code, path)


def test_a_parameter_without_a_path_is_refused_with_the_reason_and_a_cure() -> None:
    with pytest.raises(UserError, match="does not depend on 'c'") as caught:
        job({**LINE, "parameters": {**LINE["parameters"], "c": {"value": 1.0}}}, ROWS)
    assert caught.value.hint == "Use 'c' in 'loss', or leave it out of the parameters."


def test_an_input_without_a_value_may_be_data_or_learned() -> None:
    with pytest.raises(UserError, match="'b' has no value") as caught:
        job({**LINE, "parameters": {"W": {"value": [0.5]}}}, ROWS)
    assert caught.value.hint == 'name it in the parameters if it is learned, or send it: {"data": {"b": …}}'


def test_data_that_nothing_reads_are_told_where_others_are_missing() -> None:
    with pytest.raises(UserError, match="'x' has no value") as caught:
        job(LINE, {"X": ROWS["x"], "y": ROWS["y"]})
    assert str(caught.value.hint).endswith("; nothing reads 'X' of the data")


def test_the_learning_rate_is_among_the_settings_of_an_optimizer() -> None:
    with pytest.raises(UserError, match="sgd has no setting 'lr'") as caught:
        job({**LINE, "optimizer": {"name": "sgd", "lr": 0.1}}, ROWS)
    assert "learning_rate, momentum" in str(caught.value.hint)


def test_a_column_of_single_numbers_is_told_how_to_become_rows() -> None:
    with pytest.raises(UserError, match="at least one axis") as caught:
        job({"model": dense(), "loss": "mse"}, {"x": np.ones(6), "y": np.ones((6, 3))})
    assert "[[1], [2]]" in str(caught.value.hint)


def test_labels_may_have_or_lack_a_last_axis_of_one() -> None:
    for row in ((), (1,)):
        spec = job({"model": dense(units=1), "loss": "mse"}, {"x": np.ones((6, 2)), "y": np.ones((6, *row))})
        assert spec.rows == 6
    with pytest.raises(UserError, match=r"shape \[1\] for 'y', as the model answers, got \[2\]"):
        job({"model": dense(units=1), "loss": "mse"}, {"x": np.ones((6, 2)), "y": np.ones((6, 2))})


def test_a_gpu_is_called_cuda() -> None:
    with pytest.raises(UserError) as caught:
        job({**LINE, "device": "gpu"}, ROWS)
    assert caught.value.hint == "a GPU is cuda, or cuda:n where there are several"


def test_a_share_of_validation_reads_back_as_it_was_given() -> None:
    spec = job({**LINE, "validation_split": 0.85}, {"x": np.ones((10, 1)), "y": np.ones((10, 1))})
    again = job(spec.document(), {"x": np.ones((10, 1)), "y": np.ones((10, 1))})
    assert (again.rows, again.validation_rows) == (spec.rows, spec.validation_rows) == (1, 9)


def test_rows_that_differ_are_refused() -> None:
    with pytest.raises(UserError, match="'x' has 6, 'y' has 5") as caught:
        job(LINE, {"x": np.ones((6, 1)), "y": np.ones((5, 1))})
    assert caught.value.code == "dataset_mismatch"


def test_a_shape_that_does_not_fit_a_layer_names_the_layer() -> None:
    document = layered()
    document["model"] = {
        "layers": [{"type": "Reshape", "target_shape": [4, 2]}, {"type": "Dense", "units": 3}]
    }
    with pytest.raises(UserError) as caught:
        job(document, classes())
    assert caught.value.path == "$.model.layers[0].target_shape"


def test_validation_data_must_fit_too() -> None:
    data = classes()
    with pytest.raises(UserError) as caught:
        job(layered(), data, {"x": data["x"][:, :2], "y": data["y"]})
    assert (caught.value.code, caught.value.path) == ("dataset_mismatch", "$.validation_data.x")


def test_the_estimate_counts_what_stays() -> None:
    spec = job(layered(), classes())
    estimate = estimate_of(spec)
    assert estimate.parameter_bytes == spec.objective.size * 4
    assert estimate.optimizer_bytes == 2 * estimate.parameter_bytes
    assert estimate.steps == 12
    assert estimate.peak_bytes > estimate.step.peak_bytes
