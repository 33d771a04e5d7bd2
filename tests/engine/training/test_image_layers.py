"""Layers for images and sequences against Keras: values, and the rows that the expansion foresees."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.training import expand_model
from engine.training.job.predict import predict
from engine.training.loop.memory import first_value
from engine.training.model.layers import LAYERS
from tests.engine.torch_networks import waves
from tests.engine.training.world import trained

IMAGE, SEQUENCE, VOLUME = (7, 6, 4), (7, 4), (5, 4, 6, 4)
CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "Conv1D": (SEQUENCE, {"filters": 6, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
    "Conv1D groups": (SEQUENCE, {"filters": 6, "kernel_size": [2], "groups": 2, "strides": 2}),
    "Conv2D": (IMAGE, {"filters": 3, "kernel_size": [3, 2], "strides": [2, 1], "activation": "relu"}),
    "Conv2D same": (IMAGE, {"filters": 3, "kernel_size": 2, "padding": "same", "use_bias": False}),
    "Conv3D": (VOLUME, {"filters": 2, "kernel_size": 2, "padding": "same", "strides": 2}),
    "Conv1DTranspose": (SEQUENCE, {"filters": 3, "kernel_size": 3, "strides": 2}),
    "Conv2DTranspose": (IMAGE, {"filters": 3, "kernel_size": 2, "strides": [2, 3], "padding": "same"}),
    "Conv3DTranspose": (VOLUME, {"filters": 2, "kernel_size": 2}),
    "DepthwiseConv2D": (IMAGE, {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}),
    "MaxPooling1D": (SEQUENCE, {}),
    "MaxPooling2D": (IMAGE, {"pool_size": [3, 2], "strides": 1}),
    "MaxPooling3D": (VOLUME, {"padding": "same"}),
    "AveragePooling1D": (SEQUENCE, {"pool_size": 2, "padding": "same"}),
    "AveragePooling2D": (IMAGE, {"pool_size": 3, "strides": [2, 1], "padding": "same"}),
    "AveragePooling3D": (VOLUME, {"pool_size": 2}),
    "GlobalMaxPooling1D": (SEQUENCE, {}),
    "GlobalMaxPooling2D": (IMAGE, {"keepdims": True}),
    "GlobalMaxPooling3D": (VOLUME, {}),
    "GlobalAveragePooling1D": (SEQUENCE, {}),
    "GlobalAveragePooling2D": (IMAGE, {}),
    "GlobalAveragePooling3D": (VOLUME, {"keepdims": True}),
    "SimpleRNN": (SEQUENCE, {"units": 3}),
    "SimpleRNN relu": (SEQUENCE, {"units": 3, "activation": "relu", "return_sequences": True}),
    "LSTM": (SEQUENCE, {"units": 3}),
    "LSTM backwards": (SEQUENCE, {"units": 3, "return_sequences": True, "go_backwards": True}),
    "GRU": (SEQUENCE, {"units": 3, "return_sequences": True}),
    "GRU before": (SEQUENCE, {"units": 3, "reset_after": False, "go_backwards": True}),
}


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize("case", CASES)
def test_a_layer_is_that_of_keras(case: str, oracle: Callable[[str], Any]) -> None:
    keras = oracle("keras")
    row, settings = CASES[case]
    kind = case.partition(" ")[0]
    x = waves(3, *row)
    layers = [{"type": kind, **settings}]
    expansion = expand_model({"layers": layers, "input_shape": list(row)}, dtype="float64")
    weights = {name: first_value(name, weight, 0) for name, weight in expansion.parameters.items()}
    weights = {name: waves(*value.shape, start=0.7) for name, value in weights.items()}
    ours = predict(expansion, weights, {}, {"x": x})["y"]
    layer = getattr(keras.layers, kind)(dtype="float64", **settings)
    layer.build(x.shape)
    layer.set_weights(list(weights.values()))
    np.testing.assert_allclose(
        ours, keras.ops.convert_to_numpy(layer(x)), rtol=2e-5, atol=2e-6
    )  # Keras computes in float32
    assert expansion.answer == ours.shape[1:]


def test_every_layer_of_images_and_sequences_has_a_case() -> None:
    modules = ("convolution", "pooling", "recurrent")
    ours = {layer.name for layer in LAYERS if inspect.getmodule(layer.write).__name__.endswith(modules)}  # type: ignore[union-attr]  # a function has a module
    assert ours == {case.partition(" ")[0] for case in CASES}


def test_an_lstm_starts_with_an_open_forget_gate_and_learns_an_order() -> None:
    x = np.sign(np.random.default_rng(4).normal(size=(128, 6, 1)))
    data = {"x": x.astype(np.float32), "y": (x[:, 0, 0] > 0).astype(np.int64)}
    layers = [{"type": "LSTM", "units": 8}, {"type": "Dense", "units": 2, "activation": "softmax"}]
    expansion = expand_model({"layers": layers, "input_shape": [6, 1]})
    bias = first_value("lstm.bias", expansion.parameters["lstm.bias"], 0)
    np.testing.assert_array_equal(bias, np.repeat([0, 1, 0, 0], 8))
    document = {
        "model": {"layers": layers},
        "loss": "sparse_categorical_crossentropy",
        "optimizer": {"name": "adam", "learning_rate": 0.02},
        "metrics": ["accuracy"],
        "batch_size": 32,
        "epochs": 12,
    }
    _, epochs = trained(document, data)
    assert epochs[-1]["accuracy"] > 0.95
