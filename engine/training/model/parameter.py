"""What a parameter starts from, as a job's document says it: a value, or an initialiser and a shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.errors import (
    DtypeMismatch,
    EngineError,
    InvalidAttribute,
    InvalidDocument,
    InvalidTensor,
    ShapeMismatch,
)
from engine.frontend.json_reader import fields_of, show
from engine.frontend.tensors import decode_tensor
from engine.ir.attributes import Attribute
from engine.training.catalogue.initializers import INITIALIZERS, check_shape
from engine.training.catalogue.registry import SHAPE
from engine.training.model.builder import Weight


def read_parameter(
    value: Any, dtype: str, path: str, attachments: Mapping[str, Array] | None, model: Weight | None
) -> Weight:
    """Read one entry of `parameters`; `model` is what a layer says of it, of which the shape is fixed.

    Raises InvalidDocument, InvalidAttribute, InvalidTensor, DtypeMismatch and ShapeMismatch.
    """
    if not isinstance(value, Mapping):
        raise InvalidDocument(
            f"expected a parameter, a JSON object, got {show(value)} at {path}",
            path=path,
            hint='what it starts from is its value: {"value": [0.5]}',
        )
    fields = fields_of(value, ("value", "shape", "initializer"), path, "a parameter")
    if "value" in fields:
        array = decode_tensor(fields["value"], path=f"{path}.value", attachments=attachments).array
        if not dtypes.is_floating(array.dtype.name):
            raise DtypeMismatch(
                f"a parameter is a real floating tensor, got {array.dtype.name}", path=f"{path}.value"
            )
        weight = Weight(array.shape, dtype, None, _started(array, dtype, f"{path}.value"))
    else:
        if "initializer" not in fields:
            raise InvalidDocument(
                f"expected a 'value', or an 'initializer' and a 'shape', at {path}",
                path=path,
                hint='for example {"shape": [3, 2], "initializer": "glorot_uniform"}',
            )
        chosen = INITIALIZERS.read(fields["initializer"], f"{path}.initializer")
        shape = model.shape if model is not None and "shape" not in fields else fields.get("shape")
        weight = Weight(_shape(shape, path), dtype, chosen)
        check_shape(chosen, weight.shape, f"{path}.initializer")
    if model is not None and weight.shape != model.shape:
        raise ShapeMismatch(
            f"expected the shape {list(model.shape)} for this parameter, got {list(weight.shape)}",
            path=path,
            hint="the layer's settings and the shape of a row decide it; POST /v1/models/expand lists them",
        )
    return weight


def _started(array: Array, dtype: str, path: str) -> Array:
    """A first value in the job's dtype; raises InvalidTensor if it is not finite there."""
    with np.errstate(over="ignore"):
        value = np.asarray(array, dtype, order="C")
    wrong = np.argwhere(np.atleast_1d(~np.isfinite(value)))
    if len(wrong):
        place = wrong[0].tolist() if value.ndim else []
        came = f"{array[tuple(place)]:g} at {place}"
        raise InvalidTensor(
            f"a parameter starts from finite numbers of {dtype}, got {came} of {path}",
            path=path,
            hint="nothing can be learned from there: start from other numbers, or from an initializer",
        )
    return value


def _shape(value: Any, path: str) -> tuple[int, ...]:
    if value is None:
        raise InvalidAttribute("an initializer needs a 'shape'", path=f"{path}.shape")
    try:
        parsed: tuple[int, ...] = Attribute("shape", SHAPE).parse(value)
    except EngineError as error:
        error.path = f"{path}.shape"
        raise
    return parsed
