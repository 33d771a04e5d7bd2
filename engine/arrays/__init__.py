"""Array namespaces: the array API, and beside it what the standard does not have.

This room and the executors alone name array libraries. Kernels get a namespace `xp` with the standard's
names as `array_api_compat` gives them, plus a kit: scatter-add, linear algebra that returns NaN instead of
raising, special functions, random draws. If NumPy and CuPy differ, the branch is here. Nothing converts a
device array silently.

`types`       the type of arrays on the host
`namespace`   what a kernel is given
`matrices`    linear algebra on the CPU
`numpy`       the namespace of the CPU
`cupy`        the namespace of a CUDA device
`scattering`  writing and adding at indices on a CUDA device
`recurrence`  linear recurrences and running extrema
`guard`       values that a run on a device has to check afterwards
`philox`      random numbers as a function of (seed, purpose, name, step)
"""

from engine.arrays.cupy import cupy_namespace
from engine.arrays.namespace import Namespace
from engine.arrays.numpy import check_indices, numpy_namespace

__all__ = ["Namespace", "check_indices", "cupy_namespace", "numpy_namespace"]
