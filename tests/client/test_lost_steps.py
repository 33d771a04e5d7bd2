"""Steps and results that are lost without an error: each is warned of, and its healthy neighbour is not."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning, ReadError, ReadWarning, TrainingWarning

pytestmark = pytest.mark.usefixtures("client")

X = np.array([1.0, 2.0, 3.0])
Y = 2.0 * X + 1.0
RNG = np.random.default_rng(0)


def silent(program: Callable[[], Any]) -> Any:
    """What a program returns that must give no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return program()


def _pairs() -> tuple[list[gw.Variable], list[Any]]:
    W, b = gw.Variable([0.0], name="W"), gw.Variable([0.0], name="b")
    with gw.GradientTape() as tape:
        loss = gw.mean((W * X + b - Y) ** 2)
    return [W, b], tape.gradient(loss, [W, b])


# -- steps that are bound to a name and dropped --------------------------------------------------------


def _a_loop_over_pairs() -> None:
    variables, grads = _pairs()
    for v, g in zip(variables, grads, strict=True):
        v = v - 0.05 * g  # noqa: PLW2901


def _a_loop_with_an_index() -> None:
    variables, grads = _pairs()
    for k, v in enumerate(variables):
        v -= 0.05 * grads[k]  # noqa: PLW2901
    for v in variables:
        v.numpy()


def _gradients_as_arrays() -> None:
    variables, grads = _pairs()
    for v, g in zip(variables, grads, strict=True):
        v = v + (-0.05) * g.numpy()  # noqa: PLW2901


def _a_parameter_of_a_function() -> None:
    def update(v: Any, g: Any) -> None:
        v = v - 0.05 * g

    variables, grads = _pairs()
    for v, g in zip(variables, grads, strict=True):
        update(v, g)


@pytest.mark.parametrize(
    "program", [_a_loop_over_pairs, _a_loop_with_an_index, _gradients_as_arrays, _a_parameter_of_a_function]
)
def test_a_step_that_is_dropped(program: Callable[[], None]) -> None:
    with pytest.warns(TrainingWarning, match=r"variable 'W' keeps its value\. Write v\.assign_(sub|add)\("):
        program()


def _steps_that_are_kept() -> None:
    variables, grads = _pairs()
    for v, g in zip(variables, grads, strict=True):
        new = v - 0.05 * g
        v.assign(new)


def _steps_in_a_list() -> None:
    variables, grads = _pairs()
    kept = []
    for v, g in zip(variables, grads, strict=True):
        v = v - 0.05 * g  # noqa: PLW2901
        kept.append(v.numpy())


def _a_function_that_returns_its_step() -> None:
    def stepped(v: Any, g: Any) -> Any:
        v = v - 0.05 * g
        return v  # noqa: RET504  # it is what is tested

    variables, grads = _pairs()
    stepped(variables[0], grads[0]).numpy()


def _a_sum_that_goes_round() -> None:
    def powers(v: Any) -> Any:
        total = gw.constant(0.0)
        for _ in range(3):
            total = total + v
            v = v + 1.0
        return total

    powers(gw.Variable(1.0)).numpy()


@pytest.mark.parametrize(
    "program",
    [_steps_that_are_kept, _steps_in_a_list, _a_function_that_returns_its_step, _a_sum_that_goes_round],
)
def test_a_step_that_is_used(program: Callable[[], None]) -> None:
    silent(program)


# -- a gradient at old values --------------------------------------------------------------------------


def test_a_tape_that_is_asked_again_after_a_step() -> None:
    w, optimizer = gw.Variable(0.0, name="w"), gw.optimizers.SGD(0.05)
    with gw.GradientTape(persistent=True) as tape:
        loss = gw.mean((w * X - Y) ** 2)
    told = r"before 'w' was assigned, last at .*apply_gradients.*inside the loop"
    optimizer.apply_gradients([(tape.gradient(loss, w), w)])
    with pytest.warns(TrainingWarning, match=told):
        optimizer.apply_gradients([(tape.gradient(loss, w), w)])


