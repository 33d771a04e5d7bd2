"""Figures of plans: the convention of FLOPs, and times that follow the number of calls."""

import numpy as np
import pytest

from engine import Compiler, Query, TensorType, dtypes, parse_program
from engine.errors import EngineError
from engine.ir.table import TABLE
from engine.queries.compiler import plan_of
from engine.queries.estimate import estimate
from engine.runtime.cost import cost_of
from tests.engine.sampling import arrays_of, record

POWERS = Query(graph=parse_program("sum(x ** 5)"), kind="evaluate", inputs={"x": TensorType((1000,))})


def test_an_elementwise_op_counts_one_operation_an_element():
    answer = estimate(POWERS)
    first = answer["nodes"][0]
    assert (first["node"], first["flops"], first["bytes"]) == ("pow_1", 1000, 8000)
    assert answer["forward"]["flops"] == 2000
    assert 16000 <= answer["forward"]["peak_bytes"] <= 16000 * 1.2


def seconds(program: str, **shapes: tuple[int, ...]) -> float:
    types = {name: TensorType(shape) for name, shape in shapes.items()}
    query = Query(graph=parse_program(program), kind="evaluate", inputs=types)
    return Compiler().compile(query).estimate.seconds


def test_a_slow_function_takes_longer_than_its_operations_say():
    assert seconds("x ** 2.5", x=(100_000,)) > 2 * seconds("x * 2.5", x=(100_000,))


def test_a_loop_takes_as_long_as_its_steps():
    program = "def f(c, x):\n    c = c * 0.5 + x\n    return c, c\nc, ys = scan(f, 0, xs)\nys"
    assert seconds(program, xs=(10_000,)) > 50 * seconds(program, xs=(100,))
    assert seconds(program, xs=(10_000,)) > 0.03, "ten thousand steps would be run on the event loop"


@pytest.mark.parametrize("name", [name for name in TABLE if TABLE[name].kernel.scalar is not None])
def test_the_memory_of_a_formula_is_known_for_every_dtype(name):
    op, known = TABLE[name], 0
    for sample in op.samples.cases:
        for dtype in dtypes.ALL:
            numbers = arrays_of(op, sample, "complex128" if dtypes.is_complex(dtype) else "float64")
            try:
                with np.errstate(invalid="ignore"):
                    tape, _ = record(op, [x.astype(dtype) for x in numbers], sample.attributes)
            except EngineError:
                continue  # it takes no such numbers
            known += sum(cost_of(tape, step).workspace >= 0 for step in tape.instructions)
    assert known


DOUBLE = "def small(x):\n    return x < 10\ndef double(x):\n    return x * 2\n"
HUGE = 10**13  # of int64: no machine has them


@pytest.mark.parametrize(
    ("program", "inputs", "options"),
    [
        (
            "mean(sparse_categorical_crossentropy(y, p))",
            {"y": TensorType((2,), "int64"), "p": TensorType((2, HUGE))},
            {"wrt": ("p",)},
        ),
        (
            "sum(x[i])",
            {"x": TensorType((HUGE, 3)), "i": TensorType((HUGE, 2), "int64")},
            {"wrt": ("x",), "batch": ("x", "i")},
        ),
        (
            f"{DOUBLE}while_loop(small, double, a, max_steps={HUGE})",
            {"a": TensorType((3,))},
            {"wrt": ("a",), "batch": ("a",)},
        ),
    ],
)
def test_the_cost_of_what_no_memory_holds_is_known_without_holding_it(program, inputs, options):
    query = Query(graph=parse_program(program), kind="gradient", inputs=inputs, diagnose="off", **options)
    _, plan = plan_of(query)
    assert plan.estimate.peak_bytes > HUGE
