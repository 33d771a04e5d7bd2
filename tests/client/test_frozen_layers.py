"""`trainable`, of layers and models: honoured in fit and on tapes, saved, and changed at any time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import ConfigurationError, GradientWarning, InvalidDocument

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(24, 3)), RNG.normal(size=(24, 1))

pytestmark = pytest.mark.usefixtures("client")


def made(**first: Any) -> gw.Sequential:
    layers = [
        gw.layers.Dense(4, activation="tanh", input_shape=(3,), **first),
        gw.layers.BatchNormalization(),
        gw.layers.Dense(1),
    ]
    model = gw.Sequential(layers, dtype="float64")
    model.compile(gw.optimizers.Adam(0.05), "mse")
    return model


def values(model: gw.Sequential) -> dict[str, Any]:
    return {variable.name: variable.numpy() for variable in model.variables}


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    assert list(before) == list(after)  # the order is the same whatever is frozen
    return [name for name, value in before.items() if not np.array_equal(value, after[name])]


NORM = "batch_normalization"
LEARNED = ["dense.kernel", "dense.bias", f"{NORM}.gamma", f"{NORM}.beta", "dense_1.kernel", "dense_1.bias"]
AVERAGES = [f"{NORM}.moving_mean", f"{NORM}.moving_variance"]


def test_a_layer_that_is_not_trainable_stays_as_it_is_in_fit() -> None:
    model = made(trainable=False)
    before = values(model)
    model.fit(X, Y, epochs=2, verbose=0)
    assert changed(before, values(model)) == [*LEARNED[2:], *AVERAGES]


def test_trainable_may_change_between_fits() -> None:
    model = made()
    start = values(model)
    assert list(start) == [*LEARNED, *AVERAGES]
    model.layers[0].trainable = False
    assert [v.name for v in model.trainable_variables] == LEARNED[2:]
    model.fit(X, Y, verbose=0)
    first = values(model)
    assert changed(start, first) == [*LEARNED[2:], *AVERAGES]
    model.layers[0].trainable = True
    model.layers[1].trainable = False
    model.layers[2].trainable = False
    model.fit(X, Y, verbose=0)
    assert changed(first, values(model)) == LEARNED[:2]
    model.trainable = False
    assert [layer.trainable for layer in model.layers] == [False] * 3
    assert model.trainable_variables == []
    with pytest.raises(InvalidDocument, match=r'nothing to train(?s:.)*"trainable": true'):
        model.fit(X, Y, verbose=0)
    model.trainable = True
    assert [v.name for v in model.trainable_variables] == LEARNED


def test_a_model_that_was_never_built_is_fitted_frozen_too() -> None:
    """Its weights are drawn by the server then."""
    model = made()
    model.layers[0].trainable = False
    model.fit(X, Y, seed=5, verbose=0)
    other = made()
    other.layers[0].trainable = False
    other.fit(X, Y, seed=5, epochs=3, verbose=0)
    assert changed(values(model), values(other)) == [*LEARNED[2:], *AVERAGES]


def test_tapes_watch_and_step_what_is_trainable_only() -> None:
    model = made()
    model.layers[0].trainable = False
    model.layers[1].trainable = False
    before, predicted = values(model), model.predict(X)
    optimizer = gw.optimizers.SGD(0.1)
    with gw.GradientTape() as tape:
        answer = model(X, training=True)
        loss = gw.mean((answer - Y) ** 2)
    np.testing.assert_allclose(answer.numpy(), predicted, rtol=1e-12)  # normalised as in predictions
    with (
        pytest.warns(GradientWarning, match="running average"),
        pytest.warns(GradientWarning, match="does not watch this variable"),
    ):
        gradients = dict(zip(before, tape.gradient(loss, model.variables), strict=True))
    assert [name for name, g in gradients.items() if g is not None] == ["dense_1.kernel", "dense_1.bias"]
    learned = model.trainable_variables
    optimizer.apply_gradients(zip([gradients[v.name] for v in learned], learned, strict=True))
    assert changed(before, values(model)) == ["dense_1.kernel", "dense_1.bias"]


def test_frozen_layers_are_saved_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = made(trainable=False)
    model.fit(X, Y, verbose=0)
    assert model.count_params() == 8 + 5
    model.summary()
    assert "Parameters: 13, not trainable: 16" in capsys.readouterr().out
    model.save(tmp_path / "model.safetensors")
    loaded = gw.models.load_model(tmp_path / "model.safetensors")
    assert [layer.trainable for layer in loaded.layers] == [False, True, True]
    assert changed(values(model), values(loaded)) == []
    loaded.compile("sgd", "mse")
    loaded.fit(X, Y, verbose=0)
    assert changed(values(model), values(loaded)) == [*LEARNED[2:], *AVERAGES]
    loaded.layers[0].trainable = True
    assert loaded.count_params() == 13 + 16


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors"])
def test_weights_alone_are_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model, other = made(), made(trainable=False)
    model.fit(X, Y, verbose=0)
    model.save_weights(tmp_path / name)
    other.load_weights(tmp_path / name)
    assert changed(values(model), values(other)) == []
    model.save(tmp_path / "whole.safetensors")
    other.load_weights(tmp_path / "whole.safetensors")
    different = gw.Sequential([gw.layers.Dense(4, input_shape=(3,))])
    with pytest.raises(ConfigurationError, match=r"expected the weights dense\.kernel, dense\.bias in"):
        different.load_weights(tmp_path / name)
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="it is no"):
        other.load_weights(tmp_path / name)


def test_layers_that_changed_otherwise_are_refused() -> None:
    model = made()
    before = values(model)
    model.layers[0].name = "other"
    with pytest.raises(ConfigurationError, match="only `trainable` may change once a model is built"):
        model.predict(X)
    model.layers[0].name = None
    assert changed(before, values(model)) == []


def test_a_variable_that_is_not_trainable_in_a_layer_that_is() -> None:
    model = made()
    model.variables[0].trainable = False
    with pytest.raises(ConfigurationError, match=r"'dense\.kernel' is not trainable, but its layer is"):
        model.fit(X, Y, verbose=0)


def test_layers_added_to_a_model_that_is_not_trainable_are_not() -> None:
    model = gw.Sequential([gw.layers.Dense(1, input_shape=(1,))])
    model.trainable = False
    model.add(gw.layers.Dense(1))
    assert not model.layers[1].trainable


@pytest.mark.anyio
async def test_async_models_freeze_too(url: str) -> None:
    async with gw.AsyncClient(url) as client:
        model = gw.AsyncSequential([gw.layers.Dense(2, input_shape=(3,)), gw.layers.Dense(1)], client=client)
        model.compile("sgd", "mse")
        await model.build()
        before = await model.get_weights()
        model.layers[0].trainable = False
        await model.fit(X, Y, verbose=0)
        after = await model.get_weights()
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [True, True, False, False]


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras's own
def test_frozen_layers_train_as_in_keras(oracle: Callable[[str], Any]) -> None:
    keras = oracle("keras")
    layers = [
        keras.layers.Dense(4, activation="tanh"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(3, activation="tanh"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(1),
    ]
    theirs = keras.Sequential([keras.layers.Input((3,)), *layers])
    ours = gw.Sequential(
        [
            gw.layers.Dense(4, activation="tanh", input_shape=(3,)),
            gw.layers.BatchNormalization(),
            gw.layers.Dense(3, activation="tanh"),
            gw.layers.BatchNormalization(),
            gw.layers.Dense(1),
        ]
    )
    ours.build()
    for mine, its in zip(ours.layers, layers, strict=True):
        mine.trainable = its.trainable = its not in (layers[1], layers[2])
    assert len(ours.trainable_variables) == len(theirs.trainable_weights)
    names = {variable.name: variable for variable in ours.variables}
    for k, its in enumerate(layers):
        kind = "dense" if isinstance(its, keras.layers.Dense) else "batch_normalization"
        number = sum(isinstance(before, type(its)) for before in layers[:k])
        for weight in its.weights:
            value = RNG.uniform(0.5, 1.5, weight.shape).astype(np.float32)
            weight.assign(value)
            names[f"{kind}{f'_{number}' if number else ''}.{weight.name}"].assign(value)
    settings: dict[str, Any] = {"learning_rate": 0.1, "momentum": 0.9, "global_clipnorm": 0.5}
    theirs.compile(keras.optimizers.SGD(**settings), "mse")
    ours.compile(gw.optimizers.SGD(**settings), "mse")
    x, y = X.astype(np.float32), Y.astype(np.float32)
    losses = theirs.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
    mine_too = ours.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(mine_too, losses, rtol=1e-4)
    for k, its in enumerate(layers):
        kind = "dense" if isinstance(its, keras.layers.Dense) else "batch_normalization"
        number = sum(isinstance(before, type(its)) for before in layers[:k])
        for weight in its.weights:
            name = f"{kind}{f'_{number}' if number else ''}.{weight.name}"
            expected = keras.ops.convert_to_numpy(weight.value)
            np.testing.assert_allclose(names[name].numpy(), expected, rtol=1e-3, atol=1e-5, err_msg=name)
