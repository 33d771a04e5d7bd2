"""A fix that is an expression is put into its program, in place of what it replaces."""

import pytest

from tests.engine.diagnosis.pasting import pasted


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
