"""Whole programs as native code: fusion, views, donations, refusals, threads, estimates."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import strategies

import engine.ops  # noqa: F401  # fills the table
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange
from engine.frontend.program import parse_program
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.passes import lower
from engine.queries.compiler import Compiler, plan_of
from engine.runtime.executors.compiled.jit import is_available
from engine.runtime.executors.compiled.plans import CompiledPlan, CompiledResidentPlan
from engine.runtime.executors.numpy import BoundPlan, run_tape
from engine.runtime.plan import make_plan
from tests.engine.compiled.differential import check_three_ways, close
from tests.engine.random_programs import Sketch, sketches
from tests.engine.test_random_graphs import NAMES, bounded

pytestmark = pytest.mark.skipif(not is_available(), reason="the extra `compiled` is not installed")
Array = np.ndarray[Any, Any]


def query(program: str, values: dict[str, Array], **choices: Any) -> Query:
    types = {name: TensorType(value.shape, value.dtype.name) for name, value in values.items()}
    choices.setdefault("kind", "gradient")
    return Query(graph=parse_program(program), inputs=types, **choices)


def both(program: str, values: dict[str, Array], **choices: Any) -> CompiledPlan:
    """Run compiled and planned, and compare."""
    _, plan = plan_of(query(program, values, **choices))
    compiled = CompiledPlan(plan, verify=True)
    for ours, theirs in zip(compiled.run(values), BoundPlan(plan).run(values), strict=True):
        close(ours, theirs)
    return compiled


RNG = np.random.default_rng(11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 3, 16, 17, 1000, 70_001])
def test_a_chain_is_one_loop(n: int, dtype: str) -> None:
    values = {name: RNG.normal(size=n).astype(dtype) for name in "xwz"}
    compiled = both("sum(tanh(x * w + 0.5) * 1.7 + relu(z))", values)
    assert len(compiled._program.regions) == 1
    assert compiled._program.single is not None


SHAPES = [(2, 3), (5, 16), (3, 17), (4, 65), (2, 300), (7, 1), (1, 9), (130, 4)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "program",
    [
        "sum(softmax(x) * w)",
        "sum(log_softmax(x, axis=0) * w)",
        "sum((x - mean(x, axis=-1, keepdims=True)) / sqrt(var(x, axis=-1, keepdims=True) + 1e-5) * w)",
        "sum(logsumexp(x, axis=-1) * mean(w, axis=-1))",
        "sum(max(x, axis=0) * sum(w, axis=0)) + min(x * w)",
        "sum(exp(x.T) * w.T) + sum(x[:, ::-1] * w)",
        "sum(concatenate([x, w], axis=1)**2) + sum(concatenate([x, w])**3)",
        "sum(where(x > w, x, 0.5) * sum(x)) / (1 + sum(abs(w)))",
    ],
)
def test_rows_columns_and_whole_arrays(program: str, shape: tuple[int, int], dtype: str) -> None:
    both(program, {name: RNG.normal(size=shape).astype(dtype) for name in "xw"})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [1, 5, 8, 19])
@pytest.mark.parametrize("k", [2, 7, 64])
@pytest.mark.parametrize("n", [1, 3, 16, 32, 50])
def test_products_of_all_edges(m: int, k: int, n: int, dtype: str) -> None:
    values = {"a": RNG.normal(size=(m, k)).astype(dtype), "b": RNG.normal(size=(k, n)).astype(dtype)}
    both("sum(tanh(a @ b) + (b.T @ a.T).T)", values)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2), ()])
@pytest.mark.parametrize("how", ["sum", "mean", "max", "min"])
def test_reductions_of_any_axes(how: str, axes: tuple[int, ...]) -> None:
    for shape in [(2, 3, 4), (3, 1, 20), (1, 5, 1), (9, 70, 2)]:
        tape = Tape()
        x = tape.input("x", TensorType(shape, "float32"))
        outputs = [getattr(F, how)(x * x, axis=axes, keepdims=keep) for keep in (False, True)]
        tape.outputs = [variable.slot for variable in outputs]
        check_three_ways(tape, {"x": RNG.normal(size=shape).astype("float32")})


def test_a_long_sum_keeps_the_small_terms() -> None:
    """In float32 a chain of four million additions of 0.1 would be off by thousands."""
    x = np.full(1 << 22, 0.1, np.float32)
    (total,) = CompiledPlan(plan_of(query("sum(x)", {"x": x}, kind="evaluate"))[1]).run({"x": x})
    assert abs(total / (0.1 * (1 << 22)) - 1) < 2e-6


@bounded(60)
@examples(sketches(), strategies.sampled_from(["float64", "float32"]))
def test_random_programs(sketch: Sketch, dtype: str) -> None:
    values = {name: np.asarray(value, dtype) for name, value in sketch.inputs.items()}
    with np.errstate(all="ignore"):
        _, plan = plan_of(query(sketch.text, values, targets=("loss",), wrt=NAMES, unconnected="zero"))
        ours, theirs = CompiledPlan(plan, verify=True).run(values), BoundPlan(plan).run(values)
    for mine, reference in zip(ours, theirs, strict=True):
        close(mine, reference, scale=50)


# -- arrays that stay in place


def resident(
    build: Callable[..., list[Variable]], sizes: dict[str, tuple[int, ...]], donated: dict[int, str]
) -> CompiledResidentPlan:
    """Run three times in place, and each time compare with a run that takes and gives arrays."""
    tape = Tape()
    variables = [tape.input(name, TensorType(shape)) for name, shape in sizes.items()]
    tape.outputs = [variable.slot for variable in build(*variables)]
    arrays = {name: RNG.uniform(0.5, 1.5, shape) for name, shape in sizes.items()}
    expected = {name: array.copy() for name, array in arrays.items()}
    lowered = lower(tape)
    moves = {lowered.outputs[place]: lowered.inputs[name] for place, name in donated.items()}
    plan = CompiledResidentPlan(make_plan(lowered), arrays, moves, verify=True)
    for _ in range(3):
        results = run_tape(tape, expected)
        rest = [result for place, result in enumerate(results) if place not in donated]
        for ours, theirs in zip(plan.run(), rest, strict=True):
            close(ours, theirs)
        for place, name in donated.items():
            expected[name] = results[place]
        for name, array in arrays.items():
            close(array, expected[name])
    return plan


def adam(w: Any, m: Any, v: Any, g: Any, rate: Any) -> list[Any]:
    m = m + (g - m) * 0.1
    v = v + (F.square(g) - v) * 0.01
    return [w - rate * m / (F.sqrt(v) + 1e-7), m, v, F.sum(g)]


@pytest.mark.parametrize("size", [3, 50, 5000])
def test_an_update_is_written_in_place(size: int) -> None:
    sizes = {"w": (size,), "m": (size,), "v": (size,), "g": (size,), "rate": ()}
    assert resident(adam, sizes, {0: "w", 1: "m", 2: "v"}).copied == 0


def halves(a: Any, b: Any) -> Any:
    first, second = slice(0, 8, 1), slice(8, 24, 1)
    return F.concat(F.getitem(a, index=(first,)), F.getitem(b, index=(second,)), axis=0)


def through_a_product(a: Any, b: Any) -> Any:
    product = F.matmul(a.reshape((2, 12)), b.reshape((12, 2)))
    return product.reshape((4, 1)).broadcast_to((4, 6)).reshape((24,))


ALIASED: dict[str, Callable[..., list[Any]]] = {
    "read after it is written": lambda w, v: [w * 2.0, v + F.sum(w)],
    "swapped": lambda w, v: [v + 0.0, w + 0.0],
    "the same value for both": lambda w, v: [w + v, w + v],
    "shifted against itself": lambda w, v: [w + F.flip(w, axis=(0,)), v],
    "kept beside the new one": lambda w, v: [w * v, v - w, w],
    "an input itself": lambda w, v: [v, w * 3.0],
    "by a product": lambda w, v: [through_a_product(w, v), v],
    "joined": lambda w, v: [halves(w, v), halves(v, w)],
    "a softmax of it": lambda w, v: [F.softmax(w, axis=(0,)) + w, v],
    "a sum that NumPy sorts": lambda w, v: [F.sort(w) + v, v * 2.0],
}


@pytest.mark.parametrize("name", ALIASED)
def test_donation_never_changes_what_is_still_to_be_read(name: str) -> None:
    resident(ALIASED[name], {"w": (24,), "v": (24,)}, {0: "w", 1: "v"})


MOVES: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: a * F.sum(b) / 24.0,
    lambda a, b: F.flip(a, axis=(0,)) - b,
    lambda a, b: F.where(a > b, a, b * 0.5),
    lambda a, b: F.softmax(a, axis=(0,)) + b,
    halves,
    through_a_product,
    lambda a, b: F.cumulative_sum(a, axis=0) * 0.1 + b,
    lambda a, b: F.tanh(a) * b,
]


@bounded(40)
@examples(strategies.data())
def test_random_updates_in_place(data: Any) -> None:
    """Random formulas over vectors that are read, reversed, summed and replaced."""
    places = strategies.integers(0, 99)
    count = data.draw(strategies.integers(2, 8))
    steps = [(data.draw(places), data.draw(places), data.draw(places)) for _ in range(count)]

    def build(w: Any, v: Any, u: Any) -> list[Any]:
        values = [w, v, u]
        for move, a, b in steps:
            values.append(F.tanh(MOVES[move % len(MOVES)](values[a % len(values)], values[b % len(values)])))
        return [values[-1], values[-2], values[len(values) // 2], F.sum(values[-1] * w)]

    resident(build, {"w": (24,), "v": (24,), "u": (24,)}, {0: "w", 1: "v", 2: "u"})


# -- around it


def test_a_refusal_is_at_the_users_node() -> None:
    values = {"x": np.arange(4.0), "i": np.array([1, 9])}
    with pytest.raises(IndexOutOfRange) as planned:
        BoundPlan(plan_of(query("y = exp(x)\ns = sum(take(y, i))", values))[1]).run(values)
    with pytest.raises(IndexOutOfRange) as compiled:
        CompiledPlan(plan_of(query("y = exp(x)\ns = sum(take(y, i))", values))[1]).run(values)
    assert (compiled.value.node, compiled.value.detail) == (planned.value.node, planned.value.detail)


def test_two_threads_at_once() -> None:
    values = {name: RNG.normal(size=(40, 50)) for name in "xw"}
    plan = plan_of(query("sum(softmax(x) * w) + sum(x @ w.T)", values))[1]
    compiled = CompiledPlan(plan)
    inputs = [{name: value + shift for name, value in values.items()} for shift in range(4)]
    expected = [compiled.run(each) for each in inputs]
    wrong: list[int] = []

    def work(place: int) -> None:
        for _ in range(200):
            for ours, theirs in zip(compiled.run(inputs[place]), expected[place], strict=True):
                if not np.array_equal(ours, theirs):
                    wrong.append(place)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_inputs_in_any_layout() -> None:
    """Large inputs are read by pointer, if they lie in C order."""
    x = RNG.normal(size=(200, 300))
    plan = plan_of(query("y = x * 2", {"x": x}, kind="evaluate"))[1]
    compiled = CompiledPlan(plan)
    for layout in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], np.broadcast_to(x[:1], x.shape)):
        np.testing.assert_array_equal(compiled.run({"x": layout})[0], layout * 2)


def test_exact_is_the_numpy_plan() -> None:
    values = {name: RNG.normal(size=1000) for name in "xw"}
    asked = {"optimize": "compiled", "wrt": ("x",)}
    compiler = Compiler()
    plain = compiler.compile(query("sum(tanh(x * w))", values, wrt=("x",)))
    exact = compiler.compile(query("sum(tanh(x * w))", values, exact=True, **asked))
    native = compiler.compile(query("sum(tanh(x * w))", values, **asked))
    assert (plain.is_native, exact.is_native, native.is_native) == (False, False, True)
    np.testing.assert_array_equal(exact.run(values)["gradients"]["x"], plain.run(values)["gradients"]["x"])
    assert native.estimate.peak_bytes >= plain.estimate.peak_bytes


@pytest.mark.parametrize("kind", ["evaluate", "gradient", "hessian", "jacobian"])
@pytest.mark.parametrize("optimize", ["off", "plan", "compiled", "auto", True, False])
def test_every_level_answers_every_kind(kind: str, optimize: Any) -> None:
    values = {"x": RNG.normal(size=5)}
    answer = Compiler().compile(query("y = sum(x ** 3)", values, kind=kind, optimize=optimize)).run(values)
    expected = Compiler().compile(query("y = sum(x ** 3)", values, kind=kind)).run(values)
    assert answer.keys() == expected.keys()
