"""What the ops that only move elements share. All of them are linear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.ir.cost import Cost, free, moved
from engine.ir.families import SHAPING, define
from engine.ir.op import Op

LINEAR = frozenset({0})


def copied(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    """Every element is read and written once."""
    return Cost(0, moved(types, outputs))


def infer_given_shape(
    types: Sequence[TensorType], *, shape: tuple[int, ...], **_: Any
) -> tuple[TensorType, ...]:
    """The shape that the attribute says."""
    return (TensorType(shape, types[0].dtype),)


def mover(name: str, *aliases: str, view: bool | Callable[..., bool] = False, **fields: Any) -> Op:
    """A linear op of one input that copies its elements, or only looks at them (`view`)."""
    fields.setdefault("kinds", "any")
    fields.setdefault("cost", free if view else copied)
    return define(name, *aliases, family=SHAPING, view=view, linear_in=LINEAR, **fields)
