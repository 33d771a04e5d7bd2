"""Every attribute of every op off its default, in every kind of derivative.

The samples come from `settings`, the kinds from `kinds`, what NumPy and SciPy compute from `references`. The
fast tests take a few values of each attribute; the slow one takes all of them, in real and complex numbers,
and says how many there were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import DtypeMismatch
from engine.ir.attributes import Attribute, parse_attributes
from engine.ir.dependence import Reach
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE
from tests.engine.kinds import KINDS, Kinds
from tests.engine.records import altered
from tests.engine.references import REFERENCES
from tests.engine.sampling import Array, arrays_of, record
from tests.engine.settings import SUBJECTS, settings, takes_functions, together

PAIRS = [
    pytest.param(op, attribute, id=f"{op.name}-{attribute.name}")
    for op in SUBJECTS
    for attribute in op.attributes
]
#: Ops without a reference: what they draw has none.
DRAWN = {op.name for op in TABLE.public() if op.group == "random"}
ROUNDED = {"float16": 2e-3, "float32": 1e-5, "complex64": 1e-5}


def checked(op: Op, sample: Sample, dtype: str = "float64") -> tuple[str, ...]:
    """The kinds that had something to say about an op at a sample, all of them right."""
    given = arrays_of(op, sample, dtype)
    with np.errstate(all="ignore"):
        kinds = Kinds(op, given, sample.attributes)
        said = kinds.check()
    if op.name in REFERENCES:
        compare(op, given, sample.attributes, [kinds.here[v.slot] for v in kinds.values])
    return said


def compare(op: Op, given: list[Array], attributes: Mapping[str, Any], answers: list[Array]) -> None:
    """Demand the reference's values."""
    with np.errstate(all="ignore"):
        expected = REFERENCES[op.name](*given, **parse_attributes(attributes, op.attributes))
    expected = expected if isinstance(expected, list | tuple) and op.name != "shape" else [expected]
    for answer, reference in zip(answers, expected, strict=True):
        rtol = ROUNDED.get(answer.dtype.name, 1e-12)
        np.testing.assert_allclose(
            answer, reference, rtol=rtol, atol=rtol / 10, err_msg=f"{op.name} {attributes}"
        )


def takes_complex(op: Op, sample: Sample) -> bool:
    """Whether there are complex numbers in the sample that the op takes."""
    given = arrays_of(op, sample, "complex128")
    try:
        record(op, given, sample.attributes)
    except DtypeMismatch:
        return False
    return any(array.dtype.kind == "c" for array in given)


def test_every_attribute_has_samples_off_its_default() -> None:
    """An op whose attributes no sample moves is tested at its defaults alone."""
    public = [op for op in TABLE.public() if op.attributes and not takes_functions(op)]
    assert {op.name for op in public} <= {op.name for op in SUBJECTS}
    bare = [f"{op.name}.{a.name}" for op in SUBJECTS for a in op.attributes if not settings(op, a, most=1)]
    assert bare == []


def test_an_attribute_without_a_sample_is_found() -> None:
    op = TABLE["exp"]
    text = replace(TABLE["einsum"].attributes[0], default="ij")
    assert settings(replace(op, attributes=(text,)), text) == []


@pytest.mark.parametrize(("op", "attribute"), PAIRS)
def test_an_attribute_off_its_default_is_right_in_every_kind(op: Op, attribute: Attribute) -> None:
    chosen = settings(op, attribute, most=1)
    assert chosen
    for setting in (*chosen[:2], *chosen[2:][-1:]):
        checked(op, setting.sample)


@pytest.mark.parametrize(("op", "attribute"), PAIRS)
def test_and_of_complex_numbers(op: Op, attribute: Attribute) -> None:
    sample = settings(op, attribute, most=1)[0].sample
    if takes_complex(op, sample):
        checked(op, sample, "complex128")


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in SUBJECTS if not op.internal])
def test_attributes_off_their_defaults_together(op: Op) -> None:
    sample = together(op)
    if sample is not None:
        checked(op, sample)


@pytest.mark.slow
def test_every_setting_in_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    said: Counter[str] = Counter()
    values = 0
    for op in SUBJECTS:
        for attribute in op.attributes:
            for setting in settings(op, attribute):
                values += 1
                for dtype in ("float64", "complex128"):
                    if dtype == "float64" or takes_complex(op, setting.sample):
                        said.update(checked(op, setting.sample, dtype))
    pairs = len(PAIRS)
    with capsys.disabled():
        print(
            f"\n{len(SUBJECTS)} ops, {pairs} attributes, {values} values off their defaults, "
            f"{len(KINDS)} kinds: {sum(said.values())} checks, "
            + ", ".join(f"{kind} {said[kind]}" for kind in KINDS)
        )
    assert set(said) == set(KINDS)
    assert values > 2 * pairs


# -- the checker -------------------------------------------------------------------------------------


WRONG: Mapping[str, Any] = {
    "an affine op said to be linear": lambda pad: altered(pad, linear_at={}),
    "a rule wrong by a thousandth": lambda pad: replace(
        pad, inputs=(replace(pad.inputs[0], vjp=lambda *a, **k: pad.inputs[0].vjp(*a, **k) * 1.001),)
    ),
    "a batching rule that moves the axis": lambda pad: altered(
        pad,
        batch=lambda op, xs, batched, n, **k: TABLE["flip"](pad.rules.batch(op, xs, batched, n, **k), axis=0),
    ),
    "a pattern of nothing": lambda pad: altered(pad, dependence=_nothing),
}


def _nothing(seen: Any, i: int) -> Any:
    return Reach(take=np.full(seen.output.size, -1))


@pytest.mark.parametrize("fault", WRONG)
def test_a_fault_is_found(fault: str) -> None:
    sample = Sample(((2, 3),), {"pad_width": [[1, 2], [0, 1]], "constant_values": 1})
    checked(TABLE["pad"], sample)
    with pytest.raises(AssertionError):
        checked(WRONG[fault](TABLE["pad"]), sample)
