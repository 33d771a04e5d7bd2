"""Every kind of derivative of one op at one point, each against something of other arithmetic.

One tape holds the op's values, its tangents, its cotangents and both forms of the second derivative, and runs
at the point and on either side of it. Cotangents pair without a conjugate, as inside the walks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine import dtypes
from engine.derivatives.sparsity import KnownValues, dependence
from engine.dtypes import TensorType
from engine.ir.op import Op
from engine.ir.table import TABLE, F
from engine.ir.tape import Tape, Variable
from engine.passes import lower
from engine.runtime.executors.numpy import BoundPlan
from engine.runtime.plan import make_plan
from engine.transforms.jvp import forward
from engine.transforms.vjp import backward
from engine.transforms.vmap import batch
from tests.engine.sampling import Array, differentiable, named, record, weight

KINDS = ("value", "jvp", "vjp", "hvp", "second", "vmap", "pattern")
_NARROW = {"float16", "float32", "complex64"}


class Kinds:
    """An op at a point, played in every kind. `moving` are the inputs that have tangents."""

    def __init__(self, op: Op, given: Sequence[Array], attributes: Mapping[str, Any]) -> None:
        rng = np.random.default_rng(5)
        tape, outputs = record(op, given, attributes)
        self.op, self.tape = op, tape
        self.inputs: dict[str, Array] = named(given)
        self.moving = [f"x{i}" for i, a in enumerate(given) if differentiable(op, i, a)]
        self.values = outputs
        self.floating = [v for v in outputs if dtypes.is_inexact(v.dtype)]
        start = len(tape.instructions)

        def directions(prefix: str, types: Sequence[TensorType]) -> list[Variable]:
            for i, type in enumerate(types):
                self.inputs[f"{prefix}{i}"] = weight(rng, type.shape, type.dtype)
            return [
                tape.input(f"{prefix}{i}", TensorType(type.shape, type.dtype)) for i, type in enumerate(types)
            ]

        slots = [tape.inputs[name] for name in self.moving]
        self.tangents = directions("t", [tape.types[slot] for slot in slots])
        self.cotangents = directions("c", [v.type for v in self.floating])
        known = dict(zip(slots, self.tangents, strict=True))
        steps = tuple(tape.instructions[:start])
        pushed = forward(tape, known, steps)
        self.pushed = [pushed.get(v.slot) for v in self.floating]
        middle = len(tape.instructions)
        seeds: dict[int, Variable] = {}
        for v, c in zip(self.floating, self.cotangents, strict=True):
            seeds[v.slot] = seeds[v.slot] + c if v.slot in seeds else c
        adjoints = backward(tape, seeds, slots)
        self.pulled = [adjoints.get(slot) for slot in slots]
        self.curved: list[Variable | None] = [None] * len(slots)
        self.twice: list[Variable | None] = [None] * len(slots)
        if op.derivative.second_order:
            self._second(known, slots, (*steps, *tape.instructions[middle:]))
        self.wanted = [
            v for v in (*self.values, *self.pushed, *self.pulled, *self.curved, *self.twice) if v is not None
        ]
        self.plan = self._planned(tape, self.wanted)
        precision = {type.dtype for type in tape.types} & _NARROW
        self.step, self.rtol = (1e-2, 3e-2) if precision else (1e-5, 1e-5)

    def _second(self, known: Mapping[int, Variable], slots: Sequence[int], steps: Sequence[Any]) -> None:
        """The tangents of the adjoints, and the adjoints of their product with the tangents."""
        tape = self.tape
        moved = forward(tape, known, steps)
        self.curved = [None if g is None else moved.get(g.slot) for g in self.pulled]
        total: Variable | None = None
        for g, t in zip(self.pulled, self.tangents, strict=True):
            if g is not None:
                term = F.sum(g * t).real()
                total = term if total is None else total + term.astype(total.dtype)
        if total is not None and dtypes.is_inexact(total.dtype):
            again = backward(tape, {total.slot: tape.constant(1, total.dtype)}, slots)
            self.twice = [again.get(slot) for slot in slots]

    @staticmethod
    def _planned(tape: Tape, wanted: Sequence[Variable]) -> BoundPlan:
        view = Tape(tape.types, tape.inputs, tape.constants, tape.instructions, [v.slot for v in wanted])
        return BoundPlan(make_plan(lower(view)))

    def run(self, **moved: Array) -> dict[int, Array]:
        """Every array asked for, by slot."""
        answers = self.plan.run({**self.inputs, **moved})
        return {v.slot: a for v, a in zip(self.wanted, answers, strict=True)}

    def check(self) -> tuple[str, ...]:
        """Demand that all kinds agree; answers the names of those that had something to say."""
        here = self.run()
        self.here = here
        said = ["value"]
        if self.moving and self.floating:
            self._against_differences(here)
            self._adjoint(here)
            said += ["jvp", "vjp"]
            if self.op.derivative.second_order:
                said += ["hvp", "second"]
            if all(type.dtype in ("float64", "int64", "bool") for type in self.tape.types):
                self._pattern(here)
                said.append("pattern")
        if self._batched(here):
            said.append("vmap")
        return tuple(said)

    def _against_differences(self, here: Mapping[int, Array]) -> None:
        ahead, behind = (
            self.run(
                **{
                    name: (self.inputs[name] + side * self.step * self.inputs[f"t{i}"]).astype(
                        self.inputs[name].dtype
                    )
                    for i, name in enumerate(self.moving)
                }
            )
            for side in (1, -1)
        )
        pairs = [
            *(("jvp", v, w) for v, w in zip(self.floating, self.pushed, strict=True)),
            *(
                ("hvp", g, h)
                for g, h in zip(self.pulled, self.curved, strict=True)
                if self.op.derivative.second_order
            ),
        ]
        for kind, of, derivative in pairs:
            if of is None:
                assert derivative is None, f"{kind}: a derivative of nothing"
                continue
            expected = (ahead[of.slot] - behind[of.slot]) / (2 * self.step)
            got = np.zeros_like(expected) if derivative is None else here[derivative.slot]
            assert derivative is None or (derivative.shape, derivative.dtype) == (of.shape, of.dtype)
            self._close(got, expected, kind)
        for h, r in zip(self.curved, self.twice, strict=True):
            self._close(
                np.zeros(1) if r is None else here[r.slot],
                np.zeros(1) if h is None else here[h.slot],
                "the gradient of the gradient",
                1e-9 if self.rtol < 1e-3 else 1e-3,
            )

    def _close(self, got: Array, expected: Array, kind: str, rtol: float | None = None) -> None:
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        rtol = self.rtol if rtol is None else rtol
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * scale, err_msg=kind)

    def _adjoint(self, here: Mapping[int, Array]) -> None:
        """Re <J t, c> = Re <t, J' c>."""
        sides, scale = [], 1.0
        for derivatives, prefix in ((self.pushed, "c"), (self.pulled, "t")):
            terms = [
                (here[v.slot] * self.inputs[f"{prefix}{i}"]).real
                for i, v in enumerate(derivatives)
                if v is not None
            ]
            sides.append(float(sum(term.sum() for term in terms)))
            scale += float(sum(np.abs(term).sum() for term in terms))
        assert abs(sides[0] - sides[1]) <= scale * (1e-10 if self.rtol < 1e-3 else 1e-3), "vjp against jvp"

    def _pattern(self, here: Mapping[int, Array]) -> None:
        """The pattern covers the Jacobian, whose columns are tangents along each element."""
        sizes = [self.inputs[name].size for name in self.moving]
        n, tape = sum(sizes), self.tape
        if not n:
            return
        rows = np.split(np.eye(n), np.cumsum(sizes)[:-1], axis=1)
        tangents = {
            f"t{i}": row.reshape((n, *self.inputs[f"x{i_}"].shape))
            for i, (row, i_) in enumerate(zip(rows, [name[1:] for name in self.moving], strict=True))
        }
        pushed = [(v, t) for v, t in zip(self.floating, self.pushed, strict=True) if t is not None]
        view = Tape(tape.types, tape.inputs, tape.constants, tape.instructions, [t.slot for _, t in pushed])
        columns = BoundPlan(make_plan(lower(batch(lower(view), set(tangents), n)))).run(
            {**self.inputs, **tangents}
        )
        direction = np.concatenate([self.inputs[f"t{i}"].reshape(-1) for i in range(len(sizes))])
        sources = {
            slot: (lambda name=name: self.inputs[name])
            for name, slot in tape.inputs.items()
            if not dtypes.is_inexact(self.inputs[name].dtype.name)
        }
        slots = [tape.inputs[name] for name in self.moving]
        found = dependence(tape, slots, [v.slot for v, _ in pushed], KnownValues(tape, sources), 1 << 20)
        for (v, t), column in zip(pushed, columns, strict=True):
            jacobian = column.reshape(n, -1).T
            self._close((jacobian @ direction).reshape(t.shape), here[t.slot], "vmap of jvp", 1e-9)
            pattern = found[v.slot].toarray() if v.slot in found else np.zeros(jacobian.shape, bool)
            missed = np.argwhere((jacobian != 0) & ~pattern)
            assert not len(missed), f"the pattern lacks {missed.tolist()[:5]}"

    def _batched(self, here: Mapping[int, Array]) -> bool:
        """Three rows at once, the last the point itself, against one after the other."""
        if not self.inputs:
            return False
        rng = np.random.default_rng(6)
        rows = [
            {
                name: a * rng.uniform(0.9, 1.1) if dtypes.is_inexact(a.dtype.name) else a
                for name, a in self.inputs.items()
            }
            for _ in range(2)
        ]
        rows = [{name: np.asarray(a, self.inputs[name].dtype) for name, a in row.items()} for row in rows]
        rows.append(self.inputs)
        together = {name: np.stack([row[name] for row in rows]) for name in self.inputs}
        tape = self.tape
        view = Tape(tape.types, tape.inputs, tape.constants, tape.instructions, [v.slot for v in self.wanted])
        answers = BoundPlan(make_plan(lower(batch(lower(view), set(together), len(rows))))).run(together)
        for k, row in enumerate(rows):
            one = here if k == len(rows) - 1 else self.run(**row)
            for v, whole in zip(self.wanted, answers, strict=True):
                assert whole.dtype == one[v.slot].dtype
                self._close(whole[k], one[v.slot], "vmap", 1e-9 if self.rtol < 1e-3 else 1e-3)
        return True


def stands_in(op: Op, given: Sequence[Array]) -> Op:
    """The op that is recorded for these arrays."""
    complex_ = any(a.dtype.kind == "c" for a in given)
    return TABLE[op.derivative.complex_rule] if complex_ and op.derivative.complex_rule is not None else op
