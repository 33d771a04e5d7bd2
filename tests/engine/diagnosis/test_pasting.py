"""Every fix that is an expression, put into its program: the gradient then exists and is finite."""

import numpy as np
import pytest

from tests.engine.diagnosis.asking import ask, explain
from tests.engine.diagnosis.case import Case
from tests.engine.diagnosis.catalogue import ALL_CASES
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


def put(case: Case) -> str | None:
    """The program of a case with its fix in it; None where that is told in words."""
    told = explain(
        case.program,
        case.inputs,
        case.name,
        target=case.target,
        dtype=case.dtype,
        heads=case.heads,
        **case.options,
    )
    return None if told["fix"] is None else pasted(case.program, told["fix"])


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.title.replace(" ", "-"))
def test_a_fix_that_is_an_expression_gives_a_gradient(case: Case) -> None:
    program = put(case)
    if program is None:
        pytest.skip("the fix is told in words")
    told = explain(case.program, case.inputs, case.name, target=case.target, dtype=case.dtype, **case.options)
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
    if case.title in NOT_ALONE or STILL[2] in told["fix"]:
        return
    assert gradient is not None, program
    if STILL[1] not in told["fix"]:
        assert np.isfinite(gradient).all(), program
    if case.title not in RIGHTLY_ZERO and not any(words in told["fix"] for words in STILL):
        assert np.any(gradient), program


def test_most_fixes_are_expressions() -> None:
    """They are what a user can paste; words are for what has to be decided."""
    written = [put(case) is not None for case in ALL_CASES if case.status not in ("disconnected", "integer")]
    assert sum(written) > 0.6 * len(written)


@pytest.mark.parametrize(
    ("program", "fix", "expected"),
    [
        ("sum(sqrt(x))", "Write sqrt(x + 1e-12) for sqrt(x): it keeps away from 0.", "sum(sqrt(x + 1e-12))"),
        ("log(s)", "Begin with s = softplus(s): it is positive.", "s = softplus(s)\nlog(s)"),
        ("a = x\nmean(a == y)", "Train on f(y, x) instead: it has a slope.", "a = x\nf(y, x)"),
        ("sum(x)", "Use 'w' in 'result', or leave it out of wrt.", None),
        ("sum(x)", "Write log(x) for exp(x): it is not there.", None),
    ],
)
def test_a_fix_is_put_where_it_belongs(program: str, fix: str, expected: str | None) -> None:
    assert pasted(program, fix) == expected
