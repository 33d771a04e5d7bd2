"""Random programs of control flow: derivatives of every kind against JAX, plain loops, and row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import engine.ops  # noqa: F401  # fills the table
from engine.derivatives.query import Kind, Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.ir.table import TABLE
from engine.queries.compiler import Compiler
from tests.engine.random_controls import BLOCKS, NAMES, Controls, controls, jax_controls, run

LOOPS = ("scan", "reverse", "counted", "nested", "while", "custom")
CLOSE: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-9}


def bounded(count: int) -> Any:
    """Few examples, always the same ones, and none made smaller: compiling them takes long."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


def moves(values: Mapping[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(6)
    return {name: rng.normal(size=np.shape(values[name])) for name in NAMES}


def ask(kind: Kind, program: Controls, values: Mapping[str, Any], **choices: Any) -> dict[str, Any]:
    types = {name: TensorType(v.shape, v.dtype.name) for name, v in values.items()}
    word = {"jvp": "tangents", "hvp": "vectors"}.get(kind)
    directions = choices.pop("directions", None)
    if word:
        directions = moves(values) if directions is None else directions
        choices[word] = {name: TensorType(v.shape, v.dtype.name) for name, v in directions.items()}
    if kind in ("gradient", "hvp"):
        choices["targets"] = ("loss",)
    else:
        choices["outputs"] = ("y",)
    if kind == "gradient":
        choices |= {"wrt": NAMES, "unconnected": "zero", "diagnose": "off"}
    query = Query(graph=parse_program(program.text), kind=kind, inputs=types, **choices)
    return Compiler().compile(query).run(dict(values), directions)


def answers(program: Controls, values: Mapping[str, Any], **choices: Any) -> dict[str, Any]:
    """Values, tangents, gradients and products with the Hessian, by name."""
    gradient = ask("gradient", program, values, **choices)
    found = {"loss": gradient["value"], "y": ask("evaluate", program, values, **choices)["outputs"]["y"]}
    found |= {f"d{name}": gradient["gradients"][name] for name in NAMES}
    found["jvp"] = ask("jvp", program, values, **choices)["jvp"]["y"]
    return found | {f"h{n}": v for n, v in ask("hvp", program, values, **choices)["hvp"].items()}


def compare(ours: Mapping[str, Any], theirs: Mapping[str, Any], **close: Any) -> None:
    for name, expected in theirs.items():
        scale = max(1.0, float(np.abs(np.asarray(expected)).max(initial=0)))
        wanted = {**CLOSE, **close}
        np.testing.assert_allclose(
            ours[name], np.asarray(expected), wanted["rtol"], wanted["atol"] * scale, err_msg=name
        )


def by_jax(jax: ModuleType, program: Controls) -> dict[str, Any]:
    functions = jax_controls(jax)
    values = {name: jax.numpy.asarray(program.inputs[name]) for name in NAMES}
    along = {name: jax.numpy.asarray(v) for name, v in moves(program.inputs).items()}

    def of(name: str) -> Callable[[Any], Any]:
        return lambda values: run(program, values, functions)[name]

    def dot(a: Mapping[str, Any], b: Mapping[str, Any]) -> Any:
        return sum(jax.numpy.vdot(a[name], b[name]) for name in NAMES)

    loss, first = jax.value_and_grad(of("loss"))(values)
    second = jax.grad(lambda values: dot(jax.grad(of("loss"))(values), along))(values)
    y, pull = jax.vjp(of("y"), values)
    pushed = jax.grad(lambda u: dot(pull(u)[0], along))(jax.numpy.zeros_like(y))
    found = {"loss": loss, "y": y, "jvp": pushed}
    return {
        **found, **{f"d{n}": first[n] for n in NAMES}, **{f"h{n}": second[n] for n in NAMES},
    }  # fmt: skip


@pytest.fixture
def jax(oracle: Callable[[str], ModuleType]) -> ModuleType:
    module = oracle("jax")
    module.config.update("jax_enable_x64", True)  # type: ignore[attr-defined]  # a module that is found at run time
    return module


@pytest.mark.oracle
@bounded(10)
@given(program=controls())
def test_as_in_jax(jax: ModuleType, program: Controls) -> None:
    compare(answers(program, program.inputs), by_jax(jax, program))


@pytest.mark.oracle
@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_by_itself_is_as_in_jax(jax: ModuleType, block: str) -> None:
    @bounded(2)
    @given(program=controls(most=1, kinds=(block,)))
    def each(program: Controls) -> None:
        compare(answers(program, program.inputs), by_jax(jax, program))

    each()


@bounded(30)
@given(program=controls(kinds=LOOPS))
def test_split_loops_agree_with_plain_ones(program: Controls) -> None:
    plain = answers(program, program.inputs, optimize=False)
    compare(answers(program, program.inputs), plain, rtol=1e-10, atol=1e-11)


@bounded(12)
@given(program=controls(most=2))
def test_rows_are_loops(program: Controls) -> None:
    rng = np.random.default_rng(8)
    rows = [{n: v + 0.05 * rng.normal(size=v.shape) for n, v in program.inputs.items()} for _ in range(3)]
    together = {name: np.stack([row[name] for row in rows]) for name in NAMES}
    along = {name: np.broadcast_to(v, (3, *v.shape)) for name, v in moves(program.inputs).items()}
    for kind, word in (("gradient", "gradients"), ("jvp", "jvp"), ("hvp", "hvp")):
        whole = ask(kind, program, together, batch=NAMES, directions=along)[word]  # type: ignore[arg-type]  # kinds
        for k, row in enumerate(rows):
            part = ask(kind, program, row)[word]  # type: ignore[arg-type]  # as above
            compare({name: v[k] for name, v in whole.items()}, part)


@bounded(10)
@given(program=controls(most=2))
def test_single_precision(program: Controls) -> None:
    """As in float64, to its own precision; answers stay in it."""
    rough = {name: value.astype(np.float32) for name, value in program.inputs.items()}
    exact = {name: value.astype(np.float64) for name, value in rough.items()}
    ours, expected = (
        ask("gradient", program, rough)["gradients"],
        ask("gradient", program, exact)["gradients"],
    )
    assert {value.dtype.name for value in ours.values()} == {"float32"}
    scale = max(float(np.abs(value).max(initial=0)) for value in expected.values())
    for name in NAMES:
        np.testing.assert_allclose(ours[name], expected[name], rtol=2e-3, atol=2e-4 * max(scale, 1.0))


# -- the tests are tested ----------------------------------------------------------------------------


@contextmanager
def scaled(op: str, rule: str) -> Iterator[None]:
    """A rule that answers 0.1 % too much."""
    derivative = TABLE[op].derivative
    right = getattr(derivative, rule)

    def wrong(*args: Any, **attributes: Any) -> list[Any]:
        return [None if v is None else v * 1.001 for v in right(*args, **attributes)]

    object.__setattr__(derivative, rule, wrong)
    try:
        yield
    finally:
        object.__setattr__(derivative, rule, right)


BLOCK_OF = {
    "scan_loop": "scan", "while_steps": "while", "cond": "cond", "checkpoint": "checkpoint",
    "custom_gradient": "custom",
}  # fmt: skip


@pytest.mark.parametrize("rule", ["pullback", "pushforward"])
@pytest.mark.parametrize("op", BLOCK_OF)
def test_a_rule_of_control_flow_that_is_wrong_by_a_thousandth_is_found(op: str, rule: str) -> None:
    found = []

    @bounded(6)
    @given(program=controls(most=1, kinds=(BLOCK_OF[op],)))
    def each(program: Controls) -> None:
        right = answers(program, program.inputs)
        with scaled(op, rule):
            try:
                compare(answers(program, program.inputs), right)
            except AssertionError:
                found.append(program)

    each()
    assert len(found) >= 3


@pytest.mark.parametrize("rule", ["pullback", "pushforward"])
def test_a_rule_of_linear_systems_that_is_wrong_by_a_thousandth_is_found(rule: str) -> None:
    """Second derivatives of a root take them: backwards over backwards, or forwards over backwards."""
    program = Controls(ROOT, ("root",), {"v": np.ones(3), "M": np.eye(3) / 2, "X": np.ones((1, 3))})
    right = answers(program, program.inputs)
    with scaled("linear_solve", rule), pytest.raises(AssertionError, match=r"h[vM]|y"):
        compare(answers(program, program.inputs), right)


ROOT = """
def f(x, a, m):
    return 2 * x + tanh(m @ x) - a
def g(a, m):
    return sum(root(f, zeros_like(a), a, m, method='krylov') ** 3)
y = gradient(g, v, M, wrt=[0])
loss = sum(y * y) + sum(X)
"""
