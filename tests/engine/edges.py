"""Defaults and edge values of every op compared with NumPy and SciPy: values, dtypes, shapes, refusals.

`found(op)` runs an op and its reference on edge values of several dtypes, on empty, scalar and single-element
arrays, with attributes off and at their defaults, and says in which of these respects they differ.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special

from engine.errors import UserError
from engine.ir.attributes import REQUIRED, parse_attributes
from engine.ir.op import Op
from engine.runtime.executors.numpy import run_tape
from tests.engine.references import REFERENCES
from tests.engine.sampling import Array, named, record

inf, nan = math.inf, math.nan
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 40.0, -40.0, inf, -inf, nan]
#: The largest, the smallest normal and the smallest subnormal number, and what overflows exp and a square.
EXTREMES: Mapping[str, Sequence[float]] = {
    "float64": [1.7e308, -1.7e308, 2.3e-308, 5e-324, -5e-324, 710.0, -750.0, 1e200],
    "float32": [3.3e38, -3.3e38, 1.2e-38, 1.5e-45, -1.5e-45, 89.0, -110.0, 1e25],
}
INTEGERS: Mapping[str, Sequence[int]] = {
    "int64": [0, 1, -1, 2, 7, -7, 2**53 + 1, 2**63 - 1, -(2**63)],
    "int32": [0, 1, -1, 2, 7, -7, 2**31 - 1, -(2**31)],
    "uint8": [0, 1, 2, 7, 255],
    "bool": [0, 1],
}
DTYPES = ("float64", "float32", "int64", "int32", "uint8", "bool")
SHAPES: Sequence[tuple[int, ...]] = [(), (0,), (1,), (3,), (2, 3), (0, 3), (2, 0), (1, 1), (2, 1, 3)]
_RTOL = {"float64": 1e-11, "float32": 2e-5, "float16": 2e-3, "complex128": 1e-11, "complex64": 2e-5}


@dataclass(frozen=True, order=True)
class Difference:
    """An op differs in an aspect: `values`, `dtype`, `shape`, `refuses` (what its peer takes) or `takes`
    (what its peer refuses), for inputs of a dtype, or with its `defaults`.
    """

    op: str
    aspect: str
    where: str


def edges(dtype: str, *, extreme: bool = True) -> Array:
    """The edge values of a dtype."""
    if dtype in INTEGERS:
        return np.array(INTEGERS[dtype], dtype)
    return np.array([*FLOATS, *(EXTREMES[dtype] if extreme else ())], dtype)


def grid(count: int, dtype: str) -> list[Array]:
    """Every combination of edge values for so many inputs."""
    values = edges(dtype, extreme=count < 3)
    return [np.array(column, dtype) for column in zip(*itertools.product(values, repeat=count), strict=True)]


def filled(shape: tuple[int, ...], dtype: str, start: int = 0) -> Array:
    """Edge values in order, in a shape."""
    values = edges(dtype)
    return np.resize(np.roll(values, -start), shape).astype(dtype)


class Comparison:
    """An op beside its reference: what was compared, and how they differ."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.count = 0
        self.differences: set[Difference] = set()
        self.examples: dict[Difference, str] = {}

    @property
    def _signed(self) -> bool:
        """Whether -0.0 is told from 0.0: the peer computes elements, and does not order or add them."""
        return self.op.group in ("elementwise", "special")

    def compare(
        self, given: Sequence[Array], attributes: Mapping[str, Any], where: str, peer: Callable[..., Any]
    ) -> None:
        """One call of both."""
        self.count += 1
        with np.errstate(all="ignore"):
            try:
                theirs = peer(*given)
            except (TypeError, ValueError, IndexError, np.linalg.LinAlgError):
                theirs = None
            try:
                tape, _ = record(self.op, given, attributes)
                ours = run_tape(tape, named(given))
            except UserError:
                ours = None
        if ours is None or theirs is None:
            if ours is not None or theirs is not None:
                self._note("refuses" if ours is None else "takes", where, given, attributes, ours, theirs)
            return
        expected = theirs if isinstance(theirs, list | tuple) and self.op.name != "shape" else [theirs]
        if len(ours) != len(expected):
            self._note("shape", where, given, attributes, ours, theirs)
            return
        for mine, other in zip(ours, map(np.asarray, expected), strict=True):
            if mine.shape != other.shape:
                self._note("shape", where, given, attributes, mine, other)
            elif mine.dtype != other.dtype:
                self._note("dtype", where, given, attributes, mine.dtype, other.dtype)
            elif not _close(mine, other, signed=self._signed).all():
                self._note("values", where, given, attributes, mine, other)

    def _note(self, aspect: str, where: str, given: Any, attributes: Any, mine: Any, other: Any) -> None:
        difference = Difference(self.op.name, aspect, where)
        self.differences.add(difference)
        if aspect == "values":
            off = ~_close(mine, other, signed=self._signed)
            place = tuple(np.argwhere(off)[0]) if mine.ndim else ()
            at = [a[place] for a in given] if all(a.shape == mine.shape for a in given) else given
            text = f"{attributes} {at}: {mine[place]} beside {other[place]}"
        else:
            text = f"{attributes} {[(a.shape, a.dtype.name) for a in given]}: {mine} beside {other}"
        self.examples.setdefault(difference, text)


