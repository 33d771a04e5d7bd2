"""Every op's defaults and edge values are NumPy's and SciPy's, but for the differences in the table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from engine.ir.op import Op
from engine.ir.table import TABLE as OPS
from tests.engine.differences import TABLE
from tests.engine.edges import Comparison, Difference, found
from tests.engine.records import altered
from tests.engine.references import REFERENCES
from tests.engine.settings import takes_functions

#: Ops without a peer, and why.
WITHOUT = {"identity": "control", "stop_gradient": "control"}
COMPARED = [op for op in OPS.public() if op.name in REFERENCES]
DELIBERATE: Mapping[str, set[Difference]] = {
    op.name: {d for row in TABLE for d in row.differences if d.op == op.name} for op in COMPARED
}


def test_every_op_with_a_peer_is_compared() -> None:
    left = {op.name for op in OPS.public() if not takes_functions(op)} - {op.name for op in COMPARED}
    assert left == {*WITHOUT, *(op.name for op in OPS.public() if op.group == "random")}
    assert {d.op for row in TABLE for d in row.differences} <= set(DELIBERATE)


@pytest.mark.filterwarnings("ignore")  # NumPy and SciPy warn of what is compared here
@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in COMPARED])
def test_an_op_differs_as_the_table_says(op: Op) -> None:
    """Nothing else, and nothing less: an entry that no longer differs fails too."""
    comparison = found(op)
    unlisted = {d: comparison.examples[d] for d in comparison.differences - DELIBERATE[op.name]}
    assert unlisted == {}
    assert DELIBERATE[op.name] - comparison.differences == set()
    assert comparison.count >= 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_how_many_comparisons_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    count = sum(found(op).count for op in COMPARED)
    listed = sum(len(differences) for differences in DELIBERATE.values())
    with capsys.disabled():
        print(f"\n{len(COMPARED)} ops, {count} calls compared, {listed} differences in {len(TABLE)} rows")
    assert count > 20_000


# -- the comparison ----------------------------------------------------------------------------------


def test_a_wrong_edge_value_is_found() -> None:
    op = altered(OPS["exp"], forward=lambda xp, x: xp.where(xp.isinf(x), 0, xp.exp(x)), ufunc=None)
    comparison = Comparison(op)
    comparison.compare([np.array([1.0, np.inf])], {}, "float64", np.exp)
    assert comparison.differences == {Difference("exp", "values", "float64")}


def test_a_lost_sign_of_zero_is_found() -> None:
    op = altered(OPS["negative"], forward=lambda xp, x: 0 - x, ufunc=None)
    comparison = Comparison(op)
    comparison.compare([np.array([1.0, 0.0])], {}, "float64", np.negative)
    assert comparison.differences == {Difference("negative", "values", "float64")}


def test_another_shape_and_a_refusal_are_found() -> None:
    comparison = Comparison(OPS["argmax"])
    comparison.compare([np.zeros((2, 3))], {}, "defaults", np.argmax)
    comparison.compare([np.zeros(2, bool)], {}, "bool", np.argmax)
    assert comparison.differences == {
        Difference("argmax", "shape", "defaults"),
        Difference("argmax", "refuses", "bool"),
    }
