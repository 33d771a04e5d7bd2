"""A region as a function `void f(ptr table)`: loops over rows, vectors of columns, and passes over each row.

A value of a row that needs all of the row (a sum of it, say) divides the row into passes. What a later pass
reads stays in registers if the row is short, else in a buffer of one row. Results of the whole grid are
gathered in memory, row after row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod

from engine.runtime.executors.compiled import sums
from engine.runtime.executors.compiled.cells import Cells
from engine.runtime.executors.compiled.ir import (
    SIZES,
    VECTOR_BYTES,
    Builder,
    Index,
    Module,
    mask,
)
from engine.runtime.executors.compiled.lane import Lane
from engine.runtime.executors.compiled.lanes import Scalars
from engine.runtime.executors.compiled.nodes import Loop, Map, Nodes, Reduce
from engine.runtime.executors.compiled.regions import Access, Region, find_times

_UNROLLED = 4  # vectors of a row that stay in registers from pass to pass
_BLOCK = 64  # vectors that are summed before their sum is added to that of the row
Env = dict[Access, Lane]


class Nest:
    """Writes the function of one region.

    `entry` gives the place of a root in the table, `stored` are the slots that are written to memory, and
    `buffer` makes a root for a row of so many elements.
    """

    def __init__(
        self,
        region: Region,
        nodes: Nodes,
        module: Module,
        entry: Callable[[int], int],
        stored: set[int],
        buffer: Callable[[int, str], int],
    ) -> None:
        self._region, self._nodes, self._stored = region, nodes, stored
        self._b = Builder(module)
        self._loops = region.loops
        self._makers = {
            region.placements[node.output].output: node
            for node in self._loops
            if region.placements[node.output].value is not None
        }
        self._times = find_times(region)
        self._groups = self._find_groups()
        sizes = [prod(region.grid[axis] for axis in group) for group in self._groups]
        self._lead, self._columns = sizes[:-1], sizes[-1]
        self._width = self._find_width()
        self._vectors = -(-self._columns // self._width)
        self._wide, self._one = Scalars(self._b, self._width), Scalars(self._b, 1)
        self._wide.size = self._one.size = prod(region.grid)
        self._cells = Cells(self._b, entry, self._groups, self._wide)
        self._short = self._vectors <= _UNROLLED
        self._buffers = {} if self._short else self._find_buffers(buffer)
        self._fixed: Env = {}

    # -- what stands where

    def _kind(self, node: Loop) -> str:
        return self._nodes.views[node.output].dtype

    def _level(self, node: Loop) -> str:
        return self._region.placements[node.output].level

    @property
    def passes(self) -> int:
        """How often a row is gone through."""
        return max(0, *self._times.values()) + 1

    def _find_groups(self) -> list[tuple[int, ...]]:
        """The axes of the grid, together where every access sees one; the last group are columns."""
        placements = self._region.placements.values()
        rows = any(p.level == "row" or p.value == "row" for p in placements)
        grid, last = self._region.grid, len(self._region.grid) - 1
        axes = [axis for axis in range(last) if grid[axis] != 1]
        written = [p.output.strides for p in placements if p.value is not None]
        if rows or grid[last] != 1 or not axes or any(s[axes[-1]] != 1 for s in written):
            axes.append(last)  # what is written lies side by side along it, or it is one element
        accesses = {access for p in placements for access in (*p.inputs, p.output)}
        groups: list[tuple[int, ...]] = []
        for axis in axes:
            alone = rows and axis == last
            if groups and not alone:
                outer = groups[-1][-1]
                if all(a.strides[outer] == a.strides[axis] * grid[axis] for a in accesses):
                    groups[-1] = (*groups[-1], axis)
                    continue
            groups.append((axis,))
        return groups

    def _find_width(self) -> int:
        views = self._nodes.views
        full = [node for node in self._loops if self._level(node) == "full"]
        kinds = {views[slot].dtype for node in full for slot in (*node.inputs, node.output)}
        size = max((SIZES[kind] for kind in kinds if kind != "bool"), default=1)
        width = VECTOR_BYTES // size
        while width > 1 and width // 2 >= self._columns:
            width //= 2
        return width

    def _find_buffers(self, buffer: Callable[[int, str], int]) -> dict[Access, int]:
        """A buffer for each value that a later pass reads again."""
        result: dict[Access, int] = {}
        for node in self._loops:
            for access in self._region.placements[node.output].inputs:
                maker = self._makers.get(access)
                if maker is None or self._level(node) == "row" or access in result:
                    continue
                is_full = self._region.placements[maker.output].value == "full"
                if is_full and self._times[node.output] > self._times[maker.output]:
                    result[access] = buffer(self._vectors * self._width, self._kind(maker))
        return result

    # -- the function

    def write(self, name: str) -> str:
        """The text of the function."""
        terminal = [node for node in self._loops if self._region.placements[node.output].value is None]
        for node in terminal:
            assert isinstance(node, Reduce)
            self._over(node, lambda lane, node=node: sums.start(lane.m, node.how, lane.kind))  # type: ignore[misc]  # the default binds the loop's node
        if self._lead:
            self._read_fixed()
        self._rows([], self._lead)
        for node in terminal:
            assert isinstance(node, Reduce)
            if node.divisor != 1:
                self._over(node, lambda lane, node=node: lane / float(node.divisor))  # type: ignore[misc]  # as above
        body = self._b.function(f"internal void @{name}(ptr %table) noinline nounwind")
        return body.replace("entry:", f"entry:\n{self._cells.header()}", 1)

    def _over(self, node: Loop, change: Callable[[Lane], Lane]) -> None:
        """Change every element of a node's result where it lies."""
        view, kind = self._nodes.views[node.output], self._kind(node)
        pointer = self._b.offset(self._cells.pointer(view.root), view.offset, kind)
        width = VECTOR_BYTES // max(4, SIZES[kind])
        m = Scalars(self._b, width)
        whole = view.size // width * width

        def some(m: Scalars, index: Index, count: int) -> None:
            at = self._b.offset(pointer, index, kind)
            self._cells.store(change(self._cells.load(m, at, kind, count)), at, count)

        self._b.loop(0, whole, width, lambda index, _: some(m, index, width))
        if whole < view.size:
            some(m, whole, view.size - whole)

    def _read_fixed(self) -> None:
        """What is the same for every element is read once."""
        for node in self._loops:
            own = self._region.placements[node.output]
            for slot, access in zip(node.inputs, own.inputs, strict=True):
                is_fixed = access not in self._makers and not any(access.strides)
                if own.level != "full" or not is_fixed or access in self._fixed:
                    continue
                kind = self._nodes.views[slot].dtype
                at = self._cells.address(access, kind, [0] * len(self._lead))
                self._fixed[access] = self._cells.spread(self._cells.load(self._one, at, kind, 1))

    def _rows(self, row: list[Index], sizes: Sequence[int]) -> None:
        if not sizes:
            self._row(row)
            return
        self._b.loop(0, sizes[0], 1, lambda index, _: self._rows([*row, index], sizes[1:]))

    def _row(self, row: Sequence[Index]) -> None:
        values: Env = {}  # of the row
        chunks: list[Env] = [{} for _ in range(self._vectors if self._short else 0)]
        self._stage(-1, row, values)
        for time in range(self.passes):
            self._pass(time, row, values, chunks)
            self._stage(time, row, values)

    def _stage(self, time: int, row: Sequence[Index], values: Env) -> None:
        """The values of the row that are known after a pass."""
        for node in self._loops:
            own = self._region.placements[node.output]
            if own.level != "row" or self._times[node.output] != time:
                continue
            lanes = []
            for slot, access in zip(node.inputs, own.inputs, strict=True):
                if access not in values:
                    kind = self._nodes.views[slot].dtype
                    values[access] = self._cells.load(
                        self._one, self._cells.address(access, kind, row), kind, 1
                    )
                lanes.append(values[access])
            if isinstance(node, Map):
                values[own.output] = self._play(self._one, node, lanes)
                self._keep(node, values[own.output], row)
            else:
                self._gather(node, lanes[0], row)

    def _keep(self, node: Loop, lane: Lane, row: Sequence[Index]) -> None:
        if node.output in self._stored:
            access = self._region.placements[node.output].output
            self._cells.store(lane, self._cells.address(access, lane.kind, row), 1)

    def _gather(
        self, node: Reduce, lane: Lane, row: Sequence[Index], column: Index = 0, count: int = 1
    ) -> None:
        """Combine a partial result with what lies in memory."""
        at = self._cells.address(self._region.placements[node.output].output, lane.kind, row, column)
        before = self._cells.load(lane.m, at, lane.kind, count)
        self._cells.store(sums.combine(lane.m, node.how, before, lane), at, count)

    def _play(self, m: Scalars, node: Map, lanes: Iterable[Lane]) -> Lane:
        kind = m.result = self._kind(node)
        return m.cast(m.lift(node.formula(m, *lanes), kind), kind)

    # -- one pass over a row

    def _pass(self, time: int, row: Sequence[Index], values: Env, chunks: list[Env]) -> None:
        here = [n for n in self._loops if self._level(n) == "full" and self._times[n.output] == time]
        if not here:
            return
        uniform = self._read_uniform(here, row, values)
        folds = [n for n in here if isinstance(n, Reduce) and self._folds_columns(n)]
        first = [sums.start(self._wide, n.how, self._kind(n)) for n in folds]

        def vector_at(env: Env, column: Index, count: int, partial: list[str]) -> list[str]:
            return self._vector(here, folds, {**uniform}, env, row, column, count, partial)

        texts = [lane.x for lane in first]
        if self._short:
            for place, env in enumerate(chunks):
                column = place * self._width
                texts = vector_at(env, column, min(self._width, self._columns - column), texts)
        else:
            texts = self._long_row(folds, first, lambda c, n, p: vector_at(self._recall(here, c), c, n, p))
        for node, text in zip(folds, texts, strict=True):
            total = sums.across(self._wide, node.how, Lane(self._wide, text, self._kind(node)))
            own = self._region.placements[node.output]
            if own.value is None:
                self._gather(node, total, row)
                continue
            values[own.output] = total / float(node.divisor) if node.divisor != 1 else total
            self._keep(node, values[own.output], row)

    def _folds_columns(self, node: Reduce) -> bool:
        return self._region.placements[node.output].value == "row" or self._groups[-1][-1] in node.axes

    def _long_row(
        self,
        folds: Sequence[Reduce],
        first: Sequence[Lane],
        body: Callable[[Index, int, list[str]], list[str]],
    ) -> list[str]:
        """A row in vectors. Sums go in blocks, so that no sum of many terms loses the small ones."""
        width, whole = self._width, self._columns // self._width
        types = [self._wide.type(lane.kind) for lane in first]
        start = list(zip(types, [lane.x for lane in first], strict=True))

        def joined(totals: list[str], parts: list[str]) -> list[str]:
            return [
                sums.combine(self._wide, node.how, *(Lane(self._wide, x, self._kind(node)) for x in pair)).x
                for node, pair in zip(folds, zip(totals, parts, strict=True), strict=True)
            ]

        def total(base: Index, count: int) -> list[str]:
            """The folds of `count` vectors from `base` on."""
            if count <= _BLOCK or not folds:
                return self._b.loop(
                    0, count * width, width, lambda c, p: body(self._b.add(base, c), width, p), start
                )
            part = _BLOCK
            while part * _BLOCK < count:
                part *= _BLOCK
            blocks = count // part
            totals = self._b.loop(
                0,
                blocks * part * width,
                part * width,
                lambda c, p: joined(p, total(self._b.add(base, c), part)),
                start,
            )
            rest = count - blocks * part
            if not rest:
                return totals
            return joined(totals, total(self._b.add(base, blocks * part * width), rest))

        totals = total(0, whole)
        rest = self._columns - whole * width
        return body(whole * width, rest, totals) if rest else totals

    def _read_uniform(self, here: Sequence[Loop], row: Sequence[Index], values: Env) -> Env:
        """What is the same in every column of a row, spread before its columns are gone through."""
        uniform = dict(self._fixed)
        for node in here:
            own = self._region.placements[node.output]
            for slot, access in zip(node.inputs, own.inputs, strict=True):
                if access in uniform:
                    continue
                if access in values:
                    uniform[access] = self._cells.spread(values[access])
                elif (
                    access not in self._makers and self._cells.strides(access)[-1] == 0 and self._columns > 1
                ):
                    kind = self._nodes.views[slot].dtype
                    at = self._cells.address(access, kind, row)
                    uniform[access] = self._cells.spread(self._cells.load(self._one, at, kind, 1))
        return uniform

    def _recall(self, here: Sequence[Loop], column: Index) -> Env:
        """What earlier passes left in the buffers for these nodes."""
        env: Env = {}
        reads = {access for n in here for access in self._region.placements[n.output].inputs}
        for access in sorted(reads & self._buffers.keys(), key=lambda a: a.root):
            maker = self._makers[access]
            if self._times[maker.output] < min(self._times[n.output] for n in here):
                kind = self._kind(maker)
                at = self._b.offset(self._cells.pointer(self._buffers[access]), column, kind)
                env[access] = self._cells.load(self._wide, at, kind, self._width)
        return env

    def _vector(
        self,
        here: Sequence[Loop],
        folds: Sequence[Reduce],
        uniform: Env,
        env: Env,
        row: Sequence[Index],
        column: Index,
        count: int,
        partial: list[str],
    ) -> list[str]:
        """The nodes of a pass on one vector of columns, of which `count` are there; the folds' new values."""
        texts = list(partial)
        for node in here:
            own = self._region.placements[node.output]
            lanes = []
            for slot, access in zip(node.inputs, own.inputs, strict=True):
                if access not in env and access not in uniform:
                    env[access] = self._cells.read(access, self._nodes.views[slot].dtype, row, column, count)
                lanes.append(env[access] if access in env else uniform[access])
            if isinstance(node, Map):
                env[own.output] = self._play(self._wide, node, lanes)
                if own.output in self._buffers:
                    kind = self._kind(node)
                    at = self._b.offset(self._cells.pointer(self._buffers[own.output]), column, kind)
                    self._cells.store(env[own.output], at, self._width)
            elif node in folds:
                place = folds.index(node)
                before = Lane(self._wide, texts[place], self._kind(node))
                lane = self._valid(node, lanes[0], count)
                texts[place] = sums.combine(self._wide, node.how, before, lane).x
            else:
                self._gather(node, lanes[0], row, column, count)
        for node in here:
            own = self._region.placements[node.output]
            if isinstance(node, Map) and node.output in self._stored:
                kind = self._kind(node)
                self._cells.store(env[own.output], self._cells.address(own.output, kind, row, column), count)
        return texts

    def _valid(self, node: Reduce, lane: Lane, count: int) -> Lane:
        """A lane whose elements beyond the row change nothing."""
        if count == self._width:
            return lane
        m = self._wide
        which = Lane(m, mask(count, self._width), "bool")
        return m.where(which, lane, sums.start(m, node.how, lane.kind))
