"""Every case of the catalogue: labels, finite differences, the fix put in, and the culprit taken out."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.engine.diagnosis.asking import arrays_of, ask, explain
from tests.engine.diagnosis.beginners import BEGINNERS
from tests.engine.diagnosis.case import Case
from tests.engine.diagnosis.catalogue import ALL_CASES, CASES
from tests.engine.diagnosis.fixes import check_fix
from tests.engine.diagnosis.pasting import pasted
from tests.engine.diagnosis.peers import jax_answer, kept, recorded, tensorflow_answers, torch_answer

REASONS = {
    "unused", "other_head", "rebound", "constant", "shape_only", "nondifferentiable", "to_integer",
    "stop_gradient", "saturated", "unselected", "zero_operand", "stationary", "cancellation", "underflow",
    "empty_selection", "infinite_derivative", "overflow", "domain", "nonfinite_input",
}  # fmt: skip
WARNINGS = {
    "partial_path", "partial_zero", "dead_path", "kink", "cancellation", "vanishing", "exploding",
    "broadcast", "nonfinite_target", "masked", "likely_mistake",
}  # fmt: skip
STATUSES = {"invalid_target", "integer", "disconnected", "stopped", "blocked", "nan", "inf", "zero", "ok"}
every_case = pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.title.replace(" ", "-"))
every_compared_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.title.replace(" ", "-"))
every_repaired_case = pytest.mark.parametrize(
    "case",
    [case for case in ALL_CASES if case.repaired is not None and case.status not in ("ok", "integer")],
    ids=lambda case: case.title.replace(" ", "-"),
)


def told_of(case: Case, program: str | None = None) -> dict[str, Any]:
    """The diagnosis of a case, or of another program in its place."""
    return explain(
        program or case.program,
        case.inputs,
        case.name,
        target=case.target,
        dtype=case.dtype,
        heads=case.heads,
        **case.options,
    )


@every_case
def test_the_diagnosis_is_right(case: Case) -> None:
    """Its labels are those of the case, finite differences agree, and its fix gives a gradient."""
    entry = told_of(case)
    check_labels(case, entry)
    if case.steady and case.status not in ("integer", "invalid_target", "nan", "inf"):
        check_slope(case, entry)
    check_fix(case, entry)


def check_labels(case: Case, entry: Mapping[str, Any]) -> None:
    assert (entry["status"], entry["reason"]) == (case.status, case.reason), entry["message"]
    nodes = [culprit["node"] for culprit in entry["culprits"]]
    if case.node is not None:
        assert nodes[0] == case.node
    assert set(case.also) <= set(nodes[1:])
    if case.elements is not None:
        assert entry["culprits"][0]["elements"] == case.elements
    codes = {warning["code"] for warning in entry["warnings"]}
    assert set(case.warnings) <= codes
    assert not case.fix or case.fix in entry["fix"]
    assert not case.says or case.says in entry["message"]
    assert entry["fix"] or case.status == "ok"
    if case.status == "ok" and not case.warnings:
        assert not codes


def check_slope(case: Case, entry: Mapping[str, Any]) -> None:
    slope = differences(case, arrays_of(case.inputs))
    if case.status == "ok":
        gradient = ask(
            case.program,
            case.inputs,
            kind="gradient",
            target=case.target,
            wrt=(case.name,),
            **case.options,
        )
        np.testing.assert_allclose(gradient["gradients"][case.name], slope, rtol=2e-3, atol=1e-6)
    else:
        norm = entry["stats"]["norm"]
        assert norm in (None, 0.0) or norm < 1e-12 or case.dtype != "float64"
        np.testing.assert_allclose(slope, 0, atol=1e-6)


@every_repaired_case
def test_the_culprit_taken_out_leaves_a_gradient(case: Case) -> None:
    entry = told_of(case, case.repaired)
    assert entry["status"] == "ok", entry["message"]


def test_every_case_of_the_catalogue_says_what_repairs_it() -> None:
    """The fix of a beginner's case is put into it instead."""
    unrepaired = [
        case for case in ALL_CASES if case.repaired is None and case.status not in ("ok", "integer")
    ]
    assert all(case in BEGINNERS for case in unrepaired)


