"""Every kind of derivative over HTTP and through the SDK, for random programs and rows, against JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import gradwire as gw
from tests.end_to_end.conftest import Server
from tests.engine.random_programs import NUMPY, Sketch, jax_functions, run, sketches

NAMES = ("x", "W", "s")
ROWS = 3
pytestmark = pytest.mark.oracle


def bounded(count: int) -> Any:
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def jax(oracle: Callable[[str], ModuleType]) -> ModuleType:
    module: Any = oracle("jax")
    module.config.update("jax_enable_x64", True)
    return module  # type: ignore[no-any-return]  # a module that is found at run time


class Peer:
    """A program in JAX: what every kind should answer at a point."""

    def __init__(self, jax: ModuleType, sketch: Sketch) -> None:
        self.jax, functions = jax, jax_functions(jax)
        self.of = lambda name: lambda values: run(sketch, values, functions)[name]

    def answers(self, values: Mapping[str, Any], moves: Mapping[str, Any], pulls: Any) -> dict[str, Any]:
        """By kind, in the form of the wire; `pulls` are cotangents of y, the first axis numbers them."""
        jax = self.jax
        at = {name: jax.numpy.asarray(values[name]) for name in NAMES}
        along = {name: jax.numpy.asarray(moves[name]) for name in NAMES}
        loss, gradient = jax.value_and_grad(self.of("loss"))(at)
        y, pushed = jax.jvp(self.of("y"), (at,), (along,))
        _, pull = jax.vjp(self.of("y"), at)
        pulled = [pull(jax.numpy.asarray(c))[0] for c in pulls]
        return {
            "value": loss,
            "outputs": {"y": y},
            "gradients": gradient,
            "jvp": {"y": pushed},
            "vjp": {name: np.stack([np.asarray(p[name]) for p in pulled]) for name in NAMES},
            "jacobian": {"y": jax.jacrev(self.of("y"))(at)},
            "hessian": jax.hessian(self.of("loss"))(at),
            "hvp": jax.jvp(jax.grad(self.of("loss")), (at,), (along,))[1],
            "gnvp": pull(pushed)[0],
        }


def close(got: Any, expected: Any, where: str) -> None:
    if isinstance(expected, dict):
        for key, value in expected.items():
            close(got[key], value, f"{where}.{key}")
    else:
        expected = np.asarray(expected)
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        got = np.zeros_like(expected) if got is None else np.asarray(got)
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9 * scale, err_msg=where)


def stacked(rows: list[Any]) -> Any:
    """Answers of rows as one of the batch."""
    if isinstance(rows[0], dict):
        return {key: stacked([row[key] for row in rows]) for key in rows[0]}
    return np.stack([np.asarray(row) for row in rows])


def listed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value).tolist() for name, value in values.items()}


def questions(moves: Mapping[str, Any], pulls: Any) -> dict[str, tuple[dict[str, Any], tuple[str, ...]]]:
    """For each call what is asked beside program and inputs, and which members of the answer to look at."""
    loss = {"target": "loss", "wrt": list(NAMES)}
    y = {"outputs": ["y"]}
    wrt = {"wrt": list(NAMES)}
    return {
        "evaluate": (y, ("outputs",)),
        "gradient": ({**loss, "unconnected": "zero"}, ("value", "gradients")),
        "vjp": ({"cotangents": {"y": pulls.tolist()}, "cotangent_batch": True, **wrt}, ("outputs", "vjp")),
        "jvp": ({"tangents": listed(moves), **y}, ("outputs", "jvp")),
        "jacobian": ({**y, **wrt}, ("outputs", "jacobian")),
        "jacobian?method=forward": ({**y, **wrt, "method": "forward"}, ("jacobian",)),
        "jacobian?method=reverse": ({**y, **wrt, "method": "reverse"}, ("jacobian",)),
        "hessian": (loss, ("value", "gradients", "hessian")),
        "hvp": ({"target": "loss", "vectors": listed(moves)}, ("value", "gradients", "hvp")),
        "gnvp": ({"vectors": listed(moves), **y}, ("outputs", "gnvp")),
    }


def post(server: Server, kind: str, body: Mapping[str, Any], status: int = 200) -> dict[str, Any]:
    answer = httpx.post(f"{server.url}/v1/{kind.partition('?')[0]}", json=body, timeout=120)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def test_every_kind_over_http(server: Server, jax: ModuleType) -> None:
    @bounded(3)
    @given(sketches(lines=6))
    def each(sketch: Sketch) -> None:
        rng = np.random.default_rng(2)
        rows = [
            {n: v + 0.05 * rng.normal(size=v.shape) for n, v in sketch.inputs.items()} for _ in range(ROWS)
        ]
        moves = [{n: rng.normal(size=v.shape) for n, v in sketch.inputs.items()} for _ in rows]
        peer = Peer(jax, sketch)
        size = len(np.asarray(peer.of("y")(sketch.inputs)))
        pulls = rng.normal(size=(ROWS, 2, size))
        expected = [peer.answers(*given) for given in zip(rows, moves, pulls, strict=True)]
        for kind, (asked, members) in questions(moves[0], pulls[0]).items():
            body = {"program": sketch.text, "inputs": listed(rows[0]), **asked}
            got = post(server, kind, body)
            close(got, {member: expected[0][member] for member in members}, kind)
        together, along = stacked(rows), stacked(moves)
        for kind, (asked, members) in questions(along, pulls).items():
            body = {"program": sketch.text, "inputs": listed(together), "batch": list(NAMES), **asked}
            got = post(server, kind, body)
            close(got, {m: stacked([e[m] for e in expected]) for m in members}, f"batch {kind}")

    each()


def test_gradients_that_do_not_exist(server: Server) -> None:
    """One target of two does not use everything: null, zero or an error, as asked."""

    @bounded(3)
    @given(sketches(lines=4))
    def each(sketch: Sketch) -> None:
        body = {
            "program": sketch.text + "\nextra = sum(x ** 2)", "inputs": listed(sketch.inputs),
            "target": ["loss", "extra"], "wrt": list(NAMES), "diagnose": "auto",
        }  # fmt: skip
        got = post(server, "gradient", body)
        assert got["gradients"]["extra"] == {
            "x": (2 * sketch.inputs["x"]).tolist(), "W": None, "s": None,
        }  # fmt: skip
        assert set(got["diagnosis"]["extra"]) == {"W", "s"}
        assert set(got["gradients"]["loss"]) == set(NAMES)
        zero = post(server, "gradient", {**body, "unconnected": "zero"})["gradients"]["extra"]
        assert np.asarray(zero["W"]).shape == (2, 3)
        assert not np.any(zero["W"])
        assert zero["s"] == 0
        refused = post(server, "gradient", {**body, "unconnected": "error"}, 422)
        assert refused["code"] == "unconnected"

    each()


def test_a_gradient_as_a_graph_runs_again(server: Server, jax: ModuleType) -> None:
    @bounded(3)
    @given(sketches(lines=5))
    def each(sketch: Sketch) -> None:
        asked = {"target": "loss", "wrt": list(NAMES), "unconnected": "zero", "return_graph": True}
        body = {"program": sketch.text, "inputs": listed(sketch.inputs)}
        got = post(server, "gradient", {**body, **asked})
        published = httpx.post(f"{server.url}/v1/graphs", json={"graph": got["graph"]}, timeout=60).json()[
            "id"
        ]
        again = post(server, f"graphs/{published}/evaluate", {"inputs": body["inputs"]})["outputs"]
        close(
            again, {"value": got["value"], **{f"gradients/{n}": got["gradients"][n] for n in NAMES}}, "again"
        )
        rng = np.random.default_rng(4)
        along = {n: rng.normal(size=v.shape) for n, v in sketch.inputs.items()}
        pulled = post(
            server,
            f"graphs/{published}/vjp",
            {"inputs": body["inputs"], "cotangents": {f"gradients/{n}": v for n, v in listed(along).items()}},
        )["vjp"]
        peer = Peer(jax, sketch)
        values = {name: jax.numpy.asarray(sketch.inputs[name]) for name in NAMES}
        expected = jax.jvp(jax.grad(peer.of("loss")), (values,), (along,))[1]
        close(pulled, expected, "second")

    each()


# -- the SDK -----------------------------------------------------------------------------------------


@pytest.fixture
def sdk(server: Server) -> Iterator[dict[str, Any]]:
    """The names of programs as functions of the SDK."""
    with gw.Client(server.url) as client:
        gw.set_default_client(client)
        named = {name: getattr(gw, name) for name in NUMPY if hasattr(gw, name)}
        named |= {name: getattr(gw.nn, name) for name in NUMPY if name not in named}
        yield named


def test_functions_through_the_sdk(sdk: dict[str, Any], jax: ModuleType) -> None:
    """grad, jvp, vjp, jacobian, hessian, hvp, gnvp, and each of them under vmap, compose as in JAX."""

    @bounded(2)
    @given(sketches(lines=5))
    def each(sketch: Sketch) -> None:
        theirs_of = Peer(jax, sketch).of
        rng = np.random.default_rng(7)
        rows = {n: np.stack([v, v + 0.05 * rng.normal(size=v.shape)]) for n, v in sketch.inputs.items()}
        x, move = rows["x"], rng.normal(size=(2, 3))
        rest = {n: sketch.inputs[n] for n in ("W", "s")}

        def ours(name: str) -> Callable[[Any], Any]:
            return lambda x: run(sketch, {"x": x, **rest}, sdk)[name]

        def theirs(name: str) -> Callable[[Any], Any]:
            return lambda x: theirs_of(name)({"x": x, **rest})

        pairs: dict[str, tuple[Any, Any]] = {
            "grad": (gw.grad(ours("loss")), jax.grad(theirs("loss"))),
            "jacobian": (gw.jacobian(ours("y")), jax.jacrev(theirs("y"))),
            "hessian": (gw.hessian(ours("loss")), jax.hessian(theirs("loss"))),
            "grad of grad": (
                gw.grad(lambda x: gw.sum(gw.sin(gw.grad(ours("loss"))(x)))),
                jax.grad(lambda x: jax.numpy.sum(jax.numpy.sin(jax.grad(theirs("loss"))(x)))),
            ),
        }
        for name, (mine, expected) in pairs.items():
            close(mine(x[0]), expected(x[0]), name)
            close(gw.vmap(mine)(x), jax.vmap(expected)(x), f"vmap {name}")
        directed: dict[str, tuple[Any, Any]] = {
            "jvp": (
                lambda x, v: gw.jvp(ours("y"), (x,), (v,))[1],
                lambda x, v: jax.jvp(theirs("y"), (x,), (v,))[1],
            ),
            "hvp": (
                gw.hvp(ours("loss")),
                lambda x, v: jax.jvp(jax.grad(theirs("loss")), (x,), (v,))[1],
            ),
            "gnvp": (
                gw.gnvp(ours("y")),
                lambda x, v: jax.vjp(theirs("y"), x)[1](jax.jvp(theirs("y"), (x,), (v,))[1])[0],
            ),
        }
        for name, (mine, expected) in directed.items():
            close(mine(x[0], move[0]), expected(x[0], move[0]), name)
            close(gw.vmap(mine)(x, move), jax.vmap(expected)(x, move), f"vmap {name}")

    each()


def test_nested_tapes_through_the_sdk(sdk: dict[str, Any], jax: ModuleType) -> None:
    """Third derivatives by three tapes, one in the other."""

    @bounded(2)
    @given(sketches(lines=4))
    def each(sketch: Sketch) -> None:
        rest = {n: sketch.inputs[n] for n in ("W", "s")}
        x = gw.Variable(sketch.inputs["x"])
        with gw.GradientTape() as third:
            with gw.GradientTape() as second:
                with gw.GradientTape() as first:
                    loss = run(sketch, {"x": x, **rest}, sdk)["loss"]
                g = gw.sum(gw.sin(first.gradient(loss, x, unconnected_gradients="zero")))
            h = gw.sum(gw.sin(second.gradient(g, x, unconnected_gradients="zero")))
        found = third.gradient(h, x, unconnected_gradients="zero")
        jnp, of = jax.numpy, Peer(jax, sketch).of

        def summed(function: Any) -> Any:
            return lambda x: jnp.sum(jnp.sin(jax.grad(function)(x)))

        expected = jax.grad(summed(summed(lambda x: of("loss")({"x": x, **rest}))))(
            jnp.asarray(sketch.inputs["x"])
        )
        close(found.numpy(), expected, "third")

    each()
