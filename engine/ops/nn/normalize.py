"""Vectors scaled to length one, and the angle between vectors."""

from __future__ import annotations

import math
from typing import Any

from engine.ir.attributes import AXES, NUMBER, Attribute
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.table import F

_AXIS = Attribute("axis", AXES, (-1,), "the axes of one vector; null: all of them", nullable=True)
_EPSILON = Attribute("epsilon", NUMBER, 1e-12, "the least squared length divided by")


def _normalize(x: Any, *, axis: tuple[int, ...] | None, epsilon: float) -> Any:
    length = F.vector_norm(x, axis=axis, keepdims=True)  # which does not overflow where squares do
    return x / F.maximum(length, math.sqrt(max(epsilon, 0.0)))  # a negative bound is none


normalize = composite(
    "normalize",
    "l2_normalize",
    summary="x / sqrt(max(sum(x²), epsilon)): vectors scaled to length one.",
    formula=_normalize,
    kinds="real_floating",
    attributes=(_AXIS, _EPSILON),
    samples=(Sample(((2, 3),)), Sample(((2, 3),), {"axis": 0}), Sample(((2, 3),), {"axis": [0, 1]})),
    conventions="TensorFlow takes all axes by default. Of a zero vector it is zero, with the "
    "finite derivative 1 / sqrt(epsilon).",
)

cosine_similarity = composite(
    "cosine_similarity",
    summary="The cosine of the angle between vectors.",
    formula=lambda x1, x2, *, axis, epsilon: F.sum(
        F.normalize(x1, axis=axis, epsilon=epsilon) * F.normalize(x2, axis=axis, epsilon=epsilon), axis=axis
    ),
    kinds="real_floating",
    attributes=(_AXIS, _EPSILON),
    samples=(Sample(((2, 3), (2, 3))), Sample(((2, 3), (3,)))),
    conventions="With a zero vector it is 0. As a loss, with the sign turned, it is cosine_similarity_loss.",
)