def test_persistent_tapes_that_are_asked_about_what_they_hold() -> None:
    def program() -> None:
        w, b = gw.Variable(1.0, name="w"), gw.Variable(0.5, name="b")
        for _ in range(3):
            with gw.GradientTape(persistent=True) as tape:
                loss, other = gw.mean((w * X - Y) ** 2), (w * b - 1.0) ** 2
            tape.gradient(loss, w)
            g = tape.gradient(loss, w)
            w.assign_sub(0.1 * g)
            tape.gradient(other, b)  # a second loss, by another variable
            w.assign(w.numpy())
        reused = gw.GradientTape(persistent=True)
        for _ in range(3):
            with reused:
                loss = (w - 3.0) ** 2
            w.assign_sub(0.1 * reused.gradient(loss, w))

    silent(program)


# -- a source that was made anew -----------------------------------------------------------------------


@pytest.mark.parametrize("watched", [False, True])
def test_a_gradient_by_a_fresh_slice(watched: bool) -> None:
    theta = gw.Variable([1.0, 2.0], name="theta")
    with gw.GradientTape() as tape:
        part = theta[0]
        if watched:
            tape.watch(part)
        loss = theta[0] ** 2 * theta[1]
    fix = r"from 'theta', and not from it.*tape\.gradient\(target, theta\)\[0\]"
    with pytest.warns(GradientWarning, match=fix):
        assert tape.gradient(loss, part if watched else theta[0]) is None
    with gw.GradientTape() as tape:
        loss = theta[0] ** 2 * theta[1]
    assert tape.gradient(loss, theta)[0].numpy() == 4.0


def test_a_gradient_by_the_slice_that_was_used() -> None:
    theta = gw.Variable([1.0, 2.0], name="theta")
    with gw.GradientTape() as tape:
        part = theta[0]
        loss = part**2 * theta[1]
    assert silent(lambda: tape.gradient(loss, part)).numpy() == 4.0


# -- results the other way round -----------------------------------------------------------------------


def bowl(w: Any) -> Any:
    return gw.sum((w - 3.0) ** 2)


def test_results_that_are_unpacked_the_other_way_round() -> None:
    w = np.zeros(2)
    with pytest.warns(GradientWarning, match=r"\(value, gradient\), in this order.*write `loss, grads = …`"):
        grads, loss = gw.value_and_grad(bowl)(w)
    assert grads == 18.0
    assert loss.tolist() == [-6.0, -6.0]
    with pytest.warns(GradientWarning, match=r"gradient alone.*write loss, g = gw\.value_and_grad"):
        loss, g = gw.grad(bowl)(w)  # noqa: RUF059  # the names are what is tested


def test_results_that_are_unpacked_right() -> None:
    def program() -> None:
        w = np.zeros(2)
        loss, grads = gw.value_and_grad(bowl)(w)
        v, g = gw.value_and_grad(bowl)(w)
        a, b = gw.value_and_grad(bowl)(w)
        g_loss, d_loss = gw.grad(bowl)(w)
        assert g_loss == d_loss == -6.0
        gx, gy = gw.grad(lambda x, y: x * y, argnums=(0, 1))(1.0, 2.0)
        first, second = gw.grad(bowl)(w)
        assert (loss, v, a, gx) == (18.0, 18.0, 18.0, 2.0)
        assert grads[0] == g[0] == b[0] == first == second == -6.0
        assert gy == 1.0

    silent(program)


# -- second derivatives of what is piecewise linear ----------------------------------------------------


