"""Names that the SDK does not have: each error says what to write instead, and what it says can be run."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest

import gradwire as gw
from gradwire._names.instead import FORMULAS
from gradwire.errors import UnsupportedFunction


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("bucketize", "gw.searchsorted(bounds, x)"),
        ("nanargmax", "gw.where(gw.isnan(x), -np.inf, x)"),
        ("eig", "gw.eigh(x)"),
        ("cummax", "gw.cumulative_max(x, axis=axis)"),
        ("cat", "gw.concat"),
        ("softMax", "softmax"),
        ("pi", "np.pi"),
    ],
)
def test_the_package_says_what_to_write(name: str, cure: str) -> None:
    with pytest.raises(AttributeError, match="gradwire has no") as caught:
        getattr(gw, name)
    assert cure in str(caught.value)
    assert not hasattr(gw, "nothing_like_it")


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("backward", "tape.gradient(loss, [w])"),
        ("numel", "gw.size(x)"),
        ("requires_grad", "watched"),
        ("unsqueezed", "has no"),
        ("reshap", "reshape"),
    ],
)
def test_tensors_and_variables_say_what_to_write(name: str, cure: str) -> None:
    for value in (gw.constant([1.0, 2.0]), gw.Variable([1.0, 2.0])):
        with pytest.raises(AttributeError) as caught:
            getattr(value, name)
        assert cure in str(caught.value)


def test_a_function_of_numpy_says_what_to_write() -> None:
    with pytest.raises(UnsupportedFunction, match=re.escape("gw.sort(x)")):
        np.partition(gw.constant([1.0, 2.0]), 1)  # type: ignore[call-overload]  # what this is about


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_what_is_written_can_be_recorded(name: str) -> None:
    match = re.match(r"write (.*) instead of \w+\((.*?)\)(, |$)", FORMULAS[name])
    assert match, FORMULAS[name]
    square = gw.constant(np.array([[1.0, 0.5], [0.25, 2.0]]))
    scope: dict[str, object] = {"gw": gw, "np": np, "f": gw.sum}
    scope.update(dict.fromkeys(("n", "axis", "i", "j", "start", "count", "m"), 1))
    scope.update(shape=(2, 2), xs=[square, square], value=1.0, ids=gw.constant(np.array([0, 1])))
    for word in re.findall(r"[A-Za-z_]\w*", match[2]):
        scope.setdefault(word, square)
    if name in ("logspace", "percentile"):  # attributes are numbers
        scope.update(a=1.0, b=2.0, q=30.0)
    if name in ("bincount", "partition", "argpartition"):
        scope["x"] = scope["ids"]
    exec(f"answer = {match[1]}", scope)


def test_tensors_answer_pythons_own_questions_as_before() -> None:
    variable = gw.Variable([1.0, 2.0], name="w")
    assert not hasattr(variable, "__length_hint__")
    assert not hasattr(variable, "_nothing")
    assert copy.copy(variable.numpy()).tolist() == [1.0, 2.0]