def _close(mine: Array, other: Array, *, signed: bool) -> Array:
    """Where two arrays agree, as near as the dtype lets them; `signed` tells -0.0 from 0.0."""
    if mine.dtype.kind not in "fc":
        return np.asarray(mine == other)
    smallest = float(np.finfo(mine.dtype).tiny)
    with np.errstate(all="ignore"):
        close = np.isclose(mine, other, rtol=_RTOL[mine.dtype.name], atol=smallest, equal_nan=True)
    if signed and mine.dtype.kind == "f":
        close &= (np.signbit(mine) == np.signbit(other)) | (mine != 0) | (other != 0)
    return np.asarray(close)


# -- which calls are compared ------------------------------------------------------------------------

#: What NumPy or SciPy calls an op whose defaults are compared, where it is not the op's name.
_PEERS: Mapping[str, Callable[..., Any]] = {
    "fft": np.fft.fft,
    "cumulative_sum": np.cumsum,
    "cumulative_prod": np.cumprod,
    "vector_norm": np.linalg.vector_norm,
    "norm": np.linalg.norm,
    "softmax": scipy.special.softmax,
    "log_softmax": scipy.special.log_softmax,
    "logsumexp": scipy.special.logsumexp,
    "cross": np.linalg.cross,
    "tensordot": np.linalg.tensordot,
    "vecdot": np.linalg.vecdot,
    "trace": np.trace,
    "cholesky": np.linalg.cholesky,
    "flatten": np.ravel,
}
#: LAPACK refuses NaN, or loops; a transform mixes everything with everything.
_NOT_FINITE = """
    inv solve det slogdet cholesky matrix_power eigh eigvalsh svd svdvals qr lu expm pinv lstsq matrix_rank
    condition_number matrix_norm solve_triangular cholesky_solve norm fft ifft rfft irfft hfft ihfft fft2
    ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn dct idct dst idst convolve correlate fftconvolve
"""
_FINITE = set(_NOT_FINITE.split())


def found(op: Op) -> Comparison:
    """The op compared on everything that there is for it."""
    comparison = Comparison(op)
    alike = op.family.name == "elementwise" or (op.group == "nn" and len(op.inputs) == 1)
    for where, given, attributes in _elements(op) if alike else _tensors(op):
        parsed = parse_attributes(attributes, op.attributes)
        reference = REFERENCES[op.name]
        comparison.compare(given, attributes, where, lambda *xs, r=reference, p=parsed: r(*xs, **p))
    for given in _defaults(op):
        comparison.compare(given, {}, "defaults", _peer(op))
    return comparison


