"""Mathematical functions on lanes of floats, within 2 units in the last place over the whole range.

`exponential`     exp, expm1, log, log1p, tanh
`trigonometric`   sin, cos

Each takes the namespace of lanes and a lane, and writes arithmetic with explicit fused multiply-adds, which
rounds alike on every machine. NaN, infinities, zeros and subnormals come out as in NumPy.
"""

from __future__ import annotations

from engine.runtime.executors.compiled.maths.exponential import exp, expm1, log, log1p, tanh
from engine.runtime.executors.compiled.maths.trigonometric import cos, sin

NAMES = ("exp", "expm1", "log", "log1p", "tanh", "sin", "cos")

__all__ = ["NAMES", "cos", "exp", "expm1", "log", "log1p", "sin", "tanh"]
