"""Programs without a mistake, of the kinds in which mistakes are warned of: none of them gets a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import gradwire as gw

pytestmark = pytest.mark.usefixtures("client")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.1
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
BINARY = (Y > 0) * 1.0


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def _step(optimizer: gw.optimizers.Optimizer, variables: list[gw.Variable], loss: Callable[[], Any]) -> Any:
    with gw.GradientTape() as tape:
        value = loss()
    optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))
    return value


def restarts_of_many_steps_with_one_optimiser() -> None:
    optimizer = gw.optimizers.SGD(0.1)
    for _ in range(4):
        w = gw.Variable(0.0)
        for _ in range(3):
            _step(optimizer, [w], lambda w=w: (w - 3.0) ** 2)  # type: ignore[misc]  # a default


def one_step_of_each_optimiser_from_the_same_point() -> None:
    for kind in (gw.optimizers.SGD, gw.optimizers.Adam, gw.optimizers.RMSprop, gw.optimizers.Adagrad):
        w = gw.Variable(1.0)
        _step(kind(0.1), [w], lambda w=w: (w - 3.0) ** 2)  # type: ignore[misc]  # a default


def one_step_at_each_rate() -> None:
    for rate in (0.01, 0.1, 0.5, 1.0):
        w = gw.Variable(1.0)
        with gw.GradientTape() as tape:
            loss = (w - 3.0) ** 2
        w.assign_sub(rate * tape.gradient(loss, w))


def a_variable_that_carries_its_value_over() -> None:
    optimizer, value = gw.optimizers.SGD(0.1), np.zeros(2)
    for _ in range(5):
        w = gw.Variable(value)
        _step(optimizer, [w], lambda w=w: gw.sum((w - 3.0) ** 2))  # type: ignore[misc]  # a default
        value = w.numpy()


def variables_of_one_line() -> None:
    optimizer = gw.optimizers.Adam(0.1)
    weights = [gw.Variable(0.0, name="w") for _ in range(5)]
    for _ in range(2):
        _step(optimizer, weights, lambda: sum(((w - 3.0) ** 2 for w in weights), start=gw.constant(0.0)))


def phases_with_optimisers_of_their_own() -> None:
    w = gw.Variable(1.0)
    for rate in (0.1, 0.05, 0.01, 0.005):
        optimizer = gw.optimizers.Adam(rate)
        for _ in range(2):
            _step(optimizer, [w], lambda: (w - 3.0) ** 2)


def descent_that_has_arrived() -> None:
    assert gw.grad(lambda x: gw.sum((x - 1.0) ** 2))(np.ones(2)).tolist() == [0.0, 0.0]


def gradients_by_the_first_argument() -> None:
    def loss(x: Any, w: Any) -> Any:
        return gw.sum((x @ w) ** 2)

    x, w = X.copy(), np.ones(3)
    for _ in range(2):
        x = x - 0.1 * gw.grad(loss)(x, w)


def gradients_by_the_last_argument() -> None:
    def loss(x: Any, y: Any, w: Any) -> Any:
        return gw.mean((x @ w - y) ** 2)

    w = np.zeros(3)
    for _ in range(2):
        w = w - 0.1 * gw.grad(loss, argnums=2)(X, Y, w)


def differences_beside_a_gradient() -> None:
    def energy(x: Any, v: Any) -> Any:
        return gw.sum(x**2) + gw.sum(v**2)

    x, v = np.ones(2), np.full(2, 2.0)
    force = gw.grad(energy)(x, v)
    v = v - 0.1  # friction, and no gradient
    assert (x - force).tolist() == [-1.0, -1.0]


def probabilities_in_a_loss_of_probabilities() -> None:
    w = gw.Variable(np.full((3, 3), 0.1) + np.eye(3))
    _step(
        gw.optimizers.SGD(0.1),
        [w],
        lambda: gw.sparse_categorical_crossentropy(LABELS, gw.softmax(X @ w)),
    )


def logits_in_a_loss_of_logits() -> None:
    w, b = gw.Variable(np.ones(3)), gw.Variable(0.0)
    _step(
        gw.optimizers.SGD(0.1),
        [w, b],
        lambda: gw.binary_crossentropy(BINARY, X @ w + b, from_logits=True),
    )


def a_mixture_whose_weights_are_learned() -> None:
    logits = gw.Variable(np.zeros(3))
    rates = gw.constant(1 / (1 + np.exp(-X)))
    _step(
        gw.optimizers.SGD(0.1),
        [logits],
        lambda: gw.binary_crossentropy(BINARY, rates @ gw.softmax(logits)),
    )


def sigmoids_one_layer_after_the_other() -> None:
    w1, w2 = gw.Variable(np.linspace(-0.3, 0.3, 12).reshape(3, 4)), gw.Variable(np.ones(4) * 0.2)
    _step(
        gw.optimizers.SGD(0.1),
        [w1, w2],
        lambda: gw.binary_crossentropy(BINARY, gw.sigmoid(gw.sigmoid(X @ w1) @ w2)),
    )


def attention_over_the_keys() -> None:
    q, k, v = (gw.Variable(RNG.normal(size=(4, 3))) for _ in range(3))
    _step(gw.optimizers.SGD(0.1), [q, k, v], lambda: gw.sum((gw.softmax(q @ k.T) @ v) ** 2))


def classes_first() -> None:
    w = gw.Variable(RNG.normal(size=(3, 3)))
    _step(gw.optimizers.SGD(0.1), [w], lambda: -gw.mean(gw.log(gw.softmax(w @ X.T, axis=0)[0])))


def a_table_of_distances() -> None:
    centre = gw.Variable(np.array([0.5, -0.5, 0.1]))
    _step(gw.optimizers.SGD(0.1), [centre], lambda: gw.sum((centre[:, None] - X[0]) ** 2))


def noise_that_is_moved_and_stretched() -> None:
    mu, sigma = gw.Variable(0.0), gw.Variable(1.0)
    _step(gw.optimizers.SGD(0.1), [mu, sigma], lambda: gw.mean((mu + sigma * RNG.normal(size=9) - 2) ** 2))


def losses_that_are_printed_and_kept() -> None:
    w, optimizer, kept = gw.Variable(0.0), gw.optimizers.SGD(0.1), []
    for _ in range(3):
        with gw.GradientTape() as tape:
            loss = (w - 3.0) ** 2
            kept.append(float(loss))
            str(loss)
        optimizer.apply_gradients([(tape.gradient(loss, w), w)])
    assert kept[0] > kept[-1]


def lists_of_weights() -> None:
    def loss(weights: Any, more: Any) -> Any:
        everything = weights + more
        return sum((gw.sum(w**2) for w in everything), start=gw.constant(0.0))

    gw.grad(loss, argnums=(0, 1))([np.ones(2), np.ones((2, 2))], [np.ones(3)])


def lists_of_numbers_taken_apart() -> None:
    def loss(p: Any) -> Any:
        a, b = p
        return (a * 2.0 + b) ** 2 + sum(p) + gw.sum(gw.stack([*p, 1.0]))

    assert np.isfinite(gw.grad(loss)([1.0, 2.0])).all()


def branches_on_values() -> None:
    assert gw.grad(lambda x: x**2 if x > 0 else -x)(2.0) == 4.0


def steps_that_are_counted_by_a_constant() -> None:
    def decay(k: Any, n: int = 20) -> Any:
        y: Any = 1.0
        for _ in range(n):
            y = y - 2.0 / n * k * y
        return y

    gw.grad(decay)(0.3)


def curvature_of_a_smooth_function_and_of_a_line() -> None:
    gw.hessian(lambda x: gw.sum(gw.softplus(x)))(np.ones(2))
    gw.hessian(lambda x: gw.sum(3.0 * x))(np.ones(2))
    gw.jacobian(lambda x: gw.relu(x) * x)(np.ones(2))


def second_derivatives_inside_the_outer_tape() -> None:
    x = gw.Variable(2.0)
    with gw.GradientTape() as outer:
        with gw.GradientTape() as inner:
            y = x**3
        slope = inner.gradient(y, x)
    assert float(outer.gradient(slope, x)) == 12.0


def gradients_of_one_model_for_another() -> None:
    student, teacher = gw.Variable(1.0, name="student"), gw.Variable(1.0, name="teacher")
    with gw.GradientTape() as tape:
        loss = (student - 3.0) ** 2
    gradient = tape.gradient(loss, student)
    gw.optimizers.SGD(0.1).apply_gradients([(gradient, teacher)])


def a_model_trained_by_a_tape() -> None:
    model = gw.Sequential([gw.layers.Dense(4, "tanh", input_shape=(3,)), gw.layers.Dense(1)], dtype="float64")
    optimizer, loss_of = gw.optimizers.Adam(0.01), gw.losses.BinaryCrossentropy(from_logits=True)
    for _ in range(3):
        with gw.GradientTape() as tape:
            loss = loss_of(BINARY[:, None], model(X))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


def a_published_function() -> None:
    @gw.function
    def loss(w: Any, x: Any, y: Any) -> Any:
        return gw.mean((x @ w - y) ** 2)

    assert loss.gradient({"w": np.zeros(3), "x": X, "y": Y}, wrt="w").warnings == ()


def rows_that_share_an_argument() -> None:
    out = gw.vmap(lambda w, x: gw.sum(w * x), in_axes=(None, 0))(np.ones(3), X)
    np.testing.assert_allclose(out, X.sum(1))


def elements_chosen_by_a_mask() -> None:
    x = np.array([1.0, -2.0, 3.0])
    found = gw.grad(lambda x: gw.sum(gw.where(x > 0, x**2, 0.0)))(x)
    np.testing.assert_array_equal(found, [2.0, 0.0, 6.0])


PROGRAMS = [
    value
    for value in list(globals().values())
    if callable(value)
    and getattr(value, "__module__", "") == __name__
    and not getattr(value, "__name__", "_").startswith("_")
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_without_a_mistake_gets_no_warning(program: Callable[[], None]) -> None:
    program()
