"""A job's document as the server wants it: models, optimisers and data in their forms on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradwire._client.datasets import Column, Dataset, upload
from gradwire._client.session import Session
from gradwire._client.uploads import array_of
from gradwire._tracing.operators import Operators
from gradwire._transport.flow import Flow

INLINE_BYTES = 256 * 1024  # arrays beyond it travel once, as data sets
_DATA = ("data", "validation_data")


def order(session: Session, wanted: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """The body of a submission; big arrays are uploaded on the way."""
    body: dict[str, Any] = {}
    for key, value in wanted.items():
        if value is None:
            continue
        if key in _DATA:
            body[key] = {}
            for name, field in value.items():
                body[key][name] = yield from _field(session, field)
        elif key == "parameters":
            body[key] = {n: written(v if isinstance(v, Mapping) else {"value": v}) for n, v in value.items()}
        else:
            body[key] = written(value)
    return body


def written(value: Any) -> Any:
    """`value` as JSON but for its arrays: things that have a `document()` write it."""
    if hasattr(value, "document") and callable(value.document):
        return value.document()
    if isinstance(value, Operators):
        return value._value()
    if isinstance(value, Mapping):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _field(session: Session, value: Any) -> Flow[Any]:
    if isinstance(value, Column):
        return value.document()
    if isinstance(value, Dataset):
        if len(value.fields) != 1:
            raise ValueError(f"expected one field of the data set: dataset['…'] of {', '.join(value.fields)}")
        return value[next(iter(value.fields))].document()
    if isinstance(value, Mapping):
        return dict(value)
    array = array_of(value)
    if array.nbytes <= INLINE_BYTES:
        return array
    dataset = yield from upload(session, array)
    return dataset["data"].document()
