"""Roots of sums of powers beyond the range in which the powers themselves can be held.

The square of 1e200 overflows and that of 1e-200 is 0, though the root of their sum is an ordinary number. The
sum is taken as it is; only if one lies out of range is it taken again, of numbers divided by the largest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Axis = tuple[int, ...]


def scaled_root(
    xp: Any, x: Any, axis: Axis, keepdims: bool, total_of: Callable[[Any], Any], root: Callable[[Any], Any]
) -> Any:
    """`root(total_of(x))` for a homogeneous norm of degree 1, without overflow or underflow in between.

    `total_of` reduces `axis` and honours `keepdims`. Elements of the result whose total is in range have the
    bits that the plain formula gives.
    """
    total = total_of(x)
    if not math.prod(x.shape):
        return root(total)
    limits = xp.finfo(total.dtype)
    sound = (total >= limits.smallest_normal / limits.eps) & (total <= limits.max)
    if not xp.on_device and xp.item(xp.all(sound)):  # a device would be waited for
        return root(total)
    top = xp.max(xp.abs(x), axis=axis, keepdims=True)
    scale = xp.where(xp.isfinite(top) & (top > 0), top, 1)
    scaled = root(total_of(x / scale)) * (scale if keepdims else xp.reshape(scale, total.shape))
    return xp.where(sound, root(xp.where(sound, total, 1)), scaled)
