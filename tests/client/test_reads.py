"""Values that leave a traced function: refused if they depend on an argument, free otherwise."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import gradwire as gw
from gradwire.errors import ReadError, TraceError, UnsupportedFunction

pytestmark = pytest.mark.usefixtures("client")

Function = Callable[[Any], Any]


def into_an_array(m: Any) -> Any:
    out = np.zeros(2)
    out[0] = m
    return gw.sum(out) * m


def into_a_slice(m: Any) -> Any:
    out = np.zeros(2)
    out[:] = m
    return gw.sum(out) * m


def filled(m: Any) -> Any:
    out = np.zeros(2)
    out.fill(m)
    return gw.sum(out) * m


def assigned(m: Any) -> Any:
    return gw.Variable(0.0).assign(m * 2.0) * m


READS: dict[str, tuple[Function, str]] = {
    "np.array of a list": (lambda m: np.array([m, m**2]).sum() + m, r"write gw\.stack\(\["),
    "np.array of nested lists": (lambda m: np.array([[m], [m]]).sum() + m, r"write gw\.stack\(\["),
    "np.array of objects": (lambda m: np.array([m, m], dtype=object).sum(), r"write gw\.stack\(\["),
    "np.asarray": (lambda m: np.asarray(m) * m, "leave np.asarray out"),
    "np.float64": (lambda m: np.float64(m) * m, r"gradwire\.cast\(tensor, 'float64'\)"),
    "np.mean of a list": (lambda m: np.mean([m, m**2]), r"write np\.mean\(gw\.stack\(\[m, m\*\*2\]\)\)"),
    "np.sum of nested lists": (
        lambda m: np.sum([[m, m**2]]),
        r"write np\.sum\(gw\.stack\(\[\[m, m\*\*2\]\]\)\)",
    ),
    "np.exp of a list": (lambda m: np.sum(np.exp([m, m])), r"write np\.exp\(gw\.stack\(\[m, m\]\)\)"),
    "np.full": (lambda m: np.sum(np.full(3, m)), r"gradwire\.broadcast_to"),
    "np.random": (lambda m: np.random.default_rng(0).normal(m) * m, "functions"),
    "float": (lambda m: float(m) * m, "gradwire's or NumPy's functions"),
    "int": (lambda m: int(m) * m, "gradwire's"),
    "complex": (lambda m: gw.real(complex(m) * m), "gradwire's"),
    "item": (lambda m: m.item() * m, "gradwire's"),
    "numpy": (lambda m: m.numpy() * m, "gradwire's"),
    "tolist": (lambda m: m.tolist() * m, "gradwire's"),
    "math.exp": (lambda m: math.exp(m) * m, r"write gradwire\.exp\(…\) for math\.exp"),
    "math.floor": (lambda m: math.floor(m) * m, r"gradwire\.floor"),
    "math.fsum": (lambda m: math.fsum([m, m]), "math.fsum cannot be recorded"),
    "scipy.linalg": (lambda m: gw.sum(scipy.linalg.expm(m * np.eye(2))) * m, "scipy.linalg.expm cannot"),
    "an index": (lambda m: gw.sum(gw.ones(3)[: gw.cast(m * 4.0, "int64")]) * m, "gather"),
    "range": (lambda m: sum([m for _ in range(gw.cast(m * 4.0, "int64"))]), "gradwire's"),
    "an item of an array": (lambda m: np.arange(3.0)[gw.cast(m, "int64")] * m, "gather"),
    "assignment into an array": (into_an_array, "index_set"),
    "assignment into a slice": (into_a_slice, "index_set"),
    "ndarray.fill": (filled, "gradwire's"),
    "constant": (lambda m: gw.constant(m) * m, "gradwire's"),
    "Variable": (lambda m: gw.Variable(m) * m, "gradwire's"),
    "assign": (assigned, "gradwire's"),
    "pickle": (lambda m: pickle.loads(pickle.dumps(m)) * m, "gradwire's"),
    "percent": (lambda m: m * float("%f" % m), "gradwire's"),  # noqa: UP031
    "a data set": (lambda m: gw.default_client().datasets.upload({"x": gw.stack([m, m])}), "gradwire's"),
    "a job": (
        lambda m: gw.default_client().jobs.submit(
            "y = mean((w * x) ** 2)",
            target="y",
            data={"x": np.ones((4, 1))},
            parameters={"w": m},
            optimizer=gw.optimizers.SGD(0.1),
            steps=1,
        ),
        "gradwire's",
    ),
    "a program of the client": (
        lambda m: gw.default_client().evaluate("x * x", {"x": m})["result"] * m,
        "gradwire's",
    ),
}


@pytest.mark.parametrize(("function", "cure"), READS.values(), ids=READS)
def test_what_depends_on_an_argument_cannot_be_read(function: Function, cure: str) -> None:
    with pytest.raises(ReadError, match=cure) as caught:
        gw.grad(function)(0.5)
    assert "'m', an argument of" in str(caught.value)
    assert caught.value.place is not None
    assert caught.value.place.file == __file__
    assert "allow_reads=True to gradwire.grad" in str(caught.value)
    assert isinstance(caught.value, TraceError)


def test_in_place_addition_into_an_array_is_refused() -> None:
    def into(m: Any) -> Any:
        out = np.zeros(2)
        out += m
        return gw.sum(out)

    with pytest.raises(UnsupportedFunction, match="array = array \\+ tensor"):
        gw.grad(into)(0.5)


RECORDED: dict[str, Function] = {
    "np.stack": lambda m: np.sum(np.stack([m, m**2])),
    "np.hstack": lambda m: np.sum(np.hstack([m, m**2])),
    "nested lists": lambda m: gw.sum([[m, m**2], [m, 1.0]]),
    "gw.mean of a list": lambda m: gw.mean([m, m**2]),
    "convert_to_tensor": lambda m: gw.sum(gw.convert_to_tensor([[m, 1.0], [2.0, m * m]])),
    "scipy.special": lambda m: scipy.special.expit(m) * m,
    "copies": lambda m: copy.copy(m) * copy.deepcopy(m),
    "divmod": lambda m: divmod(m * 3.0, 0.7)[1] * m,
    "sum": lambda m: sum([m, m * m]),
    "if": lambda m: m * m if m > 0.2 else 2.0 * m,
    "while": lambda m: m * m * m if bool(m) else m,
    "max": lambda m: max(m, m * m),
    "sorted": lambda m: sorted([m, m * m])[0],
    "in": lambda m: m * m if m in [m] else m,
    "np.allclose": lambda m: m * m if np.allclose(m, 0.5, atol=0.1) else m,
    "shape": lambda m: m * m * (1 + len(m.shape) + m.ndim + m.size + np.ndim(m)),
    "an independent value": lambda m: m * m * float(gw.exp(gw.constant(1.0))) * math.exp(gw.constant(0.5)),
    "an inner gradient": lambda m: m * m * float(gw.grad(lambda y: y * y)(3.0)),
}


@pytest.mark.parametrize("function", RECORDED.values(), ids=RECORDED)
def test_what_records_or_branches_has_the_gradient_of_finite_differences(function: Function) -> None:
    step = 1e-6
    up, down = (float(function(np.float64(0.5 + d))) for d in (step, -step))
    assert gw.grad(function)(0.5) == pytest.approx((up - down) / (2 * step), abs=1e-6)


def test_printing_and_formatting_never_raise(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []

    def function(m: Any) -> Any:
        print(m, m * 2.0)
        shown.append(f"{m} {m!r} {m * 2.0:.3f} {m:e} {gw.stack([m, m]):.2f}")
        shown.append("{:.1f}".format(m * 3.0))  # noqa: UP032
        return m

    gw.grad(function)(0.5)
    assert "1.000 5.000000e-01 [0.50, 0.50]" in shown[0]
    assert shown[1] == "1.5"
    gw.vmap(function)(np.array([1.0, 2.0]))
    assert "the argument 'm', which has no value" in shown[2]
    assert "multiply, not fetched" in shown[2]
    assert "0.5" in capsys.readouterr().out


def test_what_a_server_refuses_is_printed_with_the_reason() -> None:
    wrong = gw.constant(np.ones(2)) + gw.constant(np.ones(3))
    assert "shape_mismatch" in f"{wrong}"


@pytest.mark.parametrize(
    "call",
    [
        lambda f, x: gw.value_and_grad(f)(x),
        lambda f, x: gw.jacobian(f)(x),
        lambda f, x: gw.hessian(f)(x),
        lambda f, x: gw.hvp(f)(x, x),
        lambda f, x: gw.gnvp(f)(x, x),
        lambda f, x: gw.jvp(f, (x,), (x,)),
        gw.vjp,
        gw.explain,
        lambda f, x: gw.grad(gw.grad(f))(x),
        lambda f, x: gw.vmap(f)(np.array([x, x])),
        lambda f, x: gw.scan(lambda c, r: (f(c), r), x, np.ones(2)),
        lambda f, x: gw.map(f, np.array([x])),
        lambda f, x: gw.cond(True, f, f, x),
        lambda f, x: gw.checkpoint(f)(x),
        gw.root,
        gw.fixed_point,
        lambda f, x: gw.function(f)(x),
        lambda f, x: gw.custom_gradient(lambda v: (f(v), lambda dy: dy))(x),
        lambda f, x: gw.custom_gradient(lambda v: (v * v, lambda dy: dy * f(v)))(x),
        lambda f, x: gw.grad(lambda u: gw.grad(lambda v: v * f(u))(1.0))(x),
        lambda f, x: gw.grad(lambda u: gw.checkpoint(lambda v: v * f(u))(1.0))(x),
    ],
)
def test_every_kind_of_tracing_refuses(call: Callable[[Function, float], Any]) -> None:
    with pytest.raises(ReadError, match=r"write gradwire\.sin\(…\) for math\.sin"):
        call(lambda v: v * math.sin(v), 0.5)


def test_reads_may_be_allowed_and_are_constants() -> None:
    def cube(v: Any) -> Any:
        return v * v * float(v)

    assert gw.grad(cube, allow_reads=True)(3.0) == 18.0
    assert gw.value_and_grad(cube, allow_reads=True)(3.0) == (27.0, 18.0)
    assert gw.jacobian(cube, allow_reads=True)(3.0) == 18.0
    assert gw.hessian(cube, allow_reads=True)(3.0) == 6.0
    assert gw.hvp(cube, allow_reads=True)(3.0, 1.0) == 6.0
    assert gw.jvp(cube, (3.0,), (1.0,), allow_reads=True)[1] == 18.0
    assert gw.vjp(cube, 3.0, allow_reads=True)[1](1.0)[0] == 18.0
    assert gw.explain(cube, 3.0, allow_reads=True)["v"].status == "ok"
    assert gw.grad(lambda v: v * v * float(gw.stop_gradient(v)))(3.0) == 18.0
    with pytest.raises(ReadError, match="'v'"):
        gw.grad(gw.grad(cube, allow_reads=True))(3.0)


def test_arguments_that_are_not_differentiated_by_and_variables_from_outside_are_free() -> None:
    w = gw.Variable(2.0)
    assert gw.grad(lambda v, n: v**3 * float(n))(3.0, 2.0) == 54.0
    assert gw.grad(lambda v: v * float(w) * math.exp(w * 0.0))(3.0) == 2.0
    with pytest.raises(ReadError, match="'v'"):
        gw.grad(lambda v: v * float(v))(w)
    with pytest.raises(ReadError, match="'v'"):
        gw.grad(lambda v: v * copy.deepcopy(v))(w)
    assert gw.grad(lambda v: v * 2.0)(copy.deepcopy(w)) == 2.0


def test_an_optimizer_inside_is_refused() -> None:
    w = gw.Variable(2.0)

    def trained(rate: Any) -> Any:
        gw.optimizers.SGD(0.1).apply_gradients([(rate * 2.0, w)])
        return w * rate

    with pytest.raises(ReadError, match="apply_gradients"):
        gw.grad(trained)(3.0)


@pytest.mark.parametrize("trace", [gw.vmap, gw.function, lambda f: lambda x: gw.map(f, x)])
@pytest.mark.parametrize(
    "function",
    [
        lambda r: r if r > 0.0 else 2.0 * r,
        lambda r: max(r, 0.0),
        lambda r: r if np.allclose(r, 0.0) else 2.0 * r,
        gw.grad(lambda v: v**3 if v > 0.0 else v),
    ],
)
def test_branches_are_refused_where_there_are_no_values(trace: Any, function: Function) -> None:
    with pytest.raises(ReadError, match=r"gradwire\.where or gradwire\.cond"):
        trace(function)(np.array([1.0, -2.0]))


def test_branches_follow_the_values_of_each_call_through_nested_gradients() -> None:
    second = gw.grad(gw.grad(lambda v: v**3 if v > 0.0 else v**2))
    assert (second(3.0), second(-3.0)) == (18.0, 2.0)


def test_a_long_chain_is_walked_without_recursion() -> None:
    def long(v: Any) -> Any:
        y = v
        for _ in range(100_000):
            y = y + 0.5
        return y * float(y)

    with pytest.raises(ReadError, match="'v', an argument of 'long'"):
        gw.grad(long)(3.0)


def test_reading_at_every_step_of_a_chain_walks_each_node_once() -> None:
    visited = 0
    from gradwire._tracing.dependence import Dependence
    from gradwire._tracing.node import Edge, Leaf, Op

    source, other = Edge(Leaf(np.ones(()))), Edge(Leaf(np.ones(())))

    def is_source(edge: Edge) -> bool:
        nonlocal visited
        visited += 1
        return edge.node is source.node

    dependence = Dependence(is_source, stopped=True)
    edge = other
    for _ in range(2000):
        edge = Edge(Op("add", (edge, 1.0), {}, None, None))
        assert dependence.source(edge) is None
    assert visited < 40_000
    assert dependence.source(Edge(Op("add", (edge, source), {}, None, None))) is source


@pytest.mark.oracle
def test_conversions_of_other_libraries_raise(oracle: Callable[[str], Any]) -> None:
    torch, jnp = oracle("torch"), oracle("jax.numpy")
    x = np.array([1.0, 2.0])
    for convert in (torch.tensor, torch.as_tensor, jnp.asarray, jnp.sin, torch.sin):
        with pytest.raises((TypeError, ReadError)):
            gw.grad(lambda u, convert=convert: gw.sum(np.asarray(convert(u)) * u))(x)
