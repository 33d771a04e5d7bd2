"""What a matrix of derivatives has on its two sides, and the products that show its rows or columns.

A Hessian is the Jacobian of the gradients: its rows are the variables' adjoints, its columns the variables.

Between complex tensors a Jacobian is the derivative itself, df/dz, of which there is one where every op on
the path is holomorphic. Of a real output by a complex variable it is the gradient, d/dRe z + i d/dIm z. Of a
complex tensor a product with a real one takes two passes, along the seeds and along i times these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine import dtypes
from engine.derivatives.derivative_nodes import recorded
from engine.derivatives.draft import (
    DIRECTION,
    Outputs,
    Values,
    carries_gradient,
    directions,
    play_rows,
    slot_of,
    unique,
    wrt_slots,
)
from engine.derivatives.gradients import is_difference, why_no_target
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, NotHolomorphic
from engine.frontend.record import Recording
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.transforms.holomorphy import first_not_holomorphic
from engine.transforms.jvp import forward
from engine.transforms.vjp import backward, ones, zeros

Method = Literal["forward", "reverse"]
Types = dict[str, TensorType]


@dataclass(slots=True)
class JacobianProblem:
    """The tape of the answer, with the slots of rows and columns by name; `target` is that of a Hessian.

    `common` are the places of what is returned beside the matrix: by field, or by field and name.
    """

    query: Query
    needed: Sequence[str]
    recording: Recording
    outputs: Outputs
    rows: dict[str, int]
    columns: dict[str, int]
    common: dict[str, int | dict[str, int]]
    target: int | None = None

    @property
    def tape(self) -> Tape:
        """The tape of the answer."""
        return self.recording.tape

    @property
    def is_complex(self) -> bool:
        """Whether anything on either side is."""
        return any(_complex(self.tape.types[slot]) for slot in (*self.rows.values(), *self.columns.values()))

    def types(self, slots: Mapping[str, int]) -> Types:
        """The types of a side."""
        types = self.tape.types
        return {name: TensorType(types[slot].shape, types[slot].dtype) for name, slot in slots.items()}

    def seeded(self, method: Method) -> Types:
        """The side along which products run: the columns in forward mode, the rows in reverse."""
        return self.types(self.columns if method == "forward" else self.rows)

    def answered(self, method: Method) -> Types:
        """The other side, for which products answer."""
        return self.types(self.rows if method == "forward" else self.columns)

    def products(self, method: Method, along: Types, seeds: Mapping[str, Variable]) -> dict[str, Variable]:
        """For each name of the other side the products along all rows of the `seeds`, which stand in front.

        Where a product tells half, both halves are there as one complex tensor; cotangents of 1 are their own
        conjugates, so what is pulled back from a real tensor is yet to be conjugated (`conjugated`).
        """
        if not seeds:
            return {}
        product = self._product(method, along)
        others = self.answered(method)
        slots = dict(zip(others, product.outputs, strict=True))
        rows = self._play(product, slots, seeds)
        if any(map(_complex, along.values())):
            parts = {name: slot for name, slot in slots.items() if not _complex(others[name])}
            turned = {name: seed * (1j if _complex(along[name]) else 0) for name, seed in seeds.items()}
            for name, second in self._play(product, parts, turned).items():
                rows[name] = F.complex(rows[name], second)
        return rows

    def _play(
        self, product: Tape, slots: Mapping[str, int], seeds: Mapping[str, Variable]
    ) -> dict[str, Variable]:
        if not slots:
            return {}
        product.outputs = list(slots.values())
        over = {f"{DIRECTION}{name}": seed for name, seed in seeds.items()}
        return dict(zip(slots, play_rows(self.tape, product, over), strict=True))

    def _product(self, method: Method, along: Types) -> Tape:
        """The tape of one product along all of `along`, whose outputs are the other side's, in order."""
        recording = recorded(self.query, self.needed)
        tape = recording.tape
        if method == "reverse":
            seeds, _ = directions(recording, along, "cotangent")
            derivatives = backward(tape, seeds, self.columns.values())
            tape.outputs = [slot_or_zeros(tape, derivatives, slot) for slot in self.columns.values()]
            return tape
        rows = list(self.rows.values())
        if self.target is None:
            steps = tuple(tape.instructions)
            tangents, _ = directions(recording, along, "tangent")
        else:
            tangents, _ = directions(recording, along, "vector")
            seed = {self.target: ones(tape, tape.variable(self.target))}
            adjoints = backward(tape, seed, self.columns.values())
            rows = [slot_or_zeros(tape, adjoints, slot) for slot in self.columns.values()]
            steps = tuple(tape.instructions)
        derivatives = forward(tape, tangents, steps, joint=len(tangents) > 1)
        tape.outputs = [slot_or_zeros(tape, derivatives, slot) for slot in rows]
        return tape

    def answer(self, values: Values) -> dict[str, Any]:
        """What is returned beside the matrix."""

        def of(place: int | dict[str, int]) -> Any:
            return values[place] if isinstance(place, int) else {n: values[i] for n, i in place.items()}

        return {field: of(place) for field, place in self.common.items()}


