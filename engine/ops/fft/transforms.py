"""The Fourier transforms of NumPy and of the array API, each cut or padded to its size first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import AXIS, INTS, SHAPE, SIZE, Attribute
from engine.ir.families import composite
from engine.ir.indices import along
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.fft.lines import FLIPPED, NORM

Axes = tuple[int, ...]


def fitted(x: Any, axis: int, size: int) -> Any:
    """X cut or continued with zeros, so that an axis has a size."""
    if size < 1:
        raise InvalidAttribute(f"expected 1 or more elements along axis {axis}, got {size}")
    if x.shape[axis] > size:
        return F.getitem(x, index=along(axis, slice(0, size)))
    behind = size - x.shape[axis]
    if not behind:
        return x
    return F.pad(x, pad_width=tuple((0, behind if a == axis else 0) for a in range(x.ndim)))


def _to_size(x: Any, n: int | None, axis: int) -> tuple[Any, int]:
    place = normalize_axis(axis, x.ndim)
    return (x if n is None else fitted(x, place, n)), place


def _fft(inverse: bool) -> Callable[..., Any]:
    def formula(x: Any, *, n: int | None, axis: int, norm: str) -> Any:
        x, place = _to_size(x, n, axis)
        return F.dft(x, axis=(place,), inverse=inverse, norm=norm)

    return formula


def _rfft(x: Any, *, n: int | None, axis: int, norm: str) -> Any:
    x, place = _to_size(x, n, axis)
    return F.rdft(x, axis=(place,), norm=norm)


def _irfft(x: Any, *, n: int | None, axis: int, norm: str) -> Any:
    place = normalize_axis(axis, x.ndim)
    size = 2 * (x.shape[place] - 1) if n is None else n
    if size < 1:
        raise ShapeMismatch(
            f"axis {place} of shape {x.shape} makes {size} numbers", hint="name the number of results with n"
        )
    return F.irdft(fitted(x, place, size // 2 + 1), axis=(place,), size=size, norm=norm)


def _hfft(x: Any, *, n: int | None, axis: int, norm: str) -> Any:
    return F.irfft(F.conj(x), n=n, axis=axis, norm=FLIPPED[norm])


def _ihfft(x: Any, *, n: int | None, axis: int, norm: str) -> Any:
    return F.conj(F.rfft(x, n=n, axis=axis, norm=FLIPPED[norm]))


_LINE = (
    Attribute("n", SIZE, None, "the size to cut or to pad to; that of the axis when absent"),
    Attribute("axis", AXIS, -1),
    NORM,
)
_LINE_SAMPLES = (
    Sample(((4,),)),
    Sample(((3, 4),), {"n": 5, "axis": 0}),
    Sample(((2, 5),), {"n": 3, "norm": "ortho"}),
    Sample(((2, 4),), {"norm": "forward"}),
)


def _line(name: str, summary: str, formula: Any, kinds: str = "floating", **fields: Any) -> Op:
    return composite(
        name,
        summary=summary,
        formula=formula,
        kinds=kinds,
        attributes=_LINE,
        samples=_LINE_SAMPLES,
        **fields,
    )


_HALF = "The result has n // 2 + 1 elements along the axis."
_EVEN = "An even number of results is assumed if n is absent."

fft = _line("fft", "The discrete Fourier transform along an axis.", _fft(False))
ifft = _line("ifft", "The inverse discrete Fourier transform along an axis.", _fft(True))
rfft = _line(
    "rfft",
    "The discrete Fourier transform of real numbers along an axis: its first half, which tells the rest.",
    _rfft,
    "real_floating",
    conventions=_HALF,
)
irfft = _line(
    "irfft",
    "The inverse of rfft along an axis: real numbers.",
    _irfft,
    holomorphic=False,
    conventions=f"{_EVEN} Imaginary parts of the first element, and of the middle one, do not count.",
)
hfft = _line(
    "hfft",
    "The discrete Fourier transform of a signal with Hermitian symmetry along an axis, given its half.",
    _hfft,
    holomorphic=False,
    conventions=_EVEN,
)
ihfft = _line(
    "ihfft",
    "The inverse of hfft along an axis.",
    _ihfft,
    "real_floating",
    conventions=_HALF,
)


# -- along several axes ------------------------------------------------------------------------------


def _axes(x: Any, s: Axes | None, axes: Axes | None) -> Axes:
    """The axes to transform, in their order."""
    if axes is None:
        if s is not None and len(s) > x.ndim:
            raise InvalidAttribute(f"{len(s)} sizes for {x.ndim} axes")
        axes = tuple(range(x.ndim if s is None else len(s)))
        axes = tuple(x.ndim - len(axes) + a for a in axes)
    places = tuple(normalize_axis(a, x.ndim) for a in axes)
    if len(set(places)) < len(places):
        raise InvalidAttribute(f"expected each axis once for 'axes', got {axes}")
    if s is not None and len(s) != len(places):
        raise InvalidAttribute(f"{len(s)} sizes for {len(places)} axes: expected as many")
    if not places:
        raise ShapeMismatch("there is no axis to transform", hint="a scalar is its own transform")
    return places


def _sized(x: Any, s: Axes | None, places: Axes) -> Any:
    for place, size in zip(places, s or (), strict=s is not None):
        x = fitted(x, place, size)
    return x


def _fftn(inverse: bool) -> Callable[..., Any]:
    def formula(x: Any, *, s: Axes | None, axes: Axes | None, norm: str) -> Any:
        places = _axes(x, s, axes)
        x = _sized(x, s, places)
        return F.dft(x, axis=tuple(sorted(places)), inverse=inverse, norm=norm)

    return formula


def _rfftn(x: Any, *, s: Axes | None, axes: Axes | None, norm: str) -> Any:
    places = _axes(x, s, axes)
    half = F.rdft(_sized(x, s, places), axis=places[-1:], norm=norm)
    return F.dft(half, axis=tuple(sorted(places[:-1])), norm=norm) if places[1:] else half


def _irfftn(x: Any, *, s: Axes | None, axes: Axes | None, norm: str) -> Any:
    places = _axes(x, s, axes)
    if places[1:]:
        x = _sized(x, None if s is None else s[:-1], places[:-1])
        x = F.dft(x, axis=tuple(sorted(places[:-1])), inverse=True, norm=norm)
    return F.irfft(x, n=None if s is None else s[-1], axis=places[-1], norm=norm)


_S = Attribute("s", SHAPE, None, "the sizes to cut or to pad to; those of the axes when absent")
_PLANE_SAMPLES = (
    Sample(((3, 4),)),
    Sample(((2, 3, 4),), {"s": [3, 4], "axes": [0, 2]}),
    Sample(((2, 4),), {"s": [3, 3], "norm": "ortho"}),
    Sample(((2, 4),), {"norm": "forward", "axes": [1, 0]}),
)


def _plane(name: str, summary: str, formula: Any, kinds: str = "floating", **fields: Any) -> None:
    """The transform along any axes, and along the last two."""
    for suffix, default, doc in (
        ("n", None, "all of them when absent, or the last ones if s is given"),
        ("2", (-2, -1), "null: all of them"),
    ):
        composite(
            f"{name}{suffix}",
            summary=summary.format("axes" if suffix == "n" else "two axes"),
            formula=formula,
            kinds=kinds,
            attributes=(_S, Attribute("axes", INTS, default, doc, nullable=suffix == "2"), NORM),
            samples=_PLANE_SAMPLES,
            **fields,
        )


_plane("fft", "The discrete Fourier transform along {}.", _fftn(False))
_plane("ifft", "The inverse discrete Fourier transform along {}.", _fftn(True))
_plane(
    "rfft",
    "The discrete Fourier transform of real numbers along {}; half of the last one tells the rest.",
    _rfftn,
    "real_floating",
)
_plane("irfft", "The inverse of rfftn along {}: real numbers.", _irfftn, holomorphic=False, conventions=_EVEN)
