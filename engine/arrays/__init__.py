"""Array namespaces: the array API, and beside it what the standard does not have.

This folder and the executors alone name array libraries. Kernels get a namespace `xp` with the
standard's names as `array_api_compat` gives them, plus a kit: scatter-add, linear algebra that answers
NaN, special functions, draws. Where NumPy and CuPy differ, the branch is here. Nothing converts a device
array silently.
"""

from engine.arrays.cupy import cupy_namespace
from engine.arrays.namespace import Namespace
from engine.arrays.numpy import check_indices, numpy_namespace

__all__ = ["Namespace", "check_indices", "cupy_namespace", "numpy_namespace"]
