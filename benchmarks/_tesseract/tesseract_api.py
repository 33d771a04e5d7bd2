"""`y = x * sin(x)` as a tesseract, its vector-Jacobian product written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel
from tesseract_core.runtime import Array, Differentiable, Float64

Vector = Differentiable[Array[(None,), Float64]]


class InputSchema(BaseModel):
    """The one input."""

    x: Vector


class OutputSchema(BaseModel):
    """The one output."""

    y: Vector


def apply(inputs: InputSchema) -> OutputSchema:
    """The value."""
    return OutputSchema(y=inputs.x * np.sin(inputs.x))


def vector_jacobian_product(
    inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector: dict[str, Any]
) -> dict[str, Any]:
    """The cotangent of `y` pulled back to `x`."""
    x = inputs.x
    return {"x": cotangent_vector["y"] * (np.sin(x) + x * np.cos(x))}


def abstract_eval(abstract_inputs: Any) -> dict[str, Any]:
    """The output's shape."""
    return {"y": {"shape": abstract_inputs.x.shape, "dtype": "float64"}}
