"""The namespace of a kernel: the functions of one array library under names that all libraries share."""

from __future__ import annotations

from types import SimpleNamespace

#: Special functions, by SciPy's names.
SPECIAL = (
    "digamma",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "gammaln",
    "log_ndtr",
    "logit",
    "ndtr",
    "ndtri",
    "spherical_jn",
    "zeta",
)
#: What NumPy and CuPy both have beyond the array API standard.
BEYOND_THE_STANDARD = ("cbrt", "copyto", "exp2", "fmax", "fmin", "fmod", "heaviside")


class Namespace(SimpleNamespace):
    """The functions a kernel may call. Every name is an attribute, so a call costs no look-up chain."""
