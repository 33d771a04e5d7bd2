"""Unknown keywords and attributes of layers, models, optimizers and clients are refused, with the cure."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import ConfigurationError
from gradwire.keras import layers, metrics, optimizers, schedules
from tests.client.fake import fake_server


@pytest.fixture(autouse=True)
def client() -> Iterator[gw.Client]:
    """One that nothing is asked of: what is refused is refused before."""
    with fake_server() as (fake, client):
        yield client
        assert not fake.requests


def model() -> gw.Sequential:
    made = gw.Sequential([layers.Dense(1, input_shape=(1,))])
    made.compile("sgd", "mse")
    return made


X, Y = np.ones((4, 1)), np.ones((4, 1))

KEYWORDS = [
    (layers.Dense, (1,), "kernel_regularizer", "l2", "weight_decay"),
    (layers.Dense, (1,), "kernal_initializer", "zeros", "did you mean 'kernel_initializer'"),
    (layers.Dense, (1,), "dtype", "float64", "Sequential\\(dtype="),
    (layers.Dense, (1,), "batch_input_shape", (None, 3), "shape of one row"),
    (layers.Dropout, (0.5,), "seed", 3, "seed of fit"),
    (layers.BatchNormalization, (), "renorm", True, "no renormalisation"),
    (layers.InputLayer, (3,), "sparse", True, "no sparse inputs"),
    (layers.Flatten, (), "data_format", "channels_first", "channels come last"),
    (layers.Embedding, (3, 2), "mask_zero", True, "no masks"),
    (layers.Activation, ("relu",), "alpha", 0.1, "it takes activation, "),
    (optimizers.SGD, (), "lr", 0.1, "called learning_rate"),
    (optimizers.Adam, (), "decay", 0.1, "InverseTimeDecay"),
    (optimizers.Adam, (), "beta1", 0.1, "did you mean 'beta_1'"),
    (optimizers.Adagrad, (), "use_ema", True, "no running averages"),
    (schedules.CosineDecay, (0.1, 10), "name", "c", "leave it out"),
    (schedules.PiecewiseConstantDecay, ([1], [1, 2]), "value", 1, "did you mean 'values'"),
    (gw.losses.MeanSquaredError, (), "name", "m", "leave it out"),
    (gw.losses.BinaryCrossentropy, (), "from_logit", True, "did you mean 'from_logits'"),
    (metrics.BinaryAccuracy, (), "dtype", "float32", "float64"),
    (metrics.Mean, (), "weights", 1, "it takes name"),
    (gw.initializers.RandomNormal, (), "stdev", 1.0, "did you mean 'stddev'"),
    (gw.callbacks.EarlyStopping, (), "verbose", 1, "prints nothing"),
    (gw.callbacks.EarlyStopping, (), "patients", 1, "did you mean 'patience'"),
    (gw.callbacks.LearningRateScheduler, (lambda e: 0.1,), "verbose", 1, "prints nothing"),
    (gw.Sequential, (), "trainable", False, "it takes layers, name, dtype, client"),
    (gw.Client, ("http://fake",), "api_keys", "k", "did you mean 'api_key'"),
]


@pytest.mark.parametrize(("kind", "given", "name", "value", "cure"), KEYWORDS)
def test_unknown_keywords_of_constructors_are_refused(
    kind: Any, given: Any, name: str, value: Any, cure: str
) -> None:
    with pytest.raises(TypeError, match=f"{kind.__name__} has no keyword '{name}'; .*{cure}"):
        kind(*given, **{name: value})


CALLS = [
    ("fit", {"sample_weight": [1.0] * 4}, "rows have no weights"),
    ("fit", {"class_weight": {0: 1.0}}, "rows have no weights"),
    ("fit", {"validation_steps": 3}, "validation takes all"),
    ("fit", {"steps_per_epoch": 3}, "an epoch is all rows"),
    ("fit", {"initial_epoch": 3}, "epochs count from 0"),
    ("fit", {"epoch": 3}, "did you mean 'epochs'"),
    ("fit", {"learning_rate": 3}, "the rate is the optimiser's"),
    ("fit", {"mixture": 3}, "it takes x, y, batch_size"),
    ("evaluate", {"sample_weight": [1.0] * 4}, "rows have no weights"),
    ("evaluate", {"steps": 1}, "all rows"),
    ("compile", {"jit_compile": True}, "always runs compiled"),
    ("compile", {"loss_weights": [1.0]}, "one loss"),
    ("compile", {"optimiser": "adam"}, "did you mean 'optimizer'"),
    ("compile", {"learning_rat": 1}, "did you mean 'learning_rate'\\? the rate is"),
]


@pytest.mark.parametrize(("word", "given", "cure"), CALLS)
def test_unknown_options_of_models_are_refused(word: str, given: dict[str, Any], cure: str) -> None:
    arguments = () if word == "compile" else (X, Y)
    with pytest.raises(TypeError, match=f"{word} has no keyword '{next(iter(given))}'; .*{cure}"):
        getattr(model(), word)(*arguments, **given)
    with pytest.raises(TypeError, match="predict has no keyword 'steps'; all rows"):
        model().predict(X, steps=1)  # type: ignore[call-arg]


def test_positions_that_mean_something_else_in_keras_are_not_taken() -> None:
    for call in (
        lambda: gw.Sequential([], False),  # type: ignore[misc]  # trainable
        lambda: model().evaluate(X, Y, 32, 0, [1.0] * 4),  # type: ignore[call-arg]  # sample_weight
        lambda: schedules.CosineDecay(0.1, 10, 0.0, "name", 0.2, 3),  # type: ignore[misc]
    ):
        with pytest.raises(TypeError, match="positional argument"):
            call()


def test_what_keras_has_at_none_may_be_said() -> None:
    layers.Dense(1, kernel_regularizer=None, bias_constraint=None, dtype=None)  # type: ignore[call-arg]
    model().compile("sgd", "mse", loss_weights=None, weighted_metrics=None)  # type: ignore[call-arg]


ATTRIBUTES: list[tuple[Any, str, Any, str]] = [
    (layers.Dense(1), "trianable", False, "no attribute 'trianable'.*did you mean 'trainable'"),
    (layers.Dense(1), "units", 5, "'units' of Dense is set when it is made"),
    (layers.Dropout(0.5), "rate", 0.1, "'rate' of Dropout is set when it is made"),
    (layers.Dense(1), "kernel_regularizer", "l2", "weight_decay"),
    (layers.Dense(1, input_shape=(2,)), "input_shape", (3,), "is set when it is made"),
    (model(), "optimiser", "adam", "did you mean 'optimizer'\\? say it with model.compile"),
    (model(), "optimizer", "adam", "say it with model.compile"),
    (model(), "loss", "mae", "say it with model.compile"),
    (model(), "metrics", [], "say it with model.compile"),
    (model(), "dtype", "float64", "'dtype' of Sequential is set when it is made"),
    (model(), "weights", [], "set_weights"),
    (model(), "layers", [], "model.add"),
    (model(), "stop_trainig", True, "did you mean 'stop_training'"),
    (optimizers.SGD(0.1), "lr", 0.2, "called learning_rate"),
    (optimizers.SGD(0.1), "learning_rat", 0.2, "did you mean 'learning_rate'"),
    (optimizers.Adam(0.1), "step", lambda *a: None, "no attribute 'step'"),
    (
        schedules.CosineDecay(0.1, 10),
        "decay_steps",
        20,
        "'decay_steps' of CosineDecay is set when it is made",
    ),
    (gw.losses.BinaryCrossentropy(), "from_logit", True, "did you mean 'from_logits'"),
    (metrics.BinaryAccuracy(), "treshold", 0.1, "did you mean 'threshold'"),
    (metrics.BinaryAccuracy(), "name", "b", "no attribute 'name' to set"),
    (gw.initializers.RandomNormal(), "stddev", 2.0, "is set when it is made"),
    (gw.callbacks.EarlyStopping(), "patince", 2, "did you mean 'patience'"),
    (gw.callbacks.Callback(), "on_batch_end", print, "no attribute 'on_batch_end'"),
    (gw.Client("http://fake"), "device", "cuda", "make another client with it"),
    (gw.Client("http://fake"), "url", "http://other", "is set when it is made"),
    (gw.Client("http://fake"), "timeot", 3, "did you mean 'timeout'"),
    (gw.Variable(1.0), "trianable", False, "trianable"),
    (gw.constant(1.0), "requires_grad", True, "requires_grad"),
]


@pytest.mark.parametrize(("thing", "name", "value", "message"), ATTRIBUTES)
def test_unknown_attributes_are_refused(thing: Any, name: str, value: Any, message: str) -> None:
    for each in (thing, *(() if isinstance(thing, gw.Client) else (copy.deepcopy(thing),))):
        with pytest.raises(AttributeError, match=message):
            setattr(each, name, value)


def test_attributes_that_are_known_are_honoured() -> None:
    optimizer = optimizers.SGD(0.1)
    optimizer.learning_rate, optimizer.momentum, optimizer.clipnorm = 0.5, 0.9, 1.0
    assert optimizer.document() == {
        "name": "sgd",
        "learning_rate": 0.5,
        "momentum": 0.9,
        "nesterov": False,
        "clipnorm": 1.0,
    }
    w = gw.Variable([3.0, 4.0])
    optimizer.apply_gradients([(np.array([3.0, 4.0]), w)])
    np.testing.assert_allclose(w.numpy(), [3.0 - 0.5 * 0.6, 4.0 - 0.5 * 0.8])
    stopping = gw.callbacks.EarlyStopping(patience=1)
    stopping.patience, stopping.monitor = 4, "loss"
    assert (stopping.document()["patience"], stopping.document()["monitor"]) == (4, "loss")
    loss = gw.losses.BinaryCrossentropy()
    loss.from_logits = True
    assert loss.document()["from_logits"] is True
    layer = layers.Dense(3, activation="relu")
    layer.trainable, layer.name = False, "hidden"
    assert layer.document() == {
        "type": "Dense",
        "name": "hidden",
        "trainable": False,
        "units": 3,
        "activation": "relu",
    }
    assert (layer.units, layer.activation) == (3, "relu")
    with pytest.raises(AttributeError, match="'Dense' object has no attribute 'kernel'"):
        layer.kernel  # noqa: B018  # reading it is what is tried
    with pytest.raises(TypeError, match="expected True or False for trainable, got 'False'"):
        layer.trainable = "False"


def test_what_a_user_derives_has_attributes_of_its_own() -> None:
    class Watch(gw.callbacks.Callback):
        def __init__(self, every: int) -> None:
            self.every = every

    class Mine(gw.Sequential):
        def __init__(self) -> None:
            super().__init__([layers.Dense(1)])
            self.notes = "mine"

    watch, mine = Watch(every=3), Mine()
    watch.seen = 1
    mine.more = 2
    with pytest.raises(TypeError):
        Watch(evry=3)  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match=r"model\.compile"):
        mine.optimizer = "adam"
    watch.on_epoch_end = lambda epoch, logs=None: None  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "kind",
    [layers.Dense, optimizers.Adam, schedules.CosineDecay, metrics.BinaryAccuracy, gw.Sequential, gw.Client],
)
def test_constructors_show_what_they_take(kind: Any) -> None:
    own = list(inspect.signature(kind.__init__).parameters)[1:]
    assert list(inspect.signature(kind).parameters) == own


def test_copies_are_as_strict() -> None:
    for made in (layers.Dense(1), optimizers.Adam(), gw.callbacks.EarlyStopping(), model()):
        again = pickle.loads(pickle.dumps(made))
        with pytest.raises(AttributeError):
            again.unheard_of = 1


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.weights.h5", "m.HDF5", "m.pt", "m.bin"])
def test_weights_and_models_are_not_written_as_something_else(name: str, tmp_path: Path) -> None:
    made, path = model(), tmp_path / name
    with pytest.raises(ConfigurationError, match=r"ends in \.safetensors, got .*name it '.*\.safetensors'"):
        made.save(path)
    with pytest.raises(ConfigurationError, match=r"\.safetensors or \.npz, got .*name it .* or '.*\.npz'"):
        made.save_weights(path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.pt"])
def test_files_of_other_formats_are_not_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    for read in (gw.models.load_model, model().load_weights):
        with pytest.raises(ConfigurationError, match=r"which is not read here; .*set_weights"):
            read(path)
