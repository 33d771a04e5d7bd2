"""Convolutions and correlations of signals: directly, and by Fourier transforms."""

from __future__ import annotations

from typing import Any

from engine import dtypes
from engine.errors import ShapeMismatch
from engine.ir.attributes import Attribute, choice
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.table import F

_MODES = ("full", "same", "valid")
_MODE_DOC = "'full': wherever they overlap; 'same': the longer one's size; 'valid': where they overlap wholly"


def _vectors(x1: Any, x2: Any) -> None:
    if x1.ndim != 1 or x2.ndim != 1 or not x1.size or not x2.size:
        raise ShapeMismatch(
            f"shapes {x1.shape} and {x2.shape}: expected two vectors that are not empty",
            hint="fftconvolve takes tensors of any rank, conv1d stacks of signals",
        )


def _full(x1: Any, x2: Any) -> Any:
    """As a convolution of networks, which does not turn its kernel round."""
    behind = x2.size - 1
    signal = F.pad(x1, pad_width=((behind, behind),)).reshape((1, x1.size + 2 * behind, 1))
    kernel = F.flip(x2, axis=0).reshape((x2.size, 1, 1))
    return F.conv1d(signal, kernel).reshape((x1.size + behind,))


def _part(y: Any, long: int, short: int, mode: str) -> Any:
    start = {"full": 0, "same": (short - 1) // 2, "valid": short - 1}[mode]
    size = {"full": long + short - 1, "same": long, "valid": long - short + 1}[mode]
    return F.getitem(y, index=(slice(start, start + size),))


def _convolve(x1: Any, x2: Any, *, mode: str) -> Any:
    _vectors(x1, x2)
    if x1.size < x2.size:
        x1, x2 = x2, x1
    return _part(_full(x1, x2), x1.size, x2.size, mode)


convolve = composite(
    "convolve",
    summary="The convolution of two vectors.",
    formula=_convolve,
    kinds="floating",
    attributes=(Attribute("mode", choice(*_MODES), "full", _MODE_DOC),),
    samples=(
        Sample(((4,), (3,))),
        Sample(((2,), (5,)), {"mode": "same"}),
        Sample(((4,), (2,)), {"mode": "valid"}),
    ),
    conventions="NumPy's; integers are computed in float64.",
)


def _correlate(x1: Any, x2: Any, *, mode: str) -> Any:
    _vectors(x1, x2)
    if x1.size >= x2.size:
        return _part(_full(x1, F.flip(x2.conj(), axis=0)), x1.size, x2.size, mode)
    swapped = _part(_full(x2, F.flip(x1.conj(), axis=0)), x2.size, x1.size, mode)
    return F.flip(swapped.conj(), axis=0)


correlate = composite(
    "correlate",
    summary="The correlation of two vectors: the sums of x1[n + k] * conj(x2[n]), one for each k.",
    formula=_correlate,
    kinds="floating",
    holomorphic=False,
    attributes=(Attribute("mode", choice(*_MODES), "valid", _MODE_DOC),),
    samples=(
        Sample(((4,), (3,))),
        Sample(((2,), (5,)), {"mode": "same"}),
        Sample(((4,), (2,)), {"mode": "full"}),
    ),
    conventions="NumPy's; integers are computed in float64.",
)


def _fftconvolve(x1: Any, x2: Any, *, mode: str) -> Any:
    if x1.ndim != x2.ndim or not x1.ndim or not x1.size or not x2.size:
        raise ShapeMismatch(
            f"shapes {x1.shape} and {x2.shape}: expected as many axes, at least one, and no empty one"
        )
    if mode == "valid" and not all(a >= b for a, b in zip(x1.shape, x2.shape, strict=True)):
        if not all(a <= b for a, b in zip(x1.shape, x2.shape, strict=True)):
            raise ShapeMismatch(f"neither of {x1.shape} and {x2.shape} lies within the other")
        x1, x2 = x2, x1
    sizes = tuple(a + b - 1 for a, b in zip(x1.shape, x2.shape, strict=True))
    if dtypes.is_complex(x1.dtype):
        y = F.ifftn(F.fftn(x1, s=sizes) * F.fftn(x2, s=sizes))
    else:
        y = F.irfftn(F.rfftn(x1, s=sizes) * F.rfftn(x2, s=sizes), s=sizes)
    if mode == "full":
        return y
    wanted = x1.shape if mode == "same" else tuple(a - b + 1 for a, b in zip(x1.shape, x2.shape, strict=True))
    starts = [(size - own) // 2 for size, own in zip(sizes, wanted, strict=True)]
    return F.getitem(y, index=tuple(slice(s, s + own) for s, own in zip(starts, wanted, strict=True)))


fftconvolve = composite(
    "fftconvolve",
    summary="The convolution of two tensors over all axes, by Fourier transforms.",
    formula=_fftconvolve,
    kinds="floating",
    attributes=(Attribute("mode", choice(*_MODES), "full", "'full', 'same' (the size of x1) or 'valid'"),),
    samples=(
        Sample(((4,), (3,))),
        Sample(((3, 4), (2, 3)), {"mode": "same"}),
        Sample(((4, 3), (2, 2)), {"mode": "valid"}),
    ),
    conventions="SciPy's. Faster than convolve for long signals; errors are relative to the largest element.",
)
