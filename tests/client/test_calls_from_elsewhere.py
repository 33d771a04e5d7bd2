"""Calls as other libraries write them, and arguments of the wrong kind: refused with the form that works."""

from __future__ import annotations

import dataclasses
import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning, InvalidTarget, OptimizerError, TapeError, TrainingWarning

pytestmark = pytest.mark.usefixtures("client")


@dataclasses.dataclass
class _Weights:
    w: float


def _square(x: Any) -> Any:
    return gw.sum(x**2)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: gw.Variable(1.0, requires_grad=True), "trainable=True"),  # type: ignore[call-arg]
        (lambda: gw.sum(np.ones((2, 2)), dim=1), r"called axis here: sum\(\.\.\., axis=1\)"),
        (lambda: gw.mean(np.ones(2), keepdim=True), "called keepdims here"),
        (lambda: gw.softmax(np.ones(2), axes=0), "'axis'"),
        (lambda: gw.vmap(lambda w, x: w @ x)(np.ones(3), np.ones((5, 3))), r"in_axes=\(None, 0\)"),
        (lambda: gw.jvp(_square, np.ones(2), np.ones(2)), r"gw\.jvp\(f, \(x,\), \(v,\)\)"),
        (lambda: gw.jvp(_square, (np.ones(2),), ()), "a tangent for each of 1 primals"),
        (lambda: gw.hvp(_square, np.ones(2), np.ones(2)), r"gw\.hvp\(f\)\(x, v\)"),
        (lambda: gw.gnvp(_square, np.ones(2)), r"gw\.gnvp\(f\)\(x, v\)"),
        (lambda: gw.grad(lambda x, y: x * y, argnums="y"), "write argnums=1"),
        (lambda: gw.Sequential(gw.layers.Dense(1), gw.layers.Dense(1)), "the layers as a list"),
        (lambda: gw.grad(lambda mode, x: gw.sum(x))("sum", np.ones(2)), "for 'mode', got str 'sum': argnums"),
        (lambda: gw.grad(lambda x, b: x, argnums=1)(1.0, None), "for 'b', got None: argnums"),
        (lambda: gw.grad(lambda p: p.w**2)(_Weights(1.0)), r"dataclasses\.asdict\(p\)"),
        (lambda: gw.grad(lambda p: p**2)({"a": 1.0}), r"given as a dict, .* p\['a'\]"),
        (lambda: gw.constant(gw.PublishedFunction), "call it first"),
    ],
)
def test_a_call_is_refused_with_the_form_that_works(call: Callable[[], Any], told: str) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError), match=told):
        call()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gradwire.numpy", "import numpy as np"),
        ("gradwire.nn.functional", r"gw\.relu"),
        ("gradwire.optim", "gradwire.optimizers"),
        ("gradwire.tree_util", "plain dicts"),
    ],
)
def test_modules_of_other_libraries(name: str, told: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=told) as caught:
        importlib.import_module(name)
    assert caught.value.name == name
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'gradwire\.nowhere'$"):
        importlib.import_module("gradwire.nowhere")


@pytest.mark.parametrize(("name", "told"), [("PRNGKey", "set_seed"), ("randn", r"random\.normal\(shape\)")])
def test_draws_of_other_libraries(name: str, told: str) -> None:
    with pytest.raises(AttributeError, match=told):
        getattr(gw.random, name)


def test_gradients_paired_with_each_other_s_variables_are_refused() -> None:
    a, b = gw.Variable(1.0), gw.Variable(5.0, name="bias")
    with gw.GradientTape() as tape:
        loss = a**2 + (b - 2.0) ** 2
    grads = tape.gradient(loss, [a, b])
    optimizer = gw.optimizers.SGD(0.1)
    with pytest.raises(
        OptimizerError, match=r"position 0 has the gradient by another variable, 'bias', with 'a'"
    ):
        optimizer.apply_gradients(zip(grads[::-1], [a, b], strict=True))
    assert (float(a), float(b)) == (1.0, 5.0)
    optimizer.apply_gradients(zip(grads, [a, b], strict=True))
    np.testing.assert_allclose([float(a), float(b)], [0.8, 4.4])


def test_a_step_that_is_assigned_is_warned_of() -> None:
    w, optimizer = gw.Variable(1.0), gw.optimizers.SGD(0.1)
    with pytest.warns(TrainingWarning, match="returns None, which 'stepped' becomes here"):
        stepped = optimizer.apply_gradients([(1.0, w)])  # type: ignore[func-returns-value]
    assert stepped is None


