"""cond: one of two functions, chosen at run time. Only the chosen one runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, ShapeMismatch, WrongArity
from engine.ir.attributes import FUNCTION, Attribute
from engine.ir.batch_rules import aligned, rank, stacked
from engine.ir.cost import Cost
from engine.ir.dependence import Inside
from engine.ir.derivative import JOINT
from engine.ir.families import CONTROL, define
from engine.ir.function_rules import (
    FunctionRule,
    Sizes,
    Specialize,
    Types,
    expect_inputs,
    expect_same,
    outputs_of,
)
from engine.ir.no_gradient import NoGradient
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.ops.control.subtape import Body, cost_of_runs, inexact, with_tangents
from engine.transforms.vjp import backward, zeros
from engine.transforms.vmap import batch

_PREDICATE = NoGradient("nondifferentiable", "nondifferentiable", "a condition only selects")


def _infer(types: Sequence[TensorType], *, then: Tape, **_: Any) -> tuple[TensorType, ...]:
    return tuple(TensorType(t.shape, t.dtype) for t in outputs_of(then))


def _run(xp: Any, predicate: Any, *xs: Any, then: Any, otherwise: Any) -> Any:
    return then(xs) if xp.item(predicate) else otherwise(xs)


def _cost(types: Sequence[TensorType], outputs: Sequence[TensorType], *, then: Tape, otherwise: Tape) -> Cost:
    both = [cost_of_runs(branch, 1, answered=True) for branch in (then, otherwise)]
    parts = ("flops", "bytes", "workspace", "slow", "retained")
    return Cost(*(max(getattr(one, part) for one in both) for part in parts))


def _branches(
    predicate: Variable, inputs: Sequence[Variable], make: Callable[[Tape], Tape], then: Tape, otherwise: Tape
) -> list[Variable]:
    """The choice between what `make` makes of the two branches."""
    settings = {"then": make(then), "else": make(otherwise)}
    return list(predicate.tape.apply(cond, [predicate, *inputs], settings))


def _pull(
    gs: Sequence[Variable], ys: Sequence[Variable], predicate: Variable, *xs: Variable, **branches: Tape
) -> list[Variable | None]:
    """The branch taken is walked back."""
    types = [x.type for x in xs]
    moving = inexact(types)
    pulled: list[Variable | None] = [None] * (1 + len(xs))
    if not moving:
        return pulled
    live = inexact([g.type for g in gs])

    def back(branch: Tape) -> Tape:
        body = Body()
        arguments = body.inputs(types)
        cotangents = [body.input(gs[i].type) for i in live]
        answers = body.play(branch, arguments)
        seeds = {answers[i].slot: g for i, g in zip(live, cotangents, strict=True)}
        adjoints = backward(body.tape, seeds, [arguments[i].slot for i in moving])
        wanted = [arguments[i] for i in moving]
        return body.finish([adjoints[v.slot] if v.slot in adjoints else zeros(body.tape, v) for v in wanted])

    answers = _branches(predicate, [*xs, *(gs[i] for i in live)], back, **_named(branches))
    for i, answer in zip(moving, answers, strict=True):
        pulled[1 + i] = answer
    return pulled


def _named(branches: Mapping[str, Tape]) -> dict[str, Tape]:
    return {"then": branches["then"], "otherwise": branches["else"]}


def _push(
    tangents: Sequence[Variable | None], xs: Sequence[Variable], **branches: Tape
) -> list[Variable | None]:
    moving = [i for i, t in enumerate(tangents[1:]) if t is not None]
    moves = [tangents[1 + i] for i in moving]
    outs = outputs_of(branches["then"])

    def ahead(branch: Tape) -> Tape:
        return with_tangents(branch, moving)[0]

    answers = _branches(xs[0], [*xs[1:], *(t for t in moves if t is not None)], ahead, **_named(branches))
    pushed: list[Variable | None] = [None] * len(outs)
    for place, i in enumerate(inexact(outs), len(outs)):
        pushed[i] = answers[place]
    return pushed


def _batched(
    op: Any, xs: Sequence[Variable], batched: Sequence[bool], n: int, **branches: Tape
) -> tuple[Variable, ...]:
    """One choice for all rows stays a choice; a choice by row runs both branches and selects."""
    names = [name for name, flag in zip(branches["then"].inputs, batched[1:], strict=True) if flag]
    many = {key: batch(branch, [list(branch.inputs)[i] for i, f in enumerate(batched[1:]) if f], n)
            if names else branch for key, branch in branches.items()}  # fmt: skip
    tape = xs[0].tape
    if not batched[0]:
        answer: tuple[Variable, ...] = tape.apply(op, xs, many)
        return answer
    sides = [tape.inline(many[key], xs[1:]) for key in ("then", "else")]
    answers = []
    for a, b in zip(*sides, strict=True):
        left, right = stacked(a, bool(names), n), stacked(b, bool(names), n)
        answers.append(F.where(aligned(xs[0], True, rank(left, True)), left, right))
    return tuple(answers)


def _kernel(xp: Any, predicate: Any, *xs: Any, **branches: Any) -> Any:
    return _run(xp, predicate, *xs, **_named(branches))


def _whole_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **branches: Tape) -> Cost:
    return _cost(types, outputs, **_named(branches))


def _link(attributes: Mapping[str, Any], inputs: int, sizes: Sizes) -> None:
    if inputs < 1:
        raise WrongArity("a cond has a predicate as its first input", hint="cond(f, g, predicate, x, …)")
    for key in ("then", "else"):
        expect_inputs(attributes[key], sizes, inputs - 1, "one for each input behind the predicate")
    then, otherwise = (sizes(attributes[key])[1] for key in ("then", "else"))
    if then != otherwise:
        raise WrongArity(
            f"'{attributes['then']}' has {then} outputs and '{attributes['else']}' {otherwise}",
            hint="both branches answer the same",
        )


def _bind(specialize: Specialize, attributes: Mapping[str, Any], types: Types) -> dict[str, Any]:
    predicate, *rest = types
    if predicate.shape != ():
        raise ShapeMismatch(
            f"the predicate has shape {predicate.shape}, expected a scalar",
            hint="use where to choose element by element, or any or all to make one condition",
        )
    if predicate.dtype != "bool":
        raise DtypeMismatch(f"the predicate is {predicate.dtype}, expected bool", hint="compare, as in x > 0")
    own = [TensorType(t.shape, t.dtype) for t in rest]
    branches = {key: specialize(attributes[key], own) for key in ("then", "else")}
    sides = zip(outputs_of(branches["else"]), outputs_of(branches["then"]), strict=True)
    for place, (came, expected) in enumerate(sides):
        expect_same(came, expected, f"output {place} of '{attributes['else']}'")
    return branches


cond = define(
    "cond",
    family=CONTROL,
    summary="The outputs of `then` if the predicate is true, else those of `else`; only one of them runs.",
    forward=_kernel,
    infer=_infer,
    pullback=_pull,
    pushforward=_push,
    batch=_batched,
    functions=FunctionRule(_link, lambda attributes, sizes: sizes(attributes["then"])[1], _bind),
    dependence=Inside(("then", "else"), first=1),
    vjp=(_PREDICATE, JOINT),
    kinds=("boolean", "any"),
    promote=False,
    variadic=True,
    minimum=0,
    cost=_whole_cost,
    attributes=(Attribute("then", FUNCTION), Attribute("else", FUNCTION)),
    outputs=None,
    conventions="A choice for each row of a batch runs both branches and selects.",
)
