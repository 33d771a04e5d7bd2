"""Native code against the NumPy plan, PyTorch and JAX: training steps, elementwise chains, a small gradient.

All are pinned to one core and measured in CPU time, in turns. JAX's step gets a batch a call, as ours does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks import training_step
from benchmarks._contest import Timing, take_turns
from benchmarks._report import Report
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler

Step = Callable[[], Any]
CHAIN = "sum(tanh(x * w + b) * 1.7 + relu(z))"
SMALL = "mean((W * x + b - y) ** 2)"


def main(report: Report, *, small: bool = False) -> None:
    """Tables of all of these; without the extra `compiled`, a line that says so."""
    if find_spec("llvmlite") is None:
        report.text("the extra `compiled` is not installed: there is no native code to measure")
        return
    rounds = 3 if small else 60
    report.table("work", "contestant", "CPU µs", "native ÷ theirs")
    for batch, hidden in training_step.SIZES[:1] if small else training_step.SIZES:
        contestants = {
            "native": training_step.gradwire(batch, hidden, "compiled"),
            "NumPy plan": training_step.gradwire(batch, hidden, "plan"),
        }
        if find_spec("torch"):
            contestants["PyTorch"] = training_step.torch_step(batch, hidden)
        if find_spec("jax"):
            contestants["JAX"] = training_step.jax_step(batch, hidden)
        _row(report, f"step, batch {batch}, hidden {hidden}", take_turns(contestants, rounds=rounds))
    for size in (1_000,) if small else (1_000, 100_000, 1_000_000):
        for kind in ("evaluate", "gradient"):
            timings = take_turns(_chain(size, kind), rounds=min(rounds, 20))
            _row(report, f"chain of {size:,}, {kind}", timings)
    _row(report, "gradient of ten nodes", take_turns(_small(), rounds=rounds))


def _row(report: Report, work: str, timings: Mapping[str, Timing]) -> None:
    native = timings["native"].cpu
    for name, timing in timings.items():
        report.row(work, name, timing.cpu * 1e6, "" if name == "native" else native / timing.cpu)


def _ours(program: str, values: dict[str, Any], kind: str, optimize: Any, wrt: Any = None) -> Step:
    types = {name: TensorType(value.shape, value.dtype.name) for name, value in values.items()}
    asked = Query(graph=parse_program(program), kind=kind, inputs=types, wrt=wrt, optimize=optimize)
    compiled = Compiler().compile(asked)
    return lambda: compiled.run(values)


def _chain(size: int, kind: str) -> dict[str, Step]:
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=size).astype(np.float32) for name in ("x", "w", "z")}
    values["b"] = np.asarray(0.5, np.float32)
    wrt = ("x", "w", "z") if kind == "gradient" else None
    contestants = {
        "native": _ours(CHAIN, values, kind, "compiled", wrt),
        "NumPy plan": _ours(CHAIN, values, kind, "plan", wrt),
    }
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        x, w, z = (torch.tensor(values[n], requires_grad=kind == "gradient") for n in ("x", "w", "z"))

        def torch_chain() -> Any:
            total = (torch.tanh(x * w + 0.5) * 1.7 + torch.relu(z)).sum()
            return torch.autograd.grad(total, (x, w, z)) if kind == "gradient" else total.item()

        contestants["PyTorch"] = torch_chain
    if find_spec("jax"):
        jax: Any = import_module("jax")
        jnp: Any = import_module("jax.numpy")

        def chain(x: Any, w: Any, z: Any) -> Any:
            return (jnp.tanh(x * w + 0.5) * 1.7 + jax.nn.relu(z)).sum()

        function = jax.jit(jax.value_and_grad(chain, (0, 1, 2)) if kind == "gradient" else chain)
        places = [jnp.asarray(values[name]) for name in ("x", "w", "z")]
        contestants["JAX"] = lambda: jax.block_until_ready(function(*places))
    return contestants


def _small() -> dict[str, Step]:
    values = {
        "W": np.array([0.5]),
        "b": np.array([0.0]),
        "x": np.array([[1.0], [2.0], [3.0]]),
        "y": np.array([[2.0], [4.0], [6.0]]),
    }
    return {
        "native": _ours(SMALL, values, "gradient", "compiled", ("W", "b")),
        "NumPy plan": _ours(SMALL, values, "gradient", "plan", ("W", "b")),
    }
