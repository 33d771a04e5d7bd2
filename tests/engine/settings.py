"""Samples of every op with its attributes off their defaults: from the records, from the attributes' schemas,
and by hand where neither can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import engine.ops  # noqa: F401  # fills the table
from engine.errors import UserError
from engine.ir.attributes import FUNCTION, REQUIRED, Attribute, parse_attributes
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.table import TABLE
from engine.runtime.executors.numpy import run_tape
from tests.engine.sampling import arrays_of, named, record

#: What neither the records' samples nor a schema can say.
BY_HAND: Mapping[tuple[str, str], Sequence[Sample]] = {
    ("isclose", "rtol"): (Sample(([1.0, 2.0, -3.0], [1.3, 2.9, -3.1]), {"rtol": 0.35}),),
    ("isclose", "atol"): (Sample(([1.0, 2.0, -3.0], [1.3, 2.9, -3.1]), {"atol": 0.5}),),
    ("isclose", "equal_nan"): (Sample((["NaN", 2.0], ["NaN", "NaN"]), {"equal_nan": True}),),
    ("pad", "constant_values"): (
        Sample(((2, 3),), {"pad_width": [[1, 2], [0, 1]], "constant_values": 1}),
        Sample(((3,),), {"pad_width": [[2, 0]], "constant_values": -0.5}),
    ),
    ("softmax", "axis"): (Sample(((2, 3),), {"axis": None}), Sample(((2, 3, 2),), {"axis": [-1, 0]})),
    ("gather", "axis"): (Sample(((2, 3), [0, 2]), {"axis": -1}),),
    ("take_along_axis", "axis"): (Sample(((3, 2), [[0, 2]]), {"axis": -2}),),
    ("one_hot", "num_classes"): (Sample(([0, 1],), {"num_classes": 2}),),
    ("linear_recurrence", "axis"): (Sample(((2, 4), (2, 4)), {"axis": -1}),),
    ("concat", "axis"): (Sample(((2, 3), (4,)), {"axis": None}),),
    ("sort", "axis"): (Sample(((2, 3),), {"axis": None}),),
    ("argsort", "axis"): (Sample(((2, 3),), {"axis": None, "descending": True}),),
    ("argmax", "keepdims"): (Sample(((2, 3),), {"axis": None, "keepdims": True}),),
    ("argmin", "keepdims"): (Sample(((2, 3),), {"axis": None, "keepdims": True}),),
    ("cross", "axis"): (Sample(((2, 3), (3,)), {"axis": None}),),
    ("roll", "shift"): (Sample(((2, 3, 2),), {"shift": [1, -2, 3], "axis": [0, 1, 0]}),),
    ("einsum", "equation"): (Sample(((2, 3, 2, 3),), {"equation": "abab->ba"}),),
}

#: Values to try for an attribute of a kind, the default left out.
_CANDIDATES: Mapping[str, Sequence[Any]] = {
    "bool": (True, False),
    "number": (0.35, 1, 3, -0.75),
    "int": (1, -1, 2, 0),
    "size": (1, 2, 3, 0),
    "axis": (0, 1, -1, 2, -2, None),
    "dtype": ("float32", "complex128", "int64", "float64"),
    "order": (1, 3, 0.5, "Infinity", "-Infinity", 0, "fro"),
    "sections": (1, [1], [1, 1]),
    "ints": (1, 2, [1], [1, 2]),
    "shape": (),
}
MOST = 4  # samples of one attribute that are drawn from its schema


@dataclass(frozen=True)
class Setting:
    """A sample in which an attribute of an op has another value than its default."""

    op: Op
    attribute: str
    sample: Sample


def settings(op: Op, attribute: Attribute, most: int = MOST) -> list[Setting]:
    """The samples of an op in which the attribute is off its default; at most so many are drawn."""
    chosen: dict[str, Sample] = {}
    for sample in (*BY_HAND.get((op.name, attribute.name), ()), *op.samples.cases):
        if _is_off(op, attribute, sample.attributes) and _is_taken(op, sample):
            chosen.setdefault(repr(sample), sample)
    drawn: dict[str, Sample] = {}
    for base in () if op.internal else op.samples.cases:  # what is never called by users is called as sampled
        for value in _candidates(attribute, base):
            sample = Sample(base.inputs, {**base.attributes, attribute.name: value})
            known = repr(sample) in chosen or repr(value) in drawn
            if not known and _is_off(op, attribute, sample.attributes) and _is_taken(op, sample):
                drawn[repr(value)] = sample
            if len(drawn) == most:
                break
    return [Setting(op, attribute.name, sample) for sample in (*chosen.values(), *drawn.values())]


def together(op: Op) -> Sample | None:
    """A sample with as many attributes off their defaults as go together."""
    free = [a for a in op.attributes if a.default is not REQUIRED]
    if len(free) < 2:
        return None
    for base in reversed(op.samples.cases):
        attributes = dict(base.attributes)
        for attribute in free:
            if _is_off(op, attribute, attributes):
                continue
            for value in _candidates(attribute, base):
                wider = {**attributes, attribute.name: value}
                if _is_off(op, attribute, wider) and _is_taken(op, Sample(base.inputs, wider)):
                    attributes = wider
                    break
        if sum(_is_off(op, attribute, attributes) for attribute in free) > 1:
            return Sample(base.inputs, attributes)
    return None


def _candidates(attribute: Attribute, base: Sample) -> Iterator[Any]:
    kind = attribute.kind.name
    if kind == "choice":
        yield from attribute.kind.schema["enum"]
    elif kind == "axes":
        yield from (0, -1, None, *([a, b] for a, b in combinations((1, 0, -1), 2)))
    else:
        yield from _CANDIDATES.get(kind, ())


def _is_off(op: Op, attribute: Attribute, attributes: Mapping[str, Any]) -> bool:
    """Whether the attribute has a value of its own; one without a default always has."""
    if attribute.name not in attributes:
        return False
    try:
        parsed = parse_attributes(attributes, op.attributes)[attribute.name]
    except UserError:
        return False
    default = attribute.default
    if default is REQUIRED:
        return True
    return bool(parsed != default) or type(parsed) is not type(default)


def _is_taken(op: Op, sample: Sample) -> bool:
    try:
        given = arrays_of(op, sample)
        tape, _ = record(op, given, sample.attributes)
        if any(a.dtype.kind == "i" for a in given):
            run_tape(tape, named(given))  # an index may be out of range
    except UserError:
        return False
    return True


def takes_functions(op: Op) -> bool:
    """Whether an attribute names a function: such ops are tested as programs."""
    return any(a.kind is FUNCTION for a in op.attributes)


SUBJECTS = [op for op in TABLE.values() if op.attributes and not takes_functions(op) and op.samples.cases]
