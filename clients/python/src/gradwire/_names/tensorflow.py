"""Code that calls this package `tf`: it expects TensorFlow's meaning of calls."""

from __future__ import annotations

import sys
from types import FrameType

from gradwire._locations import user_frame
from gradwire._notices import warn
from gradwire.errors import TensorFlowWarning


def called_tf(frame: FrameType | None) -> bool:
    """Whether the code of a frame calls this package `tf` or `tensorflow`."""
    if frame is None:
        return False
    package = sys.modules["gradwire"]
    for alias in ("tf", "tensorflow"):
        code = frame.f_code
        own = alias in code.co_varnames or alias in code.co_freevars
        if (frame.f_locals if own else frame.f_globals).get(alias) is package:
            return True
    return False


def warn_of_integers(what: str) -> None:
    """Integers without a dtype were made floats, in code that calls this package `tf`."""
    if called_tf(user_frame()):
        warn(
            TensorFlowWarning,
            f"{what} of integers is float64 here, and int32 in TensorFlow, where it has no gradient; give a "
            "dtype, or write 7.0 for 7",
            what,
        )
