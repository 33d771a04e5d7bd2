"""Mistakes of beginners: each is refused, or warned of, with a cure that works when it is followed."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import (
    ConfigurationError,
    InvalidTarget,
    OptimizerError,
    TapeError,
    TraceError,
    TrainingWarning,
)

pytestmark = pytest.mark.usefixtures("client")


def taped(w: gw.Variable) -> tuple[gw.GradientTape, gw.Tensor]:
    """A tape and the loss (w - 2)² that it recorded."""
    with gw.GradientTape() as tape:
        loss = gw.sum((w - 2.0) ** 2)
    return tape, loss


# -- optimisers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda g, w: [(w, g)], "the other way round"),
        (lambda g, w: (g, w), r"\[\(gradient, variable\)\]"),
        (lambda g, w: g, r"zip\(grads, variables\)"),
        (lambda g, w: [g], r"zip\(grads, variables\)"),
        (lambda g, w: zip(g, w, strict=True), "takes a single one apart"),
        (lambda g, w: [(g, w - 0.1)], r"w\.assign_sub"),
        (lambda g, w: iter(()), "empty once it has been read"),
        (lambda g, w: [(g, np.ones(2))], "make it one before the loop"),
        (lambda g, w: [("g", w)], "as a tensor or an array"),
        (lambda g, w: [(np.ones(3), w)], "in the same order"),
    ],
)
def test_pairs_that_are_none_are_refused_with_the_form_that_works(
    given: Callable[[Any, Any], Any], told: str
) -> None:
    w = gw.Variable([1.0, 3.0], name="w")
    tape, loss = taped(w)
    gradient, optimizer = tape.gradient(loss, w), gw.optimizers.SGD(0.1)
    with pytest.raises(OptimizerError, match=told):
        optimizer.apply_gradients(given(gradient, w))
    np.testing.assert_array_equal(w.numpy(), [1.0, 3.0])
    optimizer.apply_gradients(zip([gradient], [w], strict=True))
    np.testing.assert_allclose(w.numpy(), [1.2, 2.8])


def test_gradients_and_variables_as_two_arguments() -> None:
    w = gw.Variable(1.0)
    with pytest.raises(OptimizerError, match=r"zip\(grads, variables\)"):
        gw.optimizers.SGD().apply_gradients([1.0], [w])


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: gw.optimizers.Adam(lr=0.1), "called learning_rate"),
        (lambda: gw.optimizers.Adam(0.1, betas=(0.9, 0.99)), "beta_1 and beta_2"),
        (lambda: gw.optimizers.SGD(0.1, decay=1e-6), "schedules"),
        (lambda: gw.optimizers.SGD(0.1, learning_rat=1), "did you mean 'learning_rate'"),
        (lambda: gw.optimizers.Adam([gw.Variable(1.0)]), "given to apply_gradients"),
        (lambda: gw.optimizers.Adam("0.1"), r"write float\('0\.1'\)"),
        (lambda: gw.optimizers.Adam(-0.1), "minimise its negative"),
        (lambda: gw.optimizers.Adam(gw.optimizers.schedules.ExponentialDecay), "call it first"),
        (lambda: gw.optimizers.SGD(0.1).step(), "apply_gradients"),
        (lambda: gw.optimizers.SGD(0.1).zero_grad(), "leave it out"),
        (lambda: setattr(gw.optimizers.SGD(0.1), "lr", 0.5), "optimizer.learning_rate"),
        (lambda: setattr(gw.optimizers.SGD(0.1), "learning_rate", "fast"), "for example 0.01"),
        (lambda: gw.optimizers.SGD(0.1).minimize(gw.constant(1.0), []), "lambda"),
    ],
)
def test_settings_of_other_libraries(made: Callable[[], Any], told: str) -> None:
    with pytest.raises((TypeError, AttributeError, OptimizerError), match=told):
        made()


def test_minimize_steps_on_a_function_or_a_recorded_loss() -> None:
    w, v = gw.Variable(1.0), gw.Variable(1.0)
    optimizer = gw.optimizers.SGD(0.1)
    optimizer.minimize(lambda: (w - 2.0) ** 2, [w])
    tape, loss = taped(v)
    optimizer.minimize(loss, v, tape=tape)
    assert w.numpy() == v.numpy() == pytest.approx(1.2)


def test_optimisers_are_copied_and_pickled_in_spite_of_refused_names() -> None:
    optimizer = gw.optimizers.Adam(0.1)
    assert (
        copy.deepcopy(optimizer).learning_rate == pickle.loads(pickle.dumps(optimizer)).learning_rate == 0.1
    )
    assert not hasattr(gw.Variable(1.0), "grad")


# -- tapes and variables -------------------------------------------------------------------------------


def test_a_variable_that_was_rebound_is_told_of_assign_sub() -> None:
    w: Any = gw.Variable(1.0, name="w")
    tape, loss = taped(w)
    w = w - 0.1 * tape.gradient(loss, w)
    tape, loss = taped(w)
    with pytest.warns(UserWarning, match=r"variable 'w' .* w\.assign_sub\(rate \* g\)"):
        assert tape.gradient(loss, w) is None
    kept = gw.Variable(1.0)
    for _ in range(2):
        tape, loss = taped(kept)
        kept.assign_sub(0.1 * tape.gradient(loss, kept))
    assert kept.numpy() == pytest.approx(1.36)


def test_why_a_tape_answers_none_is_said_when_it_does() -> None:
    w, x = gw.Variable(1.0, name="w"), gw.constant(2.0)
    tape, loss = taped(w)
    outside = loss * 2.0
    with pytest.warns(UserWarning, match="outside of the tape.*inside the `with` block"):
        assert tape.gradient(outside, w) is None
    with gw.GradientTape() as tape:
        loss = w * x
    with pytest.warns(UserWarning, match=r"tape\.watch"):
        assert tape.gradient(loss, x) is None
    tape, loss = taped(w)
    with pytest.warns(UserWarning, match="target comes first"):
        tape.gradient(w, loss)
    frozen = gw.Variable(1.0, trainable=False)
    tape, loss = taped(frozen)
    with pytest.warns(UserWarning, match="make it trainable"):
        tape.gradient(loss, frozen)


@pytest.mark.parametrize(
    ("target", "sources", "told"),
    [
        ("loss", "w", "names are no sources"),
        ("loss", None, "give the variables"),
        ("loss", np.ones(2), r"gradwire\.Variable"),
        ("name", "w", "names are no targets"),
        (None, "w", "return"),
        (1.5, "w", "plain number"),
    ],
)
def test_what_is_no_source_and_no_target(target: Any, sources: Any, told: str) -> None:
    w = gw.Variable(1.0)
    tape, loss = taped(w)
    given = loss if target == "loss" else target
    with pytest.raises(TapeError, match=told):
        tape.gradient(given, sources if target == "loss" else w)


def test_one_loss_of_two_values_of_a_variable() -> None:
    w = gw.Variable(2.0, name="w")
    with gw.GradientTape(persistent=True) as tape:
        y = w**2
        w.assign(5.0)
        z = y + w**3
    with pytest.warns(UserWarning, match="2 values of the variable 'w'"):
        assert tape.gradient(z, w).numpy() == 79.0
    assert "Assign after the `with` block" in str(tape.explain(z, w))


def test_a_variable_that_diverges_is_told_when_it_does_and_blamed_later() -> None:
    w = gw.Variable(1e300, name="w")
    with pytest.warns(TrainingWarning, match="'w' became inf.*lower the learning rate"):
        w.assign_add(gw.constant(np.inf))
    tape, loss = taped(w)
    report = str(tape.explain(loss, w))
    assert "variable 'w' itself is not finite" in report
    assert "lower the learning rate" in report
    assert "Clean" not in report
    w.assign(float("inf"))  # a number that was written down is meant


def test_values_that_a_variable_would_cut_off() -> None:
    w, n = gw.Variable([1.0, 2.0], name="w"), gw.Variable(np.array([1, 2]), name="n")
    with pytest.raises(ValueError, match=r"value\.real"):
        w.assign(np.array([1 + 2j, 2]))
    with pytest.raises(ValueError, match="dtype=float"):
        n.assign([1.5, 2.5])
    n.assign([3.0, 4.0])
    assert n.numpy().tolist() == [3, 4]


@pytest.mark.parametrize(
    ("used", "told"),
    [
        (lambda x: x.backward(), r"tape\.gradient"),
        (lambda x: x.grad, "returned, not kept"),
        (lambda x: setattr(x, "requires_grad", True), r"gw\.Variable"),
        (lambda x: x.detach(), r"gw\.stop_gradient"),
        (lambda x: x.unsqueeze(0), r"gw\.expand_dims"),
        (lambda x: x.view(-1), r"x\.reshape"),
        (lambda x: x.resahpe(-1), "did you mean 'reshape'"),
    ],
)
def test_attributes_of_other_libraries(used: Callable[[Any], Any], told: str) -> None:
    for x in (gw.constant([1.0, 2.0]), gw.Variable([1.0, 2.0])):
        with pytest.raises(AttributeError, match=told):
            used(x)


def test_elements_are_set_by_another_tensor() -> None:
    x, w = gw.zeros((3,)), gw.Variable([1.0, 2.0])
    with pytest.raises(TypeError, match=r"gw\.index_set\(x, values, 0\)"):
        x[0] = 1.0
    with pytest.raises(TypeError, match=r"variable\.assign\(gw\.index_set"):
        w[0] = 5.0
    w.assign(gw.index_set(w, 5.0, 0))
    assert gw.index_set(x, 1.0, 0).numpy().tolist() == [1.0, 0.0, 0.0]
    assert w.numpy().tolist() == [5.0, 2.0]


def test_names_in_modules() -> None:
    named = {
        "no_grad": gw,
        "MSELoss": gw.losses,
        "Linear": gw.layers,
        "TimeDistributed": gw.layers,
        "Adamm": gw.optimizers,
        "Model": gw.keras,
        "Module": gw.nn,
    }
    for name, module in named.items():
        with pytest.raises(AttributeError, match=f"'{name}': .+"):
            getattr(module, name)


def test_every_cure_in_a_table_names_what_is_there() -> None:
    from gradwire._names import counterparts

    tables = [t for name, t in vars(counterparts).items() if name.isupper() and not name.startswith("_")]
    texts = [cure for table in tables for cure in table.values()]
    paths = {path for text in texts for path in re.findall(r"\bgw\.(\w+(?:\.\w+)*)", text)}
    assert len(paths) > 50
    for path in paths:
        found: Any = gw
        for part in path.split("."):
            found = getattr(found, part)
    for text in texts:
        for part in re.findall(r"\b(?:x|tensor)\.([a-z_A-Z]+)", text):
            assert hasattr(gw.Tensor, part), part
        for part in re.findall(r"\bmodel\.([a-z_A-Z]+)", text):
            assert hasattr(gw.Sequential, part), part
        for part in re.findall(r"\boptimizer\.([a-z_A-Z]+)", text):
            assert hasattr(gw.optimizers.Adam(), part), part
        for part in re.findall(r"\bvariable\.([a-z_A-Z]+)", text):
            assert hasattr(gw.Variable, part), part


# -- functions -----------------------------------------------------------------------------------------


def no_return(w: Any) -> Any:
    gw.sum(w**2)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (no_return, r"'no_return' \(.*test_mistakes.py:\d+\) returned None.*return loss"),
        (lambda w: (gw.sum(w**2), w), "has_aux=True"),
        (lambda w: [gw.sum(w**2)], "return answer\\[0\\]"),
        (lambda w: {"loss": gw.sum(w**2)}, "one of its values"),
        (lambda w: "loss", "return the loss"),
        (lambda w: np.ones(3), r"gw\.jacobian"),
    ],
)
def test_what_a_function_returns_in_place_of_a_number(function: Any, told: str) -> None:
    for derivative in (gw.grad, gw.value_and_grad):
        with pytest.raises(TraceError, match=told):
            derivative(function)(np.array([1.0, 2.0]))


def test_a_vector_is_told_of_sums_and_jacobians() -> None:
    x = np.array([1.0, 2.0])

    def square(w: Any) -> Any:
        return w**2

    for derivative in (gw.grad, gw.hessian):
        with pytest.raises(InvalidTarget, match=r"'square' .* gw\.sum.* gw\.jacobian\(f\)"):
            derivative(square)(x)
    np.testing.assert_allclose(gw.jacobian(square)(x), np.diag(2 * x))


def test_a_hessian_of_the_first_of_two_is_no_hessian_of_both() -> None:
    with pytest.raises(TraceError, match="tuple of 2"):
        gw.hessian(lambda w: (gw.sum(w**2), w))(np.array([1.0, 2.0]))
    with pytest.raises(TraceError, match="return"):
        gw.jacobian(lambda w: None)(np.array([1.0, 2.0]))


def test_calls_of_grad_that_are_none() -> None:
    x = np.array([1.0, 2.0])
    with pytest.raises(TypeError, match=r"gw\.grad\(f\)\(x\)"):
        gw.grad(lambda w: gw.sum(w**2), x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a function"):
        gw.grad(gw.constant(1.0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="by position"):
        gw.grad(lambda w: gw.sum(w**2))(w=x)
    with pytest.raises(TraceError, match="argnums=1"):
        gw.grad(lambda n, w: gw.sum(n * w))(np.array([1, 2]), x)


# -- numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([[1.0, 2.0], [3.0]], "rows of one length, got lengths 1, 2"),
        (None, "return"),
        ("1.0", r"float\(text\)"),
        ({"x": 1.0}, r"d\['x'\]"),
        ({1.0}, "list"),
        ((k for k in range(3)), "list"),
        (np.array(["a", "b"]), "return_inverse"),
        (np.array([1.0, None]), r"astype\(float\)"),
        (np.array(["2020-01-01"], "datetime64[D]"), "timedelta64"),
        (lambda x: x, "call it first"),
    ],
)
def test_what_is_no_number(value: Any, told: str) -> None:
    for make in (gw.constant, gw.Variable, gw.sin):
        if make is gw.Variable and callable(value):
            continue  # it is called
        with pytest.raises(TypeError, match=told):
            make(value)


def test_a_reduction_of_two_tensors_is_told_of_the_ops_of_two() -> None:
    a, b = gw.constant([1.0, 5.0]), gw.constant([3.0, 3.0])
    for reduce, cure in ((gw.sum, "a + b"), (gw.mean, "(a + b) / 2"), (gw.max, "gw.maximum(a, b)")):
        with pytest.raises(TraceError, match=f"write {re.escape(cure)};"):
            reduce(a, b)
    assert gw.mean(gw.stack([a, b]), axis=0).numpy().tolist() == [2.0, 4.0]
    assert gw.maximum(a, b).numpy().tolist() == [3.0, 5.0]


@pytest.mark.oracle
def test_tensors_of_pytorch(oracle: Callable[[str], Any]) -> None:
    torch = oracle("torch")
    assert gw.sum(torch.ones(3)).numpy() == 3.0
    assert (torch.ones(2) * gw.constant([1.0, 2.0])).numpy().tolist() == [1.0, 2.0]
    learned = torch.ones(3, requires_grad=True)
    with pytest.raises(TypeError, match=r"value\.detach\(\)"):
        gw.sum(learned)
    assert gw.sum(learned.detach()).numpy() == 3.0
    with pytest.raises(TypeError, match=r"gw\.sum records here"):
        torch.sum(gw.Variable([1.0]))


# -- models --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: gw.Sequential([gw.layers.Dense]), "call it"),
        (lambda: gw.Sequential(["relu"]), r"Activation\('relu'\)"),
        (lambda: gw.Sequential([gw.nn.relu]), r"Activation\('relu'\)"),
        (lambda: gw.layers.Dense(3)(np.ones((2, 4))), r"gw\.Sequential"),
        (lambda: gw.Sequential([]).parameters(), r"trainable_variables"),
        (lambda: gw.Sequential([]).compile("adam", "mse", lr=0.1), r"learning_rate=0\.01"),
        (lambda: gw.Sequential([]).compile(gw.optimizers.Adam, "mse"), r"call it, Adam\(\)"),
        (lambda: gw.Sequential([]).compile("mse", gw.optimizers.Adam()), "an optimiser, then a loss"),
        (lambda: gw.Sequential([]).compile("adam", "mse", "accuracy"), r"metrics=\['accuracy'\]"),
        (lambda: gw.Sequential([]).fit([[1.0]], [1.0], nb_epoch=3), "called epochs"),
        (lambda: gw.Sequential([]).fit([[1.0]], [1.0]), r"model\.compile"),
        (lambda: gw.callbacks.History()["loss"], r"history\.history\['loss'\]"),
    ],
)
def test_models_are_told_in_the_words_of_keras(made: Callable[[], Any], told: str) -> None:
    with pytest.raises((TypeError, AttributeError, ConfigurationError), match=told):
        made()


def test_rows_of_another_shape() -> None:
    model = gw.Sequential([gw.layers.Dense(1, input_shape=(4,))])
    row = np.ones(4)
    with pytest.raises(ConfigurationError, match=r"x\[None\]"):
        model.predict(row)
    with pytest.raises(ConfigurationError, match=r"x\[None\]"):
        model(row)
    assert model.predict(row[None]).shape == (1, 1)
    with pytest.raises(ConfigurationError, match=r"Flatten\(\)"):
        model(np.ones((3, 2, 2)))
    with pytest.raises(ConfigurationError, match=r"x\.T"):
        model(np.ones((4, 7)))
    with pytest.raises(ConfigurationError, match=r"input_shape=\(5,\)"):
        model(np.ones((3, 5)))


def test_warnings_of_a_job_come_at_the_line_of_fit() -> None:
    model = gw.Sequential([gw.layers.Dense(1, "softmax", input_shape=(2,))])
    model.compile("sgd", "binary_crossentropy")
    with pytest.warns(TrainingWarning, match="always 1.*'sigmoid'") as told:
        model.fit(np.ones((8, 2)), np.ones(8), verbose=0)
    assert told[0].filename == __file__
