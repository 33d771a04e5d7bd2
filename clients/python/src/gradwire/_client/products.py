"""The flows behind the calls of higher order: directions, matrices, checks and estimates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradwire._client.function import Function, renamed, tensors_for_wire
from gradwire._client.options import (
    CheckOptions,
    EstimateOptions,
    GnvpOptions,
    HessianOptions,
    HvpOptions,
    JacobianOptions,
    JvpOptions,
)
from gradwire._client.requests import Inputs, ask
from gradwire._client.session import Session
from gradwire._transport.flow import Flow
from gradwire.results import (
    Check,
    GaussNewtonProduct,
    Hessian,
    HessianProduct,
    Jacobian,
    Pushforward,
    Sparse,
)


def jvp(
    session: Session, function: Function, inputs: Inputs, tangents: Inputs, options: JvpOptions
) -> Flow[Pushforward]:
    """Tangents of inputs pushed forward to the outputs."""
    tensors = {"inputs": tensors_for_wire(inputs, function), "tangents": directions(function, tangents)}
    answer = yield from ask(session, "jvp", function, tensors, options)
    return Pushforward(*(renamed(answer[key], function.outputs) for key in ("outputs", "jvp")))


def jacobian(
    session: Session, function: Function, inputs: Inputs, options: JacobianOptions
) -> Flow[Jacobian]:
    """Blocks of the Jacobian by output and input."""
    answer = yield from ask(
        session, "jacobian", function, {"inputs": tensors_for_wire(inputs, function)}, options
    )
    blocks = renamed(answer["jacobian"], function.outputs)
    return Jacobian(
        renamed(answer["outputs"], function.outputs),
        {name: _blocks(row, function) for name, row in blocks.items()},
        answer["method"],
    )


def hessian(session: Session, function: Function, inputs: Inputs, options: HessianOptions) -> Flow[Hessian]:
    """Blocks of the Hessian of a target by two inputs."""
    answer = yield from ask(
        session, "hessian", function, {"inputs": tensors_for_wire(inputs, function)}, options
    )
    rows = renamed(answer["hessian"], function.inputs)
    return Hessian(
        answer["value"],
        renamed(answer["gradients"], function.inputs),
        {name: _blocks(row, function) for name, row in rows.items()},
    )


def hvp(
    session: Session, function: Function, inputs: Inputs, vectors: Inputs, options: HvpOptions
) -> Flow[HessianProduct]:
    """The Hessian of a target times vectors."""
    tensors = {"inputs": tensors_for_wire(inputs, function), "vectors": directions(function, vectors)}
    answer = yield from ask(session, "hvp", function, tensors, options)
    gradients, products = (renamed(answer[key], function.inputs) for key in ("gradients", "hvp"))
    return HessianProduct(answer["value"], gradients, products)


def gnvp(
    session: Session, function: Function, inputs: Inputs, vectors: Inputs, options: GnvpOptions
) -> Flow[GaussNewtonProduct]:
    """The Gauss-Newton matrix of outputs, Jᵀ J, times vectors."""
    tensors = {"inputs": tensors_for_wire(inputs, function), "vectors": directions(function, vectors)}
    answer = yield from ask(session, "gnvp", function, tensors, options)
    return GaussNewtonProduct(
        renamed(answer["outputs"], function.outputs), renamed(answer["gnvp"], function.inputs)
    )


def check(session: Session, function: Function, inputs: Inputs, options: CheckOptions) -> Flow[Check]:
    """Whether the derivatives at a point are right."""
    answer = yield from ask(
        session, "check", function, {"inputs": tensors_for_wire(inputs, function)}, options
    )
    by_name = renamed(answer["taylor_order"], function.inputs)
    orders = {name: None if order is None else float(order) for name, order in by_name.items()}
    rewrites = tuple(answer.get("rewrites") or ())
    return Check(bool(answer["passed"]), orders, float(answer["dot_product_error"]), rewrites)


def estimate(
    session: Session, function: Function, inputs: Inputs, options: EstimateOptions
) -> Flow[dict[str, Any]]:
    """What a function would cost, from shapes alone."""
    values = {**function.captured, **(inputs or {})}
    shapes = {function.input(name): _described(value) for name, value in values.items()}
    answer: dict[str, Any] = yield from ask(session, "estimate", function, {"inputs": shapes}, options)
    return answer


def directions(function: Function, vectors: Inputs) -> dict[str, Any]:
    """Tangents or vectors by the names of their inputs."""
    named = {function.input(name): value for name, value in (vectors or {}).items()}
    return tensors_for_wire(named, Function())


def block(value: Any) -> Any:
    """One block: an array, or coordinates where it came as such."""
    if isinstance(value, Mapping):
        rows, columns = (np.asarray(value[key], np.int64) for key in ("rows", "cols"))
        return Sparse(rows, columns, np.asarray(value["values"]), tuple(map(int, value["shape"])))
    return value


def _blocks(row: Mapping[str, Any], function: Function) -> dict[str, Any]:
    return {name: block(value) for name, value in renamed(row, function.inputs).items()}


def _described(value: Any) -> dict[str, Any]:
    """Shape and dtype of an input; a description is passed on as it is."""
    if isinstance(value, Mapping):
        return dict(value)
    array = np.asarray(getattr(value, "array", value))
    dtype = array.dtype.name if isinstance(value, np.ndarray) or array.dtype.kind not in "iu" else "float64"
    return {"shape": list(array.shape), "dtype": dtype}
