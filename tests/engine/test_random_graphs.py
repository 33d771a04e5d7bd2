"""Random programs: derivatives of every kind against PyTorch, JAX, loops and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from engine.derivatives.query import Kind, Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from tests.engine.random_programs import NUMPY, Array, Sketch, jax_functions, run, sketches, torch_functions

NAMES = ("x", "W", "s")
MOVES = {"x": np.array([0.3, -0.5, 0.2]), "W": np.linspace(-1, 1, 6).reshape(2, 3), "s": np.array(0.7)}
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-10}


def bounded(count: int) -> Any:
    """Few examples, always the same ones: a default run stays short and repeatable."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def ask(kind: Kind, sketch: Sketch, values: Mapping[str, Array], **choices: Any) -> dict[str, Any]:
    """The engine's answer; directions are `MOVES`, with a leading axis where `values` are batched."""
    types = {name: TensorType(v.shape, v.dtype.name) for name, v in values.items()}
    moved = {"jvp": "tangents", "hvp": "vectors"}.get(kind)
    given = None
    if moved:
        given = {name: np.broadcast_to(MOVES[name], values[name].shape) for name in NAMES}
        choices[moved] = {name: TensorType(v.shape, v.dtype.name) for name, v in given.items()}
    if kind in ("gradient", "hvp", "hessian"):
        choices["targets"] = ("loss",)
    if kind in ("evaluate", "jvp", "jacobian"):
        choices["outputs"] = ("y",)
    if kind in ("gradient", "jacobian", "hessian"):
        choices |= {"wrt": NAMES, "unconnected": "zero"} if kind == "gradient" else {"wrt": NAMES}
    query = Query(graph=parse_program(sketch.text), kind=kind, inputs=types, **choices)
    return Compiler().compile(query).run(dict(values), given)


def compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    for name, expected in theirs.items():
        got = ours[name] if ours.get(name) is not None else 0.0
        np.testing.assert_allclose(got, np.asarray(expected), **CLOSE, err_msg=name)


@pytest.mark.oracle
@bounded(80)
@given(sketches())
def test_as_in_pytorch(oracle: Callable[[str], Any], sketch: Sketch) -> None:
    torch = oracle("torch")
    functions = torch_functions(torch)

    def outputs(*xs: Any) -> tuple[Any, Any]:
        known = run(sketch, dict(zip(NAMES, xs, strict=True)), functions)
        return known["y"], known["loss"]

    xs = [torch.tensor(sketch.inputs[name], requires_grad=True) for name in NAMES]
    moves = tuple(torch.tensor(MOVES[name]) for name in NAMES)
    y, loss = outputs(*xs)
    first = torch.autograd.grad(loss, xs, create_graph=True, materialize_grads=True)
    along = sum((g * v).sum() for g, v in zip(first, moves, strict=True))
    second = torch.autograd.grad(along, xs, allow_unused=True, materialize_grads=True)
    _, pushed = torch.autograd.functional.jvp(lambda *xs: outputs(*xs)[0], tuple(xs), moves)
    given_names = dict(zip(NAMES, range(3), strict=True))
    compare(ask("evaluate", sketch, sketch.inputs)["outputs"], {"y": y.detach()})
    answer = ask("gradient", sketch, sketch.inputs)
    compare(answer, {"value": loss.detach()})
    compare(answer["gradients"], {name: first[i].detach() for name, i in given_names.items()})
    compare(ask("hvp", sketch, sketch.inputs)["hvp"], {n: second[i].detach() for n, i in given_names.items()})
    compare(ask("jvp", sketch, sketch.inputs)["jvp"], {"y": pushed.detach()})