def test_a_gradient_by_another_argument_that_is_taken_off_is_warned_of() -> None:
    def loss(X: Any, y: Any, w: Any) -> Any:
        return gw.mean((X @ w - y) ** 2)

    X, y, w = np.eye(2), np.array([1.0, 2.0]), np.zeros(2)
    with pytest.warns(
        GradientWarning, match=r"argument 0, 'X', and `w - 0\.1 \* .*: write gw\.grad\(loss, argnums=2\)"
    ):
        w = w - 0.1 * gw.grad(loss)(X, y, w)
    w, rate = np.zeros(2), 0.1
    with pytest.warns(
        GradientWarning, match=r"`w -= rate \* slope\[0\]` .* gw\.value_and_grad\(loss, argnums=2\)"
    ):
        _, slope = gw.value_and_grad(loss)(X, y, w)
    w -= rate * slope[0]
    w, told = np.zeros(2), gw.grad(loss, argnums=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w = w - 0.1 * told(X, y, w)
    np.testing.assert_allclose(w, 0.1 * y)


def test_a_gradient_taken_outside_of_the_outer_tape_and_a_constant_target_are_told_so() -> None:
    x = gw.Variable(2.0)
    with gw.GradientTape(persistent=True) as outer:
        with gw.GradientTape() as inner:
            y = x**3
        number = gw.constant(0.0) if x > 0 else x
    slope = inner.gradient(y, x)
    with pytest.warns(
        GradientWarning, match=r"gradient that was taken outside .*slope = inner\.gradient.* indent"
    ):
        assert outer.gradient(slope, x) is None
    with pytest.warns(
        GradientWarning, match=r"target is a constant, made at .* gw\.where\(condition, a, b\)"
    ):
        assert outer.gradient(number, x) is None


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: gw.argmax(gw.softmax(x)), r"return that element itself, gw\.max\(gw\.softmax\(x\)\)"),
        (lambda x: gw.argmin(x * 2.0), r"gw\.min\(x \* 2\.0\)"),
        (lambda x: gw.sum(gw.cast(x, "int32")), "leave it out, and compute with x itself"),
        (lambda x: gw.all(x > 1.0), r"gw\.sigmoid\(10 \* \(x - 1\.0\)\)"),
        (lambda x: gw.sum(gw.exp(1j * x)), r"gw\.real\(gw\.sum\(gw\.exp\(1j \* x\)\)\)"),
    ],
)
def test_a_target_of_another_dtype_is_told_with_one_that_has_a_slope(
    function: Callable[[Any], Any], told: str
) -> None:
    with pytest.raises(InvalidTarget, match=told):
        gw.grad(function)(np.array([0.5, 2.0, 3.0]))


def test_a_variable_of_integers_is_told_to_be_a_floating_one() -> None:
    steps = gw.Variable(3, dtype="int64")
    with gw.GradientTape() as tape:
        y = steps * 2
    with pytest.raises(InvalidTarget, match=r"'steps' holds int64, .* dtype='float64'"):
        tape.gradient(y, steps)


def test_matrices_of_zeros_name_what_has_no_slope_or_no_curvature() -> None:
    with pytest.warns(GradientWarning, match=r"the Hessian by 'x' is zero .* relu .* gw\.softplus\(x\)"):
        assert not gw.hessian(lambda x: gw.sum(gw.relu(x)))(np.ones(2)).any()
    with pytest.warns(GradientWarning, match=r"the Jacobian by 'x' is zero .* round has no slope"):
        assert not gw.jacobian(lambda x: gw.round(x * 1.0))(np.ones(2)).any()


def test_sizes_steps_and_variables_inside_of_a_published_function() -> None:
    w = gw.Variable(2.0)

    def told(function: Any, text: str) -> None:
        with pytest.raises(gw.errors.GradwireError, match=text):
            gw.function(function)(np.ones(3))

    def step(x: Any) -> Any:
        with gw.GradientTape() as tape:
            loss = gw.sum(w * x)
        return tape.gradient(loss, w)

    told(lambda x: gw.sum(x) / x.shape[0], r"def f\(x, n=3\)")
    told(lambda x: gw.sum(x) / len(x), r"def f\(x, n=3\)")
    told(lambda x: w * x, r"leave gw\.function out")
    assert gw.function(lambda x, n=3: gw.sum(x) / n)(np.ones(3)) == 1.0


def test_elements_chosen_by_a_mask_are_set_by_where() -> None:
    x = gw.constant([1.0, 5.0])
    with pytest.raises(TypeError, match=r"x = gw\.where\(mask, values, x\)"):
        x[x > 2.0] = 2.0
    with pytest.raises(TypeError, match=r"gw\.index_set\(x, values, \(0, slice\(1, None, None\)\)\)"):
        x[0, 1:] = 2.0
    assert gw.where(x > 2.0, 2.0, x).numpy().tolist() == [1.0, 2.0]


def test_targets_that_are_no_tensors() -> None:
    with gw.GradientTape() as tape:
        gw.Variable(1.0)
    with pytest.raises(TapeError, match="expected a traced tensor as the target, got float"):
        tape.gradient(1.0, [])
