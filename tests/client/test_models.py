"""Sequential: fitted by a job, called inside a tape, read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import ConfigurationError, JobFailed, ProblemError

pytestmark = pytest.mark.usefixtures("client")


def blobs(rows: int = 200) -> tuple[Any, Any]:
    """Two clouds of points, and which one each is of."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, rows)
    points = random.normal(size=(rows, 2)) + 3.0 * labels[:, None]
    return points.astype(np.float32), labels


def classifier(**changes: Any) -> gw.Sequential:
    model = gw.Sequential(
        [gw.layers.Dense(8, activation="relu", input_shape=(2,)), gw.layers.Dense(2, activation="softmax")]
    )
    settings = {"optimizer": gw.optimizers.Adam(0.05), "metrics": ["accuracy"], **changes}
    model.compile(loss=gw.losses.SparseCategoricalCrossentropy(), **settings)
    return model


def test_fit_is_one_job_and_its_weights_come_back(
    client: gw.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = blobs()
    model = classifier()
    history = model.fit(x, y, epochs=4, batch_size=16, validation_split=0.2)
    assert "epoch 4" in capsys.readouterr().out
    assert history.epoch == [0, 1, 2, 3]
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.history["loss"][-1] < history.history["loss"][0]
    loss, accuracy = model.evaluate(x, y)
    assert accuracy > 0.9
    assert model.evaluate(x, y, return_dict=True) == {"loss": loss, "accuracy": accuracy}
    probabilities = model.predict(x, batch_size=64)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-5)
    job = client.jobs.list(limit=1)[0]
    np.testing.assert_allclose(job.predict({"x": x})["y"], probabilities, rtol=1e-4)


def test_fit_goes_on_from_the_weights_that_are_there() -> None:
    x, y = blobs()
    model = classifier(optimizer="sgd")
    first = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    second = model.fit(x, y, epochs=1, verbose=0).history["loss"]
    assert second[0] < first[0]
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert model.fit(x, y, epochs=1, verbose=0, batch_size=200).history["loss"][0] == pytest.approx(np.log(2))


def test_the_same_seed_gives_the_same_weights() -> None:
    x, y = blobs()
    weights = []
    for _ in range(2):
        model = classifier()
        model.fit(x, y, epochs=2, verbose=0, seed=3)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loop_of_ones_own_as_keras_programs_write_it() -> None:
    x, y = blobs()
    model = gw.keras.Sequential(
        [
            gw.keras.layers.Dense(8, activation=gw.nn.tanh),
            gw.keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    loss_function, optimizer = gw.keras.losses.BinaryCrossentropy(), gw.keras.optimizers.Adam(0.05)
    losses = []
    for _ in range(30):
        with gw.GradientTape() as tape:
            loss = loss_function(y.reshape(-1, 1).astype(np.float32), model(x))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]
    assert [v.name for v in model.trainable_variables] == [
        *("dense.kernel", "dense.bias"),
        *("dense_1.kernel", "dense_1.bias"),
    ]


def test_a_model_is_differentiated_twice_by_its_input() -> None:
    """As networks that solve differential equations are."""
    model = gw.Sequential([gw.layers.Dense(4, "tanh", input_shape=(1,)), gw.layers.Dense(1)])
    x = gw.constant(np.linspace(0.0, 1.0, 5).reshape(-1, 1))
    with gw.GradientTape() as outer:
        with gw.GradientTape() as inner:
            inner.watch(x)
            u = model(x)
        du = inner.gradient(u, x)
        residual = gw.mean((du - u) ** 2)
    found = outer.gradient(residual, model.trainable_variables)
    assert [g.shape for g in found[:3]] == [(1, 4), (4,), (4, 1)]
    assert found[0].dtype == np.float32


def test_layers_that_train_and_predict_differently() -> None:
    layers = gw.layers
    model = gw.Sequential(
        [
            layers.Input(shape=(2, 2)),
            layers.Flatten(),
            layers.BatchNormalization(momentum=0.5),
            layers.Dropout(0.5),
            layers.LayerNormalization(),
            layers.Reshape((2, 2)),
            layers.Activation("relu"),
        ]
    )
    x = np.random.default_rng(0).normal(3.0, 2.0, (64, 2, 2))
    assert len(model.layers) == 6
    assert [v.name for v in model.variables if not v.trainable] == [
        *("batch_normalization.moving_mean", "batch_normalization.moving_variance"),
    ]
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())
    assert not np.array_equal(model(x, training=True).numpy(), model(x, training=True).numpy())
    mean = {v.name: v for v in model.variables}["batch_normalization.moving_mean"].numpy()
    assert np.all(mean > 1.5)