@pytest.mark.oracle
@bounded(40)
@given(sketches())
def test_as_in_jax(oracle: Callable[[str], Any], sketch: Sketch) -> None:
    jax = oracle("jax")
    jax.config.update("jax_enable_x64", True)
    functions = jax_functions(jax)

    def of(name: str) -> Any:
        return lambda values: run(sketch, values, functions)[name]

    values = {name: jax.numpy.asarray(sketch.inputs[name]) for name in NAMES}
    moves = {name: jax.numpy.asarray(MOVES[name]) for name in NAMES}
    gradients, second = jax.jvp(jax.grad(of("loss")), (values,), (moves,))
    y, pushed = jax.jvp(of("y"), (values,), (moves,))
    compare(ask("evaluate", sketch, sketch.inputs)["outputs"], {"y": y})
    compare(ask("gradient", sketch, sketch.inputs)["gradients"], gradients)
    compare(ask("hvp", sketch, sketch.inputs)["hvp"], second)
    compare(ask("jvp", sketch, sketch.inputs)["jvp"], {"y": pushed})


@bounded(20)
@given(sketches(lines=6))
def test_values_and_matrices(sketch: Sketch) -> None:
    """Values as in NumPy, Jacobians by both methods, Hessians from gradients at neighbouring points."""
    compare(ask("evaluate", sketch, sketch.inputs)["outputs"], {"y": run(sketch, sketch.inputs, NUMPY)["y"]})
    forward, reverse = (ask("jacobian", sketch, sketch.inputs, method=m) for m in ("forward", "reverse"))
    compare(forward["jacobian"]["y"], reverse["jacobian"]["y"])
    pushed = ask("jvp", sketch, sketch.inputs)["jvp"]["y"]
    rows = forward["jacobian"]["y"]
    total = sum(np.tensordot(rows[name], MOVES[name], axes=MOVES[name].ndim) for name in NAMES)
    np.testing.assert_allclose(total, pushed, **CLOSE)
    blocks, products = (
        ask("hessian", sketch, sketch.inputs)["hessian"],
        ask("hvp", sketch, sketch.inputs)["hvp"],
    )
    for name, product in products.items():
        total = sum(np.tensordot(blocks[name][b], MOVES[b], axes=MOVES[b].ndim) for b in NAMES)
        np.testing.assert_allclose(total, product, **CLOSE)


@bounded(20)
@given(sketches(lines=6))
def test_against_finite_differences(sketch: Sketch) -> None:
    h = 1e-6
    ahead, behind = ({n: sketch.inputs[n] + sign * h * MOVES[n] for n in NAMES} for sign in (1, -1))
    slope = (
        ask("evaluate", sketch, ahead)["outputs"]["y"] - ask("evaluate", sketch, behind)["outputs"]["y"]
    ) / (2 * h)
    np.testing.assert_allclose(ask("jvp", sketch, sketch.inputs)["jvp"]["y"], slope, rtol=1e-5, atol=1e-6)
    gradients = [ask("gradient", sketch, values)["gradients"] for values in (ahead, behind)]
    for name, product in ask("hvp", sketch, sketch.inputs)["hvp"].items():
        change = (gradients[0][name] - gradients[1][name]) / (2 * h)
        np.testing.assert_allclose(product, change, rtol=1e-4, atol=1e-5)


@bounded(8)
@given(sketches(lines=6))
def test_batches_are_loops(sketch: Sketch) -> None:
    rng = np.random.default_rng(3)
    rows = [{n: v + 0.05 * rng.normal(size=v.shape) for n, v in sketch.inputs.items()} for _ in range(3)]
    together = {name: np.stack([row[name] for row in rows]) for name in NAMES}
    for kind in ("evaluate", "gradient", "jvp", "hvp", "jacobian", "hessian"):
        whole = ask(kind, sketch, together, batch=NAMES)  # type: ignore[arg-type]  # the words are kinds
        for k, row in enumerate(rows):
            _same_row(whole, ask(kind, sketch, row), k)  # type: ignore[arg-type]  # as above


def _same_row(whole: Any, part: Any, row: int) -> None:
    if isinstance(part, dict):
        for key in part.keys() - {"method", "diagnosis"}:
            _same_row(whole[key], part[key], row)
    else:
        np.testing.assert_allclose(whole[row], part, rtol=1e-9, atol=1e-10)