def jacobian_problem(query: Query) -> JacobianProblem:
    """Record the question of a Jacobian or Hessian; raises every UserError that it earns."""
    return _of_hessian(query) if query.kind == "hessian" else _of_jacobian(query)


def _of_jacobian(query: Query) -> JacobianProblem:
    chosen = query.chosen_outputs()
    query.check_wrt()
    needed = unique(*chosen, *(query.wrt or ()))
    recording = recorded(query, needed)
    tape = recording.tape
    columns = _variables(query, recording)
    slots = {name: slot_of(recording, name, "$.outputs") for name in chosen}
    outputs = Outputs(tape)
    places = {name: outputs.add(slot) for name, slot in slots.items()}
    rows = {name: slot for name, slot in slots.items() if carries_gradient(tape, slot)}
    _require_holomorphic(tape, rows, columns)
    return JacobianProblem(query, needed, recording, outputs, rows, columns, {"outputs": places})


def _require_holomorphic(tape: Tape, rows: Mapping[str, int], columns: Mapping[str, int]) -> None:
    """Raise NotHolomorphic if a complex output is no holomorphic function of a complex variable."""
    for out, head in rows.items():
        for name, slot in columns.items():
            if not (_complex(tape.types[head]) and _complex(tape.types[slot])):
                continue
            culprit = first_not_holomorphic(tape, [slot], [head])
            if culprit is not None:
                raise NotHolomorphic(
                    f"'{out}' has no complex derivative by '{name}': {culprit.op.name} is not holomorphic",
                    op=culprit.op.name,
                    hint=f"ask for the jacobian of real({out}) and imag({out}), or for the vjp or jvp",
                ).at(culprit.origin)


def _of_hessian(query: Query) -> JacobianProblem:
    (target,) = query.chosen_targets()
    query.check_wrt()
    needed = unique(target, *(query.wrt or ()))
    recording = recorded(query, needed)
    tape = recording.tape
    slot = slot_of(recording, target, "$.target")
    wrong = why_no_target(tape.types[slot], target, residual=is_difference(tape, slot))
    if wrong is not None:
        raise wrong
    columns = _variables(query, recording)
    for name, own in columns.items():
        if _complex(tape.types[own]):
            raise NotHolomorphic(
                f"the Hessian by '{name}', which is {tape.types[own].dtype}, is no matrix of complex numbers",
                path="$.wrt",
                hint="ask for the hvp, split it in real and imaginary parts, or name only real ones in `wrt`",
            )
    adjoints = backward(tape, {slot: ones(tape, tape.variable(slot))}, columns.values())
    rows = {name: slot_or_zeros(tape, adjoints, own) for name, own in columns.items()}
    outputs = Outputs(tape)
    value = outputs.add(slot)
    gradients = {name: outputs.add(own) for name, own in rows.items()}
    common: dict[str, int | dict[str, int]] = {"value": value, "gradients": gradients}
    return JacobianProblem(query, needed, recording, outputs, rows, columns, common, slot)


def _variables(query: Query, recording: Recording) -> dict[str, int]:
    """The slots of the variables; raises DtypeMismatch for one that carries no derivative."""
    tape = recording.tape
    slots = wrt_slots(query, recording)
    for name, slot in slots.items():
        if not carries_gradient(tape, slot):
            raise DtypeMismatch(
                f"'{name}' is {tape.types[slot].dtype}, which carries no derivative",
                path="$.wrt",
                hint="leave it out of `wrt`",
            )
    return slots


def conjugated(method: Method, seeded: TensorType) -> bool:
    """Whether what a product of the tensor gives is the conjugate of its block."""
    return method == "reverse" and not _complex(seeded)


def _complex(type: TensorType) -> bool:
    return dtypes.is_complex(type.dtype)


def slot_or_zeros(tape: Tape, variables: Mapping[int, Variable], slot: int) -> int:
    """The slot of what is known of `slot`, zeros if there is no path."""
    return (variables[slot] if slot in variables else zeros(tape, tape.variable(slot))).slot
