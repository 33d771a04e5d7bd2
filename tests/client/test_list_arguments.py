"""A list of numbers is a structure of separate arguments; using it as an array is an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw

pytestmark = pytest.mark.usefixtures("client")

GIVEN = [1.0, 2.0, 4.0]


@pytest.mark.parametrize("made", [gw.grad, gw.value_and_grad, gw.jacobian, gw.hessian])
@pytest.mark.parametrize(
    "function",
    [
        lambda w: gw.sum((w * 2.0) ** 2),
        lambda w: gw.sum(w[1:] - w[:-1]) ** 2,
        lambda w: gw.sum(w**2),
        lambda w: -w,
        lambda w: w[:, None],
        lambda w: w.sum(),
    ],
)
def test_a_list_used_as_an_array_is_named_with_the_array_to_pass(
    made: Callable[..., Any], function: Callable[[Any], Any]
) -> None:
    with pytest.raises((TypeError, AttributeError), match=r"'w' was given as a list") as caught:
        made(function)(GIVEN)
    pasted = re.search(r"w = (np\.array\(.*\))$", str(caught.value))
    assert pasted is not None
    np.testing.assert_array_equal(eval(pasted[1], {"np": np}), GIVEN)


def test_the_array_that_is_named_works() -> None:
    found = gw.grad(lambda w: gw.sum((w * 2.0) ** 2))(np.array(GIVEN))
    np.testing.assert_allclose(found, 8 * np.array(GIVEN))


@pytest.mark.parametrize("given", [[1.0, 2.0], np.array([1.0, 2.0])])
def test_an_error_that_is_not_about_the_list_is_left_alone(given: Any) -> None:
    def fails(w: Any) -> Any:
        raise TypeError("of the user's own")

    with pytest.raises(TypeError, match=r"^of the user's own$"):
        gw.grad(fails)(given)


def _listed(c: Any) -> Any:
    return np.array([c[0] * t for t in range(3)])


def _held(c: Any) -> Any:
    points = [c[0] * t for t in range(3)]
    return np.asarray(points)


@pytest.mark.parametrize("made", [_listed, _held])
def test_an_array_made_of_a_list_of_tensors_is_answered_with_stack(made: Callable[[Any], Any]) -> None:
    with pytest.raises(gw.errors.ReadError, match=r"np\.stack\("):
        gw.grad(lambda c: gw.sum(made(c)))(np.array([1.0, 2.0]))
    found = gw.grad(lambda c: gw.sum(np.stack([c[0] * t for t in range(3)])))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(found, [3.0, 0.0])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("kernel", r"model\.variables\}\['dense\.kernel'\]"),
        ("weights", r"model\.variables"),
        ("trainable_variables", r"model\.trainable_variables"),
        ("get_weights", r"model\.get_weights\(\)"),
        ("set_weights", r"model\.set_weights\("),
    ],
)
def test_weights_asked_of_a_layer_are_found_on_its_model(name: str, told: str) -> None:
    model = gw.Sequential([gw.layers.Dense(3, input_shape=(2,), name="dense")])
    with pytest.raises(AttributeError, match=told):
        getattr(model.layers[0], name)
    assert {v.name: v for v in model.variables}["dense.kernel"].shape == (2, 3)
    assert len(model.get_weights()) == 2
