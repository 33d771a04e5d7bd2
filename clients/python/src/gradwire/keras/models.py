"""`Sequential`: layers in a row, trained by a job on the server, or by a tape of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from safetensors import SafetensorError, safe_open

from gradwire._client.client import AsyncClient, Client, default_client
from gradwire._client.job_documents import measure_document, optimizer_document
from gradwire._client.jobs import Job, Jobs
from gradwire._client.uploads import array_of
from gradwire._names.counterparts import COMPILE, EVALUATE, FIT
from gradwire._names.strict import takes
from gradwire._tracing.variable import Variable
from gradwire._transport.driver import AsyncDriver, D_co, SyncDriver, call
from gradwire._transport.flow import Flow
from gradwire.errors import ConfigurationError, NotTraced
from gradwire.keras import layers
from gradwire.keras.base_model import Network
from gradwire.keras.callbacks import Callback, History
from gradwire.keras.evaluation import name_of, renamed, score
from gradwire.keras.fit import follow, pair, rows_of, settings_of
from gradwire.keras.formats import source_of
from gradwire.keras.layer import InputLayer, Layer
from gradwire.keras.model_checks import check_compiled

__all__ = ["AsyncSequential", "Sequential", "load_model"]

_NEVER_CALLED = frozenset(
    (
        "call",
        "train_step",
        "test_step",
        "predict_step",
        "compute_loss",
        "compute_metrics",
        "make_train_function",
    )
)


class Model(Network[D_co]):
    """What `Sequential` and `AsyncSequential` have in common: compile, fit, evaluate."""

    _compiled: dict[str, Any] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in vars(cls).keys() & _NEVER_CALLED:
            raise NotTraced(
                f"{cls.__name__}.{name} would never be called: fit is a job on the server, which runs the "
                "layers; train with a loop of your own, by GradientTape and `optimizer.apply_gradients`"
            )

    @takes("compile", **COMPILE)
    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Sequence[Any] | None = ()
    ) -> None:
        """Set what `fit` minimises and how, and what it reports: names, or objects of these modules.

        Raises NotTraced for a class or function of your own, which a loop of your own can use, and
        ConfigurationError if `optimizer` is not an optimiser or `metrics` is not a list.
        """
        measured = check_compiled(optimizer, loss, metrics)
        optimizer_document(optimizer)
        for measure, what in [*((m, "metric") for m in measured), *([(loss, "loss")] if loss else ())]:
            measure_document(measure, what)
        self._compiled = {"optimizer": optimizer, "loss": loss, "metrics": measured}

    @call
    @takes("fit", **FIT)
    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: bool | int | str = "auto",
        callbacks: Callback | Sequence[Callback] = (),
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
        *,
        seed: int = 0,
        device: str | None = None,
    ) -> Flow[History]:
        """Train on the server, as one job, and bind the trained weights; return the history of metrics.

        `x` and `y` are arrays, or fields of data sets, with the rows first. The job starts from the weights
        of this model if there are any; the optimiser starts afresh. `device` is cpu, cuda, cuda:n or auto.
        Raises JobFailed with the server's problem. If the fit is interrupted, or its callback raises, the job
        is cancelled.
        """
        compiled = self._need("fit")
        history = History()
        own = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
        watching = [*own, history]
        x, self.stop_training = self._ranked(x), False
        rows, names = rows_of(x, validation_split), renamed(compiled["metrics"])
        document = {
            "loss": compiled["loss"],
            "metrics": compiled["metrics"],
            "batch_size": batch_size,
            "epochs": epochs,
            "shuffle": shuffle,
            "seed": seed,
            "dtype": self.dtype,
            "device": device,
            "validation_split": validation_split or None,
            "validation_data": None if validation_data is None else self._validation(validation_data),
            "parameters": {n: {"value": v._value()} for n, v in self._weights.items()} or None,
            **settings_of(own, compiled["optimizer"], rows, batch_size, epochs, names),
        }
        if self._changed():
            yield from self._built()
        self._refuse_frozen_variables()
        jobs = Jobs(self._driver, self._session)
        job = yield from Jobs.submit.flow(jobs, model=self, data=pair(x, y), **document)
        for callback in watching:
            callback.model = self
        stop = lambda: self.stop_training  # noqa: E731  # a callback may have set it
        yield from follow(job, watching, stop, names, bar=verbose not in (0, False))
        yield from self._bound((yield from Job.parameters.flow(job)), x)
        for callback in watching:
            callback.on_train_end()
        return history

    @call
    @takes("evaluate", **EVALUATE)
    def evaluate(
        self,
        x: Any,
        y: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        *,  # Keras has sample weights here, which are not to be taken for anything else
        return_dict: bool = False,
    ) -> Flow[Any]:
        """Return the loss and the metrics on all rows: a number, a list of them, or a dict by name."""
        compiled = self._need("evaluate")
        predicted, expected = (yield from self._predicted(x, batch_size)), array_of(y)
        results = {"loss": (yield from score(self._session, compiled["loss"], expected, predicted))}
        for metric in compiled["metrics"]:
            results[name_of(metric)] = yield from score(self._session, metric, expected, predicted)
        if return_dict:
            return results
        return list(results.values()) if len(results) > 1 else results["loss"]

    def _refuse_frozen_variables(self) -> None:
        """Raise ConfigurationError for a variable that was set not to be trained, in a layer that is."""
        if self._expansion is None:
            return
        for name in self._expansion.parameters:
            if name in self._weights and not self._weights[name].trainable:
                raise ConfigurationError(
                    f"the variable '{name}' is not trainable, but its layer is, and a job learns whole "
                    "layers: set `trainable` of the layer, or step in a loop of your own"
                )

    def _validation(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise ConfigurationError("expected validation_data of two, (x, y); samples have no weights here")
        return pair(self._ranked(data[0]), data[1])

    def _need(self, word: str) -> dict[str, Any]:
        if self._compiled is None or self._compiled["loss"] is None:
            raise ConfigurationError(f"expected a loss before {word}: call model.compile(optimizer, loss)")
        return self._compiled


class Sequential(Model[SyncDriver]):
    """A model of layers in a row, as in Keras.

    `fit` is one job on the server. `model(x)` inside a tape records the layers' graph, with the weights as
    variables. The weights are drawn here if something reads them before the first fit; otherwise the model
    starts from the server's random numbers for `seed`. `client` is by default the default client.
    """

    def __init__(
        self,
        layers: Sequence[Layer] | None = None,
        *others: Any,  # Keras has `trainable` here
        name: str = "sequential",
        dtype: str = "float32",
        client: Client | None = None,
    ) -> None:
        if others:
            raise TypeError(
                "expected one positional argument, the layers as a list, gw.Sequential([layer, layer]), and "
                "other options by name"
            )
        self._client = client
        super().__init__(layers, name=name, dtype=dtype)

    def _connection(self) -> Client:
        return self._client or default_client()

    def _start_now(self, input_shape: Sequence[int | None] | None = None) -> None:
        self._driver.run(self._started(input_shape))


class AsyncSequential(Model[AsyncDriver]):
    """The same model, whose methods are awaited: `await model.fit(x, y)`.

    `variables`, `trainable_variables` and `model(x)` do not call the server, so they need `await
    model.build((None, …))` or any other method first. Tapes, and reading the tensors that `model(x)` records,
    block and use a `Client`.
    """

    def __init__(
        self,
        layers: Sequence[Layer] | None = None,
        *,  # Keras has `trainable` here
        name: str = "sequential",
        dtype: str = "float32",
        client: AsyncClient,
    ) -> None:
        self._client = client
        super().__init__(layers, name=name, dtype=dtype)

    def _connection(self) -> AsyncClient:
        return self._client

    def _start_now(self, input_shape: Sequence[int | None] | None = None) -> None:
        raise ConfigurationError(
            "the model is not built yet, which asks the server: `await model.build((None, …))` first"
        )


@overload
def load_model(path: str | Path, *, client: Client | None = None) -> Sequential: ...


@overload
def load_model(path: str | Path, *, client: AsyncClient) -> AsyncSequential: ...


def load_model(
    path: str | Path, *, client: Client | AsyncClient | None = None
) -> Sequential | AsyncSequential:
    """Return a model that `save` wrote, of the client's kind; raises ConfigurationError for other files."""
    source_of(path, "a model")
    try:
        opened = safe_open(str(path), framework="numpy")
    except SafetensorError as error:
        raise ConfigurationError(_not_saved(path)) from error
    with opened as file:
        config = json.loads((file.metadata() or {}).get("gradwire", "null"))
        if config is None or "weights" not in config:
            raise ConfigurationError(_not_saved(path))
        weights = [Variable(file.get_tensor(n), trainable, n) for n, trainable in config["weights"]]
    settings = {"layers": [_layer(each) for each in config["model"]["layers"]], "dtype": config["dtype"]}
    model: Sequential | AsyncSequential
    if isinstance(client, AsyncClient):
        model = AsyncSequential(name=config["name"], client=client, **settings)
    else:
        model = Sequential(name=config["name"], client=client, **settings)
    shape = config["model"].get("input_shape")
    model._shape = None if shape is None else tuple(shape)
    model._weights = {variable.name: variable for variable in weights}
    return model


def _not_saved(path: str | Path) -> str:
    return f"expected a file written by Sequential.save, got '{path}'"


def _layer(document: Mapping[str, Any]) -> Layer:
    settings = {key: value for key, value in document.items() if key not in ("type", "name")}
    if document["type"] == "Input":
        return InputLayer(settings["shape"], settings.get("dtype"))
    kind = getattr(layers, document["type"], None) if document["type"] in layers.__all__ else None
    if kind is None:
        raise ConfigurationError(
            f"expected layers of gradwire.keras.layers in the file, got {document['type']!r}"
        )
    return Layer.restored(kind, document.get("name"), settings)
