"""Ops that NumPy has return what NumPy returns, on every sample of their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine.ir.attributes import parse_attributes
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE
from engine.runtime.executors.numpy import run_tape
from tests.engine.array_references import ARRAY_REFERENCES
from tests.engine.sampling import arrays_of, named, record

Reference = Callable[..., Any]


def axes(axis: Any) -> Any:
    """An axis attribute as NumPy takes it."""
    return tuple(axis) if isinstance(axis, list | tuple) else axis


def reduces(function: Callable[..., Any], **fixed: Any) -> Reference:
    return lambda x, *, axis, keepdims, **_: function(x, axis=axes(axis), keepdims=keepdims, **fixed)


def running(function: Callable[..., Any], neutral: int) -> Reference:
    def reference(x: Any, *, axis: Any, exclusive: bool, reverse: bool, dtype: Any) -> Any:
        x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
        x = np.flip(x, axis) if reverse else x
        y = function(x, axis=axis, dtype=dtype)
        if exclusive:
            y = np.roll(y, 1, axis)
            np.moveaxis(y, axis, 0)[:1] = neutral
        return np.flip(y, axis) if reverse else y

    return reference


def index(items: Any, given: Sequence[Any]) -> tuple[Any, ...]:
    """An index attribute in its parsed form as NumPy takes it."""
    return tuple(
        given[item.position - 1]
        if hasattr(item, "position")
        else list(item)
        if isinstance(item, tuple)
        else item
        for item in items
    )


def written(add: bool) -> Reference:
    def reference(x: Any, values: Any, *given: Any, index: Any) -> Any:
        y, places = x.copy(), _index(index, given)
        if add:
            np.add.at(y, places, values)
        else:
            y[places] = values
        return y

    return reference


_index = index


def one_hot(x: Any, *, num_classes: int, axis: int, dtype: str) -> Any:
    return np.moveaxis(np.eye(num_classes, dtype=dtype)[x], -1, axis)


def quantile(x: Any, *, q: float, axis: Any, keepdims: bool) -> Any:
    return np.quantile(x, q, axis=axes(axis), keepdims=keepdims)


def vector_norm(x: Any, *, axis: Any, keepdims: bool, ord: Any) -> Any:
    return np.linalg.vector_norm(x, axis=axes(axis), keepdims=keepdims, ord=ord)


def deviation(function: Callable[..., Any]) -> Reference:
    def reference(x: Any, *, axis: Any, keepdims: bool, correction: float, ddof: float | None) -> Any:
        ddof = correction if ddof is None else ddof
        return function(x, axis=axes(axis), keepdims=keepdims, ddof=ddof)

    return reference


def argsort(x: Any, *, axis: int | None, descending: bool, stable: bool = True) -> Any:
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    back = np.argsort(np.flip(x, axis), axis=axis, kind="stable")  # equal elements keep their order
    return np.flip(x.shape[axis] - 1 - back, axis)


def sort(x: Any, *, axis: int | None, descending: bool, stable: bool) -> Any:
    order = argsort(x, axis=axis, descending=descending)
    return x.reshape(-1)[order] if axis is None else np.take_along_axis(x, order, axis)


def top_k(x: Any, *, k: int, axis: int, largest: bool) -> Any:
    order = np.take(argsort(x, axis=axis, descending=largest), range(k), axis=axis)
    return np.take_along_axis(x, order, axis), order


def diag_embed(x: Any, *, offset: int) -> Any:
    size = x.shape[-1] + abs(offset)
    rows = np.zeros((*x.shape[:-1], size, size), x.dtype)
    place = np.arange(x.shape[-1])
    rows[..., place - min(offset, 0), place + max(offset, 0)] = x
    return rows


def pad(x: Any, *, pad_width: Any, mode: str, constant_values: float) -> Any:
    extra = {"constant_values": constant_values} if mode == "constant" else {}
    return np.pad(x, pad_width if len(pad_width) > 1 else pad_width[0], mode, **extra)


def full(*, shape: Any, fill_value: float, dtype: str) -> Any:
    return np.full(shape, fill_value, dtype)


def arange(*, start: float, stop: float | None, step: float, dtype: Any) -> Any:
    return np.arange(0, start, step, dtype) if stop is None else np.arange(start, stop, step, dtype)


def total(function: Callable[..., Any]) -> Reference:
    return lambda x, *, axis, keepdims, dtype: function(x, axis=axes(axis), keepdims=keepdims, dtype=dtype)


REFERENCES: Mapping[str, Reference] = {
    "sum": total(np.sum),
    "mean": reduces(np.mean),
    "prod": total(np.prod),
    "max": reduces(np.max),
    "min": reduces(np.min),
    "ptp": reduces(np.ptp),
    "any": reduces(np.any),
    "all": reduces(np.all),
    "count_nonzero": reduces(np.count_nonzero),
    "argmax": reduces(np.argmax),
    "argmin": reduces(np.argmin),
    "var": deviation(np.var),
    "std": deviation(np.std),
    "median": reduces(np.median),
    "quantile": quantile,
    "vector_norm": vector_norm,
    "norm": lambda x, *, ord, axis, keepdims: np.linalg.norm(x, ord, axes(axis), keepdims),
    "cumulative_sum": running(np.cumsum, 0),
    "cumulative_prod": running(np.cumprod, 1),
    "astype": lambda x, *, dtype: x.astype(dtype),
    "reshape": lambda x, *, shape, copy: np.reshape(x, shape),
    "flatten": np.ravel,
    "broadcast_to": lambda x, *, shape: np.broadcast_to(x, shape),
    "broadcast_arrays": np.broadcast_arrays,
    "shape": lambda x: np.array(np.shape(x), np.int64),
    "size": np.size,
    "ndim": np.ndim,
    "permute_dims": lambda x, *, axes: np.transpose(x, axes),
    "matrix_transpose": np.matrix_transpose,
    "swapaxes": lambda x, *, axis1, axis2: np.swapaxes(x, axis1, axis2),
    "moveaxis": lambda x, *, source, destination: np.moveaxis(x, source, destination),
    "expand_dims": lambda x, *, axis: np.expand_dims(x, axes(axis)),
    "squeeze": lambda x, *, axis: np.squeeze(x, axes(axis)),
    "atleast_1d": np.atleast_1d,
    "atleast_2d": np.atleast_2d,
    "concat": lambda *xs, axis: np.concatenate(xs, axis),
    "stack": lambda *xs, axis: np.stack(xs, axis),
    "hstack": lambda *xs: np.hstack(xs),
    "vstack": lambda *xs: np.vstack(xs),
    "split": lambda x, *, sections, axis: np.split(x, sections, axis),
    "unstack": lambda x, *, axis: np.unstack(x, axis=axis),
    "meshgrid": lambda *xs, indexing: np.meshgrid(*xs, indexing=indexing),
    "flip": lambda x, *, axis: np.flip(x, axes(axis)),
    "fliplr": np.fliplr,
    "flipud": np.flipud,
    "roll": lambda x, *, shift, axis: np.roll(x, shift if len(shift) > 1 else shift[0], axes(axis)),
    "tile": lambda x, *, repetitions: np.tile(x, repetitions),
    "repeat": lambda x, *, repeats, axis: np.repeat(x, repeats, axis),
    "pad": pad,
    "getitem": lambda x, *given, index: x[_index(index, given)],
    "index_add": written(add=True),
    "index_set": written(add=False),
    "take": lambda x, indices, *, axis: np.take(x, indices, axis),
    "gather": lambda x, indices, *, axis: np.take(x, indices, axis),
    "gather_nd": lambda x, indices: x[tuple(np.moveaxis(indices, -1, 0))],
    "one_hot": one_hot,
    "take_along_axis": lambda x, indices, *, axis: np.take_along_axis(x, indices, axis),
    "sort": sort,
    "argsort": argsort,
    "top_k": top_k,
    "zeros_like": lambda x, *, dtype: np.zeros_like(x, dtype),
    "ones_like": lambda x, *, dtype: np.ones_like(x, dtype),
    "full_like": lambda x, *, fill_value, dtype: np.full_like(x, fill_value, dtype),
    "zeros": lambda *, shape, dtype: np.zeros(shape, dtype),
    "ones": lambda *, shape, dtype: np.ones(shape, dtype),
    "full": full,
    "eye": lambda *, n_rows, n_cols, k, dtype: np.eye(n_rows, n_cols, k, dtype),
    "arange": arange,
    "linspace": lambda *, start, stop, num, endpoint, dtype: np.linspace(
        start, stop, num, endpoint, dtype=dtype
    ),
    "matmul": np.matmul,
    "dot": np.dot,
    "vecdot": lambda x1, x2, *, axis: np.vecdot(x1, x2, axis=axis),
    "vdot": np.vdot,
    "inner": np.inner,
    "outer": np.outer,
    "kron": np.kron,
    "cross": lambda x1, x2, *, axis: np.cross(*np.broadcast_arrays(x1, x2), axis=axis),
    "multi_dot": lambda *xs: np.linalg.multi_dot(xs),
    "tensordot": lambda x1, x2, *, axes: np.tensordot(x1, x2, axes),
    "einsum": lambda *xs, equation: np.einsum(equation, *xs),
    "diagonal": lambda x, *, offset, axis1, axis2: np.diagonal(x, offset, axis1, axis2),
    "trace": lambda x, *, offset, axis1, axis2: np.trace(x, offset, axis1, axis2),
    "diag_embed": diag_embed,
    "diag": lambda x, *, k: np.diag(x, k),
    "inv": np.linalg.inv,
    "solve": np.linalg.solve,
    "det": np.linalg.det,
    "slogdet": np.linalg.slogdet,
    "cholesky": lambda x, *, upper: np.linalg.cholesky(x, upper=upper),
    "matrix_power": lambda x, *, n: np.linalg.matrix_power(x, n),
    "tril": lambda x, *, k: np.tril(x, k),
    "triu": lambda x, *, k: np.triu(x, k),
    **ARRAY_REFERENCES,
}

GROUPS = ("reductions", "shaping", "indexing", "linalg", "creation", "fft")

CASES = [
    pytest.param(TABLE[name], sample, id=f"{name}-{number}")
    for name in REFERENCES
    for number, sample in enumerate(TABLE[name].samples.cases)
]


def test_every_public_op_of_these_groups_is_compared() -> None:
    assert {op.name for op in TABLE.public() if op.group in GROUPS} == set(REFERENCES)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_the_answer_is_numpys(op: Op, sample: Sample) -> None:
    given = arrays_of(op, sample)
    answers = run_tape(record(op, given, sample.attributes)[0], named(given))
    expected = REFERENCES[op.name](*given, **parse_attributes(sample.attributes, op.attributes))
    expected = expected if isinstance(expected, list | tuple) and op.name != "shape" else [expected]
    for answer, reference in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, reference, rtol=1e-13, atol=1e-14)
