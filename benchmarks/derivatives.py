"""Derivatives of every kind compared with PyTorch and JAX: milliseconds, and peak memory of one call.

Rosenbrock in 1,000 dimensions (gradient, product with the Hessian, the Hessian dense and sparse), an LSTM
by scan over 1,000 steps, Newton's method inside a while loop differentiated in reverse, and the Jacobian,
dense and sparse, of residuals like those of bundle adjustment, whose indices come with the request. Peers
have no sparse matrices: beside a sparse question stands their dense one. Peers are compiled if they can be
(jax.jit). "Grown" is what the process's resident memory grew by in a later call; what an allocator kept
from before counts as nothing, as JAX's does. "Compiled" is the time of ours until the first run, "used" is
what the first run of ours holds at most, inputs and answer included, beside what was estimated from shapes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import _derivative_peers as peers
from benchmarks._contest import take_turns
from benchmarks._memory import estimated_and_used, resident
from benchmarks._report import Report
from engine import Compiler, Query, TensorType, parse_program

Call = Callable[[], Any]
Arrays = dict[str, np.ndarray[Any, Any]]

ROSENBROCK = "loss = sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)"
LSTM = """
def step(h, c, x, W, U, b):
    z = x @ W + h @ U + b
    i, f, o, g = split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h, c, h
h, c, hs = scan(step, h0, c0, xs, W, U, b, carry=2, scanned=1)
loss = mean(hs ** 2)
"""
NEWTON = """
def going(x, a):
    return max(abs(x ** 3 - a)) > 1e-9
def newton(x, a):
    return x - (x ** 3 - a) / (3 * x ** 2)
loss = sum(while_loop(going, newton, ones_like(a), a, max_steps=60))
"""
BUNDLE = """
c = cameras[camera]
p = points[point]
t = sqrt(sum(c[:, :3] ** 2, axis=1, keepdims=True) + 1e-12)
k = c[:, :3] / t
cross = stack([k[:, 1] * p[:, 2] - k[:, 2] * p[:, 1], k[:, 2] * p[:, 0] - k[:, 0] * p[:, 2],
               k[:, 0] * p[:, 1] - k[:, 1] * p[:, 0]], axis=1)
q = p * cos(t) + cross * sin(t) + k * sum(k * p, axis=1, keepdims=True) * (1 - cos(t)) + c[:, 3:6]
uv = q[:, :2] / q[:, 2:]
r = reshape(c[:, 6:7] * uv - seen, [-1])
"""


def main(report: Report, *, small: bool = False) -> None:
    """A table of the contestants, and one of what ours takes to compile and to hold."""
    held: list[tuple[object, ...]] = []
    report.contest_table("ms", "grown, MB")
    for name, (kind, program, values, choices) in cases(small).items():
        start = time.perf_counter()
        compile, vectors = gradwire(kind, program, values, **choices)
        ready = compile()
        compiled = (time.perf_counter() - start) * 1e3
        contestants: dict[str, Call] = {"gradwire": partial(ready.run, values, vectors)}
        contestants |= peers.contestants(name, values, ready.run(values, vectors))
        timings = take_turns(contestants, rounds=2 if small else 15)
        grown = {who: (resident(call) / 1e6,) for who, call in contestants.items()}
        report.contest(name, timings, "ms", grown)
        estimated, used = estimated_and_used(compile, values, vectors)
        held.append((name, compiled, used / 1e6, estimated / 1e6, estimated / used))
    report.table("ours", "compiled, ms", "used, MB", "estimated, MB", "estimated ÷ used")
    for row in held:
        report.row(*row)


def gradwire(
    kind: Any, program: str, values: Arrays, **choices: Any
) -> tuple[Callable[[], Any], Arrays | None]:
    """What compiles the question anew, and its vectors."""
    vectors = choices.pop("vectors", None)
    types = {n: TensorType(v.shape, v.dtype.name) for n, v in values.items()}
    if vectors is not None:
        choices["vectors"] = {n: TensorType(v.shape, v.dtype.name) for n, v in vectors.items()}
    query = Query(graph=parse_program(program), kind=kind, inputs=types, **choices)
    return lambda: Compiler().compile(query, values=values), vectors


def cases(small: bool) -> dict[str, tuple[Any, str, Arrays, dict[str, Any]]]:
    """The questions: kind, program, values, choices."""
    rng = np.random.default_rng(0)
    n = 50 if small else 1000
    x = {"x": rng.normal(size=n)}
    loss: dict[str, Any] = {"targets": ("loss",)}
    steps, batch, hidden = (20, 2, 8) if small else (1000, 16, 64)

    def weights(*shape: int) -> np.ndarray[Any, Any]:
        return np.asarray(rng.normal(size=shape) / shape[0] ** 0.5)

    lstm = {
        "h0": np.zeros((batch, hidden)),
        "c0": np.zeros((batch, hidden)),
        "xs": rng.normal(size=(steps, batch, hidden)),
        "W": weights(hidden, 4 * hidden),
        "U": weights(hidden, 4 * hidden),
        "b": np.zeros(4 * hidden),
    }
    cameras, points, seen = (3, 10, 20) if small else (10, 100, 500)
    pose, depth, focal = rng.normal(size=(cameras, 5)), np.full((cameras, 1), 8.0), np.ones((cameras, 1))
    bundle = {
        "cameras": np.concatenate([pose, depth, focal], axis=1),
        "points": rng.normal(size=(points, 3)),
        "camera": rng.integers(0, cameras, seen),
        "point": rng.integers(0, points, seen),
        "seen": rng.normal(size=(seen, 2)),
    }
    residuals: dict[str, Any] = {"outputs": ("r",), "wrt": ("cameras", "points")}
    return {
        "rosenbrock gradient": ("gradient", ROSENBROCK, x, loss),
        "rosenbrock hvp": ("hvp", ROSENBROCK, x, {**loss, "vectors": {"x": np.ones(n)}}),
        "rosenbrock hessian": ("hessian", ROSENBROCK, x, loss),
        "rosenbrock sparse-hessian": ("hessian", ROSENBROCK, x, {**loss, "sparse": True}),
        "lstm gradient": ("gradient", LSTM, lstm, {**loss, "wrt": ("W", "U", "b")}),
        "newton gradient": ("gradient", NEWTON, {"a": rng.uniform(1, 50, n)}, loss),
        "bundle jacobian": ("jacobian", BUNDLE, bundle, residuals),
        "bundle sparse-jacobian": ("jacobian", BUNDLE, bundle, {**residuals, "sparse": True}),
    }
