"""The three discrete Fourier transforms that all others come down to, as linear kernels along axes.

Of cotangents that pair without a conjugate the transform is its own adjoint, as its matrix is symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine import dtypes
from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import DtypeMismatch, ShapeMismatch
from engine.ir import batch_rules, dependence_rules
from engine.ir.attributes import AXES, BOOLEAN, SIZE, Attribute, choice
from engine.ir.cost import Cost, moved
from engine.ir.families import axes_of_input, define
from engine.ir.op import Family
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.creation import made

FOURIER = Family(
    "fourier", jvp="linear", batch=batch_rules.along_axis, dependence=dependence_rules.along_axis
)
NORM = Attribute(
    "norm",
    choice("backward", "ortho", "forward"),
    "backward",
    "which way is divided by the size; 'ortho': both by its root",
)
#: The norm of the transform that has the factor of the inverse.
FLIPPED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}
_AXIS = Attribute("axis", AXES)


def _some(x: TensorType, axis: tuple[int, ...]) -> None:
    if x.dtype == "float16":
        raise DtypeMismatch("expected float32 or wider, got float16", hint="convert it with astype first")
    for a in axis:
        if not x.shape[a]:
            raise ShapeMismatch(
                f"a transform along axis {a} of shape {x.shape}, which has no elements",
                hint="transform an axis of size 1 or more, or name a size with n",
            )


def _complex(xp: Any, x: Any) -> Any:
    """X in the complex dtype of its precision."""
    if xp.isdtype(x.dtype, "complex floating"):
        return x
    return xp.astype(x, xp.complex128 if x.dtype == xp.float64 else xp.complex64)


def _dft(xp: Any, x: Any, *, axis: tuple[int, ...], inverse: bool, norm: str) -> Any:
    transform = xp.fft.ifftn if inverse else xp.fft.fftn
    return transform(_complex(xp, x), axes=axis, norm=norm)


def _infer_dft(types: Sequence[TensorType], *, axis: tuple[int, ...], **_: Any) -> tuple[TensorType, ...]:
    _some(types[0], axis)
    return (TensorType(types[0].shape, dtypes.complex_of(types[0].dtype)),)


def _cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: tuple[int, ...], **_: Any
) -> Cost:
    """5 n log2 n, on a copy in complex numbers if they are real, one axis after the other."""
    x, y = types[0], outputs[0]
    n = max(x.size, y.size)
    copied = x.size * ITEMSIZE[dtypes.complex_of(x.dtype)] if _converts(x, y) else 0
    return Cost(5 * n * max(1, n.bit_length()), moved(types, outputs), copied + y.nbytes * (len(axis) > 1))


def _converts(x: TensorType, y: TensorType) -> bool:
    """Whether a kernel makes complex numbers of real ones first: all but the one of real numbers do."""
    return not dtypes.is_complex(x.dtype) and (x.shape == y.shape or not dtypes.is_complex(y.dtype))


dft = define(
    "dft",
    family=FOURIER,
    summary="The discrete Fourier transform along axes.",
    forward=_dft,
    normalize=axes_of_input,
    infer=_infer_dft,
    kinds="floating",
    vjp=lambda g, y, x, axis, inverse, norm: F.dft(g, axis=axis, inverse=inverse, norm=norm),
    attributes=(_AXIS, Attribute("inverse", BOOLEAN, False), NORM),
    cost=_cost,
    linear_in=frozenset({0}),
    internal=True,
    samples=(
        Sample(((4,),), {"axis": 0}),
        Sample(((2, 3),), {"axis": [0, 1], "inverse": True}),
        Sample(((3, 2),), {"axis": 0, "norm": "ortho"}),
    ),
)


def _rdft(xp: Any, x: Any, *, axis: tuple[int, ...], norm: str) -> Any:
    return xp.fft.rfft(x, axis=axis[0], norm=norm)


def _infer_rdft(types: Sequence[TensorType], *, axis: tuple[int, ...], norm: str) -> tuple[TensorType, ...]:
    _some(types[0], axis)
    x, (a,) = types[0], axis
    return (TensorType((*x.shape[:a], x.shape[a] // 2 + 1, *x.shape[a + 1 :]), dtypes.complex_of(x.dtype)),)


def _rdft_rule(g: Any, y: Any, x: Any, axis: tuple[int, ...], norm: str) -> Any:
    (a,) = axis
    behind = x.shape[a] - g.shape[a]
    whole = F.pad(g, pad_width=tuple((0, behind if i == a else 0) for i in range(g.ndim)))
    return F.dft(whole, axis=axis, norm=norm).real().astype(x.dtype)


rdft = define(
    "rdft",
    family=FOURIER,
    summary="The first half of the discrete Fourier transform of real numbers along an axis.",
    forward=_rdft,
    normalize=axes_of_input,
    infer=_infer_rdft,
    kinds="real_floating",
    vjp=_rdft_rule,
    attributes=(_AXIS, NORM),
    cost=_cost,
    linear_in=frozenset({0}),
    internal=True,
    samples=(
        Sample(((4,),), {"axis": 0}),
        Sample(((2, 3),), {"axis": 1, "norm": "forward"}),
        Sample(((5, 2),), {"axis": 0, "norm": "ortho"}),
    ),
)


def _irdft(xp: Any, x: Any, *, axis: tuple[int, ...], size: int, norm: str) -> Any:
    return xp.fft.irfft(_complex(xp, x), n=size, axis=axis[0], norm=norm)


def _infer_irdft(
    types: Sequence[TensorType], *, axis: tuple[int, ...], size: int, norm: str
) -> tuple[TensorType, ...]:
    x, (a,) = types[0], axis
    if not size or x.shape[a] != size // 2 + 1:
        raise ShapeMismatch(f"{x.shape[a]} coefficients along axis {a} for {size} numbers")
    dtype = dtypes.real_of(dtypes.complex_of(x.dtype))
    return (TensorType((*x.shape[:a], size, *x.shape[a + 1 :]), dtype),)


def _irdft_rule(g: Any, y: Any, x: Any, axis: tuple[int, ...], size: int, norm: str) -> Any:
    """Each coefficient between the first and the middle one stands for its mirror image too."""
    (a,) = axis
    shape = tuple(count if i == a else 1 for i, count in enumerate(x.shape))
    place = made(x, "arange", start=x.shape[a], dtype="int64").reshape(shape)
    alone = F.logical_or(place.equals(0), (place * 2).equals(size))
    back = F.rdft(g, axis=axis, norm=FLIPPED[norm]).conj()
    return back * F.where(alone, 1, 2).astype(g.dtype)


irdft = define(
    "irdft",
    family=FOURIER,
    summary="Real numbers from the first half of their discrete Fourier transform along an axis.",
    forward=_irdft,
    normalize=axes_of_input,
    infer=_infer_irdft,
    kinds="floating",
    holomorphic=False,
    vjp=_irdft_rule,
    attributes=(_AXIS, Attribute("size", SIZE), NORM),
    cost=_cost,
    linear_in=frozenset({0}),
    internal=True,
    samples=(
        Sample(((3,),), {"axis": 0, "size": 4}),
        Sample(((2, 3),), {"axis": 1, "size": 5, "norm": "forward"}),
        Sample(((4, 2),), {"axis": 0, "size": 6, "norm": "ortho"}),
    ),
)
