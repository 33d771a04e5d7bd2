"""The node and the elements that cause a gradient, next to others that do not, through any op."""

import pytest

from tests.engine.diagnosis.asking import explain

ATTENTION = {"q": [[1, 0], [0, 1]], "k": [[1, 2], [3, 4]], "v": [[1, 2], [3, 5]]}
MASK = [[0, float("-inf")], [0, 0]]


def warned(told, code):
    """The nodes of the warnings of one kind."""
    return [warning["node"] for warning in told["warnings"] if warning["code"] == code]


@pytest.mark.parametrize("name", ["q", "k"])
def test_a_row_that_a_softmax_has_decided_is_not_the_product_before_it(name):
    told = explain("sum(softmax(q @ k.T + mask) @ v)", {**ATTENTION, "mask": MASK}, name)
    assert told["status"] == "ok"
    assert warned(told, "partial_zero") == ["softmax_1"]
    assert set(warned(told, "cancellation")) <= {"softmax_1"}


def test_what_settles_a_zero_comes_before_what_cancels_beside_it():
    told = explain(
        "t = tanh(40 + x ** 2)\nu = t / norm(t + 3)\nsum(softmax(u) * [1, 2, 3])", {"x": [1, 1, 1]}, "x"
    )
    assert (told["status"], told["reason"]) == ("zero", "saturated")
    assert told["culprits"][0]["node"] == "t"


def test_rows_that_are_not_read_have_no_part_in_what_is_wrong():
    told = explain("sum((log(x) @ w)[:1])", {"x": [[1, 0], [0, 1]], "w": [1, 2]}, "w")
    assert [(one["node"], one["elements"]) for one in told["culprits"]] == [("log_1", [[0, 1]])]


@pytest.mark.parametrize("program", ["sum(take(x, argsort(x)))", "v, i = top_k(x, 1)\nsum(v)"])
def test_where_elements_stand_is_no_part_of_the_dependence(program):
    assert not warned(explain(program, {"x": [3, 1, 2]}, "x"), "partial_path")


SCAN = "def step(h, x, w):\n    h = {}\n    return h, h\nlast, all = scan(step, 0, x, w)\nlast"


@pytest.mark.parametrize(
    ("program", "name", "node"),
    [
        (SCAN.format("h + w * x + round(w)"), "w", "scan_1/round_1"),
        (
            "def f(x):\n    return x * round(x)\ndef g(x):\n    return x\ncond(f, g, w > 0, w)",
            "w",
            "result/round_1",
        ),
        ("def f(x):\n    return x * round(x)\nsum(checkpoint(f, x))", "x", "checkpoint_1/round_1"),
    ],
)
def test_a_part_that_is_cut_inside_a_function_is_told(program, name, node):
    told = explain(program, {"x": [1.5, 2.5], "w": 1.5}, name)
    assert told["status"] == "ok"
    assert warned(told, "partial_path") == [node]


def test_elements_that_are_cut_off_are_not_those_that_nothing_reads():
    told = explain("sum(concat(floor(x[:1]), x[1:]))", {"x": [1.5, 2.5]}, "x")
    assert warned(told, "partial_zero") == ["floor_1"]
    told = explain(SCAN.format("floor(h * w) + x"), {"x": [1, 2], "w": 1.5}, "x")
    assert warned(told, "partial_zero") == ["scan_1/floor_1"]


def test_a_loop_that_cuts_in_every_step_is_told_once():
    told = explain(SCAN.format("h + floor(w * x)"), {"x": list(range(300)), "w": 1.5}, "w")
    assert [one["node"] for one in told["culprits"]] == ["scan_1/floor_1"]


def test_an_op_of_several_steps_is_flat_and_not_made_of_small_factors():
    told = explain("sum(silu(x))", {"x": [-800, -900]}, "x")
    assert (told["reason"], len(told["culprits"])) == ("saturated", 1)


def test_a_loss_that_multiplies_rows_with_columns_broadcasts():
    inputs = {"p": [1, 2, 3], "y": [[1], [0], [1]]}
    assert warned(explain("-mean(y * log(sigmoid(p)))", inputs, "p"), "broadcast") == ["multiply_1"]
    assert not warned(explain("sum(p[:, None] * p * eye(3))", inputs, "p"), "broadcast")
    assert not warned(explain("sum((p * y) @ p)", inputs, "p"), "broadcast")


def test_conjugates_of_real_numbers_show_no_negative_zero():
    z = {"complex128": [1j, 1 + 1j]}
    told = explain("sum(real(z * w))", {"z": z, "w": [0, 0]}, "z")
    (culprit,) = told["culprits"]
    assert str(culprit["evidence"]["cotangent"]) == "[[1.0, 0.0], [1.0, 0.0]]"


BRANCH = "def f(x):\n    return {}\ndef g(x):\n    return x\ncond(f, g, x > 0, x)"


@pytest.mark.parametrize(
    ("program", "status", "reason"),
    [
        ("sum(where(x > 0, round(x), 0))", "blocked", "round_1"),
        ("sum(where(x > 0, stop_gradient(x), round(x)))", "blocked", "round_1"),
        (BRANCH.format("stop_gradient(x)"), "zero", "result/stop_gradient_1"),
        (BRANCH.format("floor(x)"), "zero", "result/floor_1"),
    ],
)
def test_a_condition_is_blamed_after_what_it_chooses(program, status, reason):
    told = explain(program, {"x": 1.5}, "x")
    nodes = [one["node"] for one in told["culprits"]]
    assert (told["status"], nodes[0]) == (status, reason)
    assert "greater_1" in nodes
