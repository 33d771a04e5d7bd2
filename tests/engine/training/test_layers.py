"""Layers: what they compute, their gradients while training, and what an expansion says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from engine.arrays.philox import Stream
from engine.arrays.types import Array
from engine.errors import UnknownField, UserError
from engine.frontend.decode import decode_graph
from engine.training import StepDone, TrainingRun, expand_model
from engine.training.catalogue.activations import ACTIVATIONS
from engine.training.job.predict import predict
from engine.training.loop.memory import first_value
from engine.training.model.layers import LAYERS
from tests.engine.training.world import classes, job, layered, trained

RNG = np.random.default_rng(5)


def applied(layers: list[dict[str, Any]], x: Array, **parameters: Any) -> Array:
    """What a model predicts with float64 weights: those given by name, the others as they start."""
    expansion = expand_model({"layers": layers, "input_shape": list(x.shape[1:])}, dtype="float64")
    weights = {name: first_value(name, weight, 0) for name, weight in expansion.parameters.items()}
    weights |= {name: np.asarray(value) for name, value in parameters.items()}
    state = {name: first_value(name, state.weight, 0) for name, state in expansion.state.items()}
    state = {name: np.asarray(parameters.get(name, value)) for name, value in state.items()}
    learned = {name: value for name, value in weights.items() if name not in state}
    return predict(expansion, learned, state, {"x": x})["y"]


def test_dense_works_on_the_last_axis() -> None:
    x, kernel, bias = RNG.normal(size=(2, 5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
    layer = {"type": "Dense", "units": 4, "activation": "tanh"}
    y = applied([layer], x, **{"dense.kernel": kernel, "dense.bias": bias})
    np.testing.assert_allclose(y, np.tanh(x @ kernel + bias), rtol=1e-12)


def test_layer_normalization_over_one_axis_and_two() -> None:
    x = RNG.normal(size=(2, 3, 4))
    gamma, beta = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
    weights = {"layer_normalization.gamma": gamma, "layer_normalization.beta": beta}
    y = applied([{"type": "LayerNormalization", "axis": [1, 2]}], x, **weights)
    mean, var = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-3) * gamma + beta, rtol=1e-10)
    y = applied([{"type": "LayerNormalization", "center": False, "axis": 1}], x)
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-3), rtol=1e-10)


def test_batch_normalization_predicts_with_its_running_averages() -> None:
    x = RNG.normal(size=(2, 3, 4))
    mean, var = RNG.normal(size=3), RNG.uniform(0.5, 2, 3)
    name = "batch_normalization.moving"
    y = applied(
        [{"type": "BatchNormalization", "axis": 1}], x, **{f"{name}_mean": mean, f"{name}_variance": var}
    )
    np.testing.assert_allclose(y, (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-3), rtol=1e-10)


def test_batch_normalization_carries_averages_of_the_batches_it_saw() -> None:
    data = classes(32)
    document = layered(
        model={
            "layers": [
                {"type": "BatchNormalization", "momentum": 0.9},
                {"type": "Dense", "units": 3, "activation": "softmax"},
            ]
        },
        shuffle=False,
        epochs=1,
        dtype="float64",
    )
    run, _ = trained(document, data)
    mean, var = np.zeros(6), np.ones(6)
    for k in (0, 16):
        batch = data["x"][k : k + 16].astype(float)
        mean = 0.9 * mean + 0.1 * batch.mean(axis=0)
        var = 0.9 * var + 0.1 * batch.var(axis=0)
    np.testing.assert_allclose(run.state["batch_normalization.moving_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(run.state["batch_normalization.moving_variance"], var, rtol=1e-12)


def test_embedding_flatten_and_reshape_on_integers() -> None:
    table = RNG.normal(size=(7, 2))
    layers = [
        {"type": "Embedding", "input_dim": 7, "output_dim": 2},
        {"type": "Flatten"},
        {"type": "Reshape", "target_shape": [2, -1]},
    ]
    x = np.array([[0, 6, 3], [1, 1, 1]])
    y = applied(layers, x, **{"embedding.embeddings": table})
    np.testing.assert_array_equal(y, table[x].reshape(2, 2, 3))


def test_an_embedding_learns_from_labels_and_refuses_an_index_out_of_range() -> None:
    x = RNG.integers(0, 5, size=(40, 2))
    data = {"x": x, "y": (x.sum(axis=1) > 4).astype(np.int64)}
    document = layered(
        model={
            "layers": [
                {"type": "Embedding", "input_dim": 5, "output_dim": 4},
                {"type": "Flatten"},
                {"type": "Dense", "units": 2, "activation": "softmax"},
            ]
        },
        loss="sparse_categorical_crossentropy",
        epochs=60,
    )
    _, epochs = trained(document, data)
    assert epochs[-1]["accuracy"] == 1.0
    data["x"] = x + 1
    with pytest.raises(UserError) as caught:
        trained(document, data)
    assert caught.value.path == "$.model.layers[0]"


@pytest.mark.parametrize("activation", [record.name for record in ACTIVATIONS])
def test_every_activation_trains(activation: str) -> None:
    layers = [{"type": "Dense", "units": 5, "activation": activation}, {"type": "Dense", "units": 3}]
    _, epochs = trained(layered(model={"layers": layers}, loss="mse", epochs=2), classes(16))
    assert np.isfinite(epochs[-1]["loss"])


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        ("softmax", "categorical_crossentropy"),
        ("softmax", {"name": "categorical_crossentropy", "label_smoothing": 0.1}),
        ("softmax", "sparse_categorical_crossentropy"),
        ("sigmoid", "binary_crossentropy"),
        ("softmax", "mse"),
        (None, {"name": "categorical_crossentropy", "from_logits": True}),
    ],
)
def test_gradients_of_a_step_are_those_of_finite_differences(activation: str | None, loss: Any) -> None:
    sparse = loss == "sparse_categorical_crossentropy"
    data = classes(16, sparse=sparse)
    layers = [*layered()["model"]["layers"][:-1], {"type": "Dense", "units": 3, "activation": activation}]
    document = layered(
        model={"layers": layers},
        loss=loss,
        optimizer={"name": "sgd", "learning_rate": 1.0},
        dtype="float64",
        shuffle=False,
    )

    def first(parameters: dict[str, Any]) -> tuple[float, dict[str, Array], dict[str, Array]]:
        given = {name: {"value": value.tolist()} for name, value in parameters.items()}
        run = TrainingRun(job({**document, "parameters": given}, data), data)
        before = run.parameters
        event = next(run)
        assert isinstance(event, StepDone)
        return event.metrics["loss"], before, run.parameters

    _, before, after = first({})
    for name, value in before.items():
        direction = RNG.normal(size=value.shape)
        slope = (
            first({name: value + 1e-6 * direction})[0] - first({name: value - 1e-6 * direction})[0]
        ) / 2e-6
        assert np.sum((value - after[name]) * direction) == pytest.approx(slope, rel=1e-6, abs=1e-8), name


def test_a_softmax_that_is_certain_and_wrong_trains_on() -> None:
    data = {"x": np.array([[1000.0], [-1000.0]]), "y": np.array([[0.0, 1.0], [1.0, 0.0]])}
    start = {"dense.kernel": {"value": [[1.0, -1.0]]}}
    document = layered(
        model={"layers": [{"type": "Dense", "units": 2, "activation": "softmax"}]}, parameters=start, epochs=1
    )
    run = TrainingRun(job(document, data), data)
    event = next(run)
    assert isinstance(event, StepDone)
    assert event.metrics["loss"] == 2000
    assert run.parameters["dense.kernel"][0, 0] < 1


def test_dropout_keeps_the_mean_and_draws_from_seed_layer_and_step() -> None:
    expansion = expand_model(
        {"input_shape": [4], "layers": [{"type": "Dropout", "rate": 0.25}, {"type": "Dense", "units": 1}]}
    )
    assert expansion.draws["dropout.mask"].document() == {
        "shape": [None, 4],
        "dtype": "float32",
        "rate": 0.25,
    }
    assert "dropout.mask" in expansion.train.inputs
    assert "dropout.mask" not in expansion.predict.inputs
    masks = [Stream(0, "dropout", "dropout", step).mask((1000, 4), 0.25, "float32") for step in (0, 1)]
    assert masks[0].mean() == pytest.approx(1, abs=0.03)
    assert not np.array_equal(*masks)


def test_an_activation_takes_the_settings_of_its_op() -> None:
    layer = {"type": "Activation", "activation": {"name": "LeakyReLU", "alpha": 0.3}}
    expansion = expand_model({"input_shape": [2], "layers": [layer]})
    answer = predict(expansion, {}, {}, {"x": np.array([[-1.0, 2.0]])})
    np.testing.assert_allclose(answer["y"], [[-0.3, 2.0]], rtol=1e-6)


def test_an_expansion_is_json_whose_graphs_read_back() -> None:
    model = {"input_shape": [6], **layered()["model"]}
    expansion = expand_model(model, loss="categorical_crossentropy", metrics=["accuracy"])
    document = json.loads(json.dumps(expansion.document(), allow_nan=False))
    for name in ("train", "predict"):
        graph = decode_graph(document[name])
        assert graph.id == getattr(expansion, name).id
        assert set(document["parameters"]) <= set(graph.inputs)
    assert document["parameters"]["dense.kernel"] == {
        "shape": [6, 8],
        "dtype": "float32",
        "initializer": "glorot_uniform",
    }
    for state in document["state"].values():
        assert state["update"] in document["train"]["outputs"]
    assert [row["parameters"] for row in document["summary"]] == [56, 16, 0, 0, 16, 27]
    assert set(document["train"]["outputs"]) >= {"loss", "y_pred"}
    assert document["predict"]["outputs"] == ["y"]


def test_layers_of_one_kind_are_numbered() -> None:
    layers = [
        {"type": "Dense", "units": 2},
        {"type": "Dense", "units": 2, "name": "head"},
        {"type": "Dense", "units": 1},
    ]
    expansion = expand_model({"input_shape": [3], "layers": layers})
    assert [name for name in expansion.parameters if name.endswith("kernel")] == [
        "dense.kernel",
        "head.kernel",
        "dense_1.kernel",
    ]


@pytest.mark.parametrize(
    ("layer", "name", "cure"),
    [(record, name, cure) for record in LAYERS for name, cure in record.absent.items()],
)
def test_a_setting_that_only_keras_has_is_refused_with_the_cure(layer: Any, name: str, cure: str) -> None:
    with pytest.raises(UnknownField) as caught:
        expand_model({"layers": [{"type": layer.name, name: True}], "input_shape": [3]})
    assert (caught.value.hint, caught.value.path) == (cure, f"$.model.layers[0].{name}")


def test_every_layer_has_a_case_here() -> None:
    here = Path(__file__)
    text = here.read_text(encoding="utf-8") + here.with_name("test_image_layers.py").read_text(
        encoding="utf-8"
    )
    kinds = {layer["type"] for layer in layered()["model"]["layers"]}
    assert [layer.name for layer in LAYERS if f'"{layer.name}"' not in text and layer.name not in kinds] == []


@pytest.mark.oracle
def test_a_training_run_is_that_of_torch(oracle: Callable[[str], ModuleType]) -> None:
    torch = oracle("torch")
    data = classes(50)
    layers = [
        {"type": "Dense", "units": 8, "activation": "relu"},
        {"type": "LayerNormalization", "epsilon": 1e-5},
        {"type": "Dense", "units": 3, "activation": "softmax"},
    ]
    document = layered(
        model={"layers": layers}, optimizer={"name": "adam", "epsilon": 1e-12}, dtype="float64", epochs=5
    )
    run = TrainingRun(job(document, data), data)
    start = run.parameters
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 3)
    ).double()
    with torch.no_grad():
        for linear, name in ((model[0], "dense"), (model[3], "dense_1")):
            linear.weight.copy_(torch.tensor(start[f"{name}.kernel"].T))
            linear.bias.zero_()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-12)
    x, y = torch.tensor(data["x"]).double(), torch.tensor(data["y"]).double()
    for epoch in range(5):
        order = Stream(0, "shuffle", step=epoch).order(50)
        for k in range(0, 50, 16):
            rows = torch.tensor(order[k : k + 16])
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    list(run)
    np.testing.assert_allclose(
        run.parameters["dense_1.kernel"].T, model[3].weight.detach().numpy(), rtol=1e-6
    )
    np.testing.assert_allclose(run.parameters["dense.kernel"].T, model[0].weight.detach().numpy(), rtol=1e-6)
