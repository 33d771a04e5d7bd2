"""Slips of Python beside tensors: each is refused or told with a text that works when it is pasted."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import (
    ConfigurationError,
    GradientWarning,
    InvalidTarget,
    ReadError,
    TapeError,
    TrainingWarning,
)

pytestmark = pytest.mark.usefixtures("client")

W = np.array([0.5, 1.5, 2.5])


# -- conditions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "cure", "right"),
    [
        (
            lambda w: gw.sum(gw.where(w > 1 and w < 2, w**2, 0.0)),
            r"write \(w > 1\) & \(w < 2\) for `w > 1 and w < 2`",
            lambda w: gw.sum(gw.where((w > 1) & (w < 2), w**2, 0.0)),
        ),
        (
            lambda w: gw.sum(gw.where(1 < w < 2, w**2, 0.0)),
            r"write \(1 < w\) & \(w < 2\) for `1 < w < 2`",
            lambda w: gw.sum(gw.where((w > 1) & (w < 2), w**2, 0.0)),
        ),
        (
            lambda w: gw.sum(gw.where(not w > 1, w**2, 0.0)),
            r"write ~\(w > 1\) for `not w > 1`",
            lambda w: gw.sum(gw.where(~(w > 1), w**2, 0.0)),
        ),
        (
            lambda w: gw.sum(w**2 if w > 1 else 3 * w),
            r"write gw\.where\(w > 1, w\*\*2, 3 \* w\) for",
            lambda w: gw.sum(gw.where(w > 1, w**2, 3 * w)),
        ),
    ],
)
def test_a_condition_of_several_elements(
    wrong: Callable[[Any], Any], cure: str, right: Callable[[Any], Any]
) -> None:
    with pytest.raises(ValueError, match=cure):
        gw.grad(wrong)(W)
    step = 1e-6
    ends = [
        (float(right(gw.constant(W + step * e))), float(right(gw.constant(W - step * e)))) for e in np.eye(3)
    ]
    differences = [(up - down) / (2 * step) for up, down in ends]
    np.testing.assert_allclose(gw.grad(right)(W), differences, atol=1e-6)


# -- shapes --------------------------------------------------------------------------------------------


def test_a_shape_is_no_number() -> None:
    with pytest.raises(TypeError, match=r"write w\.shape\[0\] for the number of rows, or w\.size"):
        gw.grad(lambda w: gw.sum(w) / w.shape)(W)
    np.testing.assert_allclose(gw.grad(lambda w: gw.sum(w) / w.size)(W), np.full(3, 1 / 3))


def test_a_target_with_an_axis_of_one_element() -> None:
    value, gradient = gw.value_and_grad(lambda w: gw.sum(w**2, keepdims=True))(W)
    assert np.shape(value) == (1,)
    np.testing.assert_allclose(gradient, 2 * W)


def test_the_length_of_one_number() -> None:
    with pytest.raises(TypeError, match=r"one number and has no length.*x\.size"):
        gw.grad(lambda w: w**2 / len(w))(2.0)


# -- arrays with a meaning of their own ----------------------------------------------------------------


def test_a_mask_is_not_lost() -> None:
    masked = np.ma.masked_array([1.0, 2.0, -999.0], mask=[0, 0, 1])
    with pytest.raises(TypeError, match=r"1 masked elements, whose mask would be lost.*x\.compressed\(\)"):
        gw.grad(lambda w: gw.mean((w * masked - 1) ** 2))(1.0)
    healthy = np.ma.masked_array([1.0, 2.0], mask=[0, 0])
    assert gw.grad(lambda w: gw.mean((w * healthy - 1) ** 2))(1.0) == 2.0
    assert gw.grad(lambda w: gw.mean((w * masked.compressed() - 1) ** 2))(1.0) == 2.0


def test_a_matrix_of_numpy() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(TypeError, match=r"np\.asarray\(x\), and `@` for products"):
        gw.constant(matrix)


# -- keywords of other libraries -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        (lambda f: gw.grad(f, argnames="w"), r"argnums=1 for the second"),
        (lambda f: gw.value_and_grad(f, argnum=1), r"argnums=1 for the second"),
        (lambda f: gw.jacobian(f, create_graph=True), r"leave it out"),
        (lambda f: gw.hessian(f, vectorize=True), r"leave it out"),
        (lambda f: gw.vmap(f, in_dims=(0, None)), r"it is called in_axes"),
        (lambda f: gw.vmap(f, out_dims=0), r"it is called out_axes"),
        (lambda f: gw.grad(f, has_au=True), r"did you mean 'has_aux'"),
        (lambda f: gw.grad(f, argnums=2)(W, W), r"argnums=1 is the last one"),
        (lambda f: gw.grad(f)(x=W, w=W), r"gw\.grad\(f\)\(x, w\)"),
    ],
)
def test_keywords_of_other_libraries(call: Callable[[Callable[..., Any]], Any], cure: str) -> None:
    with pytest.raises(TypeError, match=cure):
        call(lambda x, w: gw.sum(x * w))


def test_axes_of_vmap_that_do_not_fit_the_arguments() -> None:
    with pytest.raises(ValueError, match=r"write in_axes=\(0, None\), with None for what all rows share"):
        gw.vmap(lambda x, w: x @ w, in_axes=(0,))(np.ones((3, 2)), np.ones(2))
    assert gw.vmap(lambda x, w: x @ w, in_axes=(0, None))(np.ones((3, 2)), np.ones(2)).shape == (3,)


def test_a_variable_that_became_an_array() -> None:
    w: Any = gw.Variable(5.0, name="w")
    w = w.numpy() - 0.1
    with gw.GradientTape() as tape:
        loss = (w - 1) ** 2
    with pytest.raises(TapeError, match=r"w\.assign_sub\(rate \* g\)"):
        tape.gradient(loss, w)


# -- complex targets -----------------------------------------------------------------------------------

PSI, TARGET = np.array([0.6 + 0.1j, 0.2 + 0.7j]), np.array([1.0, 1.0j]) / np.sqrt(2)


@pytest.mark.parametrize(
    ("loss", "cure"),
    [
        (lambda z: gw.sum((z - TARGET) ** 2), r"gw\.abs\(z - TARGET\) \*\* 2 for \(z - TARGET\) \*\* 2"),
        (lambda z: gw.mean(gw.square(z - TARGET)), r"gw\.abs\(z - TARGET\) \*\* 2 for gw\.square"),
        (lambda z: gw.mean((z - TARGET) * (z - TARGET)) / 2, r"gw\.abs\(z - TARGET\) \*\* 2 for"),
        (
            lambda z: gw.sum(gw.conj(z) * z),
            r"return a real number: gw\.real\(gw\.sum\(gw\.conj\(z\) \* z\)\)",
        ),
    ],
)
def test_a_complex_target(loss: Callable[[Any], Any], cure: str) -> None:
    with pytest.raises(InvalidTarget, match=cure):
        gw.grad(loss)(PSI)


def test_descent_on_the_squares_of_magnitudes_arrives() -> None:
    z = PSI
    for _ in range(60):
        z = z - 0.2 * gw.grad(lambda z: gw.sum(gw.abs(z - TARGET) ** 2))(z)
    np.testing.assert_allclose(z, TARGET, atol=1e-6)


# -- draws ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "cure"),
    [
        (
            lambda m, s: np.random.normal(m, s),  # noqa: PLW0108  # its text is pasted
            r"m \+ s \* np\.random\.normal\(size=\(m \+ s\)\.shape\)",
        ),
        (lambda m, s: np.random.normal(m, 1.0) + s, r"m \+ 1\.0 \* np\.random\.normal\(size=m\.shape\)"),
        (
            lambda m, s: np.random.normal(0.0, gw.exp(s)) + m,
            r"gw\.exp\(s\) \* np\.random\.normal\(size=\(gw\.exp\(s\)\)\.shape\)",
        ),
        (
            lambda m, s: np.random.uniform(m, s),  # noqa: PLW0108  # its text is pasted
            r"m \+ \(s - m\) \* np\.random\.uniform\(size=\(m \+ s\)\.shape\)",
        ),
        (lambda m, s: np.random.exponential(m) + s, r"m \* np\.random\.exponential\(size=m\.shape\)"),
        (lambda m, s: np.random.normal(m, s, (4, 2)), r"m \+ s \* np\.random\.normal\(size=\(4, 2\)\)"),
    ],
)
def test_draws_with_parameters_that_are_traced(draw: Callable[[Any, Any], Any], cure: str) -> None:
    with pytest.raises(ReadError, match=cure):
        gw.grad(lambda m, s: gw.sum(draw(m, s)), argnums=(0, 1))(np.array([1.0, 2.0]), np.array([3.0, 4.0]))


def test_the_cure_draws_a_number_for_each_element() -> None:
    def loss(m: Any, s: Any) -> Any:
        return gw.sum(m + s * np.random.default_rng(0).normal(size=(m + s).shape))

    noise = np.random.default_rng(0).normal(size=2)
    by_sigma = gw.grad(loss, argnums=1)(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.testing.assert_allclose(by_sigma, noise)


def test_draws_of_the_standard_library_record() -> None:
    random.seed(1)
    noise = random.gauss(0.0, 1.0)
    random.seed(1)
    assert gw.grad(lambda s: random.gauss(1.0, s))(2.0) == pytest.approx(noise)


# -- targets that are not finite -----------------------------------------------------------------------


def test_a_target_that_is_nan_and_its_gradient_not() -> None:
    with pytest.warns(GradientWarning, match=r"the gradient is finite, and what it is of is not"):
        gradient = gw.grad(lambda w: gw.sum(gw.log(w)))(np.array([-2.0, 1.0]))
    np.testing.assert_allclose(gradient, [-0.5, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gw.grad(lambda w: gw.sum(gw.log(w)))(np.array([2.0, 1.0]))


# -- names of what is differentiated -------------------------------------------------------------------


def test_an_entry_of_a_dict_is_named_by_its_key() -> None:
    def loss(p: Any) -> Any:
        return gw.sum(gw.sqrt(p["w"])) + p["layers"][0]

    arguments = {"w": np.zeros(2), "unread": 1.0, "layers": [2.0]}
    with pytest.warns(GradientWarning) as told:
        gradient = gw.grad(loss)(arguments)
    texts = [str(each.message) for each in told]
    assert any("'p[\"w\"]' has infinite" in text for text in texts)
    assert any("'p[\"unread\"]' is None" in text for text in texts)
    assert gradient["layers"][0] == 1.0


def test_residuals_are_squared_and_summed() -> None:
    def residuals(w: Any) -> Any:
        return w - np.array([1.0, 2.0, 3.0])

    with pytest.raises(InvalidTarget, match=r"return gw\.sum\(\(\.\.\.\) \*\* 2\)"):
        gw.grad(residuals)(W)


def test_weights_the_other_way_round() -> None:
    kernel = gw.Variable(np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"write value\.T \(PyTorch"):
        kernel.assign(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="another variable"):
        kernel.assign(np.zeros((4, 3)))


# -- layers --------------------------------------------------------------------------------------------


def test_a_layer_twice_in_one_model() -> None:
    layer = gw.layers.Dense(3)
    with pytest.raises(ConfigurationError, match=r"positions 0 and 2.*another gw\.layers\.Dense"):
        gw.Sequential([layer, gw.layers.Activation("relu"), layer])
    relu = gw.layers.Activation("relu")
    gw.Sequential([gw.layers.Dense(3), relu, gw.layers.Dense(3), relu])  # without weights


def test_layers_of_a_model_that_has_weights() -> None:
    base = gw.Sequential([gw.layers.Dense(4, input_shape=(3,)), gw.layers.Dense(1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gw.Sequential([*base.layers[:-1], gw.layers.Dense(2)])  # nothing is lost: no weights yet
    weights = base.get_weights()
    with pytest.warns(TrainingWarning, match=r"zip\(model\.variables\[:2\], other\.variables\[:2\]\)"):
        model = gw.Sequential([base.layers[0], gw.layers.Dense(2)])
    model.build((None, 3))
    for new, old in zip(model.variables[:2], base.variables[:2], strict=True):
        new.assign(old)
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_the_sizes_of_another_library() -> None:
    with pytest.raises(TypeError, match=r"outputs alone, gw\.layers\.Dense\(8\)"):
        gw.layers.Dense(3, 8)  # type: ignore[arg-type]  # it is what is tested
