"""Kernels under the strict array API: what they use beyond the standard is listed here, op by op.

What is not listed runs as it stands on every library that has the standard, CuPy among them.
"""

from __future__ import annotations

from collections.abc import Mapping

import array_api_strict as strict
import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine.executors.numpy import run_tape
from engine.op import TABLE, Op, Sample
from tests.engine.sampling import arrays_of, bound_attributes, named, record

SPECIAL = "special functions come from the kit"
INDEX_ARRAYS = "index arrays beside slices are beyond the standard"
SINGULAR = "singular matrices answer NaN by the kit"
SCATTER = "scatter-add comes from the kit"
BEYOND: Mapping[str, str] = {
    **dict.fromkeys(("exp2", "cbrt", "fmod", "fmax", "fmin", "heaviside"), "NumPy and CuPy have it"),
    **dict.fromkeys(
        ("erf", "erfc", "erfcx", "erfinv", "ndtr", "log_ndtr", "inverse_mills", "ndtri"), SPECIAL
    ),
    **dict.fromkeys(("logit", "gammaln", "digamma", "polygamma", "spherical_jn"), SPECIAL),
    **dict.fromkeys(("getitem", "index_set"), INDEX_ARRAYS),
    **dict.fromkeys(("index_add", "add_along_axis", "add_diagonal"), SCATTER),
    **dict.fromkeys(("inv", "solve", "cholesky"), SINGULAR),
    **dict.fromkeys(("cofactor", "det_curvature"), SINGULAR),
    **dict.fromkeys(("keyed_draw", "gamma_quantile", "gamma_quantile_slope"), "draws come from the kit"),
    "count_nonzero": "sums booleans as they are, as NumPy and CuPy do",
    "one_hot": "the check of its indices comes from the kit",
}


def kernel_cases() -> list[tuple[Op, Sample, int]]:
    return [
        (op, s, n)
        for op in TABLE.values()
        if op.forward and not op.group.startswith("engine")
        for n, s in enumerate(op.cases())
    ]


@pytest.mark.parametrize(
    ("op", "sample"),
    [pytest.param(op, s, id=f"{op.name}-{n}") for op, s, n in kernel_cases() if op.name not in BEYOND],
)
def test_a_kernel_keeps_to_the_standard(op: Op, sample: Sample) -> None:
    given = arrays_of(op, sample)
    expected = run_tape(record(op, given, sample.attributes)[0], named(given))
    attributes = bound_attributes(op, given, sample)
    assert op.forward is not None
    with strict.ArrayAPIStrictFlags(api_version="2024.12"), np.errstate(all="ignore"):
        answer = op.forward(strict, *map(strict.asarray, given), **attributes)
    answers = answer if isinstance(answer, tuple | list) else [answer]
    for got, wanted in zip(answers, expected, strict=True):
        assert isinstance(got, type(strict.asarray(0)))
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-12, atol=1e-14)


DEFAULT_DEVICE = {
    "repeat",  # array_api_strict itself makes the counts on its default device
    *("shape", "size", "ndim"),  # what is known of a shape is not computed
}


@pytest.mark.parametrize(
    ("op", "sample"),
    [
        pytest.param(op, s, id=f"{op.name}-{n}")
        for op, s, n in kernel_cases()
        if op.inputs and op.name not in {*BEYOND, *DEFAULT_DEVICE} and op.family.name != "creation"
    ],
)
def test_a_kernel_stays_on_its_device(op: Op, sample: Sample) -> None:
    """Nothing is made on the default device and mixed in, and nothing is converted silently."""
    device = strict.Device("device1")
    given = [strict.asarray(array, device=device) for array in arrays_of(op, sample)]
    attributes = bound_attributes(op, arrays_of(op, sample), sample)
    assert op.forward is not None
    with strict.ArrayAPIStrictFlags(api_version="2024.12"), np.errstate(all="ignore"):
        answer = op.forward(strict, *given, **attributes)
    answers = answer if isinstance(answer, tuple | list) else [answer]
    assert {got.device for got in answers} == {device}


@pytest.mark.parametrize("name", BEYOND)
def test_nothing_is_listed_without_need(name: str) -> None:
    op = TABLE[name]
    failed = 0
    for sample in op.cases():
        given = arrays_of(op, sample)
        try:
            assert op.forward is not None
            with np.errstate(all="ignore"):
                op.forward(strict, *map(strict.asarray, given), **bound_attributes(op, given, sample))
        except (AttributeError, IndexError, TypeError):
            failed += 1
    assert failed
