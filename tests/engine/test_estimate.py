"""Estimates against what runs use: NumPy reports its allocations to tracemalloc."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest

from benchmarks._memory import estimated_and_used, resident
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import make_program
from engine.queries.estimate import estimate

N = 200_000

# program, shapes: one of each kind of step that a plan places in its own way
PROGRAMS = [
    ("sum(x ** 3)", {"x": (N,)}),
    ("mean((W * x + b - y) ** 2)", {"W": (1,), "b": (1,), "x": (N, 1), "y": (N, 1)}),
    ("sum(tanh(x) * exp(x))", {"x": (N,)}),
    ("sum(sigmoid(x @ w / 300 + b))", {"x": (500, 300), "w": (300, 400), "b": (400,)}),
    ("sum(softmax(x @ w) * y)", {"x": (500, 200), "w": (200, 300), "y": (500, 300)}),
    ("logsumexp(x)", {"x": (N,)}),
    ("sum(x[::2] * x[1::2])", {"x": (N,)}),
    ("sum(concat(x, y) ** 2)", {"x": (N,), "y": (N,)}),
    ("sum(x.T @ x)", {"x": (1000, 200)}),
    ("sum(std(x, axis=0))", {"x": (1000, 200)}),
    ("sum(cumsum(x) * x)", {"x": (N,)}),
    ("sum(where(x > 0.5, x, 0.1 * x))", {"x": (N,)}),
    ("sum(log(1 + exp(x)) - x * y)", {"x": (N,), "y": (N,)}),
    ("norm(x)", {"x": (N,)}),
    ("sum(einsum('ij,jk->ik', x, y))", {"x": (300, 300), "y": (300, 300)}),
    ("sum(softplus(x))", {"x": (N,)}),
    ("sum(elu(x - 0.5))", {"x": (N,)}),
    ("sum(xlogy(x, y))", {"x": (N,), "y": (N,)}),
    ("norm(x, ord=3)", {"x": (N,)}),
    ("sum(tile(x, [2, 2]) ** 2)", {"x": (400, 400)}),
    ("sum(top_k(x, 5)[0])", {"x": (400, 400)}),
    ("sum(cumulative_prod(x, axis=0, exclusive=True) * x)", {"x": (400, 400)}),
    ("prod(x)", {"x": (N,)}),
    ("sum(count_nonzero(x, axis=0) * x)", {"x": (400, 400)}),
    ("sum(take_along_axis(x, argsort(y), axis=1) * y)", {"x": (400, 400), "y": (400, 400)}),
    ("sum(take(x, argsort(y), axis=0) ** 2)", {"x": (1000, 50), "y": (900,)}),
    ("sum(gather(x, argsort(y), axis=1))", {"x": (400, 400), "y": (50, 100)}),
    ("sum(pad(x, [[3, 3], [3, 3]]) ** 2)", {"x": (400, 400)}),
    ("\n".join(["h = x", *["h = tanh(h * w)"] * 20, "sum(h)"]), {"x": (N,), "w": (N,)}),
    ("h = relu(x @ w1 + b1)\nmean((h @ w2 + b2 - y) ** 2)",
     {"x": (256, 784), "w1": (784, 512), "b1": (512,), "w2": (512, 10), "b2": (10,), "y": (256, 10)}),
]  # fmt: skip


def question(program, shapes, kind="evaluate", **choices):
    types = {name: TensorType(shape) for name, shape in shapes.items()}
    return Query(graph=parse_program(program), kind=kind, inputs=types, **choices)


def peaks(program, shapes, kind):
    """Bytes estimated, and bytes that a run used."""
    draw = np.random.default_rng(0)
    inputs = {name: draw.uniform(0.1, 1.0, shape) for name, shape in shapes.items()}
    query = question(program, shapes, kind, diagnose="off")
    return estimated_and_used(partial(make_program, query), inputs)


@pytest.mark.parametrize("kind", ["evaluate", "gradient"])
@pytest.mark.parametrize(("program", "shapes"), PROGRAMS, ids=[p.split("\n")[-1] for p, _ in PROGRAMS])
def test_the_peak_is_within_a_fifth_of_what_a_run_uses(program, shapes, kind):
    estimated, used = peaks(program, shapes, kind)
    assert estimated == pytest.approx(used, rel=0.2)


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("sum(inv(x))", "evaluate"),
        ("sum(inv(x))", "gradient"),
        ("sum(solve(x, b))", "evaluate"),
        ("sum(solve(x, b))", "gradient"),
        ("sum(cholesky(x))", "evaluate"),
        ("sum(cholesky(x))", "gradient"),
        ("slogdet(x)[1]", "gradient"),
        ("det(x / 20)", "gradient"),
    ],
)
def test_what_lapack_takes_is_counted(program, kind):
    """LAPACK's memory is not NumPy's: what counts is by how much the process grows.

    Each case has a process of its own: in one where much has run, what is freed stays with the heap.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        estimated, used = process.submit(estimated_and_grown, program, kind).result()
    assert estimated == pytest.approx(used, rel=0.2)


