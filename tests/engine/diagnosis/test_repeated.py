"""A diagnosis that comes again at each run of a program: the same words as the first time, for less work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.diagnosis import diagnose as looking
from engine.diagnosis.evidence import unroll
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler, Program

SCAN = """
def step(h, x):
    return h * x
loss = scan(step, start, xs) * w
"""
WHILE = """
def going(x, w):
    return x > 0.5
def halve(x, w):
    return x / 2 * relu(w)
loss = while_loop(going, halve, start, w, max_steps=20)
"""
BRANCH = """
def yes(x):
    return relu(x) * 0
def no(x):
    return relu(-x) * 0
loss = cond(yes, no, x > 0, x)
"""
COUNTED = """
def going(x, k, n):
    return k < n
def step(x, k, n):
    return x * 0, k + 1
x, k = while_loop(going, step, x, 0.0, n, carry=2, max_steps=9)
loss = sum(x)
"""


def compiled(program: str, given: dict[str, Any], **choices: Any) -> Program:
    types = {name: TensorType(v.shape, v.dtype.name) for name, v in given.items()}
    query = Query(graph=parse_program(program), kind="gradient", targets=("loss",), inputs=types, **choices)
    made = Compiler().compile(query)
    assert isinstance(made, Program)
    return made


def arrays(**given: Any) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.asarray(value, float) for name, value in given.items()}


CASES: list[tuple[str, list[dict[str, Any]]]] = [
    (SCAN, [arrays(start=1, xs=[2, 0, k], w=k) for k in (3.0, 4.0, 0.0, np.nan, np.inf)]),
    (
        WHILE,
        [arrays(start=s, w=w) for s, w in ((3, 1), (3.5, 1), (30, 1), (0.1, 1), (0.2, 1), (9, 0), (3, 1))],
    ),
    (BRANCH, [arrays(x=x) for x in (1, 2, -1, -3, 4, np.nan)]),
    (COUNTED, [arrays(x=[1, 2], n=n) for n in (3, 3, 4, 0, 2)]),
]


@pytest.mark.parametrize(("program", "runs"), CASES, ids=["scan", "while", "branch", "counted"])
@pytest.mark.parametrize("diagnose", ["auto", "full"])
def test_later_runs_say_what_a_fresh_program_says(
    program: str, runs: list[dict[str, Any]], diagnose: str
) -> None:
    lasting = compiled(program, runs[0], diagnose=diagnose)
    told = 0
    for given in [*runs, *runs[::-1]]:
        again, fresh = lasting.run(given), compiled(program, given, diagnose=diagnose).run(given)
        assert repr(again) == repr(fresh)
        told += "diagnosis" in fresh
    assert told >= 4


def count_calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[int]:
    calls: list[int] = []
    original = getattr(module, name)

    def counted(*args: Any, **choices: Any) -> Any:
        calls.append(1)
        return original(*args, **choices)

    monkeypatch.setattr(module, name, counted)
    return calls


def test_the_same_numbers_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = count_calls(monkeypatch, looking.Diagnosis, "look")
    given = arrays(start=1, xs=[2, 0, 3], w=3)
    program = compiled(SCAN, given)
    first = program.run(given)["diagnosis"]
    first["start"]["status"] = "mine"  # the answer is the caller's own
    for _ in range(3):
        assert program.run(given)["diagnosis"]["start"]["status"] == "zero"
    assert program.run(given)["diagnosis"] != first
    assert len(looks) == 1
    program.run(arrays(start=1, xs=[2, 0, 3], w=4))
    assert len(looks) == 2
    program.run(given)  # one is kept, the last
    assert len(looks) == 3


def test_other_numbers_take_the_laid_out_steps_again(monkeypatch: pytest.MonkeyPatch) -> None:
    laid = count_calls(monkeypatch, looking, "lay_out")
    program = compiled(SCAN, arrays(start=1, xs=[2, 0, 3], w=3))
    for k in range(4):
        assert program.run(arrays(start=1, xs=[2, 0, k], w=k))["diagnosis"]
    assert len(laid) == 1


def test_a_scan_that_is_too_long_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    laid = count_calls(monkeypatch, looking, "lay_out")
    xs = np.zeros(unroll.MOST_BY_DEFAULT)
    program = compiled(SCAN, {"start": np.asarray(1.0), "xs": xs, "w": np.asarray(1.0)})
    for k in range(3):
        said = program.run({"start": np.asarray(1.0), "xs": xs, "w": np.asarray(1.0 + k)})["diagnosis"]
        assert said["start"]["status"] == "zero"
    assert len(laid) == 1
