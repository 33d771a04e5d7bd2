"""The node at which a NaN or an infinity was first made."""

import numpy as np
import pytest

from engine.diagnosis.causes.first_nonfinite import first_nonfinite
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.frontend.record import record
from engine.transforms.vjp import backward, ones
from tests.engine.diagnosis.asking import explain


def recorded(program, values):
    arrays = {name: np.asarray(value, float) for name, value in values.items()}
    graph = parse_program(program)
    types = {name: TensorType(array.shape) for name, array in arrays.items()}
    recording = record(graph, types, graph.outputs)
    recording.tape.outputs.append(recording.slot(graph.outputs[0]))
    return recording, arrays


CASES = [
    # program, values, node, op, reason, elements
    ("sum(log(x))", {"x": [1, 0, -1]}, "log_1", "log", "domain", [[1], [2]]),
    ("sum(exp(x))", {"x": [1, 0, 1000]}, "exp_1", "exp", "overflow", [[2]]),
    ("sum(exp(x) - exp(y))", {"x": [1, 1e6], "y": 1e6}, "exp_1", "exp", "overflow", [[1]]),
    ("sum(x * y)", {"x": [[1], [np.nan]], "y": 2}, "x", "input", "nonfinite_input", [[1, 0]]),
    ("mean(x[0:0])", {"x": [1, 2]}, "result", "mean", "empty_selection", [[]]),
    ("sum(x / y)", {"x": [1, 0], "y": [1, 0]}, "divide_1", "divide", "domain", [[1]]),
    ("x @ x", {"x": [1e200, 1]}, "result", "matmul", "overflow", [[]]),
    ("sum(where(x > 0, x, log(x)))", {"x": [1, -1]}, "log_1", "log", "domain", [[1]]),
]


@pytest.mark.parametrize(("program", "values", "node", "op", "reason", "elements"), CASES)
def test_the_first_node_is_named(program, values, node, op, reason, elements):
    recording, arrays = recorded(program, values)
    found = first_nonfinite(recording.tape, arrays)
    assert (found.node, found.op, found.reason, found.elements) == (node, op, reason, elements)
    assert f"'{node}'" in found.message


def test_finite_outputs_have_no_first_node():
    recording, arrays = recorded("sum(where(x > 0, x, 0 * exp(-log(x))))", {"x": [1, 2]})
    assert first_nonfinite(recording.tape, arrays) is None


def test_a_nan_that_no_output_sees_is_nobodys_fault():
    recording, arrays = recorded("sum(where(x > 0, x, log(x)) + where(x > 0, y, 0))", {"x": [1], "y": [2]})
    assert first_nonfinite(recording.tape, arrays) is None
    recording, arrays = recorded("sum(where(x > 0, 0, log(x)))", {"x": [0.0]})
    assert first_nonfinite(recording.tape, arrays).node == "log_1"


def test_rows_of_the_batch():
    recording, arrays = recorded("mean(log(x @ w))", {"x": [[1, 0], [0, 0], [1, 1]], "w": [1, 1]})
    found = first_nonfinite(recording.tape, arrays, batch=3)
    assert (found.node, found.rows, found.evidence) == ("log_1", [1], {"x": [0.0], "value": [-np.inf]})
    assert "row 1 of the batch" in found.message


def test_a_pole_of_the_adjoints_is_an_infinite_derivative():
    recording, arrays = recorded("sum(where(x > 0, sqrt(x), 0))", {"x": [1, 0]})
    tape = recording.tape
    forward = len(tape.instructions)
    target = tape.variable(tape.outputs[0])
    adjoints = backward(tape, {target.slot: ones(tape, target)}, [recording.slot("x")])
    found = first_nonfinite(
        tape, arrays, outputs=[adjoints[recording.slot("x")].slot], batch=2, forward=forward
    )
    assert (found.node, found.op, found.reason, found.rows) == ("sqrt_1", "sqrt", "infinite_derivative", [1])


