"""Discrete cosine and sine transforms of types 1 to 4, by Fourier transforms, with SciPy's factors."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np

from engine import dtypes
from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import AXIS, INT, SIZE, Attribute
from engine.ir.families import composite
from engine.ir.indices import along
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.fft.lines import NORM
from engine.ops.fft.transforms import fitted


class _Line:
    """What the formulas do along one axis."""

    def __init__(self, x: Any, axis: int) -> None:
        self.tape, self.axis, self.ndim, self.dtype = x.tape, axis, x.ndim, x.dtype

    def vector(self, values: Any, dtype: str | None = None) -> Any:
        """Fixed numbers along the axis."""
        shape = [1] * self.ndim
        shape[self.axis] = len(values)
        return self.tape.constant(np.reshape(values, shape), dtype or self.dtype)

    def turn(self, angles: Any) -> Any:
        """exp(i angle) along the axis."""
        return self.vector(np.exp(1j * angles), dtypes.complex_of(self.dtype))

    def part(self, x: Any, start: int, stop: int | None) -> Any:
        """A stretch of the axis."""
        return F.getitem(x, index=along(self.axis, slice(start, stop)))

    def doubled(self, x: Any, n: int) -> Any:
        """The first n results of the transform of x with as many zeros behind it."""
        return self.part(F.dft(fitted(x, self.axis, 2 * n), axis=(self.axis,)), 0, n)


def _cosines(x: Any, kind: int, axis: int) -> Any:
    """The transform without a factor, as SciPy has it by default."""
    line, n = _Line(x, axis), x.shape[axis]
    places = np.arange(n)
    if kind == 1:
        mirrored = F.flip(line.part(x, 1, -1), axis=axis)
        return F.rdft(F.concat(x, mirrored, axis=axis), axis=(axis,)).real()
    if kind == 2:
        return (line.doubled(x, n) * line.turn(-pi * places / (2 * n))).real() * 2
    if kind == 3:
        weights = x * line.vector(np.where(places == 0, 1.0, 2.0))
        return line.doubled(weights * line.turn(-pi * places / (2 * n)), n).real()
    turned = line.doubled(x * line.turn(-pi * places / (2 * n)), n)
    return (turned * line.turn(-pi * (2 * places + 1) / (4 * n))).real() * 2


def _sines(x: Any, kind: int, axis: int) -> Any:
    """By the cosines of the numbers in reverse order or with alternating signs."""
    line, n = _Line(x, axis), x.shape[axis]
    if kind == 1:
        zero = line.part(x, 0, 1) * 0
        odd = F.concat(zero, x, zero, -F.flip(x, axis=axis), axis=axis)
        return line.part(-F.imag(F.rdft(odd, axis=(axis,))), 1, n + 1)
    signs = line.vector(np.where(np.arange(n) % 2 == 0, 1.0, -1.0))
    if kind == 2:
        return F.flip(_cosines(x * signs, 2, axis), axis=axis)
    return _cosines(F.flip(x, axis=axis), kind, axis) * signs


def _period(kind: int, n: int, sine: bool) -> int:
    """What the transform and its inverse without factors multiply by together."""
    if kind != 1:
        return 2 * n
    return 2 * (n + 1) if sine else 2 * (n - 1)


def _ends(kind: int, n: int, sine: bool) -> np.ndarray[Any, Any]:
    """What makes the transform orthogonal: a factor of the elements that stand for themselves alone."""
    factors = np.ones(n)
    if kind == 1 and not sine:
        factors[[0, -1]] = sqrt(0.5)
    elif kind in (2, 3):
        factors[-1 if sine else 0] = sqrt(0.5)
    return factors


def _transform(sine: bool, inverse: bool) -> Any:
    def formula(x: Any, *, type: int, n: int | None, axis: int, norm: str) -> Any:
        if type not in (1, 2, 3, 4):
            raise InvalidAttribute(f"expected 1, 2, 3 or 4 for 'type', got {type}")
        place = normalize_axis(axis, x.ndim)
        x = x if n is None else fitted(x, place, n)
        size = x.shape[place]
        if size < (2 if type == 1 and not sine else 1):
            raise ShapeMismatch(f"a transform of type {type} along an axis of {size} elements")
        kind = {2: 3, 3: 2}.get(type, type) if inverse else type
        line, period = _Line(x, place), _period(type, size, sine)
        compute = _sines if sine else _cosines
        if norm != "ortho":
            answer = compute(x, kind, place)
            return answer * (1 / period) if (norm == "forward") != inverse else answer
        ends = _ends(kind, size, sine)
        if kind in (1, 3):
            x = x / line.vector(ends)
        answer = compute(x, kind, place) * (1 / sqrt(period))
        return answer * line.vector(ends) if kind in (1, 2) else answer

    return formula


def _op(name: str, summary: str, sine: bool, inverse: bool) -> Op:
    return composite(
        name,
        summary=summary,
        formula=_transform(sine, inverse),
        kinds="real_floating",
        attributes=(
            Attribute("type", INT, 2, "1, 2, 3 or 4"),
            Attribute("n", SIZE, None, "the size to cut or to pad to; that of the axis when absent"),
            Attribute("axis", AXIS, -1),
            NORM,
        ),
        samples=(
            Sample(((4,),)),
            Sample(((3, 2),), {"type": 3, "axis": 0, "norm": "ortho"}),
            Sample(((2, 4),), {"type": 1, "n": 5, "norm": "forward"}),
            Sample(((3,),), {"type": 4}),
            Sample(((5,),), {"norm": "ortho"}),
        ),
        conventions="SciPy's factors.",
    )


dct = _op("dct", "The discrete cosine transform along an axis.", False, False)
idct = _op("idct", "The inverse discrete cosine transform along an axis.", False, True)
dst = _op("dst", "The discrete sine transform along an axis.", True, False)
idst = _op("idst", "The inverse discrete sine transform along an axis.", True, True)
