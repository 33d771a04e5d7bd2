"""Kernels under the strict array API: what they use beyond the standard is listed here, op by op.

What is not listed runs as it stands on every library that has the standard, CuPy among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE
from engine.runtime.executors.numpy import run_tape
from tests.engine.sampling import Array, arrays_of, bound_attributes, named, record
from tests.engine.strict_namespace import namespace, to_host
from tests.engine.test_ops_complex import takes_complex

BEYOND: Mapping[str, str] = {
    "getitem": "index arrays beside slices are beyond the standard",
    "count_nonzero": "sums booleans as they are, as NumPy and CuPy do",
}
#: Float32 in, float64 within: what is computed so on purpose.
IN_FLOAT64: Mapping[str, str] = {
    **dict.fromkeys(("gamma_quantile", "gamma_quantile_slope"), "a quantile's difference needs the digits"),
    "spherical_jn": "SciPy computes it so",
    "keyed_draw": "draws are the same bits for every dtype",
}


def kernel_cases() -> list[tuple[Op, Sample, int]]:
    return [
        (op, s, n)
        for op in TABLE.values()
        if op.kernel.forward and not op.group.startswith("engine")
        for n, s in enumerate(op.samples.cases)
    ]


@pytest.mark.parametrize(
    ("op", "sample"),
    [pytest.param(op, s, id=f"{op.name}-{n}") for op, s, n in kernel_cases() if op.name not in BEYOND],
)
def test_a_kernel_keeps_to_the_standard(op: Op, sample: Sample) -> None:
    given = arrays_of(op, sample)
    expected = run_tape(record(op, given, sample.attributes)[0], named(given))
    attributes = bound_attributes(op, given, sample)
    assert op.kernel.forward is not None
    with strict.ArrayAPIStrictFlags(api_version="2024.12"), np.errstate(all="ignore"):
        answer = op.kernel.forward(namespace(), *map(strict.asarray, given), **attributes)
    answers = answer if isinstance(answer, tuple | list) else [answer]
    for got, wanted in zip(answers, expected, strict=True):
        assert isinstance(got, type(strict.asarray(0)))
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("op", "sample"),
    [pytest.param(op, s, id=f"{op.name}-{n}") for op, s, n in kernel_cases() if op.name not in BEYOND],
)
def test_a_kernel_stays_on_its_device(op: Op, sample: Sample) -> None:
    """Nothing is made on the default device and mixed in, and nothing is converted silently."""
    device = strict.Device("device1")
    given = arrays_of(op, sample)
    answers = run_on(device, op, sample, given)
    expected = run_tape(record(op, given, sample.attributes)[0], named(given))
    for got, wanted in zip(answers, expected, strict=True):
        assert got.device == device
        np.testing.assert_allclose(to_host(got), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("op", "sample"),
    [
        pytest.param(op, s, id=f"{op.name}-{n}")
        for op, s, n in kernel_cases()
        if op.name not in BEYOND and op.inputs and op.derivative.complex_rule is None and takes_complex(op, s)
    ],
)
def test_a_kernel_takes_complex_numbers_on_its_device(op: Op, sample: Sample) -> None:
    device = strict.Device("device1")
    given = arrays_of(op, sample, "complex128")
    answers = run_on(device, op, sample, given)
    expected = run_tape(record(op, given, sample.attributes)[0], named(given))
    for got, wanted in zip(answers, expected, strict=True):
        assert got.device == device
        np.testing.assert_allclose(to_host(got), wanted, rtol=1e-12, atol=1e-14)


def float32_cases() -> list[tuple[Op, Sample, int]]:
    """Those whose types hold no float64 when every float that comes is a float32."""
    return [case for case in kernel_cases() if case[0].name not in BEYOND and _is_narrow(*case[:2])]


def _is_narrow(op: Op, sample: Sample) -> bool:
    tape, _ = record(op, arrays_of(op, sample, "float32"), sample.attributes)
    return not {"float64", "complex128"} & {type.dtype for type in tape.types}


@pytest.mark.parametrize(
    ("op", "sample"), [pytest.param(op, s, id=f"{op.name}-{n}") for op, s, n in float32_cases()]
)
def test_a_kernel_in_float32_needs_no_float64(op: Op, sample: Sample) -> None:
    """On a device without float64 no temporary may be one either."""
    if op.name in IN_FLOAT64:
        pytest.skip(IN_FLOAT64[op.name])
    given = arrays_of(op, sample, "float32")
    answers = run_on(strict.Device("no_float64"), op, sample, given)
    expected = run_tape(record(op, given, sample.attributes)[0], named(given))
    for got, wanted in zip(answers, expected, strict=True):
        assert str(got.dtype).endswith(wanted.dtype.name)
        np.testing.assert_allclose(to_host(got), wanted, rtol=1e-5, atol=1e-6)


def run_on(device: Any, op: Op, sample: Sample, given: Sequence[Array]) -> list[Any]:
    attributes = bound_attributes(op, given, sample)
    there = [strict.asarray(array.copy(), device=device) for array in given]
    assert op.kernel.forward is not None
    with strict.ArrayAPIStrictFlags(api_version="2024.12"), np.errstate(all="ignore"):
        answer = op.kernel.forward(namespace(device), *there, **attributes)
    return list(answer) if isinstance(answer, tuple | list) else [answer]


def test_most_kernels_are_checked_in_float32() -> None:
    assert len({op.name for op, *_ in float32_cases()}) > 0.8 * len({op.name for op, *_ in kernel_cases()})


@pytest.mark.parametrize("name", BEYOND)
def test_nothing_is_listed_without_need(name: str) -> None:
    op = TABLE[name]
    failed = 0
    for sample in op.samples.cases:
        given = arrays_of(op, sample)
        try:
            assert op.kernel.forward is not None
            with np.errstate(all="ignore"):
                op.kernel.forward(
                    namespace(), *map(strict.asarray, given), **bound_attributes(op, given, sample)
                )
        except (AttributeError, IndexError, TypeError):
            failed += 1
    assert failed
