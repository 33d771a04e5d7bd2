"""Reductions on lanes: what they start from, how two are combined, and a vector's lanes as one number."""

from __future__ import annotations

from math import inf

from engine.runtime.executors.compiled.ir import SIZES, register_type, vector
from engine.runtime.executors.compiled.lane import Lane
from engine.runtime.executors.compiled.lanes import Scalars
from engine.runtime.executors.compiled.nodes import How


def neutral(how: How, kind: str) -> float:
    """What changes nothing; of a sum of floats -0, so that a sum of -0 alone stays one."""
    if how in ("and", "or"):
        return how == "and"
    if how in ("add", "multiply"):
        return 1 if how == "multiply" else (-0.0 if kind.startswith("float") else 0)
    if kind.startswith("float"):
        return -inf if how == "max" else inf
    limit = int(2 ** (8 * SIZES[kind] - 1))
    return -limit if how == "max" else limit - 1


def start(m: Scalars, how: How, kind: str) -> Lane:
    """The neutral element in every lane."""
    if kind.startswith("int"):
        value = str(int(neutral(how, kind)))
        text = value if m.width == 1 else f"splat ({register_type(kind)} {value})"
        return Lane(m, text, kind)
    return m.constant(neutral(how, kind), kind)


def combine(m: Scalars, how: How, a: Lane, b: Lane) -> Lane:
    """Two partial results as one."""
    if how == "add":
        return m.add(a, b)
    if how == "multiply":
        return m.multiply(a, b)
    if how in ("max", "min"):
        return m.maximum(a, b) if how == "max" else m.minimum(a, b)
    return m.bitwise_and(a, b) if how == "and" else m.bitwise_or(a, b)


def across(m: Scalars, how: How, x: Lane) -> Lane:
    """The lanes of a vector as one number: halves are combined until one is left."""
    b, type, width, kind = m.b, register_type(x.kind), m.width, x.kind
    while width > 1:
        whole, half = vector(type, width), width // 2
        parts = []
        for first in (0, half):
            lanes = ", ".join(f"i32 {first + lane}" for lane in range(half))
            shuffle = f"shufflevector {whole} {x.x}, {whole} poison, <{half} x i32> <{lanes}>"
            parts.append(b.let(shuffle))
        narrow = Scalars(b, half)
        if half == 1:
            parts = [b.let(f"extractelement <1 x {type}> {part}, i32 0") for part in parts]
        x = combine(narrow, how, *(Lane(narrow, part, kind) for part in parts))
        width = half
    return Lane(Scalars(b, 1), x.x, kind)
