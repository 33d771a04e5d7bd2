"""A Keras-style list of layers, read: names, settings, what goes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine import dtypes
from engine.errors import DtypeMismatch, DuplicateName, EngineError, InvalidDocument
from engine.frontend.json_reader import array_at, fields_of, member, name_at, show
from engine.ir.attributes import BOOLEAN, DTYPE, Attribute
from engine.training.catalogue.registry import SHAPE, Choice, read_settings
from engine.training.model.builder import Shape
from engine.training.model.layers import LAYERS, Layer

_FIELDS = ("input_shape", "input_dtype", "layers", "name")
_INPUT = ("Input", "InputLayer")
_OF_EVERY_LAYER = ("type", "name", "trainable")
_TRAINABLE = Attribute("trainable", BOOLEAN, True)
_SHAPE = Attribute("shape", SHAPE)
_INPUT_SHAPE = Attribute("input_shape", SHAPE)
_EXAMPLE = '{"input_shape": [784], "layers": [{"type": "Dense", "units": 10}]}'


@dataclass(frozen=True, slots=True)
class Named:
    """One layer of a model: its name, its record and settings, its place in the document.

    The weights of one that is not `trainable` stay as they are.
    """

    name: str
    layer: Choice[Layer]
    path: str
    trainable: bool = True


@dataclass(frozen=True, slots=True)
class Model:
    """A checked list of layers, and the shape and dtype of one row that goes in."""

    layers: tuple[Named, ...]
    input_shape: Shape
    input_dtype: str


def read_model(document: Any, *, dtype: str, path: str, row: Shape | None = None) -> Model:
    """Read a model; `row` is the shape of a row of the data, where there are any.

    Raises InvalidDocument, UnknownField, UnknownName, DuplicateName and InvalidAttribute with their paths.
    """
    fields = fields_of(document, _FIELDS, path, "a model")
    shape, own = fields.get("input_shape"), fields.get("input_dtype")
    if shape is not None:
        shape = _parsed(_INPUT_SHAPE, shape, member(path, "input_shape"))
    if own is not None:
        own = _parsed(Attribute("input_dtype", DTYPE), own, member(path, "input_dtype"))
    layers: list[Named] = []
    entries = array_at(fields.get("layers"), f"{path}.layers", "an array of layers")
    for i, value in enumerate(entries):
        place = f"{path}.layers[{i}]"
        if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
            raise InvalidDocument(
                f"expected a layer, an object with a 'type', got {show(value)} at {place}",
                path=place,
                hint=f"there are {', '.join(layer.name for layer in LAYERS)}",
            )
        settings = {name: setting for name, setting in value.items() if name not in _OF_EVERY_LAYER}
        if value["type"] in _INPUT:
            if i > 0:
                raise InvalidDocument(f"an Input comes first, got one at {place}", path=place)
            read = read_settings(settings, (_SHAPE, Attribute("dtype", DTYPE, None)), place, "Input")
            shape, own = _agreed(shape, read["shape"], f"{place}.shape"), read["dtype"] or own
            continue
        if i == 0 and settings.get("input_shape") is not None:
            at = f"{place}.input_shape"
            shape = _agreed(shape, _parsed(_INPUT_SHAPE, settings.pop("input_shape"), at), at)
        layers.append(_layer(value, settings, place, layers))
    if not layers:
        raise InvalidDocument(
            f"expected at least one layer at {path}.layers", path=f"{path}.layers", hint=_EXAMPLE
        )
    if shape is None:
        shape = row
    if shape is None:
        raise InvalidDocument(
            f"expected 'input_shape', the shape of one row, at {path}",
            path=path,
            hint=f"for example {_EXAMPLE}",
        )
    return Model(tuple(layers), shape, _input_dtype(own, layers[0], dtype, path))


def _layer(value: Mapping[str, Any], settings: dict[str, Any], path: str, before: list[Named]) -> Named:
    record = LAYERS.named(value["type"], f"{path}.type")
    names_in_use = {layer.name for layer in before}
    name = value.get("name")
    if name is None:
        name, number = record.stem, 0
        while name in names_in_use:
            number += 1
            name = f"{record.stem}_{number}"
    else:
        name_at(name, f"{path}.name")
        if name in names_in_use:
            raise DuplicateName(
                f"two layers are called '{name}'",
                path=f"{path}.name",
                hint="leave the name out: it is chosen",
            )
    trainable = value.get("trainable")
    trainable = True if trainable is None else _parsed(_TRAINABLE, trainable, f"{path}.trainable")
    chosen = Choice(
        record, read_settings(settings, record.attributes, path, record.name, absent=record.absent)
    )
    return Named(name, chosen, path, trainable)


def _input_dtype(own: str | None, first: Named, dtype: str, path: str) -> str:
    if own is None:
        return "int64" if first.layer.record.integers else dtype
    if dtypes.is_floating(own):
        return dtype
    if not dtypes.is_integer(own):
        raise DtypeMismatch(f"expected real or integer input, got {own}", path=member(path, "input_dtype"))
    return own


def _agreed(before: Shape | None, shape: Shape, path: str) -> Shape:
    """The shape of a row, where it is said twice; raises InvalidDocument if that is not the same."""
    if before is not None and before != shape:
        raise InvalidDocument(
            f"expected the model's input_shape {list(before)}, got {list(shape)} at {path}",
            path=path,
            hint="say it once",
        )
    return shape


def _parsed(attribute: Attribute, value: Any, path: str) -> Any:
    try:
        return attribute.parse(value)
    except EngineError as error:
        error.path = path
        raise
