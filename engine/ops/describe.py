"""The description of an op for `GET /v1/ops`: its record in words, and an example from its first sample."""

from __future__ import annotations

from math import copysign, prod
from typing import Any

from engine.ir.attributes import parse_attributes, to_json
from engine.ir.input import Input
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Op
from engine.ir.samples import Domain, Sample
from engine.ir.table import TABLE

_COMPLEX_KINDS = ("any", "numeric", "floating")  # the kinds of input that take complex tensors


def describe(op: Op, *, full: bool = False) -> dict[str, Any]:
    """The record as `GET /v1/ops` lists it; `full` adds its conventions and an example."""
    described = {
        "name": op.name,
        "aliases": list(op.aliases),
        "group": op.group,
        "summary": op.summary,
        "signature": op.signature,
        "inputs": [_describe_input(i) for i in op.inputs],
        "attributes": {a.name: a.describe() for a in op.attributes},
        "outputs": None if op.outputs is None else len(op.outputs),
        "second_order": op.derivative.second_order,
        "holomorphic": _is_holomorphic(op),
        "batching": "native" if op.formula or op.rules.batch else "map",
    }
    if full:
        described |= {"conventions": op.conventions, "example": example_of(op)}
    return described


def example_of(op: Op) -> dict[str, Any] | None:
    """The body of an evaluate request with one node; None for ops that take functions."""
    cases = op.samples.cases
    if not cases:
        return None
    sample = cases[0]
    names = _names(op, len(sample.inputs))
    own = "y" if "y" not in names else "value"
    node: dict[str, Any] = {"name": own, "op": op.name, "inputs": names}
    if sample.attributes:
        node["attributes"] = _attributes(op, sample)
    count = len(op.outputs) if op.outputs is not None else 1
    return {
        "graph": {
            "version": 1,
            "inputs": {name: {} for name in names},
            "nodes": [node],
            "outputs": [own, *(f"{own}:{k}" for k in range(1, count))],
        },
        "inputs": {
            name: _value(op, i, shape)
            for i, (name, shape) in enumerate(zip(names, sample.inputs, strict=True))
        },
    }


def _is_holomorphic(op: Op) -> bool | None:
    """Whether it is a complex differentiable function of its complex inputs; None if it takes none, or
    if that depends on a function that it takes.
    """
    if op.rules.functions is not None or not any(i.kind in _COMPLEX_KINDS for i in op.inputs):
        return None
    stand_in = op.derivative.complex_rule
    return (op if stand_in is None else TABLE[stand_in]).derivative.holomorphic


def _names(op: Op, count: int) -> list[str]:
    """The parameters' own names; those of a variadic one are numbered."""
    fixed = [parameter.name for parameter in op.inputs if not parameter.variadic]
    return fixed[:count] + [f"x{k}" for k in range(len(fixed) + 1, count + 1)]


def _attributes(op: Op, sample: Sample) -> dict[str, Any]:
    parsed = parse_attributes(sample.attributes, op.attributes)
    return {name: to_json(parsed[name]) for name in sample.attributes}


def _value(op: Op, position: int, shape: Any) -> Any:
    """Literal values as they are; a shape filled evenly from the input's test domain."""
    kind = op.input(position).kind
    flat: list[Any]
    if not isinstance(shape, tuple):
        return shape if kind not in ("index", "integer") else {"dtype": "int64", "data": shape}
    size = prod(shape)
    if kind == "boolean":
        flat = [i % 2 == 0 for i in range(size)]
        return {"dtype": "bool", "data": _nested(flat, shape)}
    if kind in ("index", "integer"):
        return {"dtype": "int64", "data": _nested([(i + position) % 3 for i in range(size)], shape)}
    flat = [_inside(op.samples.domain_of(position), (i + 1) / (size + 1)) for i in range(size)]
    return _nested(flat if position % 2 == 0 else flat[::-1], shape)


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


def _describe_input(parameter: Input) -> dict[str, Any]:
    rule = parameter.vjp
    answer: dict[str, Any] = {
        "name": parameter.name,
        "differentiable": {
            "nondifferentiable": "no",
            "stop": "stopped",
            "not_implemented": "not_implemented",
        }[rule.kind]
        if isinstance(rule, NoGradient)
        else "yes",
        "dtypes": parameter.kind,
        "variadic": parameter.variadic,
    }
    if isinstance(rule, NoGradient):
        answer["why"] = rule.why
    return answer
