"""Derivatives formed as matrices: jacobian and hessian.

Rows (reverse) or columns (forward) are products with the unit vectors, all of them in one pass: the
product is recorded for one direction and batched over an identity. Of a complex tensor a product with a real
one takes two passes, along the unit vectors and along i times these.

Between complex tensors a Jacobian is the derivative itself, df/dz, of which there is one where every op on
the path is holomorphic. Of a real output by a complex variable it is the gradient, d/dRe z + i d/dIm z.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine import dtypes
from engine.backward import backward, ones, zeros
from engine.derivatives.draft import (
    DIRECTION,
    Draft,
    Inputs,
    Outputs,
    Values,
    carries_gradient,
    directions,
    play_rows,
    slot_of,
    unique,
    wrt_slots,
)
from engine.derivatives.gradients import why_no_target
from engine.derivatives.recorded import recorded
from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, NotHolomorphic
from engine.forward import forward
from engine.holomorphy import first_not_holomorphic
from engine.op import TABLE, F
from engine.passes import optimize
from engine.plan import make_plan
from engine.query import Query
from engine.record import Recording
from engine.tape import Tape
from engine.variable import Variable

MARGIN = 0.9  # forward mode is chosen only where it is clearly cheaper


@dataclass(slots=True)
class _Stage:
    """The tape of the answer, onto which batched products are played."""

    tape: Tape
    recording: Recording
    outputs: Outputs = field(init=False)

    def __post_init__(self) -> None:
        self.outputs = Outputs(self.tape)

    def play(
        self, product: Tape, slots: Mapping[str, int], name: str, type: TensorType, times: complex = 1
    ) -> dict[str, Variable]:
        """The `slots` of `product` for every unit vector of its direction `name`, in front."""
        if not slots:
            return {}
        unit = self.tape.apply(TABLE["eye"], [], {"n_rows": type.size, "dtype": type.dtype})
        seeds = unit.reshape((type.size, *type.shape))
        product.outputs = list(slots.values())
        over = {f"{DIRECTION}{name}": seeds if times == 1 else seeds * times}
        return dict(zip(slots, play_rows(self.tape, product, over), strict=True))

    def is_complex(self, slot: int) -> bool:
        """Whether a tensor of the recording is complex."""
        return dtypes.is_complex(self.tape.types[slot].dtype)

    def halves(self, slot: int, other: int) -> bool:
        """Whether one pass from a tensor tells only half of its block with another: complex, and real."""
        return self.is_complex(slot) and not self.is_complex(other)


def _row_block(answer: Variable, out: TensorType, variable: TensorType) -> Variable:
    """(out.size, *in.shape) as out.shape + in.shape."""
    return answer.reshape((*out.shape, *variable.shape))


def _column_block(answer: Variable, out: TensorType, variable: TensorType) -> Variable:
    """(in.size, *out.shape) as out.shape + in.shape."""
    axes = (*range(1, out.ndim + 1), 0)
    turned: Variable = F.permute_dims(answer, axes=axes)
    return turned.reshape((*out.shape, *variable.shape))


def jacobian(query: Query) -> Draft:
    """Values of outputs and their Jacobians, out.shape + in.shape, by the cheaper method or the one named."""
    if query.method != "auto":
        return _jacobian(query, query.method)
    reverse, ahead = _jacobian(query, "reverse"), _jacobian(query, "forward")
    return ahead if _seconds(ahead) < MARGIN * _seconds(reverse) else reverse


def _seconds(draft: Draft) -> float:
    return make_plan(optimize(draft.tape)).estimate.seconds


def _jacobian(query: Query, method: str) -> Draft:
    chosen = query.chosen_outputs()
    query.check_wrt()
    needed = unique(*chosen, *(query.wrt or ()))
    stage = _stage(query, needed)
    tape = stage.tape
    variables = {n: s for n, s in wrt_slots(query, stage.recording).items() if _differentiable(tape, n, s)}
    slots = {name: slot_of(stage.recording, name, "$.outputs") for name in chosen}
    places = {name: stage.outputs.add(slot) for name, slot in slots.items()}
    heads = {name: slot for name, slot in slots.items() if carries_gradient(tape, slot)}
    _require_holomorphic(stage, heads, variables)
    blocks: dict[str, dict[str, int]] = {name: {} for name in heads}
    fill = _by_rows if method == "reverse" else _by_columns
    for out, name, block in fill(query, needed, stage, heads, variables):
        blocks[out][name] = stage.outputs.add(block.slot)

    def assemble(values: Values, inputs: Inputs) -> dict[str, Any]:
        return {
            "outputs": {name: values[i] for name, i in places.items()},
            "jacobian": {out: {n: values[i] for n, i in row.items()} for out, row in blocks.items()},
            "method": method,
        }

    return Draft(tape, assemble)


Block = tuple[str, str, Variable]


def _by_rows(
    query: Query, needed: Sequence[str], stage: _Stage, heads: Mapping[str, int], variables: Mapping[str, int]
) -> list[Block]:
    """A pass back for each element of each output; cotangents of 1 are their own conjugates."""
    blocks: list[Block] = []
    for out, slot in heads.items():
        type = stage.tape.types[slot]
        product = recorded(query, needed)
        seeds, _ = directions(product, {out: type}, "cotangent")
        known = backward(product.tape, seeds, variables.values())
        slots = {name: _slot_or_zeros(product.tape, known, s) for name, s in variables.items()}
        parts = {name: s for name, s in slots.items() if stage.halves(slot, variables[name])}
        rows = stage.play(product.tape, slots, out, type)
        turned = stage.play(product.tape, parts, out, type, 1j)
        for name, s in variables.items():
            row = F.complex(rows[name], turned[name]) if name in turned else rows[name]
            row = row if stage.is_complex(slot) else row.conj()
            blocks.append((out, name, _row_block(row, type, stage.tape.types[s])))
    return blocks


def _by_columns(
    query: Query, needed: Sequence[str], stage: _Stage, heads: Mapping[str, int], variables: Mapping[str, int]
) -> list[Block]:
    """A pass forward for each element of each variable."""
    blocks: list[Block] = []
    for name, slot in variables.items():
        type = stage.tape.types[slot]
        product = recorded(query, needed)
        steps = tuple(product.tape.instructions)
        tangents, _ = directions(product, {name: type}, "tangent")
        known = forward(product.tape, tangents, steps)
        slots = {out: _slot_or_zeros(product.tape, known, s) for out, s in heads.items()}
        parts = {out: s for out, s in slots.items() if stage.halves(slot, heads[out])}
        columns = stage.play(product.tape, slots, name, type)
        turned = stage.play(product.tape, parts, name, type, 1j)
        for out, s in heads.items():
            column = F.complex(columns[out], turned[out]) if out in turned else columns[out]
            blocks.append((out, name, _column_block(column, stage.tape.types[s], type)))
    return blocks


def _require_holomorphic(stage: _Stage, heads: Mapping[str, int], variables: Mapping[str, int]) -> None:
    """Raise NotHolomorphic where a complex output is no holomorphic function of a complex variable."""
    for out, head in heads.items():
        for name, slot in variables.items():
            if not (stage.is_complex(head) and stage.is_complex(slot)):
                continue
            culprit = first_not_holomorphic(stage.tape, [slot], [head])
            if culprit is not None:
                raise NotHolomorphic(
                    f"'{out}' has no complex derivative by '{name}': {culprit.op.name} is not holomorphic",
                    op=culprit.op.name,
                    hint=f"ask for the jacobian of real({out}) and imag({out}), or for the vjp or jvp",
                ).at(culprit.origin)


def hessian(query: Query) -> Draft:
    """The target's value, gradients, and the Hessian's blocks a.shape + b.shape, by forward over reverse."""
    (target,) = query.chosen_targets()
    query.check_wrt()
    needed = unique(target, *(query.wrt or ()))
    stage = _stage(query, needed)
    tape = stage.tape
    slot = slot_of(stage.recording, target, "$.target")
    wrong = why_no_target(tape.types[slot], target)
    if wrong is not None:
        raise wrong
    variables = {n: s for n, s in wrt_slots(query, stage.recording).items() if _differentiable(tape, n, s)}
    for name, s in variables.items():
        if stage.is_complex(s):
            raise NotHolomorphic(
                f"the Hessian by '{name}', which is {tape.types[s].dtype}, is no matrix of complex numbers",
                path="$.wrt",
                hint="ask for the hvp, split it in real and imaginary parts, or name only real ones in `wrt`",
            )
    adjoints = backward(tape, {slot: ones(tape, tape.variable(slot))}, variables.values())
    value = stage.outputs.add(slot)
    gradients = {n: stage.outputs.add(_slot_or_zeros(tape, adjoints, s)) for n, s in variables.items()}
    blocks: dict[str, dict[str, int]] = {name: {} for name in variables}
    for b, s in variables.items():
        type = tape.types[s]
        product, slots = _hessian_product(query, needed, slot, b, type, variables)
        for a, answer in stage.play(product, slots, b, type).items():
            block = _column_block(answer, tape.types[variables[a]], type)
            blocks[a][b] = stage.outputs.add(block.slot)

    def assemble(values: Values, inputs: Inputs) -> dict[str, Any]:
        return {
            "value": values[value],
            "gradients": {n: values[i] for n, i in gradients.items()},
            "hessian": {a: {b: values[i] for b, i in row.items()} for a, row in blocks.items()},
        }

    return Draft(tape, assemble)


def _hessian_product(
    query: Query, needed: Sequence[str], slot: int, name: str, type: TensorType, variables: Mapping[str, int]
) -> tuple[Tape, dict[str, int]]:
    """The tape of the Hessian times one direction of `name`, and where its blocks lie, for every variable."""
    recording = recorded(query, needed)
    tape = recording.tape
    tangents, _ = directions(recording, {name: type}, "vector")
    adjoints = backward(tape, {slot: ones(tape, tape.variable(slot))}, variables.values())
    known = forward(tape, tangents, tuple(tape.instructions))
    gradients = {a: _slot_or_zeros(tape, adjoints, s) for a, s in variables.items()}
    return tape, {a: _slot_or_zeros(tape, known, g) for a, g in gradients.items()}


def _stage(query: Query, needed: Sequence[str]) -> _Stage:
    recording = recorded(query, needed)
    return _Stage(recording.tape, recording)


def _slot_or_zeros(tape: Tape, known: Mapping[int, Variable], slot: int) -> int:
    return (known[slot] if slot in known else zeros(tape, tape.variable(slot))).slot


def _differentiable(tape: Tape, name: str, slot: int) -> bool:
    """Raise DtypeMismatch for a variable that carries no derivative."""
    if not carries_gradient(tape, slot):
        raise DtypeMismatch(
            f"'{name}' is {tape.types[slot].dtype}, which carries no derivative",
            path="$.wrt",
            hint="leave it out of `wrt`",
        )
    return True
