"""Layers that are not trainable: their weights stay, and the others learn as if those were constants."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.errors import UserError
from engine.training import expand_model
from engine.training.loop.memory import first_value
from tests.engine.training.test_resume import resume_everywhere
from tests.engine.training.world import classes, job, layered, trained

FROZEN = {"type": "Dense", "units": 4, "activation": "tanh", "trainable": False}
LAST = {"type": "Dense", "units": 3}
OPTIMIZERS = [
    {"name": "adam", "learning_rate": 0.05, "weight_decay": 0.1},
    {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "global_clipnorm": 0.1},
    {"name": "rmsprop", "learning_rate": 0.01, "clipnorm": 0.05, "weight_decay": 0.01},
]


def document(layers: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return layered(model={"layers": layers}, loss="mse", metrics=[], dtype="float64", **fields)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: str(o["name"]))
def test_what_follows_learns_as_from_data_that_the_frozen_layer_made(optimizer: dict[str, Any]) -> None:
    data = classes(32)
    run, epochs = trained(document([FROZEN, LAST], optimizer=optimizer), data)
    kernel, bias = run.state["dense.kernel"], run.state["dense.bias"]
    made = {"x": np.tanh(data["x"].astype(float) @ kernel + bias), "y": data["y"]}
    first = job(document([FROZEN, LAST]), data).objective.parameters["dense_1.kernel"]
    start = {"dense.kernel": {"value": first_value("dense_1.kernel", first, 0).tolist()}}
    alone, expected = trained(document([LAST], optimizer=optimizer, parameters=start), made)
    for name in ("kernel", "bias"):
        np.testing.assert_allclose(
            run.parameters[f"dense_1.{name}"], alone.parameters[f"dense.{name}"], rtol=1e-10, atol=1e-12
        )
    assert [e["loss"] for e in epochs] == pytest.approx([e["loss"] for e in expected])
    assert set(run.parameters) == {"dense_1.kernel", "dense_1.bias"}


@pytest.mark.parametrize(
    "layers", [[FROZEN, LAST], [LAST | {"trainable": False}, {"type": "BatchNormalization"}]]
)
def test_frozen_weights_keep_their_bits(layers: list[dict[str, Any]]) -> None:
    data = classes(32)
    started = job(document(layers), data).objective.state
    run, _ = trained(document(layers), data)
    frozen = [name for name, state in started.items() if state.frozen]
    assert frozen == ["dense.kernel", "dense.bias"]
    for name in frozen:
        assert run.state[name].tobytes() == first_value(name, started[name].weight, 0).tobytes()


def test_frozen_batch_normalization_uses_its_averages_and_leaves_them() -> None:
    data = classes(32)
    rng = np.random.default_rng(1)
    name = "batch_normalization"
    given = {
        f"{name}.moving_mean": rng.normal(size=6),
        f"{name}.moving_variance": rng.uniform(0.5, 2.0, 6),
        f"{name}.gamma": rng.normal(size=6),
        f"{name}.beta": rng.normal(size=6),
    }
    parameters = {key: {"value": value.tolist()} for key, value in given.items()}
    layers = [{"type": "BatchNormalization", "trainable": False}, LAST]
    run, _ = trained(document(layers, parameters=parameters), data)
    for key, value in given.items():
        np.testing.assert_array_equal(run.state[key], value)
    mean, var, gamma, beta = given.values()
    made = {"x": (data["x"] - mean) / np.sqrt(var + 1e-3) * gamma + beta, "y": data["y"]}
    alone, _ = trained(document([LAST]), made)
    np.testing.assert_allclose(run.parameters["dense.kernel"], alone.parameters["dense.kernel"], rtol=1e-9)


@pytest.mark.oracle
def test_a_frozen_layer_in_the_middle_passes_gradients_on_as_in_pytorch(
    oracle: Callable[[str], ModuleType],
) -> None:
    torch = oracle("torch")
    data = classes(32)
    layers = [{"type": "Dense", "units": 5, "activation": "tanh"}, FROZEN, LAST]
    fields = {"optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}, "shuffle": False}
    started = job(document(layers, **fields), data).objective
    weights = {**started.parameters, **{name: s.weight for name, s in started.state.items()}}
    w = {name: torch.tensor(first_value(name, weight, 0)) for name, weight in weights.items()}
    learned = [w[name].requires_grad_() for name in started.parameters]
    optimizer = torch.optim.SGD(learned, lr=0.1, momentum=0.9)
    x, y = (torch.tensor(data[name].astype(np.float64)) for name in "xy")
    for _ in range(3):
        for k in (0, 16):
            optimizer.zero_grad()
            h = torch.tanh(x[k : k + 16] @ w["dense.kernel"] + w["dense.bias"])
            h = torch.tanh(h @ w["dense_1.kernel"] + w["dense_1.bias"])
            ((h @ w["dense_2.kernel"] + w["dense_2.bias"] - y[k : k + 16]) ** 2).mean().backward()
            optimizer.step()
    run, _ = trained(document(layers, **fields), data)
    for name in started.parameters:
        np.testing.assert_allclose(run.parameters[name], w[name].detach().numpy(), rtol=1e-10, atol=1e-13)


def test_a_run_with_frozen_layers_goes_on_with_the_same_bits() -> None:
    data = classes()
    layers: list[dict[str, Any]] = [
        {"type": "Dense", "units": 4, "trainable": False},
        {"type": "BatchNormalization"},
        {"type": "BatchNormalization", "trainable": False},
        {"type": "Dropout", "rate": 0.3, "trainable": False},
        LAST,
    ]
    resume_everywhere(document(layers), data)


def test_an_expansion_says_what_is_frozen() -> None:
    model = {"input_shape": [2], "layers": [FROZEN, LAST, {"type": "BatchNormalization"}]}
    expansion = expand_model(model).document()
    assert {name: state.get("frozen", False) for name, state in expansion["state"].items()} == {
        "dense.kernel": True,
        "dense.bias": True,
        "batch_normalization.moving_mean": False,
        "batch_normalization.moving_variance": False,
    }
    assert [row["parameters"] for row in expansion["summary"]] == [0, 15, 6]
    assert "dense.kernel" in expansion["predict"]["inputs"]


def test_what_cannot_be_frozen_is_refused_with_its_place() -> None:
    data: dict[str, Array] = classes(16)
    with pytest.raises(UserError) as caught:
        job(document([FROZEN]), data)
    assert "nothing to train" in str(caught.value)
    assert caught.value.hint == (
        'one of them has to learn: "trainable": true in the document, layer.trainable = True in Python'
    )
    with pytest.raises(UserError) as caught:
        job(document([FROZEN | {"trainable": "no"}, LAST]), data)
    assert caught.value.path == "$.model.layers[0].trainable"
