"""The methods that NumPy's arrays have, on traced values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradwire._tracing.operators import Operators, Result

Axes = int | Sequence[int] | None


class Methods(Operators[Result]):
    """Reductions, shaping and casting as methods; each records the op of its name."""

    __slots__ = ()

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Result:
        """The sum over `axis`, or over everything."""
        return self._record("sum", self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Result:
        """The mean over `axis`, or over everything."""
        return self._record("mean", self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axes = None, keepdims: bool = False) -> Result:
        """The product over `axis`, or over everything."""
        return self._record("prod", self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axes = None, keepdims: bool = False) -> Result:
        """The largest element; ties share the gradient."""
        return self._record("max", self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False) -> Result:
        """The smallest element; ties share the gradient."""
        return self._record("min", self, axis=axis, keepdims=keepdims)

    def std(self, axis: Axes = None, keepdims: bool = False, ddof: float = 0) -> Result:
        """The standard deviation; of a constant its gradient is 0."""
        return self._record("std", self, axis=axis, keepdims=keepdims, ddof=ddof)

    def var(self, axis: Axes = None, keepdims: bool = False, ddof: float = 0) -> Result:
        """The variance."""
        return self._record("var", self, axis=axis, keepdims=keepdims, ddof=ddof)

    def argmax(self, axis: int | None = None) -> Result:
        """The index of the largest element along `axis`, or of the flattened tensor."""
        return self._record("argmax", self if axis is not None else self.flatten(), axis=axis)

    def argmin(self, axis: int | None = None) -> Result:
        """The index of the smallest element along `axis`, or of the flattened tensor."""
        return self._record("argmin", self if axis is not None else self.flatten(), axis=axis)

    def all(self, axis: Axes = None, keepdims: bool = False) -> Result:
        """Whether all elements are true."""
        return self._record("all", self, axis=axis, keepdims=keepdims)

    def any(self, axis: Axes = None, keepdims: bool = False) -> Result:
        """Whether any element is true."""
        return self._record("any", self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Result:
        """The running sum along `axis`, or of the flattened tensor."""
        return self._record("cumulative_sum", self, axis=axis)

    def clip(self, min: float | None = None, max: float | None = None) -> Result:
        """Elements held between two bounds."""
        return self._record("clip", self, min=min, max=max)

    def round(self, decimals: int = 0) -> Result:
        """Rounded to so many decimals; no gradient passes."""
        return self._record("round", self, decimals=decimals)

    def dot(self, other: Any) -> Result:
        """The product as `numpy.dot` has it."""
        return self._record("dot", self, other)

    def reshape(self, *shape: Any) -> Result:
        """The same elements in another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return self._record("reshape", self, shape=sizes)

    def transpose(self, *axes: Any) -> Result:
        """The axes in another order; without arguments, reversed."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return self._record("permute_dims", self, axes=list(order) if order else None)

    @property
    def T(self) -> Result:  # NumPy's name
        """The axes reversed."""
        return self._record("permute_dims", self)

    @property
    def mT(self) -> Result:  # the array API's name
        """The last two axes exchanged."""
        return self._record("matrix_transpose", self)

    def flatten(self) -> Result:
        """One axis."""
        return self._record("reshape", self, shape=[-1])

    ravel = flatten

    def squeeze(self, axis: Axes = None) -> Result:
        """Without axes of size 1."""
        return self._record("squeeze", self, axis=axis)

    def astype(self, dtype: Any) -> Result:
        """Cast to `dtype`."""
        return self._record("astype", self, dtype=np.dtype(dtype))
