"""Sin and cos: the polynomials of fdlibm (Sun Microsystems, `k_sin.c`, `k_cos.c`).

Up to a million or so the argument is reduced by pi/2 in three parts, each product with one rounding. Beyond
that, which is rare, the C library computes the lanes.
"""

from __future__ import annotations

from typing import Any

from engine.runtime.executors.compiled.ir import register_type, splat, vector
from engine.runtime.executors.compiled.maths.exponential import polynomial

_LIMIT = 1e6
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
_SIN = (
    1.58969099521155010221e-10,
    -2.50507602534068634195e-08,
    2.75573137070700676789e-06,
    -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
    -1.66666666666666324348e-01,
)
_COS = (
    -1.13596475577881948265e-11,
    2.08757232129817482790e-09,
    -2.75573143513906633035e-07,
    2.48015872894767294178e-05,
    -1.38888888888741095749e-03,
    4.16666666666666019037e-02,
)


def sin(m: Any, x: Any) -> Any:
    """The sine of an angle in radians."""
    return _quarter_turns(m, x, "sin", 0)


def cos(m: Any, x: Any) -> Any:
    """The cosine of an angle in radians."""
    return _quarter_turns(m, x, "cos", 1)


def _quarter_turns(m: Any, x: Any, name: str, turns: int) -> Any:
    """The sine of x and so many quarter turns; `name` is that function in the C library."""
    if x.kind == "float32":
        return m.cast(m.helper(name, m.cast(x, "float64")), "float32")
    b, width = m.b, m.width
    large = (m.abs(x) > _LIMIT) & m.isfinite(x)
    some = large.x
    if width > 1:
        masks = vector(register_type("bool"), width)
        some = b.call("i1", f"llvm.vector.reduce.or.v{width}i1", (masks, some))
    type = m.type("float64")
    value = b.either(
        some,
        type,
        lambda: str(m.helper_of_library(name, x).x),
        lambda: str(_of_small(m, x, turns).x),
    )
    return m.lane(f"fadd {type} {value}, {splat('-0.0', 'double', width)}", "float64")


def _of_small(m: Any, x: Any, turns: int) -> Any:
    b = m.b
    n = m.round(m.where(m.abs(x) <= _LIMIT, x, 0.0) * 0.6366197723675814)
    r = x
    for part in _HALF_PI:
        r = m.fma(n, -part, r)
    r = m.where(m.isfinite(x), r, float("nan"))
    z = r * r
    sine = m.fma(z * r, polynomial(m, z, _SIN), r)
    half = z * 0.5
    most = 1.0 - half
    cosine = most + ((1.0 - most) - half + z * z * polynomial(m, z, _COS))
    integers = vector("i64", m.width)
    whole = b.let(f"fptosi {m.type('float64')} {n.x} to {integers}")
    quadrant = b.let(f"add {integers} {whole}, {splat(str(turns), 'i64', m.width)}")

    def has(bit: int) -> Any:
        low = b.let(f"and {integers} {quadrant}, {splat(str(bit), 'i64', m.width)}")
        return m.lane(f"icmp ne {integers} {low}, {splat('0', 'i64', m.width)}", "bool")

    y = m.where(has(1), cosine, sine)
    y = m.where(has(2), -y, y)
    return m.where(x == 0, x, y) if turns == 0 else y
