"""Inputs without a value, names that differ in case, and shapes that do not fit: what the errors propose."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import ShapeMismatch, UserError, did_you_mean
from engine.frontend.program import parse_program
from tests.engine.pasting import computed, error_of, mended

x = np.array([0.5, -1.25, 2.0])


@pytest.mark.parametrize(
    ("program", "given", "meant"),
    [
        ("x * PI", {"x": x}, x * np.pi),
        ("maximum(x, -Infinity)", {"x": x}, x),
        ("where(true, x, 0)", {"x": x}, x),
        ("x * E", {"x": x}, x * np.e),
        ("r = a * x // the scaled one\nr + 1", {"a": 2.0, "x": x}, 2 * x + 1),
        ("r = a * x // scaled\nr + 1", {"a": 2.0, "x": x}, 2 * x + 1),
        ("x * e", {"x": x, "E": 3.0}, 3 * x),
    ],
)
def test_what_is_pasted_is_what_was_meant(program: str, given: dict[str, Any], meant: Any) -> None:
    text, errors = mended(program, given)
    assert errors
    np.testing.assert_allclose(computed(text, given), meant)


@pytest.mark.parametrize(
    ("program", "given", "hint"),
    [
        ("w * x", {"x": x}, '{"inputs": {"w": …}}'),
        ("w * x", {"x": x, "W": 2.0}, "'W' is given and not used: did you mean 'W'?"),
        ("wieght * x", {"x": x, "weight": 2.0}, "did you mean 'weight'?"),
        ("sum(relu) + x", {"x": x}, "call it, relu(x)"),
        ("y = w * x\nw = 3 * y\nw", {"x": x}, "assign 'w' before it is used"),
    ],
)
def test_a_missing_input_says_where_it_comes_from(program: str, given: dict[str, Any], hint: str) -> None:
    error = error_of(program, given)
    assert error is not None
    assert error.code == "missing_input"
    assert error.source is not None
    assert hint in str(error.hint)


def test_constants_are_left_alone_if_both_are_meant() -> None:
    given = {"E": 2.0, "x": x}
    np.testing.assert_allclose(computed("e * E * x", given), np.e * 2 * x)
    np.testing.assert_allclose(computed("e * x", {"e": 2.0, "E": 3.0, "x": x}), 2 * x)


@pytest.mark.parametrize(
    ("wrt", "hint"),
    [("w", "'W'"), ("z", "the inputs are: W, x"), ("e", "is a constant")],
)
def test_unknown_variables(wrt: str, hint: str) -> None:
    graph = parse_program("loss = sum(e * W * x)")
    query = Query(graph=graph, kind="gradient", inputs={}, wrt=(wrt,))
    with pytest.raises(UserError) as caught:
        query.check_wrt()
    assert caught.value.code == "unknown_wrt"
    assert hint in str(caught.value.hint)


def test_case_decides_before_likeness() -> None:
    assert did_you_mean("w", ["e", "W", "x"]) == "did you mean 'W'?"
    assert did_you_mean("learningrate", ["learning_rate", "learning_rat"]) == "did you mean 'learning_rate'?"


FITS = [
    ("w @ x", {"w": (3, 2), "x": (3,)}, "`w.T` for `w`", (2,)),
    ("w @ x", {"w": (1, 3), "x": (1, 3)}, "`w.T` for `w`", (3, 3)),
    ("w @ x", {"w": (1, 3), "x": (1, 3)}, "`x.T` for `x`", (1, 1)),
    ("x + w", {"x": (3,), "w": (3, 2)}, "`x[:, None]` for `x`", (3, 2)),
    ("(x * 2) - w", {"x": (3,), "w": (3, 2)}, "`(x * 2)[:, None]` for `(x * 2)`", (3, 2)),
    ("v + w", {"v": (2, 3), "w": (3, 2)}, "`v.T` for `v`", (3, 2)),
    ("dot(w, sin(x))", {"w": (1, 3), "x": (1, 3)}, "`sin(x).T` for `sin(x)`", (1, 1)),
]


@pytest.mark.parametrize(("program", "shapes", "proposed", "shape"), FITS)
def test_shapes_that_fit_are_proposed(
    program: str, shapes: dict[str, tuple[int, ...]], proposed: str, shape: tuple[int, ...]
) -> None:
    given = {name: np.ones(size) for name, size in shapes.items()}
    error = error_of(program, given)
    assert isinstance(error, ShapeMismatch)
    assert f"with {proposed} the shape is {shape}" in str(error.hint)
    match = re.search(r"`(.*?)` for `(.*?)`", proposed)
    assert match
    new, old = match.groups()
    mended_text = program.replace(old, new) if old in program else program.replace(old[1:-1], new)
    assert np.shape(computed(mended_text, given)) == shape


@pytest.mark.parametrize(
    ("program", "shapes"),
    [("x + w", {"x": (3,), "w": (4,)}), ("w @ x", {"w": (2, 3), "x": (4, 5)}), ("2 @ x", {"x": (3,)})],
)
def test_nothing_is_proposed_that_does_not_fit(program: str, shapes: dict[str, tuple[int, ...]]) -> None:
    error = error_of(program, {name: np.ones(size) for name, size in shapes.items()})
    assert isinstance(error, ShapeMismatch)
    assert "with `" not in str(error.hint)


def test_types_alone_decide_a_proposal() -> None:
    graph = parse_program("sum(w @ x)")
    types = {"w": TensorType((10**9, 2)), "x": TensorType((10**9,))}
    from engine.frontend.record import record

    with pytest.raises(ShapeMismatch) as caught:
        record(graph, types, graph.outputs)
    assert "`w.T` for `w`" in str(caught.value.hint)
