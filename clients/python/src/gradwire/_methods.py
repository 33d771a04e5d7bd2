"""The methods that NumPy's arrays have, on traced values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradwire._operators import Operators

if TYPE_CHECKING:
    from gradwire.tensor import Tensor

Axes = int | Sequence[int] | None


class Methods(Operators):
    """Reductions, shaping and casting as methods; each records the op of its name."""

    __slots__ = ()

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The sum over `axis`, or over everything."""
        return self._record("sum", self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The mean over `axis`, or over everything."""
        return self._record("mean", self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The product over `axis`, or over everything."""
        return self._record("prod", self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The largest element; ties share the gradient."""
        return self._record("max", self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The smallest element; ties share the gradient."""
        return self._record("min", self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return self._record("reshape", self, shape=sizes)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order; without arguments, reversed."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return self._record("permute_dims", self, axes=list(order) if order else None)

    @property
    def T(self) -> Tensor:  # NumPy's name
        """The axes reversed."""
        return self._record("permute_dims", self)

    @property
    def mT(self) -> Tensor:  # the array API's name
        """The last two axes exchanged."""
        return self._record("matrix_transpose", self)

    def flatten(self) -> Tensor:
        """One axis."""
        return self._record("reshape", self, shape=[-1])

    ravel = flatten

    def squeeze(self, axis: Axes = None) -> Tensor:
        """Without axes of size 1."""
        return self._record("squeeze", self, axis=axis)

    def astype(self, dtype: Any) -> Tensor:
        """Cast to `dtype`."""
        return self._record("astype", self, dtype=np.dtype(dtype))
