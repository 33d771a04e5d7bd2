"""GradBench's evals by our tool, beside its tools for PyTorch and JAX: ms of processor time a run.

The tool (benchmarks/_gradbench) speaks GradBench's protocol and has the engine in its process. The others
take part if GRADBENCH names a checkout of https://github.com/gradbench/gradbench and their libraries are
installed; all answer the same messages, in turns, and their answers are compared with ours. What a run
takes is what several more take in a message, so that reading and writing JSON does not count; beside it the
fastest by the tool's own clock, which JAX does not keep waiting for its answer. What takes seconds is timed
once, by its clock. "Ours ÷ best" is to the fastest of the others.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _pinned
from benchmarks._gradbench.driver import Tool
from benchmarks._gradbench.inputs import Case, cases
from benchmarks._report import Report
from benchmarks._server import ROOT

_PEERS = {"PyTorch": ("pytorch", "torch"), "JAX": ("jax", "jax")}
_LONGEST = 2.0  # seconds of one run above which a contestant is asked no more
_TOLERANCE = 1e-4  # as GradBench's own, relative, absolute below 1


def main(report: Report, *, small: bool = False) -> None:
    """A row for each contestant of each eval; at small size by the tools' own clocks, once."""
    report.table("eval", "contestant", "CPU, ms", "its clock, ms", "ours ÷ best, CPU")
    with ExitStack() as stack:
        tools = {name: stack.enter_context(make()) for name, make in contestants().items()}
        for tool in tools.values():
            tool.ask(kind="start", eval="all")
        for case in cases(small):
            _row(report, tools, case, rounds=0 if small else 3)


def contestants() -> dict[str, Callable[[], Tool]]:
    """Ours, and those of a checkout of GradBench."""
    environment = {**os.environ, **_pinned.threads()}
    ours = [sys.executable, "-m", "benchmarks._gradbench"]
    found: dict[str, Callable[[], Tool]] = {"gradwire": lambda: Tool(ours, ROOT, environment)}
    checkout = os.environ.get("GRADBENCH")
    for name, (folder, package) in _PEERS.items() if checkout else ():
        if find_spec(package) is not None:
            found[name] = _peer(Path(str(checkout)) / "python" / "gradbench", folder, environment)
    return found


def _peer(root: Path, folder: str, environment: dict[str, str]) -> Callable[[], Tool]:
    script = root / "gradbench" / "tools" / folder / "run.py"
    found = {**environment, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    return lambda: Tool([sys.executable, str(script)], root, found)


def _row(report: Report, tools: dict[str, Tool], case: Case, rounds: int) -> None:
    module, function, label, given = case
    runs: dict[str, int] = {}
    clock: dict[str, float] = {}
    answers: dict[str, Any] = {}
    for name, tool in tools.items():
        if not tool.ask(kind="define", module=module)["success"]:
            continue
        tool.run(module, function, given, 1)  # which may compile
        found = tool.run(module, function, given, 2)
        if not found["success"]:
            assert name != "gradwire", found["error"]
            continue
        answers[name] = found["output"]
        clock[name] = found["timings"][-1]["nanoseconds"] / 1e9
        runs[name] = int(np.clip(0.5 / max(clock[name], 1e-6), 1, 3000))
    for name, output in answers.items():
        _compare(f"{name}: {module} {label}", output, answers["gradwire"])
    taken: dict[str, list[float]] = {name: [] for name in answers}
    for _ in range(rounds):
        for name, seconds in taken.items():
            if clock[name] > _LONGEST:
                continue
            if module != "hello":  # whose input cannot ask for several runs
                seconds.append(tools[name].seconds(module, function, given, runs[name]))
            clock[name] = min(clock[name], _fastest(tools[name], case, runs[name]))
    cpu = {name: statistics.median(seconds) for name, seconds in taken.items() if seconds}
    figures = {name: cpu.get(name, clock[name]) for name in answers}
    others = [seconds for name, seconds in figures.items() if name != "gradwire"]
    for name, seconds in figures.items():
        ratio: object = seconds / min(others) if name == "gradwire" and others else ""
        shown: object = cpu[name] * 1e3 if name in cpu else ""
        report.row(f"{module} {label}".strip(), name, shown, clock[name] * 1e3, ratio)


def _fastest(tool: Tool, case: Case, runs: int) -> float:
    """The fastest of several runs by the tool's clock, in seconds."""
    module, function, _, given = case
    answers = [tool.run(module, function, given, runs) for _ in range(200 if module == "hello" else 1)]
    return min(timing["nanoseconds"] / 1e9 for answer in answers for timing in answer["timings"])


def _compare(what: str, found: Any, expected: Any) -> None:
    """Raise AssertionError if two answers differ by more than GradBench allows."""
    one, other = _flat(found), _flat(expected)
    scale = np.maximum(np.abs(one) + np.abs(other), 1)
    assert one.shape == other.shape, f"{what}: {one.shape} and {other.shape}"
    assert np.all(np.abs(one - other) <= _TOLERANCE * scale), f"{what}: the answers differ"


def _flat(answer: Any) -> np.ndarray[Any, Any]:
    if isinstance(answer, dict):
        return np.concatenate([_flat(answer[key]) for key in sorted(answer)])
    return np.asarray(answer, np.float64).ravel()
