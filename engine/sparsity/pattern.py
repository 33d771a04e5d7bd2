"""The pattern pass: for each slot of a tape, the elements of the variables that its elements depend on.

A pattern is a boolean matrix in compressed rows, a row for each element of the slot, a column for each
element of all the variables together. What is gone through is the tape itself, so the pattern of a Hessian is
that of the tape on which the adjoints have been recorded. Edges that carry no gradient carry no dependence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from engine import dtypes
from engine.backward import carries
from engine.passes.dead import dead
from engine.reaches import Inside, Numbers, Reach, Seen, everything
from engine.sparsity.known import Known
from engine.tape import Instruction, Tape

Matrix = Any  # scipy.sparse.csr_array of bool: its stubs know no dtype of an index


class TooDense(Exception):
    """A pattern would have more entries than are allowed."""

    def __init__(self, entries: int) -> None:
        super().__init__(f"{entries:,} entries")
        self.entries = entries


def dependence(
    tape: Tape, variables: Sequence[int], wanted: Collection[int], known: Known, most: int
) -> dict[int, Matrix]:
    """The patterns of the slots `wanted` by those of `variables`; a slot that depends on none is absent.

    The columns are the elements of the variables, one variable after the other. Raises TooDense where a
    pattern, wanted or on the way, would have more than `most` entries, or more rows or columns than that.
    """
    sizes = [tape.types[slot].size for slot in variables]
    if sum(sizes) > most:
        raise TooDense(sum(sizes))
    ends = np.cumsum([0, *sizes])
    own = {
        slot: _rows_of(np.arange(start, end), int(ends[-1]))
        for slot, start, end in zip(variables, ends[:-1], ends[1:], strict=True)
    }
    found = _Pass(tape, wanted, known, int(ends[-1]), most).run(own)
    return {slot: found[slot] for slot in wanted if slot in found}


class _Pass:
    """One walk over a tape, forward."""

    def __init__(self, tape: Tape, wanted: Collection[int], known: Known, columns: int, most: int) -> None:
        self.tape = tape
        self.steps = dead(Tape(tape.types, instructions=tape.instructions, outputs=list(wanted))).instructions
        self.known = known
        self.columns = columns
        self.most = most

    def run(self, given: Mapping[int, Matrix]) -> dict[int, Matrix]:
        """The patterns of all slots that depend on something, from those of some."""
        self.given = given
        self.found = dict(given)
        for step in self.steps:
            moving = [i for i, s in enumerate(step.inputs) if s in self.found and carries(self.tape, step, i)]
            if moving:
                for slot, pattern in self._outputs(step, moving).items():
                    before = self.given.get(slot)  # a node that is a variable depends on itself as well
                    self.found[slot] = pattern if before is None else before + pattern
        return self.found

    def _outputs(self, step: Instruction, moving: Sequence[int]) -> dict[int, Matrix]:
        reach = step.op.reach or step.op.family.reach
        if isinstance(reach, Inside):
            return self._through(step, moving, reach)
        answer: dict[int, Matrix] = {}
        for slot in step.outputs:
            if not dtypes.is_inexact(self.tape.types[slot].dtype):
                continue
            parts: dict[int, Matrix] = {}
            for i in moving:
                part = self._reached(step, i, slot, reach)
                parts[id(part)] = part  # the same operand twice, unmoved, is one pattern
            answer[slot] = self._union(list(parts.values()))
        return answer

    def _reached(self, step: Instruction, i: int, slot: int, reach: Any) -> Matrix:
        types = self.tape.types
        if types[slot].size > self.most:
            raise TooDense(types[slot].size)
        seen = Seen(
            step.op,
            [types[source] for source in step.inputs],
            types[slot],
            step.attributes,
            lambda position: self.known(step.inputs[position]),
        )
        how = reach(seen, i) if reach is not None else None
        if how is None:
            how = everything(types[step.inputs[i]], types[slot])
        return self._applied(how, self.found[step.inputs[i]])

    def _applied(self, how: Reach, pattern: Matrix) -> Matrix:
        if how.take is not None:
            pattern = self._taken(pattern, how.take)
        if how.into is not None:
            count = how.into.size
            sums = scipy.sparse.csr_array(
                (np.ones(count, np.bool_), (how.into, np.arange(count))), shape=(how.groups, count)
            )
            pattern = self._checked(sums @ pattern)
            pattern.sort_indices()
        return pattern if how.read is None else self._taken(pattern, how.read)

    def _taken(self, pattern: Matrix, rows: Numbers) -> Matrix:
        """The rows of a pattern in this order; -1 is a row of nothing."""
        counts = np.append(np.diff(pattern.indptr), 0)[rows]
        ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        if ends[-1] > self.most:
            raise TooDense(int(ends[-1]))
        starts = np.append(pattern.indptr[:-1], 0)[rows]
        places = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], counts)
        return _matrix(pattern.indices[places], ends, self.columns)

    def _union(self, parts: Sequence[Matrix]) -> Matrix:
        total = parts[0]
        for part in parts[1:]:
            total = self._checked(total + part)
        return total

    def _checked(self, pattern: Matrix) -> Matrix:
        if pattern.nnz > self.most:
            raise TooDense(pattern.nnz)
        return pattern

    # -- functions -----------------------------------------------------------------------------------

    def _through(self, step: Instruction, moving: Sequence[int], reach: Inside) -> dict[int, Matrix]:
        """Through the functions of an op: what any of them lets pass."""
        answers: dict[int, list[Matrix]] = {}
        for name in reach.names:
            function = step.attributes[name]
            through = self._pulled if reach.adjoint else self._called
            for slot, pattern in through(step, moving, reach, function):
                if dtypes.is_inexact(self.tape.types[slot].dtype):
                    answers.setdefault(slot, []).append(pattern)
        return {slot: self._union(parts) for slot, parts in answers.items()}

    def _called(
        self, step: Instruction, moving: Sequence[int], reach: Inside, function: Tape
    ) -> list[tuple[int, Matrix]]:
        inputs = list(function.inputs.values())
        given = {inputs[i - reach.first]: self.found[step.inputs[i]] for i in moving if i >= reach.first}
        sources = {
            inner: partial(self.known, outer)
            for inner, outer in zip(inputs, step.inputs[reach.first :], strict=False)
        }
        inner = _Pass(function, function.outputs, Known(function, sources), self.columns, self.most)
        found = inner.run(given)
        return [
            (slot, found[own])
            for slot, own in zip(step.outputs, function.outputs, strict=True)
            if own in found
        ]

    def _pulled(
        self, step: Instruction, moving: Sequence[int], reach: Inside, function: Tape
    ) -> list[tuple[int, Matrix]]:
        """The Jacobian of a function with its own gradient is what that says: its pattern, transposed.

        Tangents may be given by another function than cotangents. Where they are, nothing is known.
        """
        types = self.tape.types
        if step.attributes.get("jvp") is not None:
            return [
                (
                    slot,
                    self._applied(everything(types[step.inputs[i]], types[slot]), self.found[step.inputs[i]]),
                )
                for slot in step.outputs
                for i in moving
            ]
        first = len(step.inputs) + len(step.outputs)
        cotangents = list(function.inputs.values())[first:]
        answers = [function.outputs[i] for i in moving]
        pulled = dependence(function, cotangents, answers, Known(function, {}), self.most)
        ends = np.cumsum([0, *(types[slot].size for slot in step.outputs)])
        through: list[tuple[int, Matrix]] = []
        for i, answer in zip(moving, answers, strict=True):
            source = step.inputs[i]
            back = pulled.get(answer)
            if back is None:
                continue
            if back.shape[0] != types[source].size:  # a cotangent that broadcasts to what it belongs to
                own = function.types[answer].shape
                spread = np.broadcast_to(np.arange(back.shape[0]).reshape(own), types[source].shape)
                back = self._taken(back, spread.reshape(-1))
            ahead = back.T.tocsr()
            for slot, start, end in zip(step.outputs, ends[:-1], ends[1:], strict=True):
                through.append((slot, self._checked(ahead[start:end] @ self.found[source])))
        return through


def stacked(parts: Sequence[tuple[Matrix | None, int]], columns: int) -> Matrix:
    """Patterns one below the other; each with its number of rows, None where there are no entries."""
    none = np.zeros(0, np.int64)
    filled = [_matrix(none, np.zeros(rows + 1, np.int64), columns) if p is None else p for p, rows in parts]
    whole = (
        scipy.sparse.vstack(filled, format="csr") if filled else _matrix(none, np.zeros(1, np.int64), columns)
    )
    whole.sort_indices()
    return whole


def _rows_of(columns: npt.NDArray[Any], count: int) -> Matrix:
    """One entry in each row."""
    return _matrix(columns, np.arange(columns.size + 1), count)


def _matrix(indices: npt.NDArray[Any], indptr: npt.NDArray[Any], columns: int) -> Matrix:
    data = np.ones(indices.size, np.bool_)
    return scipy.sparse.csr_array((data, indices, indptr), shape=(indptr.size - 1, columns))
