"""Built-ins are recognised by identity, not by name: a user's class of the same name is not one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import ConfigurationError, NotTraced
from tests.client.fake import fake_server


@pytest.fixture
def client() -> Iterator[gw.Client]:
    """One that nothing is asked of: what is refused is refused before."""
    with fake_server() as (fake, client):
        yield client
        assert not fake.requests


def huber(y_true: Any, y_pred: Any) -> Any:
    return gw.mean(gw.abs(y_true - y_pred))


def accuracy(y_true: Any, y_pred: Any) -> Any:
    return gw.mean(y_true == y_pred)


def relu(x: Any) -> Any:
    return -x


def zeros(shape: Any, dtype: Any = None) -> Any:
    return np.ones(shape)


@functools.wraps(gw.losses.mean_squared_error)
def wrapped(y_true: Any, y_pred: Any) -> Any:
    return -gw.losses.mean_squared_error(y_true, y_pred)


class Adam:
    learning_rate = 0.1


class SGD(gw.optimizers.Optimizer):
    def update(self, w: Any, g: Any, slots: Any, rate: float) -> Any:
        return w + rate * g


class RMSprop(gw.optimizers.RMSprop):
    """With no more than another default."""

    def __init__(self) -> None:
        super().__init__(0.5)


class CosineDecay(gw.optimizers.schedules.LearningRateSchedule):
    name = "cosine_decay"

    def __call__(self, step: int) -> float:
        return 0.5


class ExponentialDecay(gw.optimizers.schedules.ExponentialDecay):
    def __call__(self, step: int) -> float:
        return 0.5


class MeanSquaredError(gw.losses.Loss):
    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        return gw.mean(y_true - y_pred)


class BinaryAccuracy(gw.metrics.Metric):
    def _values(self, y_true: Any, y_pred: Any) -> Any:
        return y_true


class HeNormal(gw.initializers.Initializer):
    def __call__(self, shape: Any) -> Any:
        return np.zeros(shape)


class Dense(gw.layers.Layer):
    def __init__(self, units: int) -> None:
        super().__init__(None, units=units)


def compiled(**given: Any) -> gw.Sequential:
    model = gw.Sequential([gw.layers.Dense(1, input_shape=(1,))])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **given})
    return model


def scheduled(schedule: Any) -> gw.Sequential:
    return compiled(optimizer=gw.optimizers.SGD(schedule))


OWN: dict[str, tuple[Callable[[], Any], str]] = {
    "loss": (lambda: compiled(loss=huber), r"loss 'huber' is a function of your own \(.*test_own.py:\d+"),
    "wrapped loss": (lambda: compiled(loss=wrapped), "loss 'mean_squared_error' is a function of your own"),
    "lambda": (lambda: compiled(loss=lambda a, b: gw.mean(a - b)), "loss '<lambda>' is a function"),
    "partial": (lambda: compiled(loss=functools.partial(gw.losses.mean_squared_error)), "loss 'partial'"),
    "loss class": (lambda: compiled(loss=MeanSquaredError()), "loss MeanSquaredError is a class .* Loss:"),
    "metric": (lambda: compiled(metrics=[accuracy]), "metric 'accuracy' .*on_epoch_end"),
    "metric class": (lambda: compiled(metrics=[BinaryAccuracy()]), "metric BinaryAccuracy"),
    "optimizer": (lambda: compiled(optimizer=Adam()), "optimizer Adam is a class of your own: a job"),
    "derived": (lambda: compiled(optimizer=SGD(0.1)), "optimizer SGD .* subclass of Optimizer"),
    "defaults": (lambda: compiled(optimizer=RMSprop()), "optimizer RMSprop .* subclass of RMSprop"),
    "schedule": (lambda: scheduled(CosineDecay()), "schedule CosineDecay.*tabulate"),
    "derived schedule": (lambda: scheduled(ExponentialDecay(0.1, 1, 0.5)), "schedule ExponentialDecay"),
    "layer": (lambda: gw.Sequential([Dense(3)]), "layer Dense is a class of your own, a subclass of Layer"),
    "activation": (lambda: gw.layers.Dense(3, activation=relu), "activation 'relu' .*leave it out"),
    "Activation": (lambda: gw.layers.Activation(relu), "activation 'relu'"),
    "of NumPy's kind": (lambda: gw.layers.Activation(np.frompyfunc(relu, 1, 1)), "activation 'relu"),
    "initializer": (lambda: gw.layers.Dense(3, kernel_initializer=zeros), "'zeros' .*set_weights"),
    "initializer class": (lambda: gw.layers.Dense(3, kernel_initializer=HeNormal()), "initializer HeNormal"),
    "class of one": (lambda: gw.layers.Dense(3, kernel_initializer=HeNormal), "initializer HeNormal"),
}  # fmt: skip


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("name", OWN)
def test_what_a_user_wrote_is_refused_where_a_job_would_run_the_built_in(name: str) -> None:
    make, message = OWN[name]
    with pytest.raises(NotTraced, match=f"(?s){message}") as caught:
        make()
    assert isinstance(caught.value, TypeError)
    assert "by identity, never by name; " in str(caught.value)


def test_jobs_of_ones_own_code_are_refused_too(client: gw.Client) -> None:
    model = gw.Sequential([gw.layers.Dense(1, input_shape=(1,))])
    data = {"x": np.ones((4, 1)), "y": np.ones((4, 1))}
    for given in (
        {"loss": huber},
        {"loss": "mse", "metrics": [accuracy]},
        {"loss": "mse", "optimizer": Adam()},
    ):
        with pytest.raises(NotTraced, match="of your own"):
            client.jobs.submit(model=model, data=data, **given)
    frozen = gw.Variable(1.0, trainable=False)
    with pytest.raises(ConfigurationError, match="'w' is a Variable that is not trainable"):
        client.jobs.submit("w * x", data={"x": np.ones(3)}, parameters={"w": frozen})


@pytest.mark.usefixtures("client")
def test_classes_are_not_their_objects() -> None:
    for given in ({"loss": gw.losses.MeanSquaredError}, {"metrics": [gw.metrics.BinaryAccuracy]}):
        with pytest.raises(TypeError, match=r"got the class .*: call it"):
            compiled(**given)
    with pytest.raises(TypeError, match="got the class Adam: call it"):
        compiled(optimizer=gw.optimizers.Adam)
    with pytest.raises(TypeError, match="Mean takes one"):
        compiled(metrics=[gw.metrics.Mean()])


@pytest.mark.usefixtures("client")
def test_the_packages_own_things_and_names_go_on_working() -> None:
    for loss in (
        gw.losses.mean_squared_error,
        gw.mean_squared_error,
        "mean_squared_error",
        {"name": "huber"},
    ):
        compiled(loss=loss, metrics=[loss, gw.metrics.BinaryAccuracy(threshold=0.1)])
    for activation in (gw.nn.relu, gw.relu, gw.keras.layers.Dense(1, activation="relu").activation, "relu"):
        assert gw.layers.Activation(activation).document()["activation"] == "relu"
    assert gw.layers.Activation(np.tanh).document()["activation"] == "tanh"
    for initializer in (gw.initializers.HeNormal, gw.initializers.HeNormal(), {"name": "he_normal"}):
        layer = gw.layers.Dense(1, kernel_initializer=initializer)
        assert layer.document()["kernel_initializer"] == {"name": "he_normal"}
    for kind in (gw.optimizers.SGD, gw.optimizers.Adam, gw.optimizers.AdamW, gw.optimizers.RMSprop):
        compiled(optimizer=kind(gw.optimizers.schedules.CosineDecay(0.1, 10)))


@pytest.mark.usefixtures("client")
def test_optimizers_and_schedules_of_ones_own_step_here() -> None:
    w = gw.Variable(1.0)
    SGD(CosineDecay()).apply_gradients([(1.0, w)])
    assert w.numpy() == 1.5


def test_a_universal_function_of_ones_own_is_not_taken_for_numpys() -> None:
    class Sine:
        __name__ = "sin"

    from gradwire._tracing.array_protocol import call_ufunc

    ufunc: Any = np.frompyfunc(lambda x: x, 1, 1)
    with pytest.raises(gw.errors.UnsupportedFunction):
        call_ufunc(ufunc, "__call__", [gw.constant(1.0)], {})
    with pytest.raises(gw.errors.UnsupportedFunction, match="not NumPy's"):
        call_ufunc(Sine(), "__call__", [gw.constant(1.0)], {})  # type: ignore[arg-type]


def test_a_model_class_does_not_bring_a_loop_that_nobody_calls() -> None:
    with pytest.raises(NotTraced, match=r"Mine\.train_step would never be called"):

        class Mine(gw.Sequential):
            def train_step(self, data: Any) -> Any:
                return data


@pytest.mark.usefixtures("client")
def test_hooks_that_nothing_calls_are_refused() -> None:
    class Watch(gw.callbacks.Callback):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            raise AssertionError

    model = compiled()
    with pytest.raises(ConfigurationError, match=r"nothing calls Watch\.on_batch_end.*on_epoch_end"):
        model.fit(np.ones((4, 1)), np.ones((4, 1)), callbacks=[Watch()])
