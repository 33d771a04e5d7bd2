"""A row of layers with their weights: built by the server, called on a tape, saved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors.numpy import save_file

from gradwire import random
from gradwire._client.calls import Calls
from gradwire._client.datasets import Column
from gradwire._client.requests import value
from gradwire._client.session import Session
from gradwire._client.uploads import array_of
from gradwire._names.counterparts import MODELS
from gradwire._names.strict import Strict, takes
from gradwire._tracing.node import Array
from gradwire._tracing.reads import note_predicted
from gradwire._tracing.tensor import Tensor, constant, record
from gradwire._tracing.variable import Variable
from gradwire._transport.driver import D_co, Driven, call
from gradwire._transport.flow import Flow
from gradwire.errors import ConfigurationError
from gradwire.keras import cures
from gradwire.keras.expansion import Expansion, expand, play
from gradwire.keras.formats import MODEL, WEIGHTS, path_of, read_weights, source_of, write_weights
from gradwire.keras.initial_weights import draw
from gradwire.keras.layer import InputLayer, Layer, flag, shape_of
from gradwire.keras.model_checks import check_rows, expected_layer
from gradwire.keras.shared_layers import check_repeated, warn_of_shared

_ROWS = 4096  # predicted in one request


class Network(Strict, Driven[D_co]):
    """Layers in a row with their weights, which are drawn here if something reads them before a fit.

    Methods that may need the server are flows, run by the model's client; properties and `model(x)` only
    record and read what is known here.
    """

    #: A callback sets it to end the fit after this epoch.
    stop_training = False
    _fixed: ClassVar[frozenset[str]] = frozenset({"dtype"})
    _absent: ClassVar[Mapping[str, str]] = MODELS
    _cures: ClassVar[Mapping[str, str]] = cures.MODEL

    def __init__(
        self,
        layers: Sequence[Layer] | None = None,
        *,
        name: str = "sequential",
        dtype: str = "float32",
    ) -> None:
        self.name = name
        self.dtype = dtype
        self._layers: list[Layer] = []
        self._trainable = True
        self._shape: tuple[int, ...] | None = None
        self._expansion: Expansion | None = None
        self._expanded_from: dict[str, Any] = {}
        self._weights: dict[str, Variable] = {}
        if isinstance(layers, Layer):
            raise TypeError(f"expected a list of layers, got one {type(layers).__name__}: put it into [ ]")
        for layer in layers or ():
            self.add(layer)
        warn_of_shared(self, self._layers)

    # -- layers ------------------------------------------------------------------------------------------

    def add(self, layer: Layer) -> None:
        """Append a layer; raises TypeError for anything else, ConfigurationError if the model is built."""
        if not isinstance(layer, Layer):
            raise TypeError(expected_layer(layer))
        if self._expansion is not None:
            raise ConfigurationError("the model has weights already; make a new one of the layers wanted")
        check_repeated(layer, self._layers)
        if layer.input_shape is not None and not self._layers:
            self._shape = layer.input_shape
        layer.document()  # a class of the user's own is refused where it is added
        if not self._trainable:
            layer.trainable = False
        self._layers.append(layer)

    @property
    def trainable(self) -> bool:
        """Whether the layers are trained; setting it sets it for each of them."""
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._trainable = flag("trainable", trainable)
        for layer in self._layers:
            layer.trainable = self._trainable

    @property
    def layers(self) -> list[Layer]:
        """The layers, without inputs."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    def document(self) -> dict[str, Any]:
        """Return the model as `model` of a job."""
        shape = {} if self._shape is None else {"input_shape": list(self._shape)}
        return {**shape, "layers": [layer.document() for layer in self._layers]}

    @call
    def build(self, input_shape: Sequence[int | None] | None = None) -> Flow[None]:
        """Make the graphs and the weights for rows of a shape: `(None, 784)`, the samples first."""
        yield from self._started(input_shape)

    @call
    def summary(self) -> Flow[None]:
        """Print the layers, the shapes of their outputs, and the number of trained parameters."""
        expansion = yield from self._built()
        rows = [("Layer (type)", "Output shape", "Parameters")]
        for row in expansion.summary:
            shape = tuple(row["shape"])
            rows.append((f"{row['name']} ({row['type']})", str(shape), f"{row['parameters']:,}"))
        widths = [max(len(row[k]) for row in rows) for k in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        print("\n".join([f'Model "{self.name}"', lines[0], "-" * len(lines[0]), *lines[1:]]))  # noqa: T201  # Keras's summary prints
        frozen = sum(prod(w["shape"]) for w in expansion.state.values() if w.get("frozen"))
        rest = f", not trainable: {frozen:,}" if frozen else ""
        print(f"Parameters: {_learned(expansion):,}{rest}")  # noqa: T201  # the same

    @call
    def count_params(self) -> Flow[int]:
        """Return the number of trained parameters."""
        return _learned((yield from self._built()))

    # -- weights -----------------------------------------------------------------------------------------

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that are trained, layer by layer."""
        return [variable for variable in self.variables if variable.trainable]

    @property
    def variables(self) -> list[Variable]:
        """All variables: weights layer by layer, then the running averages."""
        if not self._weights or self._changed():
            self._start_now()
        return list(self._weights.values())

    weights = variables
    trainable_weights = trainable_variables

    @call
    def get_weights(self) -> Flow[list[Array]]:
        """Return the values of the variables, in the order of `variables`."""
        yield from self._started()
        return [variable.numpy() for variable in self._weights.values()]

    @call
    def set_weights(self, weights: Sequence[Any]) -> Flow[None]:
        """Bind new values, in the order of `variables`; raises ValueError if shapes or number differ."""
        yield from self._started()
        arrays = list(weights)
        if len(arrays) != len(self._weights):
            raise ValueError(
                f"expected {len(self._weights)} weights ({', '.join(self._weights)}), got {len(arrays)}"
            )
        for variable, each in zip(self._weights.values(), arrays, strict=True):
            variable.assign(each)

    @call
    def save(self, path: str | Path) -> Flow[None]:
        """Write layers and weights into one safetensors file, with the layers as metadata.

        Raises ConfigurationError for another ending of the name, such as .keras or .h5.
        """
        target = path_of(path, MODEL, "a model")
        yield from self._started()
        weights = {name: variable._value() for name, variable in self._weights.items()}
        order = [[name, variable.trainable] for name, variable in self._weights.items()]
        config = {"name": self.name, "dtype": self.dtype, "model": self.document(), "weights": order}
        save_file(weights, str(target), {"gradwire": json.dumps(config)})

    @call
    def save_weights(self, path: str | Path) -> Flow[None]:
        """Write the weights by their names, as safetensors or npz, by the ending of the file's name.

        Raises ConfigurationError for another ending, such as .h5.
        """
        target = path_of(path, WEIGHTS, "a model's weights")
        yield from self._started()
        write_weights(target, {name: variable._value() for name, variable in self._weights.items()})

    @call
    def load_weights(self, path: str | Path) -> Flow[None]:
        """Bind weights by their names, from a file of `save_weights` or of `save`.

        Raises ConfigurationError for a file of another format or with other names, and ValueError if shapes
        differ.
        """
        weights = read_weights(source_of(path, "a model's weights"))
        yield from self._started()
        if weights.keys() != self._weights.keys():
            raise ConfigurationError(
                f"expected the weights {', '.join(self._weights)} in '{path}', got {', '.join(weights)}"
            )
        for name, variable in self._weights.items():
            variable.assign(weights[name])

    # -- calling -----------------------------------------------------------------------------------------

    def __call__(self, x: Any, training: bool = False) -> Tensor:
        """The model's answer for rows x, recorded on the tape.

        With `training`, dropout draws (from `gradwire.random`) and batches are normalised by themselves;
        running averages are then assigned, which fetches them.
        """
        if self._expansion is None or not self._weights or self._changed():
            self._start_now(None if self._shape is not None else shape_of_rows(x))
        expansion = self._expanded()
        rows = x if isinstance(x, Tensor | Variable) else constant(self._ranked(x))
        if not isinstance(x, Tensor):  # whose shape may not be known yet, and would be fetched
            check_rows(rows.shape, self._shape)
        inputs: dict[str, Any] = {"x": record("astype", (rows,), {"dtype": np.dtype(expansion.input)})}
        inputs.update(self._weights)
        if not training:
            return play(expansion.predict, inputs)["y"]
        for name, wanted in expansion.draws.items():
            shape = (rows.shape[0], *wanted["shape"][1:])
            mask = random._draws(None).random(shape) >= wanted["rate"]
            inputs[name] = constant((mask / (1 - wanted["rate"])).astype(wanted["dtype"]))
        outputs = play(expansion.train, inputs)
        for name, state in expansion.state.items():
            if not state.get("frozen"):
                self._weights[name].assign(outputs[state["update"]])
        return outputs["y"]

    @call
    @takes("predict", steps="all rows are predicted: leave it out", callbacks="callbacks hear of fits only")
    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Flow[Array]:
        """Return the model's outputs as an array, for any number of rows."""
        answers = yield from self._predicted(x, batch_size)
        note_predicted([variable._edge() for variable in self._weights.values()], answers)
        return answers

    # -- inside ------------------------------------------------------------------------------------------

    def _connection(self) -> Calls[D_co]:
        raise NotImplementedError  # a model's own kind of client

    def _start_now(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Have graphs and weights before something that is no flow goes on."""
        raise NotImplementedError

    @property
    def _driver(self) -> D_co:
        return self._connection()._driver

    @property
    def _session(self) -> Session:
        return self._connection()._session

    def _expanded(self) -> Expansion:
        assert self._expansion is not None, "the model is built first"
        return self._expansion

    def _ranked(self, x: Any) -> Any:
        """Rows whose shape differs by a last axis of size 1 in the shape of the model's, as Keras has it."""
        if self._shape is None:
            return x
        if isinstance(x, Column):
            scalars = len(x.shape) == 1 and self._shape == (1,)
            return replace(x, shape=(*x.shape, 1), stacked=True) if scalars else x
        array = array_of(x)
        row = array.shape[1:]
        if array.ndim and ((*row, 1) == self._shape or row == (*self._shape, 1)):
            return array.reshape((len(array), *self._shape))
        return array

    def _built(self, input_shape: Sequence[int | None] | None = None) -> Flow[Expansion]:
        """Ask for the graphs, unless they are here."""
        if input_shape is not None and self._shape is None:
            self._shape = shape_of([size for size in input_shape[1:] if size is not None])
        if self._expansion is None or self._changed():
            if self._shape is None:
                raise ConfigurationError(
                    "the shape of a row is not known yet: give the first layer an input_shape, or call "
                    "the model on data, fit it, or build((None, …))"
                )
            document = self.document()
            expansion = yield from expand(self._session, document, self.dtype)
            self._keep_weights(expansion)
            self._expansion, self._expanded_from = expansion, document
        return self._expansion

    def _changed(self) -> bool:
        """Whether layers were made trainable, or the contrary, since the graphs came."""
        return self._expansion is not None and self.document() != self._expanded_from

    def _keep_weights(self, expansion: Expansion) -> None:
        """Have the weights that there are follow their layers, which were set to be learned or not."""
        wanted = {name: trainable for name, _, trainable in _wanted(expansion)}
        if self._weights and wanted.keys() != self._weights.keys():
            raise ConfigurationError(
                f"the layers are not those that the weights belong to: {', '.join(self._weights)} are there, "
                f"{', '.join(wanted)} are wanted; only `trainable` may change once a model is built"
            )
        for name, variable in self._weights.items():
            variable.trainable = wanted[name]

    def _started(self, input_shape: Sequence[int | None] | None = None) -> Flow[Expansion]:
        """Have the graphs, and draw the weights where there are none yet."""
        expansion = yield from self._built(input_shape)
        if not self._weights:
            generator = random._draws(None)
            for name, wanted, trainable in _wanted(expansion):
                value = draw(wanted["initializer"], tuple(wanted["shape"]), wanted["dtype"], generator)
                self._weights[name] = Variable(value, trainable, name)
        return expansion

    def _predicted(self, x: Any, batch_size: int | None) -> Flow[Array]:
        if isinstance(x, Column):
            raise ConfigurationError(
                "fields of data sets stay on the server and are for fit: expected an array to predict from"
            )
        array = self._ranked(array_of(x))
        size = max(batch_size or _ROWS, 1)
        yield from self._started(array.shape)
        check_rows(array.shape, self._shape)
        parts = []
        for k in range(0, max(len(array), 1), size):
            answer = self(array[k : k + size])
            parts.append((yield from value(self._session, answer._edge())))
        return np.concatenate(parts)

    def _bound(self, learned: Mapping[str, Array], x: Any) -> Flow[None]:
        """Bind what a job has learned from rows `x`."""
        expansion = yield from self._built(shape_of_rows(x))
        for name, _, trainable in _wanted(expansion):
            if name in self._weights:
                self._weights[name].assign(learned[name])
            else:
                self._weights[name] = Variable(learned[name], trainable, name)


def _wanted(expansion: Expansion) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Every weight with what is known of it, and whether it is learned.

    Their order is the same whichever layers are trainable: layer by layer, then the running averages.
    """
    frozen = {name: wanted for name, wanted in expansion.state.items() if wanted.get("frozen")}
    weights = {**expansion.parameters, **frozen}
    places = {row["name"]: k for k, row in enumerate(expansion.summary)}
    for name in sorted(weights, key=lambda name: places.get(name.rpartition(".")[0], len(places))):
        yield name, weights[name], name not in frozen
    for name, wanted in expansion.state.items():
        if name not in frozen:
            yield name, wanted, False


def _learned(expansion: Expansion) -> int:
    return sum(prod(each["shape"]) for each in expansion.parameters.values())


def shape_of_rows(x: Any) -> tuple[int, ...]:
    """Of an array, a tensor, or a field of a data set, whose rows are the first axis."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)