def test_embeddings_read_integers() -> None:
    model = gw.Sequential([gw.layers.Embedding(10, 3), gw.layers.Flatten(), gw.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.array([[1, 2], [3, 4]]), np.array([[1.0], [2.0]]), epochs=1, verbose=0)
    assert model.predict(np.array([[1, 2]])).shape == (1, 1)
    assert model.get_weights()[0].shape == (10, 3)


def test_callbacks_watch_and_steer() -> None:
    x, y = blobs()
    seen: list[int] = []

    class Watcher(gw.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert self.model is model
            assert logs["loss"] >= 0.0
            seen.append(epoch)

    model = classifier()
    stopping = gw.callbacks.EarlyStopping(monitor="loss", patience=1, min_delta=10.0)
    history = model.fit(x, y, epochs=50, verbose=0, callbacks=[Watcher(), stopping])
    assert seen == history.epoch
    assert len(history.epoch) < 5
    frozen = classifier(optimizer=gw.optimizers.SGD(0.1))
    before = frozen.get_weights()
    frozen.fit(x, y, epochs=2, verbose=0, callbacks=[gw.callbacks.LearningRateScheduler(lambda epoch: 0.0)])
    np.testing.assert_array_equal(frozen.get_weights()[0], before[0])


class Until(gw.callbacks.Callback):
    """Ends the fit after the second epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.stop_training = epoch == 1


@pytest.mark.filterwarnings("ignore::gradwire.errors.TrainingWarning")  # it may train until units die
def test_a_callback_ends_the_fit_and_keeps_what_was_learned(client: gw.Client) -> None:
    x, y = blobs()
    model = classifier()
    before = model.evaluate(x, y, return_dict=True)["loss"]
    history = model.fit(x, y, epochs=9_000, verbose=0, callbacks=Until())
    assert history.epoch == [0, 1]
    job = client.jobs.list(limit=1)[0]
    assert (job.status, job.error) == ("cancelled", None)
    assert 2 <= job.progress["epoch"] < 9_000
    assert model.evaluate(x, y, return_dict=True)["loss"] < before
    for name, value in job.parameters().items():
        np.testing.assert_array_equal(value, dict(zip(NAMES, model.get_weights(), strict=True))[name])
    assert len(model.fit(x, y, epochs=1, verbose=0).epoch) == 1, "it is asked anew by every fit"


NAMES = ("dense.kernel", "dense.bias", "dense_1.kernel", "dense_1.bias")


def test_a_job_that_ended_before_it_could_be_stopped_is_as_good() -> None:
    x, y = blobs()
    model = classifier()
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[Until()])
    assert history.epoch == [0, 1]
    assert np.isfinite(model.evaluate(x, y)).all()


@pytest.mark.parametrize("moment", ["on_train_begin", "on_epoch_end"])
def test_a_callback_that_raises_cancels_the_job(client: gw.Client, moment: str) -> None:
    def boom(*_: Any, **__: Any) -> None:
        raise ConfigurationError("boom")

    callback = gw.callbacks.Callback()
    setattr(callback, moment, boom)
    x, y = blobs()
    with pytest.raises(ConfigurationError, match="boom"):
        classifier().fit(x, y, epochs=1_000_000, verbose=0, callbacks=[callback])
    job = client.jobs.list(limit=1)[0]
    with pytest.raises(gw.errors.JobCancelled):
        job.wait(timeout=10)


def test_a_column_of_numbers_is_as_good_as_rows_of_one(client: gw.Client) -> None:
    """As in Keras, where the model's rows differ by a last axis of 1."""
    x = np.linspace(-1.0, 1.0, 6)
    answers = []
    dataset = client.datasets.upload({"x": x, "y": 2 * x})
    rows = x[:, None]
    for given, valid in ((x, x), (rows, rows), (list(x), rows), (dataset["x"], x), (x[:, None, None], x)):
        model = gw.Sequential([gw.layers.Dense(1, input_shape=(1,))])
        model.compile("sgd", "mse")
        history = model.fit(given, 2 * x, epochs=3, verbose=0, validation_data=(valid, 2 * x))
        answers.append((history.history, model.predict(x).tolist(), model(x).numpy().tolist()))
        assert model.evaluate(x, 2 * x) == model.evaluate(rows, 2 * rows)
    assert all(answer == answers[0] for answer in answers)
    assert np.shape(answers[0][1]) == (6, 1)


def test_rows_of_another_shape_are_refused_before_they_are_sent() -> None:
    model = classifier()
    with pytest.raises(ConfigurationError, match=r"expected rows of shape \(2,\), got \(3,\)"):
        model.predict(np.zeros((4, 3)))
    with pytest.raises(ConfigurationError, match=r"got \(\): the first axis is that of rows"):
        model.predict(np.zeros(2))


def test_rates_of_epochs_become_rates_of_steps() -> None:
    halved = gw.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    schedule = halved.tabulated(0.8, 3, 10)
    assert [schedule(step) for step in (0, 9, 10, 19, 20, 99)] == [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]


def test_schedules_are_those_of_the_server() -> None:
    from engine.training.catalogue.schedules import rate_at, read_schedule

    schedules = gw.optimizers.schedules
    for schedule in (
        schedules.ExponentialDecay(0.1, 10, 0.9),
        schedules.ExponentialDecay(0.1, 10, 0.9, staircase=True),
        schedules.InverseTimeDecay(0.1, 10, 0.5),
        schedules.PiecewiseConstantDecay([5, 10], [0.1, 0.01, 0.001]),
        schedules.PolynomialDecay(0.1, 20, 0.01, power=2.0, cycle=True),
        schedules.CosineDecay(0.1, 20, 0.1, warmup_target=0.5, warmup_steps=5),
    ):
        read = read_schedule(schedule.document(), "$")
        for step in (0, 1, 5, 6, 19, 20, 33):
            assert schedule(step) == pytest.approx(rate_at(read, step)), (schedule.name, step)


def test_every_initializer_of_the_server_is_here_with_its_settings(client: gw.Client) -> None:
    from engine.training.catalogue.initializers import INITIALIZERS

    public = gw.keras.initializers
    kinds = [getattr(public, name) for name in public.__all__ if name != "Initializer"]
    read = [INITIALIZERS.read(kind().document(), "$") for kind in kinds]
    assert {chosen.record.name for chosen in read} == {record.name for record in INITIALIZERS}
    for kind, chosen in zip(kinds, read, strict=True):
        assert chosen == INITIALIZERS.read(chosen.record.name, "$"), f"{kind.__name__} has other defaults"
    layer = gw.layers.Dense(2, kernel_initializer=public.Constant(3.0), bias_initializer=public.HeNormal(1))
    model = gw.Sequential([layer])
    model.build((None, 4))
    np.testing.assert_array_equal(model.get_weights()[0], np.full((4, 2), 3.0))
    layers = [gw.layers.Dense(3, kernel_initializer=public.Orthogonal(2.0, seed=5), input_shape=(3,))]
    drawn = gw.Sequential(layers)
    drawn.compile(gw.optimizers.SGD(0.0), "mse")
    drawn.fit(np.ones((2, 3)), np.ones((2, 3)), verbose=0)
    kernel = drawn.get_weights()[0]
    np.testing.assert_allclose(kernel @ kernel.T, 4 * np.eye(3), atol=1e-5)


def test_fields_of_a_data_set_are_trained_on(client: gw.Client) -> None:
    x, y = blobs()
    stored = client.datasets.upload({"x": x, "y": y})
    model = gw.Sequential([gw.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(stored["x"], stored["y"], epochs=2, validation_split=0.5, verbose=0)
    assert len(history.history["val_loss"]) == 2
    assert model.get_weights()[0].shape == (2, 2)


def test_a_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model = classifier()
    x, _ = blobs(5)
    model.save(tmp_path / "model.safetensors")
    loaded = gw.models.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert [type(layer) for layer in loaded.layers] == [gw.layers.Dense] * 2


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x" * 100)
    with pytest.raises(ConfigurationError, match="written by Sequential"):
        gw.models.load_model(tmp_path / "notes.txt")


def test_summary_counts(capsys: pytest.CaptureFixture[str]) -> None:
    model = classifier()
    model.summary()
    printed = capsys.readouterr().out
    assert "dense (Dense)" in printed
    assert "(None, 8)" in printed
    assert "Parameters: 42" in printed
    assert model.count_params() == 42


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(TypeError, match="a list of layers, got one Dense"):
        gw.Sequential(gw.layers.Dense(1))  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueError, match=r"expected 4 weights \(dense.kernel, .*\), got 1"):
        classifier().set_weights([np.zeros((2, 8))])
    x, y = blobs()
    with pytest.raises(ConfigurationError, match="input_shape"):
        gw.Sequential([gw.layers.Dense(1)]).summary()
    with pytest.raises(ConfigurationError, match="compile"):
        gw.Sequential([gw.layers.Dense(1)]).fit(x, y)
    with pytest.raises(TypeError, match=r"gradwire\.keras\.layers"):
        gw.Sequential([3])  # type: ignore[list-item]  # on purpose
    with pytest.raises(ProblemError):
        classifier(optimizer="adamant").fit(x, y, verbose=0)
    with pytest.raises(JobFailed):
        classifier(optimizer=gw.optimizers.SGD(1e30)).fit(x * np.float32(1e30), y, epochs=5, verbose=0)
    with pytest.raises(ConfigurationError, match="callbacks"):
        classifier().fit(x, y, callbacks=[object()])  # type: ignore[list-item]  # on purpose
    with pytest.raises(ConfigurationError, match="of two"):
        classifier().fit(x, y, validation_data=(x, y, y))  # type: ignore[arg-type]  # on purpose


def test_fields_of_data_sets_are_fitted_and_not_predicted_from(client: gw.Client) -> None:
    x, y = blobs()
    held = client.datasets.upload({"x": x, "y": y})
    model = classifier()
    model.fit(held["x"], held["y"], verbose=0)
    for asked in (lambda: model.predict(held["x"]), lambda: model.evaluate(held["x"], y)):
        with pytest.raises(ConfigurationError, match="are for fit"):
            asked()


def test_a_layer_that_does_not_learn_is_warned_about(client: gw.Client) -> None:
    x = np.abs(np.random.default_rng(0).normal(size=(64, 2)))
    layers = gw.layers
    model = gw.Sequential([layers.Dense(4, activation="relu", input_shape=(2,)), layers.Dense(1)])
    model.set_weights([np.full(w.shape, -1.0) for w in model.get_weights()])
    model.compile("sgd", "mse")
    with pytest.warns(
        gw.errors.TrainingWarning, match=r"'dense\.kernel' did not move .* relu at 'dense/relu'"
    ):
        model.fit(x, x.sum(1, keepdims=True), epochs=10, verbose=0)
    assert client.jobs.list(limit=1)[0].warnings[0]["parameter"] == "dense.kernel"
