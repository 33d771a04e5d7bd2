"""Every op through the executor of CUDA devices, on the stand-in: it returns the CPU's results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine import dtypes
from engine.arrays.cupy import ON_HOST
from engine.errors import DerivativeNotImplemented, DtypeMismatch
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE, F
from engine.ir.tape import Tape
from engine.passes import lower
from engine.runtime.executors.cupy import DevicePlan
from engine.runtime.executors.numpy import BoundPlan
from engine.runtime.plan import make_plan
from engine.transforms.vjp import backward
from tests.engine.sampling import arrays_of, named, record

LIMIT = 1 << 30
CASES = [
    pytest.param(op, sample, id=f"{op.name}-{n}")
    for op in TABLE.values()
    if not op.group.startswith("engine")
    for n, sample in enumerate(op.samples.cases)
]
#: Ops whose kernels go through the host, and how often a sample's run does (down and up again).
THROUGH_HOST = {
    "draw": "keyed_draw",
    "spherical_jn": "spherical_jn",
    "banded_inverse": None,
    "lu": "lu",
    "expm": "expm",
}
#: Of these several arrays come back.
ARRAYS = {"lu": 3}


def run_both(tape: Tape, given: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    plan = make_plan(lower(tape))
    return DevicePlan(plan, "cuda:0", LIMIT).run(given), BoundPlan(make_plan(lower(tape))).run(given)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "complex128"])
@pytest.mark.parametrize(("op", "sample"), CASES)
def test_values_are_those_of_the_cpu(op: Op, sample: Sample, dtype: str, device: dict[str, int]) -> None:
    given = arrays_of(op, sample, dtype)
    try:
        tape, _ = record(op, given, sample.attributes)
    except DtypeMismatch:
        assert dtype in ("int64", "complex128"), "an op takes floats"
        return
    answers, expected = run_both(tape, named(given))
    for got, wanted in zip(answers, expected, strict=True):
        assert isinstance(got, np.ndarray)
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        assert got.flags.writeable
        assert got.flags.c_contiguous
        np.testing.assert_allclose(got, wanted, rtol=2e-6 if got.dtype == np.float32 else 1e-13, atol=1e-15)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_gradients_are_those_of_the_cpu(op: Op, sample: Sample, device: dict[str, int]) -> None:
    given = arrays_of(op, sample)
    tape, outputs = record(op, given, sample.attributes)
    wrt = [slot for slot in tape.inputs.values() if dtypes.is_floating(tape.types[slot].dtype)]
    seeds = {
        y.slot: tape.constant(np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape), y.dtype)
        for y in outputs
        if dtypes.is_floating(y.dtype)
    }
    try:
        adjoints = backward(tape, seeds, wrt) if seeds else {}
    except DerivativeNotImplemented:
        return
    tape.outputs = [adjoints[slot].slot for slot in wrt if slot in adjoints]
    if not tape.outputs:
        return
    answers, expected = run_both(tape, named(given))
    for got, wanted in zip(answers, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_each_input_goes_up_once_and_each_output_comes_down_once(
    op: Op, sample: Sample, device: dict[str, int]
) -> None:
    given = arrays_of(op, sample)
    plan = make_plan(lower(record(op, given, sample.attributes)[0]))
    bound = DevicePlan(plan, "cuda:0", LIMIT)
    bound.run(named(given))  # brings the constants
    device.update(uploads=0, downloads=0)
    bound.run(named(given))
    used = {step.instruction.op.name for step in plan.steps}
    hosted = [s.instruction.op.name for s in plan.steps if s.instruction.op.name in THROUGH_HOST.values()]
    trips, brought = len(hosted), sum(ARRAYS.get(name, 1) for name in hosted)
    looks = int(bool(used & LOOKED_AT) and any(map(_notes, plan.steps)))
    read = [slot for slot in plan.tape.inputs.values() if slot in plan.read]
    assert device["uploads"] == len(read) + brought
    assert device["downloads"] == len(plan.tape.outputs) + trips + looks


#: Ops that note what a run looks at once, in the end, with one transfer more.
LOOKED_AT = {
    *("getitem", "index_add", "index_set", "read_along_axis", "add_along_axis"),
    *("one_hot", "pick_class", "from_entries", "searchsorted", "checked_places", "checked_table"),
}


def _notes(step: Any) -> bool:
    instruction = step.instruction
    name, inputs = instruction.op.name, len(instruction.inputs)
    own = {"getitem": 1, "index_add": 2, "index_set": 2}.get(name)
    return name in LOOKED_AT if own is None else inputs > own


def test_only_listed_functions_go_through_the_host() -> None:
    assert set(THROUGH_HOST) == set(ON_HOST)


def test_a_device_array_is_never_converted_silently(fake_cupy: Any) -> None:
    """The stand-in itself: what CuPy would wait for, it refuses."""
    from engine.runtime.executors.cupy import cuda

    with cuda("cuda:0").entered(LIMIT) as xp:
        x = xp.from_host(np.ones(2))
        for hidden in (np.asarray, float, bool, int, lambda a: a + np.ones(2), lambda a: np.ones(2) + a):
            with pytest.raises(TypeError):
                hidden(x)
        assert isinstance(xp.sum(x), fake_cupy.ndarray)
    with pytest.raises(RuntimeError, match="outside"):
        fake_cupy.zeros(3)


def test_formulas_expand_on_the_device_as_well(device: dict[str, int]) -> None:
    tape = Tape()
    x = tape.input("x", tape_type((3, 4)))
    tape.outputs = [F.sum(F.softmax(F.tanh(x) @ F.permute_dims(x, axes=(1, 0)))).slot]
    answers, expected = run_both(tape, {"x": np.linspace(-1, 1, 12).reshape(3, 4)})
    np.testing.assert_array_equal(answers[0], expected[0])


def tape_type(shape: tuple[int, ...]) -> Any:
    return dtypes.TensorType(shape, "float64")