def test_most_fixes_are_expressions() -> None:
    """They are what a user can paste; words are for what has to be decided."""
    cases = [case for case in ALL_CASES if case.status not in ("disconnected", "integer")][::4]
    fixes = [(case.program, told_of(case)["fix"]) for case in cases]
    written = [fix is not None and pasted(program, fix) is not None for program, fix in fixes]
    assert sum(written) > 0.6 * len(written)


def test_the_catalogue_is_complete() -> None:
    assert len(CASES) >= 80
    assert len(BEGINNERS) >= 60
    assert {case.status for case in ALL_CASES} == STATUSES
    assert {case.reason for case in ALL_CASES} - {None} == REASONS
    assert {code for case in ALL_CASES for code in case.warnings} == WARNINGS
    assert len({case.title for case in ALL_CASES}) == len(ALL_CASES)


def differences(case: Case, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Central differences of the target in each element of the variable."""
    x = arrays[case.name]
    slope = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * 1e-5
            given = {**arrays, case.name: moved}
            outputs = None if case.target is None else (case.target,)
            answer = ask(
                case.program,
                {n: {a.dtype.name: a} for n, a in given.items()},
                kind="evaluate",
                outputs=outputs,
                stabilize=bool(case.options.get("stabilize")),
            )
            ends.append(next(iter(answer["outputs"].values())).item())
        slope[place] = (ends[0] - ends[1]) / 2e-5
    return slope


# What peers answer where they differ, by title and peer, and why.
OTHERWISE: dict[str, dict[str, str]] = {
    "abs at its kink": {"JAX": "numbers"},  # JAX has slope 1 there
    "a norm at the zero vector": {"JAX": "NaN"},  # JAX has NaN there
    "the deviation of a constant": {"JAX": "NaN"},  # JAX has NaN there
    "zero by cancellation, not by saturation": {"JAX": "numbers"},  # JAX leaves a rounding error
    "the inverse of a singular matrix": {"PyTorch": "error"},  # PyTorch raises
    "cube root at zero": {"PyTorch": "NaN"},  # PyTorch has no cube root; by powers it gives NaN
    "NaN in a constant": {"PyTorch": "error", "JAX": "error"},  # a list times a tensor is an error
    "a scan that stops": {"PyTorch": "None"},  # PyTorch has None where every path is stopped
    "cond takes the other branch": {"PyTorch": "None"},  # PyTorch has None where a branch does not read it
    "dead inside a while loop": {"JAX": "error"},  # JAX has no reverse derivative of a while loop
}
WORDS = {"nan": {"NaN"}, "inf": {"infinite"}, "zero": {"zeros"}, "ok": {"numbers"}}


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.options], ids=lambda case: case.title.replace(" ", "-")
)
def test_peers_have_the_same_numbers(case: Case) -> None:
    words = WORDS.get(case.status, {"zeros", "None", "error"})
    told = {peer: recorded()[case.title][peer] for peer in ("PyTorch", "JAX")}
    differing = {peer: word for peer, word in told.items() if word not in words}
    assert differing == OTHERWISE.get(case.title, {})


@pytest.mark.oracle
@every_compared_case
def test_peers_answer_as_recorded(oracle: Callable[[str], Any], case: Case) -> None:
    for peer in ("torch", "jax"):
        oracle(peer)
    told = recorded()[case.title]
    assert (torch_answer(case), jax_answer(case)) == (told["PyTorch"], told["JAX"])


@pytest.mark.oracle
def test_tensorflow_answers_as_recorded() -> None:
    """Where it is installed: it is no dependency, so that its absence is no failure."""
    answers = tensorflow_answers()
    if not answers:
        pytest.skip("pip install tensorflow-cpu")
    assert answers == {title: told["TensorFlow"] for title, told in recorded().items()}


def test_every_case_has_every_peer() -> None:
    assert {*OTHERWISE} <= {case.title for case in CASES if not case.options}
    assert [*recorded()] == [case.title for case in CASES]
    assert {peer for told in recorded().values() for peer in told} == {*kept()["versions"], "anomaly"}