def _residual(activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def loss(p: Any) -> Any:
        u_xx = gw.grad(gw.grad(lambda s: gw.sum(activation(p["W"] * s + p["b"]))))(0.3)
        return (u_xx + 1.0) ** 2

    return loss


def test_a_loss_of_a_second_derivative_of_relu() -> None:
    p = {"W": np.ones(3), "b": np.ones(3)}
    with pytest.warns(GradientWarning, match=r"second derivative through relu, .*piecewise linear.*softplus"):
        grads = gw.grad(_residual(gw.relu))(p)
    assert grads["W"] is None
    grads = silent(lambda: gw.grad(_residual(gw.tanh))(p))
    assert np.abs(grads["W"]).min() > 0


def test_a_parameter_without_a_part_in_the_second_derivative_is_not_blamed_on_a_kink() -> None:
    def loss(p: Any) -> Any:
        def net(s: Any) -> Any:
            return gw.sum(gw.tanh(gw.maximum(p["W"] * s, -5.0))) + p["c"]

        return (gw.grad(gw.grad(net))(0.3) + 1.0) ** 2

    with pytest.warns(GradientWarning) as told:
        grads = gw.grad(loss)({"W": np.ones(3), "c": np.array(1.0)})
    assert grads["c"] is None
    assert np.abs(grads["W"]).min() > 0
    assert not any("piecewise" in str(w.message) for w in told)


# -- tensors that leave the body of a loop -------------------------------------------------------------


def test_a_tensor_that_leaves_the_body_of_a_scan() -> None:
    h0, history = gw.Variable(0.1, name="h0"), []

    def step(h: Any, x: Any) -> Any:
        h = gw.tanh(0.5 * h + x)
        history.append(h)
        return h, h

    with gw.GradientTape() as tape:
        _, hs = gw.scan(step, h0, np.linspace(0.0, 1.0, 10))
        loss = gw.sum(gw.stack(history) ** 2)
        right = gw.sum(hs**2)
    told = r"of the function 'step' \(made at .*tanh\(0\.5.*Return it from 'step'.*`return carry, y`"
    with pytest.raises(ReadError, match=told):
        tape.gradient(loss, h0)
    with gw.GradientTape() as tape:
        _, hs = gw.scan(step, h0, np.linspace(0.0, 1.0, 10))
        right = gw.sum(hs**2)
    assert silent(lambda: tape.gradient(right, h0)).numpy() != 0


# -- values in place of functions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda x: gw.cond(x > 0, gw.sqrt(x), -x), r"`true_function`.*lambda: a, lambda: b\).*gw\.where"),
        (lambda x: gw.cond(x > 0, lambda: x, -x), r"`false_function`.*got Tensor"),
        (lambda x: gw.while_loop(x < 3, lambda v: v + 1, x), r"`condition`.*lambda v: v < 10"),
        (lambda x: gw.while_loop(lambda v: v < 3, x + 1, x), r"`body`.*gw\.while_loop\(lambda"),
        (lambda x: gw.scan(x, x, X), r"`function` of gw\.scan.*lambda carry, x"),
        (lambda x: gw.map(x, X), r"`function` of gw\.map"),
        (lambda x: gw.vmap(x * x), r"gw\.vmap\(f\)\(xs\)"),
        (lambda x: gw.checkpoint(x * x), r"gw\.checkpoint\(f\)\(x\)"),
        (lambda x: gw.custom_gradient(x * x), r"@gw\.custom_gradient above"),
        (lambda x: gw.root(gw.cos(x), x), r"gw\.root\(lambda x"),
        (lambda x: gw.fixed_point(gw.cos(x), x), r"gw\.fixed_point\(lambda x"),
    ],
)
def test_values_in_place_of_functions(call: Callable[[Any], Any], told: str) -> None:
    x = gw.Variable(2.0, name="x")
    with pytest.raises(TypeError, match=told):
        call(x)


def test_the_example_of_cond() -> None:
    x = gw.Variable(-2.0, name="x")
    with gw.GradientTape() as tape:
        y = gw.cond(x > 0, lambda: gw.sqrt(x), lambda: -x)
    assert tape.gradient(y, x).numpy() == -1.0


# -- running averages as sources -----------------------------------------------------------------------


def test_running_averages_as_sources() -> None:
    model = gw.Sequential(
        [gw.layers.Dense(2, input_shape=(2,)), gw.layers.BatchNormalization(), gw.layers.Dense(1)]
    )
    x = RNG.normal(size=(8, 2))

    def taped() -> tuple[gw.GradientTape, Any]:
        with gw.GradientTape() as tape:
            loss = gw.mean((model(x, training=True) - x[:, :1] * x[:, 1:]) ** 2)
        return tape, loss

    tape, loss = taped()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tape.gradient(loss, model.variables)
    assert any(
        "running average:" in str(w.message) and "model.trainable_variables" in str(w.message) for w in told
    )


