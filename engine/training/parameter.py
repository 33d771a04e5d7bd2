"""What a parameter starts from, as a job's document says it: a value, or an initialiser and a shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine import dtypes
from engine.attributes import Attribute
from engine.documents import fields_of
from engine.errors import DatasetMismatch, DtypeMismatch, EngineError, InvalidAttribute, InvalidDocument
from engine.tensors import Array, decode_tensor
from engine.training.catalogue import SHAPE
from engine.training.initializers import INITIALIZERS
from engine.training.scope import Weight


def read_parameter(
    value: Any, dtype: str, path: str, attachments: Mapping[str, Array] | None, model: Weight | None
) -> Weight:
    """Read one entry of `parameters`; `model` is what a layer says of it, of which the shape is fixed.

    Raises InvalidDocument, InvalidAttribute, InvalidTensor, DtypeMismatch and DatasetMismatch.
    """
    fields = fields_of(value, ("value", "shape", "initializer"), path, "a parameter")
    if "value" in fields:
        array = decode_tensor(fields["value"], path=f"{path}.value", attachments=attachments).array
        if not dtypes.is_floating(array.dtype.name):
            raise DtypeMismatch(
                f"a parameter is a real floating tensor, got {array.dtype.name}", path=f"{path}.value"
            )
        weight = Weight(array.shape, dtype, None, np.ascontiguousarray(array, dtype))
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
    if model is not None and weight.shape != model.shape:
        raise DatasetMismatch(f"expected shape {list(model.shape)}, got {list(weight.shape)}", path=path)
    return weight


def _shape(value: Any, path: str) -> tuple[int, ...]:
    if value is None:
        raise InvalidAttribute("an initializer needs a 'shape'", path=f"{path}.shape")
    try:
        parsed: tuple[int, ...] = Attribute("shape", SHAPE).parse(value)
    except EngineError as error:
        error.path = f"{path}.shape"
        raise
    return parsed