def test_inside_a_loop_the_step_and_the_iteration():
    program = "def step(h, x):\n    return h + log(x), h\nlast, all = scan(step, 0.0, x)\nlast"
    recording, arrays = recorded(program, {"x": [1, 2, -1, 0]})
    found = first_nonfinite(recording.tape, arrays)
    assert (found.node, found.op, found.reason) == ("scan_1/log_1", "log", "domain")
    assert found.evidence == {"x": [-1.0], "value": [pytest.approx(np.nan, nan_ok=True)], "iteration": 2}
    assert found.source.text == "log(x)"


def test_inside_a_loop_backwards():
    """sqrt at 0 is finite, its slope is not: made by the adjoint of the step."""
    program = "def step(h, x):\n    return h + sqrt(x), h\nlast, all = scan(step, 0.0, x)\nlast"
    recording, arrays = recorded(program, {"x": [1, 0, 4]})
    tape = recording.tape
    forward = len(tape.instructions)
    target = tape.variable(tape.outputs[0])
    adjoints = backward(tape, {target.slot: ones(tape, target)}, [recording.slot("x")])
    found = first_nonfinite(tape, arrays, outputs=[adjoints[recording.slot("x")].slot], forward=forward)
    assert (found.node, found.reason) == ("scan_1/sqrt_1", "infinite_derivative")
    assert found.evidence["iteration"] == 1


BESIDE = [
    # program, values, variable, status, reason, culprits
    (
        "sum(sqrt(x)) + sum(log(y)) + sum(x * y)",
        {"x": [-1, 4], "y": [0, -2]},
        "x",
        "nan",
        "domain",
        ["sqrt_1"],
    ),
    (
        "sum(sqrt(x)) + sum(log(y)) + sum(x * y)",
        {"x": [-1, 4], "y": [0, -2]},
        "y",
        "inf",
        "domain",
        ["log_1"],
    ),
    ("sum(exp(x)) + sum(sqrt(x))", {"x": [1000, 0]}, "x", "inf", "overflow", ["exp_1", "sqrt_1"]),
    ("sum(log(y)) + (x ** 2) ** 2", {"x": 1e130, "y": [0]}, "x", "inf", "overflow", ["pow_2", "pow_1"]),
    ("(x ** 2) ** 2", {"x": 1e130}, "x", "inf", "overflow", ["result", "pow_1"]),
]


@pytest.mark.parametrize(("program", "values", "variable", "status", "reason", "nodes"), BESIDE)
def test_what_spoils_the_target_beside_a_variable_is_not_to_blame(
    program, values, variable, status, reason, nodes
):
    told = explain(program, values, variable)
    assert (told["status"], told["reason"]) == (status, reason)
    assert [culprit["node"] for culprit in told["culprits"]] == nodes


@pytest.mark.parametrize(
    ("x", "helps"),
    [([0.5, 3.0], False), ([-1.0, 3.0], True), ([-1.0, 0.5], False)],
)
def test_a_guard_is_advised_where_a_branch_is_not_taken(x, helps):
    fix = explain("sum(where(x > 0, log(x - 1) ** 2, 0))", {"x": x}, "x")["fix"]
    assert ("the branch that is not taken" in fix) == helps
    guarded = "sum(where(x > 0, log(where(x > 0, x - 1, 1)) ** 2, 0))"
    if not helps:  # it would be of no use
        assert explain(guarded, {"x": x}, "x")["status"] != "ok"
        assert "log(softplus(x - 1))" in fix or "log(maximum(x - 1, 1e-12))" in fix


def test_an_infinite_slope_is_no_reason_for_a_zero():
    told = explain("norm(x) + 1 / norm(x)", {"x": [0, 0]}, "x")
    assert (told["status"], told["reason"]) == ("zero", "stationary")
    assert {culprit["op"] for culprit in told["culprits"]} == {"norm"}