def test_a_variable_that_is_not_trainable() -> None:
    w, scale = gw.Variable(2.0, name="w"), gw.Variable(3.0, trainable=False, name="scale")
    with gw.GradientTape() as tape:
        loss = w * scale
    with pytest.warns(GradientWarning, match="not trainable.*leave it out.*make it trainable"):
        tape.gradient(loss, [w, scale])


# -- settings among parameters -------------------------------------------------------------------------


class Net(NamedTuple):
    w: Any
    layers: Any


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"w": X, "activation": "tanh"}, r"p\['activation'\] is str 'tanh'"),
        ({"w": X, "layers": [{"f": np.tanh}]}, r"p\['layers'\]\[0\]\['f'\] is "),
        (Net(X, (X, None)), r"p\.layers\[1\] is None"),
        ([X, True], r"p\[1\] is bool True"),
    ],
)
def test_a_setting_among_parameters(params: Any, told: str) -> None:
    def model(p: Any) -> Any:
        return gw.sum(next(iter(p.values())) if isinstance(p, dict) else p[0])

    with pytest.raises(TypeError, match=told + r".*leave it out of 'p'"):
        gw.grad(model)(params)
    assert silent(lambda: gw.grad(model)({"w": X}))["w"].tolist() == [1.0, 1.0, 1.0]


# -- draws in a published function ---------------------------------------------------------------------


@gw.function
def noisy(x: Any) -> Any:
    return gw.sum((x + 0.1 * np.random.normal()) ** 2)


@gw.function
def of_a_generator(x: Any) -> Any:
    return gw.sum(x * RNG.uniform(0.0, 1.0) + random.random())


@gw.function
def of_a_clock(x: Any) -> Any:
    return gw.sum(x * (time.time() % 1.0))


@gw.function
def seeded(x: Any) -> Any:
    rng = np.random.default_rng(3)
    return gw.sum(x * float(rng.normal()))


@pytest.mark.parametrize(
    ("function", "told"),
    [(noisy, r"np\.random\.normal"), (of_a_generator, r"RNG\.uniform"), (of_a_clock, r"time\.time")],
)
def test_numbers_that_a_published_function_draws(function: Any, told: str) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function(X)
    messages = [str(w.message) for w in found if issubclass(w.category, ReadWarning)]
    assert any(told.replace("\\", "") in m and "the same at every call" in m for m in messages)


def test_a_seed_of_its_own_is_meant() -> None:
    silent(lambda: seeded(X))


# -- rows ----------------------------------------------------------------------------------------------


def test_the_axes_that_are_pasted_work() -> None:
    def potential(x: Any, p: Any) -> Any:
        return p[0] * gw.sum(x**2) + p[1] * gw.sum(x**4)

    rows, p = np.ones((3, 2)), np.array([0.5, 0.1])
    with pytest.raises(ValueError, match=r"in_axes=\(0, None\)"):
        gw.vmap(gw.grad(potential))(rows, p)
    with pytest.raises(ValueError, match=r"in_axes=\(None, 0\)"):
        gw.vmap(lambda p, x: potential(x, p))(p, rows)
    np.testing.assert_allclose(gw.vmap(gw.grad(potential), in_axes=(0, None))(rows, p), 1.4 * np.ones((3, 2)))


# -- jobs ----------------------------------------------------------------------------------------------


def test_targets_among_the_parameters_of_a_job(client: gw.Client) -> None:
    x, y = RNG.normal(size=(8, 2)), RNG.normal(size=(8, 1))
    program, weights = "loss = mean((x @ W - y) ** 2)", {"W": np.zeros((2, 1))}

    def submit(parameters: dict[str, Any], data: dict[str, Any]) -> None:
        client.jobs.submit(program, target="loss", parameters=parameters, data=data, epochs=1).wait()

    with pytest.warns(TrainingWarning, match="take 'y' out of the parameters"):
        submit({**weights, "y": y}, {"x": x})
    silent(lambda: submit(weights, {"x": x, "y": y}))


def test_an_array_of_a_published_function_is_named_with_its_line() -> None:
    noise = np.ones(3)
    published = gw.function(lambda x: gw.sum(x + noise))
    with pytest.raises(gw.errors.TraceError, match=r"'\w+', .*test_lost_steps.py:\d+: published = "):
        published(X)