Call = tuple[str, Sequence[Array], Mapping[str, Any]]


def _elements(op: Op) -> Iterator[Call]:
    """Every combination of edge values, and arrays of few elements or none."""
    for attributes in _choices(op):
        for dtype in DTYPES:
            kinds = [i.kind for i in op.inputs]
            for arrays in (
                grid(len(kinds), dtype),
                *([filled(shape, dtype, k) for k in range(len(kinds))] for shape in SHAPES),
            ):
                yield (
                    dtype,
                    [
                        a.astype(bool) if kind == "boolean" else a
                        for a, kind in zip(arrays, kinds, strict=True)
                    ],
                    attributes,
                )


def _tensors(op: Op) -> Iterator[Call]:
    """The op's samples with edge values in them, and all shapes where it takes one tensor."""
    for sample in op.samples.cases:
        for dtype in DTYPES:
            arrays = []
            for k, shape in enumerate(sample.inputs):
                kind = op.input(k).kind
                own = {"index": "int64", "integer": "int64", "boolean": "bool"}.get(kind, dtype)
                if isinstance(shape, tuple) and kind not in ("index", "integer") and op.name not in _FINITE:
                    arrays.append(filled(shape, own, k))
                elif isinstance(shape, tuple):
                    arrays.append((np.arange(math.prod(shape)).reshape(shape) % 3).astype(own))
                else:
                    arrays.append(np.asarray(np.asarray(shape), own) if _fits(shape, own) else None)
            if all(a is not None for a in arrays):
                yield dtype, arrays, sample.attributes
    if len(op.inputs) == 1 and not op.variadic and op.name not in _FINITE:
        for attributes in _choices(op):
            for shape, dtype in itertools.product(SHAPES, DTYPES):
                yield dtype, [filled(shape, dtype)], attributes


def _fits(values: Any, dtype: str) -> bool:
    """Whether literal values keep what they are in a dtype."""
    array = np.asarray(values)
    with np.errstate(all="ignore"):
        return dtype in ("float32", "float64") or bool((array.astype(dtype) == array).all())


def _choices(op: Op) -> list[Mapping[str, Any]]:
    """The defaults if there are any, the samples' attributes, and every axis with them."""
    first = op.samples.cases[0].attributes if any(_required(op)) else {}
    choices = [first, *(s.attributes for s in op.samples.cases)]
    for axis in (a for a in op.attributes if a.name == "axis"):
        nothing = [None] if axis.nullable or axis.default is None else []
        choices += [{**first, "axis": place} for place in (0, 1, -1, -2, *nothing)]
    return list({repr(choice): choice for choice in choices}.values())


def _required(op: Op) -> Iterator[str]:
    return (a.name for a in op.attributes if a.default is REQUIRED)


def _peer(op: Op) -> Callable[..., Any] | None:
    """The peer's function, which takes tensors one by one."""
    peer = _named_peer(op)
    return (lambda *xs: peer(xs)) if peer is not None and op.joins else peer


def _named_peer(op: Op) -> Callable[..., Any] | None:
    if op.name == "shape":
        return None  # NumPy's is a tuple
    return _PEERS.get(op.name) or getattr(np, op.name, None) or getattr(np.linalg, op.name, None)


def _defaults(op: Op) -> Iterator[list[Array]]:
    """What op and peer are given without any attribute: two matrices, or as many as the op takes."""
    if _peer(op) is None or any(_required(op)) or not op.inputs or any(i.kind == "index" for i in op.inputs):
        return
    for sample in op.samples.cases:
        if all(isinstance(shape, tuple) for shape in sample.inputs) and not sample.attributes:
            yield [
                (np.arange(math.prod(shape)).reshape(shape) * 7 % 5 - 2.0 * k).astype(_of(op, k))
                for k, shape in enumerate(sample.inputs)
            ]


def _of(op: Op, position: int) -> str:
    return {"integer": "int64", "boolean": "bool"}.get(op.input(position).kind, "float64")
