"""From a request's fields to the engine's question: the device, the tensors, the query."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import prod
from typing import Any, NoReturn, cast

from engine import dtypes
from engine.arrays.types import Array
from engine.derivatives.query import Optimize, Query
from engine.dtypes import TensorType
from engine.errors import InvalidDocument, UnknownInput, did_you_mean
from engine.frontend.graph import Graph, abridged
from engine.frontend.tensors import Place, Tensor, decode_tensors, dtype_name
from engine.runtime import devices
from service.wire import requests
from service.wire.json_reader import child_path

MAX_AXES = 64
MAX_ELEMENTS = 2**56


def device_of(request: requests.Options) -> str:
    """The device asked for. Raises DeviceUnavailable for one that is not here, InvalidDocument for none."""
    return devices.here(devices.parse(request.device))


def places_of(graph: Graph, batch: Collection[str] = ()) -> dict[str, Place]:
    """The place of every input of the function in a request; those of `batch` have an axis more."""
    places = {}
    for name, spec in graph.inputs.items():
        shape = (None, *spec.shape) if spec.shape is not None and name in batch else spec.shape
        places[name] = Place(child_path("$.inputs", name), spec.dtype, shape)
    return places


def decode_inputs(
    places: Mapping[str, Place],
    values: Mapping[str, Any],
    attachments: Mapping[str, Array] | None,
) -> dict[str, Tensor]:
    """The tensors under `inputs`. Raises UnknownInput, InvalidTensor and kin."""
    if not places.keys() >= values.keys():
        _refuse_unknown_input(next(name for name in values if name not in places), places)
    return decode_tensors(values, places, attachments)


def _refuse_unknown_input(name: str, inputs: Iterable[str]) -> NoReturn:
    path = child_path("$.inputs", name)
    names = list(inputs)
    raise UnknownInput(
        f"expected inputs of the function ({abridged(names)}), got '{name}' at {path}",
        path=path,
        hint=did_you_mean(name, names),
    )


def declared_types(graph: Graph, raw: Mapping[str, requests.InputType]) -> dict[str, TensorType]:
    """The types under the `inputs` of an estimate. Raises UnknownInput and InvalidDocument."""
    types = {}
    for name, declared in raw.items():
        path = child_path("$.inputs", name)
        spec = graph.inputs.get(name)
        if spec is None:
            _refuse_unknown_input(name, graph.inputs)
        dtype = declared.dtype or spec.dtype or dtypes.DEFAULT
        if dtype not in dtypes.ALL:
            raise InvalidDocument(
                f"expected a dtype, got '{dtype}' at {path}.dtype",
                path=f"{path}.dtype",
                hint=did_you_mean(dtype, dtypes.ALL),
            )
        if any(size < 0 for size in declared.shape) or len(declared.shape) > MAX_AXES:
            raise InvalidDocument(
                f"expected up to {MAX_AXES} sizes of 0 or more, got {declared.shape} at {path}.shape",
                path=f"{path}.shape",
            )
        if prod(max(1, size) for size in declared.shape) > MAX_ELEMENTS:
            raise InvalidDocument(
                f"expected a shape that an array can have, got {str(declared.shape)[:100]} at {path}.shape",
                path=f"{path}.shape",
            )
        types[name] = TensorType(tuple(declared.shape), dtype)
    return types


def decode_directions(
    field: str | None, raw: Mapping[str, Any] | None, attachments: Mapping[str, Array] | None
) -> dict[str, Tensor] | None:
    """The tensors `raw` under `field`: cotangents, tangents or vectors; None if there are none."""
    if field is None or raw is None:
        return None
    return decode_tensors(raw, {name: Place(child_path(f"$.{field}", name)) for name in raw}, attachments)


def build_query(
    kind: str,
    graph: Graph,
    request: requests.Options,
    inputs: Mapping[str, Tensor],
    field: str | None = None,
    directions: Mapping[str, Tensor] | None = None,
) -> Query:
    """The engine's query: signatures instead of numbers, defaults filled in.

    `directions` came under `field`.
    """
    target = getattr(request, "target", None)
    signature = {} if field is None or directions is None else {field: _signature(directions)}
    return Query(
        graph=graph,
        kind=cast(Any, kind),
        inputs=_signature(inputs),
        outputs=_names(request, "outputs"),
        targets=(target,) if isinstance(target, str) else _names(request, "target"),
        target_list=isinstance(target, list),
        wrt=_names(request, "wrt"),
        unconnected=getattr(request, "unconnected", None) or "null",
        diagnose=getattr(request, "diagnose", None) or "auto",
        dtype=floating(request.dtype),
        optimize=optimize_of(request),
        exact=bool(request.exact),
        stabilize=bool(request.stabilize),
        masked_backward=bool(getattr(request, "masked_backward", None)),
        method=getattr(request, "method", None) or "auto",
        sparse=bool(getattr(request, "sparse", None)),
        batch=tuple(request.batch or ()),
        return_graph=bool(getattr(request, "return_graph", None)),
        cotangent_batch=bool(getattr(request, "cotangent_batch", None)),
        device=device_of(request),
        **cast(Any, signature),
    )


def optimize_of(request: requests.Options) -> Optimize:
    """How far the query is optimised; true and absent mean auto, false off."""
    level = request.optimize
    if level is None or isinstance(level, bool):
        return "off" if level is False else "auto"
    return level


def _names(request: requests.Options, field: str) -> tuple[str, ...] | None:
    names = getattr(request, field, None)
    if names is None:
        return None
    if field != "wrt" and not names:
        raise InvalidDocument(
            f"expected at least one name, got an empty list at $.{field}",
            path=f"$.{field}",
            hint=f"leave '{field}' out for the default",
        )
    return tuple(names)


def floating(dtype: str | None) -> str | None:
    """The dtype to compute in. Raises InvalidDocument for one that is not floating."""
    if dtype is not None and dtype not in dtypes.FLOATING:
        raise InvalidDocument(
            f"expected one of {dtypes.names(dtypes.FLOATING)}, got '{dtype}' at $.dtype",
            path="$.dtype",
            hint=did_you_mean(dtype, dtypes.FLOATING),
        )
    return dtype


def _signature(tensors: Mapping[str, Tensor]) -> dict[str, TensorType]:
    return {
        name: TensorType(tensor.array.shape, dtype_name(tensor.array), tensor.weak)
        for name, tensor in tensors.items()
    }
