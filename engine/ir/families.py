"""Families of ops, and the constructors that enter records into the table.

What ops of a family share is said here once: how shapes and dtypes come out, what a run costs, how a
tangent is pushed forward, which samples test it. A record then says only what is its own. The rules
themselves are in `shapes` and `cost`.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from engine import dtypes
from engine.dtypes import TensorType
from engine.ir import batch_rules, dependence_rules
from engine.ir.attributes import AXES, BOOLEAN, Attribute
from engine.ir.cost import per_element
from engine.ir.derivative import JOINT, Derivative, Rule
from engine.ir.input import Input
from engine.ir.kernel import Kernel
from engine.ir.no_gradient import NoGradient
from engine.ir.op import Family, Op
from engine.ir.rules import Rules
from engine.ir.samples import Sample, Samples
from engine.ir.shapes import broadcast, normalize_axes, reduced
from engine.ir.table import TABLE

Part = TypeVar("Part", Kernel, Derivative, Rules, Samples)


def define(
    name: str,
    *aliases: str,
    family: Family,
    summary: str,
    vjp: Rule | NoGradient | Sequence[Rule | NoGradient],
    forward: Callable[..., Any] | None = None,
    kinds: str | Sequence[str] = "numeric",
    promote: Sequence[bool] | bool = True,
    variadic: bool = False,
    minimum: int = 1,
    **fields: Any,
) -> Op:
    """Enter a record. The inputs' names are read from `forward` (after `xp`) or from `formula`.

    `vjp`, `kinds` and `promote` are given once for all inputs or as one entry for each. `fields` are those of
    `Op` and of its parts (`Kernel`, `Derivative`, `Rules`, `Samples`) in one list; `samples` are the cases.
    """
    source = forward or fields.get("formula")
    assert source is not None, name
    kinds_of = inspect.signature(source).parameters.values()
    parameters = [p for p in kinds_of if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    names = [p.name for p in parameters][1 if forward else 0 :]
    count = len(names)
    rules = [vjp] * count if callable(vjp) or isinstance(vjp, NoGradient) else list(vjp)
    kind = [kinds] * count if isinstance(kinds, str) else list(kinds)
    shares = [promote] * count if isinstance(promote, bool) else list(promote)
    assert len(rules) == len(kind) == len(shares) == count, name
    inputs = tuple(
        Input(names[i], rules[i], kind[i], shares[i], variadic and i == count - 1, minimum)  # type: ignore[arg-type]  # kinds are checked by the record's test
        for i in range(count)
    )
    fields["forward"] = forward
    fields.setdefault("batch", family.batch)
    fields.setdefault("dependence", family.dependence)
    samples = fields.pop("samples", ())
    fields["cases"] = samples if samples or family.samples is None else tuple(family.samples(count))
    return TABLE.add(
        Op(
            name,
            family,
            summary,
            inputs,
            kernel=_part(Kernel, fields),
            derivative=_part(Derivative, fields),
            rules=_part(Rules, fields),
            samples=_part(Samples, fields),
            aliases=aliases,
            group=_group(),
            **fields,
        )
    )


def _part(kind: type[Part], fields: dict[str, Any]) -> Part:
    """One part of a record; its fields are removed from the flat `fields`."""
    own = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: fields.pop(name) for name in own & fields.keys()})


def _group() -> str:
    """The group of the record that is being entered: the folder below `engine/ops` that its file is in.

    It is read from the call stack, so that no record has to repeat where it stands, and none can name another
    folder than its own. The functions of a record do not tell: a record may borrow a kernel or a rule from
    another file, and families make kernels of their own. The importing package does not tell either, as
    files of one group import those of another first. It is read once for each record, at import; no
    result depends on it, only how ops are listed.
    """
    frame = sys._getframe(1)
    while frame.f_globals["__name__"] == __name__:
        assert frame.f_back is not None
        frame = frame.f_back
    name = str(frame.f_globals["__name__"])
    return name.removeprefix("engine.ops.").removeprefix("engine.").split(".")[0]


def composite(name: str, *aliases: str, formula: Callable[..., Any], **fields: Any) -> Op:
    """An op that is a formula over others: recording expands it, and its derivatives are theirs."""
    fields.setdefault("kinds", "any")
    fields.setdefault("vjp", JOINT)
    return define(name, *aliases, family=COMPOSITE, formula=formula, **fields)


def _elementwise_samples(count: int) -> Sequence[Sample]:
    if count == 1:
        return (Sample(((2, 3),)), Sample(((),)))
    shapes: list[tuple[int, ...]] = [(2, 3), (3,), (2, 1)]
    mixed = tuple(shapes[i % 3] for i in range(count))
    return (Sample(((2, 3),) * count), Sample(mixed), Sample(tuple(reversed(mixed))))


ELEMENTWISE = Family(
    "elementwise",
    jvp="elementwise",
    batch=batch_rules.elementwise,
    samples=_elementwise_samples,
    dependence=dependence_rules.elementwise,
)
REDUCTION = Family(
    "reduction", jvp="double_vjp", batch=batch_rules.along_axis, dependence=dependence_rules.along_axis
)
SHAPING = Family("shaping", jvp="linear", dependence=dependence_rules.moved)
INDEXING = Family("indexing", jvp="double_vjp", dependence=dependence_rules.moved)
LINALG = Family("linalg", jvp="double_vjp", dependence=dependence_rules.matrices)
CONTROL = Family("control", jvp="carry")
CREATION = Family("creation", jvp="linear", batch=batch_rules.elementwise)
COMPOSITE = Family(
    "composite", jvp="linear"
)  # expanded when recorded: its instructions push their own tangents


def infer_elementwise(output: str | None = None) -> Callable[..., tuple[TensorType, ...]]:
    """Broadcast shapes; the promoted dtype, or `output` (a dtype; "real" for the real part's, "complex" for
    that of a number with such parts).
    """

    def infer(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
        dtype = types[-1].dtype
        if output == "real":
            dtype = dtypes.real_of(dtype)
        elif output == "complex":
            dtype = dtypes.complex_of(dtype)
        elif output is not None:
            dtype = output
        shapes = [t.shape for t in types]
        shape = shapes[0] if shapes.count(shapes[0]) == len(shapes) else broadcast(*shapes)
        return (TensorType(shape, dtype, all(t.weak for t in types)),)

    return infer


def elementwise(
    name: str,
    *aliases: str,
    output: str | None = None,
    flops: int = 1,
    scratch: int = 0,
    ufunc: str | None = None,
    **fields: Any,
) -> Op:
    """An op on each element under broadcasting.

    `ufunc` names the array API function that is the whole kernel; else `forward(m, *xs)` is a formula
    over the scalar functions of the namespace `m`, and serves as the scalar form too. `scratch` arrays are
    held at once beside the answer, where playing the formula (`engine.runtime.scratch`) does not tell.
    """
    count = len(fields["vjp"]) if isinstance(fields["vjp"], list | tuple) else 1
    if ufunc is not None and "forward" not in fields:
        fields["forward"] = _ufunc(ufunc, count)
    fields.setdefault("kinds", "floating")
    fields.setdefault("scalar", fields["forward"])
    return define(
        name,
        *aliases,
        family=ELEMENTWISE,
        infer=infer_elementwise(output),
        cost=per_element(flops, scratch),
        ufunc=ufunc,
        **fields,
    )


def _ufunc(name: str, count: int) -> Callable[..., Any]:
    if count == 1:
        return lambda xp, x: getattr(xp, name)(x)
    return lambda xp, x1, x2: getattr(xp, name)(x1, x2)


def predicate(name: str, *aliases: str, why: str, inputs: int, **fields: Any) -> Op:
    """An elementwise op that returns bool: no gradient passes."""
    cure = "Compare softly: sigmoid(k * (a - b)) goes from 0 to 1 where a passes b, and has a gradient"
    cut = NoGradient("nondifferentiable", "nondifferentiable", why, cure if inputs == 2 else "")
    fields.setdefault("kinds", "any")
    return elementwise(name, *aliases, output="bool", vjp=(cut,) * inputs, **fields)


KEEPDIMS = Attribute("keepdims", BOOLEAN, False, "keep the reduced axes with size 1")
AXIS_OR_ALL = Attribute("axis", AXES, None, "the axes to reduce; all of them when absent")


def infer_reduction(output: str | None = None) -> Callable[..., tuple[TensorType, ...]]:
    """The shape without `axis`; the input's dtype, or `output` (a dtype, or "real" for the real part's)."""

    def infer(
        types: Sequence[TensorType], *, axis: tuple[int, ...], keepdims: bool = False, **_: Any
    ) -> tuple[TensorType, ...]:
        x = types[0]
        dtype = dtypes.real_of(x.dtype) if output == "real" else output or x.dtype
        return (TensorType(reduced(x.shape, axis, keepdims), dtype),)

    return infer


def axes_of_input(types: Sequence[TensorType], *, axis: Any, **_: Any) -> dict[str, Any]:
    """Normalise `axis` against the first input's rank (`types` may be variables: they have the same face)."""
    return {"axis": normalize_axes(axis, types[0].ndim)}


REDUCTION_SAMPLES = (
    Sample(((2, 3),)),
    Sample(((2, 3),), {"axis": 0}),
    Sample(((2, 3, 2),), {"axis": [0, -1], "keepdims": True}),
    Sample(((),)),
)


def reduction(name: str, *aliases: str, output: str | None = None, flops: int = 1, **fields: Any) -> Op:
    """An op that reduces axes: `axis` (all when absent) and `keepdims`, as in NumPy.

    A rule gets `axis` as non-negative integers; `spread(g, x, axis)` lays a cotangent over x's shape.
    """
    attributes = (AXIS_OR_ALL, KEEPDIMS, *fields.pop("attributes", ()))
    fields.setdefault("normalize", axes_of_input)
    fields.setdefault("infer", infer_reduction(output))
    fields.setdefault("samples", REDUCTION_SAMPLES)
    fields.setdefault("cost", per_element(flops))
    return define(name, *aliases, family=REDUCTION, attributes=attributes, **fields)
