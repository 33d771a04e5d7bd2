"""A job's document as the server wants it: models, optimisers and data in their forms on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradwire._client.datasets import Column, Dataset, upload
from gradwire._client.session import Session
from gradwire._client.uploads import array_of
from gradwire._names.own import own_class, own_function, plays
from gradwire._tracing.operators import Operators
from gradwire._tracing.reads import may_read
from gradwire._tracing.variable import Variable
from gradwire._transport.flow import Flow
from gradwire.errors import ConfigurationError

INLINE_BYTES = 256 * 1024  # arrays beyond it travel once, as data sets
BY_HAND = "compute it from `model.predict(x)`, in a Callback's on_epoch_end for example"
_DATA = ("data", "validation_data")


def job_document(session: Session, wanted: Mapping[str, Any]) -> Flow[dict[str, Any]]:
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
            body[key] = {name: written(_parameter(name, each)) for name, each in value.items()}
        elif key == "optimizer":
            body[key] = value if isinstance(value, str) else written(optimizer_document(value))
        elif key == "loss":
            body[key] = _measure(value, key)
        elif key == "metrics":
            body[key] = [_measure(each, "metric") for each in value]
        else:
            body[key] = written(value)
    return body


def written(value: Any) -> Any:
    """`value` as JSON but for its arrays: things that have a `document()` write it."""
    if hasattr(value, "document") and callable(value.document):
        return value.document()
    if isinstance(value, Operators):
        may_read(value._edge(), "a job")
        return value._value()
    if isinstance(value, Mapping):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def optimizer_document(optimizer: Any) -> dict[str, Any]:
    """An optimiser as on the wire; raises NotTraced for one of the user's own, TypeError for no optimiser."""
    if isinstance(optimizer, str):
        return {"name": optimizer}
    if isinstance(optimizer, Mapping):
        return dict(optimizer)
    if plays(optimizer, "optimizer"):
        return dict(optimizer.document())
    if isinstance(optimizer, type):
        raise TypeError(
            f"expected an optimizer, got the class {optimizer.__name__}: call it, {optimizer.__name__}()"
        )
    own_class(optimizer, "optimizer")
    raise TypeError(f"expected an optimizer of gradwire.keras.optimizers, got {type(optimizer).__name__}")


def measure_document(measure: Any, what: str = "metric") -> dict[str, Any]:
    """A loss or metric as on the wire: its name, and its settings.

    Raises NotTraced for a class or function of the user's own, and TypeError for anything else.
    """
    if plays(measure, "loss", "metric"):
        return dict(measure.document())
    if isinstance(measure, dict):
        return measure
    if isinstance(measure, str):
        return {"name": measure}
    if isinstance(measure, type):
        raise TypeError(f"expected a {what}, got the class {measure.__name__}: call it, {measure.__name__}()")
    if plays(measure, "mean"):
        raise TypeError(
            f"a {what} compares two things, Mean takes one: choose another of gradwire.keras.metrics"
        )
    return {"name": own_function(measure, what, **({} if what == "loss" else {"cure": BY_HAND}))}


def _measure(measure: Any, what: str) -> Any:
    return measure if isinstance(measure, str) else written(measure_document(measure, what))


def _parameter(name: str, value: Any) -> Any:
    """What a parameter starts from; raises ConfigurationError for a variable that is not to be trained."""
    if isinstance(value, Variable) and not value.trainable:
        raise ConfigurationError(
            f"the parameter '{name}' is a Variable that is not trainable, and a job trains each of its "
            "parameters: write its value into the program, or set its `trainable`"
        )
    return value if isinstance(value, Mapping) else {"value": value}


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
