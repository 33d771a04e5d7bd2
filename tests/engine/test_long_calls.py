"""A long function that is called again and again is walked once: what is compiled grows with the text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.ops.control import identity
from engine.queries.compiler import Compiler, plan_of

RNG = np.random.default_rng(5)


def determinant(size: int) -> str:
    """By minors of the first row, a function for each size."""
    text = ["def det1(a):\n    return a[0, 0]"]
    for k in range(2, size + 1):
        minors = [f"a[0, {j}] * det{k - 1}(concat([a[1:, :{j}], a[1:, {j + 1}:]], axis=1))" for j in range(k)]
        signed = [f"{'-' if j % 2 else '+'} {minor}" for j, minor in enumerate(minors)]
        text.append(f"def det{k}(a):\n    return {' '.join(signed).removeprefix('+ ')}")
    return "\n".join([*text, f"loss = det{size}(a) + sum(a ** 2)"])


def query(size: int, kind: Any, **choices: Any) -> Query:
    shape = (3, size, size) if "batch" in choices else (size, size)
    graph = parse_program(determinant(size))
    return Query(graph=graph, kind=kind, inputs={"a": TensorType(shape)}, **choices)


VECTOR = {"a": TensorType((4, 4))}
KINDS: dict[str, dict[str, Any]] = {
    "gradient": {"targets": ("loss",)},
    "hvp": {"targets": ("loss",), "vectors": VECTOR},
    "jvp": {"outputs": ("loss",), "tangents": VECTOR},
    "jacobian": {"outputs": ("loss",)},
    "hessian": {"targets": ("loss",)},
    "evaluate": {"outputs": ("loss",)},
}


def flat(answer: Any) -> list[Any]:
    if isinstance(answer, dict):
        return [part for value in answer.values() for part in flat(value)]
    return [] if isinstance(answer, str) or answer is None else [np.asarray(answer, np.float64).ravel()]


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_what_the_expanded_function_gives(
    kind: str, optimize: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = {**KINDS[kind], "optimize": optimize}
    values = {"a": RNG.normal(size=(4, 4))}
    directions = {"a": RNG.normal(size=(4, 4))} if kind in ("hvp", "jvp") else None
    expected = Compiler().compile(query(4, kind, **choices)).run(values, directions)
    monkeypatch.setattr(identity, "MOST_INLINED", 16)
    names = [step.op.name for step in plan_of(query(4, kind, **choices))[1].tape.instructions]
    assert "checkpoint" in names
    found = Compiler().compile(query(4, kind, **choices)).run(values, directions)
    for ours, theirs in zip(flat(found), flat(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)


def test_rows_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    choices: dict[str, Any] = {"targets": ("loss",), "batch": ("a",)}
    values = {"a": RNG.normal(size=(3, 4, 4))}
    expected = Compiler().compile(query(4, "gradient", **choices)).run(values)
    monkeypatch.setattr(identity, "MOST_INLINED", 16)
    found = Compiler().compile(query(4, "gradient", **choices)).run(values)
    np.testing.assert_allclose(found["gradients"]["a"], expected["gradients"]["a"], rtol=1e-11)


def test_the_work_of_compiling_does_not_grow_with_the_number_of_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identity, "MOST_INLINED", 16)
    lengths = []
    for size in (4, 5, 6):
        plan = plan_of(query(size, "gradient", targets=("loss",)))[1]
        lengths.append(sum(len(tape.instructions) for tape in tapes(plan.tape)))
    assert lengths[2] < 5 * lengths[0]  # expanded, 31 times
    a = RNG.normal(size=(6, 6))
    answer = Compiler().compile(query(6, "gradient", targets=("loss",))).run({"a": a})
    expected = np.linalg.det(a) * np.linalg.inv(a).T + 2 * a
    np.testing.assert_allclose(answer["gradients"]["a"], expected, rtol=1e-9)


def tapes(tape: Any) -> list[Any]:
    """A tape and the functions that it holds, each once."""
    found = {id(tape): tape}
    waiting = [tape]
    while waiting:
        for step in waiting.pop().instructions:
            for value in step.attributes.values():
                if hasattr(value, "instructions") and id(value) not in found:
                    found[id(value)] = value
                    waiting.append(value)
    return list(found.values())
