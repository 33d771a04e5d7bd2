"""A worked call of an op, made from the first sample of its record: what `GET /v1/ops/{name}` shows."""

from __future__ import annotations

from math import copysign, prod
from typing import TYPE_CHECKING, Any

from engine.ir.attributes import parse_attributes, to_json

if TYPE_CHECKING:
    from engine.ir.op import Domain, Op, Sample


def example_of(op: Op) -> dict[str, Any] | None:
    """The body of an evaluate request with one node; None for ops that take functions."""
    cases = op.cases()
    if not cases:
        return None
    sample = cases[0]
    names = _names(op, len(sample.inputs))
    node: dict[str, Any] = {"name": "y", "op": op.name, "inputs": names}
    if sample.attributes:
        node["attributes"] = _attributes(op, sample)
    count = len(op.outputs) if op.outputs is not None else 1
    return {
        "graph": {
            "version": 1,
            "inputs": {name: {} for name in names},
            "nodes": [node],
            "outputs": ["y", *(f"y:{k}" for k in range(1, count))],
        },
        "inputs": {
            name: _value(op, i, given)
            for i, (name, given) in enumerate(zip(names, sample.inputs, strict=True))
        },
    }


def _names(op: Op, count: int) -> list[str]:
    """The parameters' own names; those of a variadic one are numbered."""
    fixed = [parameter.name for parameter in op.inputs if not parameter.variadic]
    return fixed[:count] + [f"x{k}" for k in range(len(fixed) + 1, count + 1)]


def _attributes(op: Op, sample: Sample) -> dict[str, Any]:
    parsed = parse_attributes(sample.attributes, op.attributes)
    return {name: to_json(parsed[name]) for name in sample.attributes}


def _value(op: Op, position: int, given: Any) -> Any:
    """Literal values as they are; a shape filled evenly from the input's test domain."""
    kind = op.input(position).kind
    flat: list[Any]
    if not isinstance(given, tuple):
        return given if kind not in ("index", "integer") else {"dtype": "int64", "data": given}
    size = prod(given)
    if kind == "boolean":
        flat = [i % 2 == 0 for i in range(size)]
        return {"dtype": "bool", "data": _nested(flat, given)}
    if kind in ("index", "integer"):
        return {"dtype": "int64", "data": _nested([(i + position) % 3 for i in range(size)], given)}
    flat = [_inside(op.domain_of(position), (i + 1) / (size + 1)) for i in range(size)]
    return _nested(flat if position % 2 == 0 else flat[::-1], given)


def _inside(domain: Domain, share: float) -> float:
    value = domain.low + (domain.high - domain.low) * share
    if abs(value) < domain.away_from_zero:
        value = copysign(min(domain.away_from_zero + abs(value), domain.high), value)
    return float(f"{value:.3g}")


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return flat[0]
    step = prod(shape[1:])
    return [_nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
