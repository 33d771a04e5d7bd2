"""Random programs on complex numbers: derivatives of every kind against PyTorch, differences and loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from engine.derivatives.query import Kind, Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.frontend.record import record
from engine.passes import lower, optimize
from engine.queries.check import check
from engine.queries.compiler import Compiler
from engine.runtime.executors.numpy import run_tape
from tests.engine.complex_programs import FUNCTIONS, complex_sketches, complex_torch
from tests.engine.random_programs import Array, Sketch, run
from tests.engine.test_random_graphs import bounded, compare

NAMES = ("z", "W", "x")
MOVES: dict[str, Array] = {
    "z": np.array([0.3 - 1j, -0.5 + 0.2j, 0.2j]),
    "W": (np.linspace(-1, 1, 6) + 1j * np.cos(np.arange(6))).reshape(2, 3),
    "x": np.array([0.7, -0.2, 0.4]),
}


def graph_of(sketch: Sketch) -> Any:
    return parse_program(FUNCTIONS + sketch.text)


def ask(kind: Kind, sketch: Sketch, values: Mapping[str, Array], given: Any = None, **choices: Any) -> Any:
    types = {name: TensorType(v.shape, v.dtype.name) for name, v in values.items()}
    word = {"jvp": "tangents", "hvp": "vectors", "gnvp": "vectors", "vjp": "cotangents"}.get(kind)
    if word:
        choices[word] = {name: TensorType(v.shape, v.dtype.name) for name, v in given.items()}
    if kind in ("gradient", "hvp"):
        choices["targets"] = ("loss",)
    if kind in ("evaluate", "jvp", "gnvp"):
        choices.setdefault("outputs", ("y",))
    if kind == "gradient":
        choices |= {"wrt": NAMES, "unconnected": "zero"}
    query = Query(graph=graph_of(sketch), kind=kind, inputs=types, **choices)
    return Compiler().compile(query).run(dict(values), given)


def product(a: Array, b: Array) -> float:
    return float(np.vdot(a, b).real)


@pytest.mark.oracle
@bounded(120)
@given(complex_sketches())
def test_as_in_pytorch(oracle: Callable[[str], Any], sketch: Sketch) -> None:
    torch = oracle("torch")
    functions = complex_torch(torch)

    def outputs(*xs: Any) -> tuple[Any, Any]:
        known = run(sketch, dict(zip(NAMES, xs, strict=True)), functions)
        return known["y"], known["loss"]

    xs = [torch.tensor(sketch.inputs[name], requires_grad=True) for name in NAMES]
    y, loss = outputs(*xs)
    first = torch.autograd.grad(loss, xs, create_graph=True, materialize_grads=True)
    along = sum((g.conj() * torch.tensor(MOVES[n])).real.sum() for g, n in zip(first, NAMES, strict=True))
    second = torch.autograd.grad(along, xs, allow_unused=True, materialize_grads=True, retain_graph=True)
    seed = np.cos(np.arange(y.shape[0])) + 1j
    pulled = torch.autograd.grad(y, xs, torch.tensor(seed), allow_unused=True, materialize_grads=True)
    compare(ask("evaluate", sketch, sketch.inputs)["outputs"], {"y": plain(y)})
    answer = ask("gradient", sketch, sketch.inputs)
    compare(answer, {"value": plain(loss)})
    compare(answer["gradients"], {name: plain(g) for name, g in zip(NAMES, first, strict=True)})
    hvp = ask("hvp", sketch, sketch.inputs, MOVES)["hvp"]
    compare(hvp, {name: plain(g) for name, g in zip(NAMES, second, strict=True)})
    vjp = ask("vjp", sketch, sketch.inputs, {"y": seed}, wrt=NAMES)["vjp"]
    compare(vjp, {name: plain(g) for name, g in zip(NAMES, pulled, strict=True)})


def plain(tensor: Any) -> Array:
    return np.asarray(tensor.detach().resolve_conj().resolve_neg().numpy())


@bounded(25)
@given(complex_sketches())
def test_tangents_cotangents_and_differences_agree(sketch: Sketch) -> None:
    pushed = ask("jvp", sketch, sketch.inputs, MOVES)["jvp"]["y"]
    seed = np.sin(np.arange(pushed.size) + 1.0) - 0.5j
    pulled = ask("vjp", sketch, sketch.inputs, {"y": seed}, wrt=NAMES)["vjp"]
    both = sum(product(pulled[name], MOVES[name]) for name in NAMES)
    assert product(seed, pushed) == pytest.approx(both, rel=1e-9, abs=1e-9)
    gauss = ask("gnvp", sketch, sketch.inputs, MOVES)["gnvp"]
    compare(gauss, ask("vjp", sketch, sketch.inputs, {"y": pushed}, wrt=NAMES)["vjp"])
    h = 1e-6
    ahead, behind = ({n: sketch.inputs[n] + s * h * MOVES[n] for n in NAMES} for s in (1, -1))
    values = [ask("evaluate", sketch, point)["outputs"]["y"] for point in (ahead, behind)]
    np.testing.assert_allclose(pushed, (values[0] - values[1]) / (2 * h), rtol=1e-5, atol=1e-5)
    gradients = [ask("gradient", sketch, point)["gradients"] for point in (ahead, behind)]
    for name, second in ask("hvp", sketch, sketch.inputs, MOVES)["hvp"].items():
        change = (gradients[0][name] - gradients[1][name]) / (2 * h)
        np.testing.assert_allclose(second, change, rtol=1e-4, atol=1e-4)


@bounded(6)
@given(complex_sketches(lines=6))
def test_batches_are_loops(sketch: Sketch) -> None:
    rng = np.random.default_rng(3)
    sizes = 1 + 0.05 * rng.normal(size=3)
    rows = [{name: value * size for name, value in sketch.inputs.items()} for size in sizes]
    together = {name: np.stack([row[name] for row in rows]) for name in NAMES}
    along = {name: np.stack([move] * 3) for name, move in MOVES.items()}
    kinds: tuple[tuple[Kind, bool, str], ...] = (
        ("gradient", False, "gradients"),
        ("hvp", True, "hvp"),
        ("jvp", True, "jvp"),
    )
    for kind, moving, key in kinds:
        whole = ask(kind, sketch, together, along if moving else None, batch=NAMES)[key]
        for k, row in enumerate(rows):
            part = ask(kind, sketch, row, MOVES if moving else None)[key]
            compare({name: value[k] for name, value in whole.items()}, part)


@bounded(20)
@given(complex_sketches(lines=6))
def test_checks_pass(sketch: Sketch) -> None:
    assert check(graph_of(sketch), dict(sketch.inputs), target="loss")["passed"]


@bounded(20)
@given(complex_sketches())
def test_passes_keep_the_bits(sketch: Sketch) -> None:
    types = {name: TensorType(v.shape, v.dtype.name) for name, v in sketch.inputs.items()}
    recording = record(graph_of(sketch), types, ("y", "loss"))
    tape = recording.tape
    tape.outputs = [recording.slots[name][0] for name in ("y", "loss")]
    plainly, optimized = (run_tape(change(tape), dict(sketch.inputs)) for change in (lower, optimize))
    for a, b in zip(plainly, optimized, strict=True):
        if "** 3" in sketch.text:  # cubes become products, which differ in the last digits
            np.testing.assert_allclose(
                a, b, rtol=1e-12, atol=1e-12 * np.abs(a).max(initial=0, where=np.isfinite(a))
            )
        else:
            np.testing.assert_array_equal(a, b)
