"""SciPy's functions with CuPy's loops."""

import scipy.special
from cupy._array import LOOPS, ufunc

globals().update(
    {name: ufunc(name, getattr(scipy.special, name), loops) for name, loops in LOOPS["special"].items()}
)