def estimated_and_grown(program, kind):
    """Bytes estimated, and bytes by which this process grew, with those of the inputs."""
    n = 400
    root = np.random.default_rng(0).normal(size=(n, n))
    given = {"x": root @ root.T / n + np.eye(n), "b": root}
    inputs = {name: array for name, array in given.items() if name in ("x", "b")[: 1 + ("b)" in program)]}
    shapes = {name: array.shape for name, array in inputs.items()}
    query = question(program, shapes, kind, diagnose="off")
    make_program(query).run(inputs)
    fresh = make_program(query)
    used = resident(lambda: fresh.run(inputs)) + sum(array.nbytes for array in inputs.values())
    return fresh.estimate.peak_bytes, used


def test_the_answer_of_the_wire_format():
    answer = estimate(question("sum(x ** 3)", {"x": (1000,)}))
    power, total = answer["nodes"]
    assert set(power) == {"node", "op", "shape", "dtype", "flops", "bytes"}
    assert (power["node"], power["op"], power["shape"]) == ("pow_1", "pow", [1000])
    assert (power["dtype"], power["bytes"]) == ("float64", 8000)
    assert (total["node"], total["shape"], total["flops"]) == ("result", [], 1000)
    assert answer["forward"]["flops"] == power["flops"] + total["flops"]
    assert answer["forward"]["peak_bytes"] == pytest.approx(16000, rel=0.01)
    assert answer["gradient"]["flops"] > answer["forward"]["flops"]
    assert answer["jacobian"]["cheaper"] == "reverse"
    assert answer["hessian"]["peak_bytes"] >= 8000 * 1000


def test_the_cheaper_method_is_that_of_auto():
    tall = estimate(question("x * w", {"x": (2000,), "w": ()}, wrt=("w",)))
    assert tall["jacobian"]["cheaper"] == "forward"
    assert tall["jacobian"]["forward"]["flops"] < tall["jacobian"]["reverse"]["flops"]


def test_what_would_be_refused_is_none():
    answer = estimate(question("x * 2", {"x": (3,)}))
    assert answer["gradient"] is None
    assert answer["hessian"] is None
    assert answer["jacobian"] is not None


def test_of_a_batch_the_nodes_are_those_of_one_row():
    answer = estimate(question("sum(W @ x)", {"W": (2, 3), "x": (1000, 3)}, batch=("x",)))
    assert [node["shape"] for node in answer["nodes"]] == [[2], []]
    one = estimate(question("sum(W @ x)", {"W": (2, 3), "x": (3,)}))
    assert answer["nodes"] == one["nodes"]
    assert answer["forward"]["flops"] >= 1000 * one["forward"]["flops"]


def test_nothing_is_allocated():
    answer = estimate(question("sum(x @ x)", {"x": (100_000, 100_000)}))
    assert answer["forward"]["peak_bytes"] >= 2 * 8 * 10**10


def test_a_diagnosis_is_counted():
    shapes = {"x": (1000,)}
    assert (
        make_program(question("sum(exp(x))", shapes, "diagnose")).estimate.peak_bytes
        > 2 * make_program(question("sum(exp(x))", shapes, "gradient")).estimate.peak_bytes
    )
