"""Batching: a tape for one row becomes a tape for N rows, in one pass.

Each instruction that reads something with a batch axis is recorded anew by the rule of its record or
family (`engine.ir.batch_rules`); what no row touches is done once. An op without a rule is mapped row by row,
and `GET /v1/ops` says so. Functions with their own gradient keep it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import InternalError
from engine.ir import dependence_rules
from engine.ir.attributes import Attribute, Kind
from engine.ir.batch_rules import stacked
from engine.ir.cost import Cost
from engine.ir.derivative import JOINT
from engine.ir.families import CONTROL, define
from engine.ir.op import Op
from engine.ir.tape import Instruction, Tape, Variable

ROW_OPERATIONS = 6_000  # what calling a kernel for one row costs, in simple operations


def batch(tape: Tape, names: Collection[str], n: int) -> Tape:
    """The tape whose inputs `names` have a leading axis of size `n`, and so has every output."""
    target = Tape()
    variables: dict[int, Variable] = {}
    rows: set[int] = set()
    for name, slot in tape.inputs.items():
        type = tape.types[slot]
        shape = (n, *type.shape) if name in names else type.shape
        variables[slot] = target.input(name, TensorType(shape, type.dtype, type.weak and name not in names))
        if name in names:
            rows.add(slot)
    for slot, value in tape.constants.items():
        variables[slot] = target.constant(value, weak=tape.types[slot].weak)
    for step in tape.instructions:
        batched = [slot in rows for slot in step.inputs]
        with target.at(step.origin):
            types = [tape.types[slot] for slot in step.outputs]
            answers = _play(target, step, [variables[slot] for slot in step.inputs], batched, n, types)
        for slot, answer in zip(step.outputs, answers, strict=True):
            variables[slot] = answer
            if any(batched):
                rows.add(slot)
                _check(step, tape.types[slot], answer, n)
    target.outputs = [stacked(variables[slot], slot in rows, n).slot for slot in tape.outputs]
    return target


def _play(
    tape: Tape,
    step: Instruction,
    inputs: Sequence[Variable],
    batched: Sequence[bool],
    n: int,
    types: Sequence[TensorType],
) -> Sequence[Variable]:
    """Record one instruction for all rows; `types` are those of one row's outputs."""
    answer: Any = None
    if not any(batched):
        answer = tape.apply(step.op, inputs, step.attributes)
    else:
        rule = step.op.rules.batch
        if rule is not None:
            answer = rule(step.op, inputs, batched, n, **step.attributes)
        if answer is None and n == 0:
            return [tape.constant(0, type.dtype).broadcast_to((0, *type.shape)) for type in types]
        if answer is None:
            settings = {"op": step.op, "settings": step.attributes, "batched": tuple(batched), "n": n}
            answer = tape.apply(rowwise, inputs, settings)
            return list(answer)
    return list(answer) if isinstance(answer, tuple) else [answer]


def _check(step: Instruction, row: TensorType, answer: Variable, n: int) -> None:
    if answer.shape != (n, *row.shape) or answer.dtype != row.dtype:
        raise InternalError(
            f"the batching rule of {step.op.name} answered {answer.type} for {n} rows of {row}",
            op=step.op.name,
        )


# -- row by row --------------------------------------------------------------------------------------


def _row_types(types: Sequence[TensorType], batched: Sequence[bool]) -> list[TensorType]:
    return [
        TensorType(type.shape[1:], type.dtype) if b else type for type, b in zip(types, batched, strict=True)
    ]


def _infer_rows(
    types: Sequence[TensorType], *, op: Op, settings: Mapping[str, Any], batched: Sequence[bool], n: int
) -> tuple[TensorType, ...]:
    if op.infer is None:
        raise InternalError(f"{op.name} has no shape rule", op=op.name)
    rows = op.infer(_row_types(types, batched), **settings)
    return tuple(TensorType((n, *row.shape), row.dtype) for row in rows)


def _run_rows(
    xp: Any, *xs: Any, op: Op, settings: Mapping[str, Any], batched: Sequence[bool], n: int
) -> tuple[Any, ...]:
    kernel, in_place = op.kernel.forward, op.kernel.in_place
    if kernel is None:
        raise InternalError(f"{op.name} has no kernel", op=op.name)
    answers = []
    for row in range(n):
        operands = [x[row] if b else x for x, b in zip(xs, batched, strict=True)]
        if in_place:
            operands[0] = xp.asarray(operands[0], copy=True)
        answer = kernel(xp, *operands, **settings)
        answers.append(answer if isinstance(answer, tuple | list) else (answer,))
    return tuple(xp.stack(parts) for parts in zip(*answers, strict=True))


def _cost_of_rows(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, op: Op, n: int, batched: Any, settings: Any
) -> Cost:
    moved = sum(t.nbytes for t in (*types, *outputs))
    if op.rules.cost is None:
        return Cost(0, moved)
    rows = [TensorType(t.shape[1:], t.dtype) for t in outputs]
    one = op.rules.cost(_row_types(types, batched), rows, **settings)
    return Cost(n * one.flops, n * one.bytes, one.workspace, n * (one.slow + ROW_OPERATIONS))


_INNER = Kind("inner", "set by the batching walk", lambda value: value, {}, "Any")

rowwise = define(
    "rowwise",
    family=CONTROL,
    summary="An op without a batching rule, row after row.",
    forward=_run_rows,
    infer=_infer_rows,
    vjp=JOINT,
    dependence=dependence_rules.by_row,
    kinds="any",
    promote=False,
    variadic=True,
    cost=_cost_of_rows,
    attributes=tuple(Attribute(name, _INNER) for name in ("op", "settings", "batched", "n")),
    outputs=None,
    internal=True,
    second_order=False,
)
