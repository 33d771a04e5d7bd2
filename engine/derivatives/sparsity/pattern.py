"""The pattern pass: for each slot of a tape, the elements of the variables that its elements depend on.

A pattern is a boolean matrix in compressed rows, a row for each element of the slot, a column for each
element of all the variables together. What is gone through is the tape itself, so the pattern of a Hessian is
that of the tape on which the adjoints have been recorded. Edges that carry no gradient carry no dependence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse

from engine import dtypes
from engine.derivatives.sparsity.known_values import KnownValues, Source
from engine.ir.budget import charge
from engine.ir.dependence import Inside, Numbers, Reach, Stepwise
from engine.ir.dependence_rules import TypedStep, everything
from engine.ir.tape import Instruction, Tape
from engine.passes.dead import dead
from engine.transforms.vjp import carries

Matrix = Any  # scipy.sparse.csr_array of bool: its stubs know no dtype of an index
Patterns = dict[int, Matrix]
#: Patterns of the outputs of an op whose functions do the work; None if everything may depend on everything.
Through: TypeAlias = "Callable[[Pass, Instruction, Sequence[int], Inside | Stepwise], Patterns | None]"


class TooDense(Exception):
    """A pattern would have more entries than are allowed."""

    def __init__(self, entries: int) -> None:
        super().__init__(f"{entries:,} entries")
        self.entries = entries


class Pass:
    """One walk over a tape, forward, to the patterns of `slots`; `through` passes ops that take functions."""

    def __init__(
        self,
        tape: Tape,
        slots: Collection[int],
        known_values: KnownValues,
        columns: int,
        most: int,
        through: Through,
    ) -> None:
        self.tape = tape
        self.steps = dead(Tape(tape.types, instructions=tape.instructions, outputs=list(slots))).instructions
        self.value_of = known_values
        self.columns = columns
        self.most = most
        self.through = through

    @staticmethod
    def over(
        tape: Tape,
        variables: Sequence[int],
        slots: Collection[int],
        known_values: KnownValues,
        most: int,
        through: Through,
    ) -> Patterns:
        """The patterns of `slots` by the elements of `variables`, one variable after the other.

        Slots that depend on none are left out. Raises TooDense if a pattern would have more than `most`
        entries, rows or columns.
        """
        sizes = [tape.types[slot].size for slot in variables]
        if sum(sizes) > most:
            raise TooDense(sum(sizes))
        charge(sum(sizes) >> 10)
        ends = np.cumsum([0, *sizes])
        own = {
            slot: _rows_of(np.arange(start, end), int(ends[-1]))
            for slot, start, end in zip(variables, ends[:-1], ends[1:], strict=True)
        }
        patterns = Pass(tape, slots, known_values, int(ends[-1]), most, through).run(own)
        return {slot: patterns[slot] for slot in slots if slot in patterns}

    def run(self, start: Mapping[int, Matrix]) -> dict[int, Matrix]:
        """The patterns of all slots that depend on something, from those of some."""
        self.start = start
        self.found = dict(start)
        for step in self.steps:
            moving = [i for i, s in enumerate(step.inputs) if s in self.found and carries(self.tape, step, i)]
            if moving:
                for slot, pattern in self._outputs(step, moving).items():
                    before = self.start.get(slot)  # a node that is a variable depends on itself as well
                    self.found[slot] = pattern if before is None else before + pattern
        return self.found

    def _outputs(self, step: Instruction, moving: Sequence[int]) -> dict[int, Matrix]:
        reach = step.op.rules.dependence
        if isinstance(reach, Inside | Stepwise):
            passed = self.through(self, step, moving, reach)
            if passed is not None:
                return {s: p for s, p in passed.items() if dtypes.is_inexact(self.tape.types[s].dtype)}
            reach = None
        answer: dict[int, Matrix] = {}
        for slot in step.outputs:
            if not dtypes.is_inexact(self.tape.types[slot].dtype):
                continue
            parts: dict[int, Matrix] = {}
            for i in moving:
                part = self._pattern_through(step, i, slot, reach)
                parts[id(part)] = part  # the same operand twice, unmoved, is one pattern
            answer[slot] = self.union(list(parts.values()))
        return answer

    def _pattern_through(self, step: Instruction, i: int, slot: int, reach: Any) -> Matrix:
        types = self.tape.types
        if types[slot].size > self.most:
            raise TooDense(types[slot].size)
        charge(types[slot].size >> 10)
        typed = TypedStep(
            step.op,
            [types[source] for source in step.inputs],
            types[slot],
            step.attributes,
            lambda position: self.value_of(step.inputs[position]),
        )
        how = reach(typed, i) if reach is not None else None
        return self.whole(step, i, slot) if how is None else self._applied(how, self.found[step.inputs[i]])

    def whole(self, step: Instruction, i: int, slot: int) -> Matrix:
        """The pattern of an output that depends on all of input `i`."""
        types = self.tape.types
        return self._applied(everything(types[step.inputs[i]], types[slot]), self.found[step.inputs[i]])

    def inner(self, function: Tape, sources: Mapping[int, Source]) -> Pass:
        """A walk over a function of this tape."""
        known_values = KnownValues(function, sources)
        return Pass(function, function.outputs, known_values, self.columns, self.most, self.through)

    def beside(self, function: Tape, variables: Sequence[int], slots: Collection[int]) -> Patterns:
        """The patterns of a function's slots by others of its own."""
        return Pass.over(function, variables, slots, KnownValues(function, {}), self.most, self.through)

    def piled(self, parts: Sequence[Matrix | None], rows: int) -> Matrix:
        """Patterns of so many rows each, one below the other."""
        return self.checked(stacked([(part, rows) for part in parts], self.columns))

    def _applied(self, how: Reach, pattern: Matrix) -> Matrix:
        charge(1 + (pattern.nnz >> 10))
        if how.take is not None:
            pattern = self.select(pattern, how.take)
        if how.into is not None:
            count = how.into.size
            sums = scipy.sparse.csr_array(
                (np.ones(count, np.bool_), (how.into, np.arange(count))), shape=(how.groups, count)
            )
            pattern = self.checked(sums @ pattern)
            pattern.sort_indices()
        return pattern if how.read is None else self.select(pattern, how.read)

    def select(self, pattern: Matrix, rows: Numbers) -> Matrix:
        """The rows of a pattern in this order; -1 is a row of nothing."""
        counts = np.append(np.diff(pattern.indptr), 0)[rows]
        ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        if ends[-1] > self.most:
            raise TooDense(int(ends[-1]))
        starts = np.append(pattern.indptr[:-1], 0)[rows]
        places = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], counts)
        return _matrix(pattern.indices[places], ends, self.columns)

    def union(self, parts: Sequence[Matrix]) -> Matrix:
        """What is in any of some patterns."""
        total = parts[0]
        for part in parts[1:]:
            total = self.checked(total + part)
        return total

    def checked(self, pattern: Matrix) -> Matrix:
        """The pattern itself; raises TooDense if it has more entries than are allowed."""
        if pattern.nnz > self.most:
            raise TooDense(pattern.nnz)
        return pattern


def stacked(parts: Sequence[tuple[Matrix | None, int]], columns: int) -> Matrix:
    """Patterns one below the other; each with its number of rows, None if there are no entries."""
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
