"""Values that are read from a tape and used on it again: warned of at once and listed by `explain`."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import gradwire as gw
from gradwire.errors import ReadWarning

pytestmark = pytest.mark.usefixtures("client")

Function = Callable[[Any, Any], Any]


def helper(a: Any) -> Any:
    return a.numpy() * 3.0


def special(a: Any) -> Any:
    found = scipy.special.gamma(float(a))
    return found + 1.0


def named(w: Any, v: Any) -> Any:
    y = math.exp(w)
    return v * y


def renamed(w: Any, v: Any) -> Any:
    y = w.numpy() * 2.0
    z = y + 1.0
    return v * z


def collected(w: Any, v: Any) -> Any:
    history = []
    for _ in range(2):
        history.append(float(w))  # noqa: PERF401  # a list that is appended to is what is tested
    return v * gw.sum(history)


def summed(w: Any, v: Any) -> Any:
    total = 0.0
    for _ in range(3):
        total = total + float(w)
    return v * total


def returned_twice(w: Any, v: Any) -> Any:
    scale = special(w)
    return v * scale


def in_an_array(w: Any, v: Any) -> Any:
    out = np.zeros(2)
    out[0] = w
    return gw.sum(out * v)


def in_an_attribute(w: Any, v: Any) -> Any:
    class Holder:
        scale: float

    holder = Holder()
    holder.scale = float(w)
    return v * holder.scale


def of_a_pair(w: Any, v: Any) -> Any:
    a, b = float(w), 2.0
    return v * a * b


def in_a_dict(w: Any, v: Any) -> Any:
    found = {"w": float(w)}
    return v * found["w"]


def assigned(w: Any, v: Any) -> Any:
    v.assign(w * 2.0)
    return v * w


def stepped(w: Any, v: Any) -> Any:
    w.assign_sub(0.1 * w.numpy())
    return v * w


def augmented(w: Any, v: Any) -> Any:
    y = v * 1.5
    y *= float(w)
    return y


BACK: dict[str, Function] = {
    "in the expression": lambda w, v: v * math.exp(w),
    "by a name": named,
    "through names": renamed,
    "in a list": collected,
    "in a sum": summed,
    "through a helper": lambda w, v: v * helper(w),
    "through two helpers": returned_twice,
    "in an array": in_an_array,
    "in an attribute": in_an_attribute,
    "of a pair": of_a_pair,
    "in a dict": in_a_dict,
    "into a lambda": lambda w, v: (lambda s: v * s)(float(w)),  # noqa: PLC3002
    "np.mean": lambda w, v: np.mean([w, v]) * v,
    "constant": lambda w, v: v * gw.constant(w.numpy()),
    "Variable": lambda w, v: v * gw.Variable(w * 2.0),
    "assigned": assigned,
    "stepped": stepped,
    "augmented": augmented,
    "a view of the array": lambda w, v: gw.sum(v * gw.stack([w, v]).numpy()[::-1].T),
    "pickled": lambda w, v: pickle.loads(pickle.dumps(w)) * v,
    "deep-copied": lambda w, v: copy.deepcopy(w) * v,
}


@pytest.mark.parametrize("function", BACK.values(), ids=BACK)
def test_what_comes_back_is_warned_of_and_told(function: Function) -> None:
    w, v = gw.Variable(0.5, name="w"), gw.Variable(2.0, name="v")
    with gw.GradientTape(persistent=True) as tape, pytest.warns(ReadWarning, match="'w' was read at") as told:
        loss = function(w, v) + w * 0.25
    text = str(told[0].message)
    assert text.count(f"{__file__}:") == 2, text
    assert told[0].filename == __file__
    report = tape.explain(loss, [w, v])
    assert report["w"].status == "ok"
    assert any("'w' was read" in warning["message"] for warning in report["w"].warnings)
    assert not any(warning["code"] == "read" for warning in report["v"].warnings) or "mean" in str(
        report["v"]
    )


def logged(w: Any, v: Any) -> Any:
    history, best = [], 1.0
    print(w.numpy(), float(w), f"{float(w):.3f}")
    history.append(float(w))
    best = min(best, float(w))
    assert abs(float(w)) < 1.0
    return v * w * 2.0 if float(w) > 0 else v


def read_twice(w: Any, v: Any) -> Any:
    y = w.numpy()
    print(y)
    y = gw.exp(w)
    return v * y


def beside(w: Any, v: Any) -> Any:
    rate = 0.1
    norm = float(gw.norm(w))
    print(norm)
    return v * w * rate


def other_of_a_pair(w: Any, v: Any) -> Any:
    a, b = float(w), 2.0
    print(a)
    return v * b * w


def of_nothing_watched(w: Any, v: Any) -> Any:
    return v * w * float(gw.exp(gw.constant(1.0))) * float(gw.Variable(2.0, trainable=False))


HARMLESS: dict[str, Function] = {
    "logged": logged,
    "read and replaced": read_twice,
    "beside": beside,
    "the other of a pair": other_of_a_pair,
    "of nothing watched": of_nothing_watched,
    "stopped": lambda w, v: v * w * float(gw.stop_gradient(w)),
    "literals that are equal": lambda w, v: (float(w), v * w * 0.5)[1],
}


@pytest.mark.parametrize("function", HARMLESS.values(), ids=HARMLESS)
def test_what_does_not_come_back_is_not_mentioned(function: Function) -> None:
    w, v = gw.Variable(0.5, name="w"), gw.Variable(2.0, name="v")
    with gw.GradientTape(persistent=True) as tape:
        loss = function(w, v)  # warnings are errors here
    assert "was read" not in str(tape.explain(loss, [w, v]))


def test_a_loop_warns_once_a_line() -> None:
    w = gw.Variable(0.5, name="w")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            with gw.GradientTape() as tape:
                loss = w * float(w)
            tape.gradient(loss, w)
    assert [type(each.message) for each in caught] == [ReadWarning]


def test_only_what_reaches_the_target_is_reported() -> None:
    w = gw.Variable(0.5, name="w")
    with gw.GradientTape(persistent=True) as tape:
        with pytest.warns(ReadWarning):
            other = w * float(w)
        loss = w * 2.0
    assert "was read" not in str(tape.explain(loss, w))
    assert "was read" in str(tape.explain(other, w))


def test_a_value_read_under_an_outer_tape_is_followed_there() -> None:
    w = gw.Variable(0.5, name="w")
    with gw.GradientTape() as outer:
        with gw.GradientTape():
            scale = float(w)
        with pytest.warns(ReadWarning):
            loss = w * scale
    assert "was read" in str(outer.explain(loss, w))


def test_what_a_tape_forgot_is_free() -> None:
    w = gw.Variable(0.5, name="w")
    with gw.GradientTape() as tape:
        scale = w.numpy()
        tape.reset()
        loss = w * scale
    assert float(tape.gradient(loss, w)) == 0.5
