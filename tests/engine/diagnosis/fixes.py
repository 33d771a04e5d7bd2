"""Fixes that are expressions, put into their programs: the gradient then exists and is finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.engine.diagnosis.asking import ask
from tests.engine.diagnosis.case import Case
from tests.engine.diagnosis.pasting import STILL, pasted

# Where the gradient with the fix in place is zero, and rightly so.
RIGHTLY_ZERO = {
    "the log of a picked probability by hand": "the probability is 1 to the last bit",
    "softmax by hand": "the softmax is saturated",
    "the angle between parallel unit vectors": "an angle of 0 is its minimum",
    "the angle between nearly parallel vectors": "an angle of 0 is its minimum",
    "the angle between parallel vectors": "an angle of 0 is its minimum",
    "a distance by hand between equal points": "a distance of 0 is its minimum",
    "the root of a dot product at zero": "a length of 0 is its minimum",
    "a norm by hand at zero": "a length of 0 is its minimum",
    "hypotenuse at the origin": "a length of 0 is its minimum",
    "the distance of a symmetric matrix from its transpose": "a distance of 0 is its minimum",
    "the root of the variance of a constant": "a deviation of 0 is its minimum",
    "a root mean squared error of an exact fit": "an error of 0 is its minimum",
    "a root inside a mapped function": "one distance is 0, and the others cancel",
}
# Where other places have to be mended as well.
NOT_ALONE = {
    "two origins at once": "the logarithm is undefined as well",
    "infinity minus infinity": "the other exponential overflows as well",
}


def check_fix(case: Case, entry: Mapping[str, Any]) -> None:
    """Fail if the fix of an entry is an expression and the gradient is not as it promises."""
    program = None if entry["fix"] is None else pasted(case.program, entry["fix"])
    if program is None:
        return
    answer = ask(
        program,
        case.inputs,
        kind="gradient",
        target=case.target,
        dtype=case.dtype,
        wrt=(case.name,),
        diagnose="off",
        **case.options,
    )
    gradient = answer["gradients"][case.name]
    if case.title in NOT_ALONE or STILL[2] in entry["fix"]:
        return
    assert gradient is not None, program
    if STILL[1] not in entry["fix"]:
        assert np.isfinite(gradient).all(), program
    if case.title not in RIGHTLY_ZERO and not any(words in entry["fix"] for words in STILL):
        assert np.any(gradient), program
