"""Flatten and Reshape: the same elements of a row in another shape."""

from __future__ import annotations

from math import prod

from engine.errors import ShapeMismatch
from engine.ir.attributes import NEW_SHAPE, Attribute
from engine.training.model.builder import GraphBuilder, Shape, Symbol
from engine.training.model.layers.layer import Layer


def _to(scope: GraphBuilder, x: Symbol, shape: Shape) -> Symbol:
    return Symbol(scope.node("reshape", x.name, shape=[-1, *shape]), shape, x.dtype)


def _flatten(scope: GraphBuilder, x: Symbol) -> Symbol:
    return x if len(x.shape) == 1 else _to(scope, x, (prod(x.shape),))


def _reshape(scope: GraphBuilder, x: Symbol, *, target_shape: Shape) -> Symbol:
    product, size = prod(s for s in target_shape if s != -1), prod(x.shape)
    shape = target_shape
    if -1 in shape and product and size % product == 0:
        shape = tuple(size // product if s == -1 else s for s in shape)
    if -1 in shape or prod(shape) != size:
        raise ShapeMismatch(
            f"rows of shape {list(x.shape)} do not fill the shape {list(target_shape)}",
            path=".target_shape",
            hint="without the axis of the samples; one size may be -1",
        )
    return _to(scope, x, shape)


LAYERS = (
    Layer("Flatten", "flatten", "Every row as one axis.", _flatten),
    Layer(
        "Reshape",
        "reshape",
        "Every row in another shape; one size may be -1.",
        _reshape,
        (Attribute("target_shape", NEW_SHAPE),),
    ),
)
