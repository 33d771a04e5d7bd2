"""Which nodes share a loop nest, and in which order the nests, products and NumPy steps run.

A node joins the first region behind what it reads in which it can stand: it runs over the same grid, or has
one value for each row of it, and whatever of the region it reads is there by then, at the same place.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import prod
from typing import Literal

from engine.runtime.executors.compiled.nodes import Loop, Map, Node, Nodes, Reduce
from engine.runtime.executors.compiled.views import Shape, View

Level = Literal["full", "row"]
_MOST_NODES = 48  # of a region: registers are few, and a long function compiles slowly
_MOST_ROWS = 1024  # that are added one after the other
_LOOK_BACK = 64  # regions that are tried for a node


@dataclass(frozen=True, slots=True)
class Access:
    """The element of a root that belongs to each place of a grid: its offset and a stride for each axis."""

    root: int
    offset: int
    strides: Shape


@dataclass(frozen=True, slots=True)
class Placement:
    """How a node stands in a grid: for every element, or once for each row (all axes but the last).

    `value` says what others in the region may read at once; None if the result is there at the end only.
    """

    level: Level
    inputs: tuple[Access, ...]
    output: Access
    value: Level | None


@dataclass(slots=True, eq=False)
class Region:
    """A loop nest over a grid, or a product or a NumPy step alone."""

    nodes: list[Node] = field(default_factory=list)
    grid: Shape = ()
    placements: dict[int, Placement] = field(default_factory=dict)  # by the slot that a node writes

    @property
    def loops(self) -> list[Loop]:
        """Its maps and reductions."""
        return [node for node in self.nodes if isinstance(node, Map | Reduce)]

    @property
    def is_loop(self) -> bool:
        """Whether it is a loop nest."""
        return bool(self.placements)


def place(node: Loop, views: dict[int, View], grid: Shape) -> Placement | None:
    """How a node stands in a grid; None if it does not."""
    lead = grid[:-1]
    shape = node.shape
    level: Level
    if (shape or (1,)) == grid:
        level = "full"
    elif shape in (lead, (*lead, 1)):
        level = "row"
    else:
        return None

    def access(view: View, strides: Shape) -> Access:
        own = (*strides[: len(lead)], 0) if level == "row" else strides or (0,)
        zeroed = tuple(0 if size == 1 else stride for size, stride in zip(grid, own, strict=True))
        return Access(view.root, view.offset, zeroed)

    inputs = tuple(access(views[slot], views[slot].over(shape)) for slot in node.inputs)
    out = views[node.output]
    if isinstance(node, Map):
        return Placement(level, inputs, access(out, out.over(shape)), level)
    own = iter(out.strides)
    if node.keepdims:
        spread = tuple(0 if axis in node.axes else out.strides[axis] for axis in range(len(shape)))
    else:
        spread = tuple(0 if axis in node.axes else next(own) for axis in range(len(shape)))
    combined = {axis for axis in node.axes if shape[axis] != 1}
    value: Level | None = None
    if level == "row":
        if prod(lead) > _MOST_ROWS:
            return None
    elif combined <= {len(shape) - 1}:
        value = "row"
    return Placement(level, inputs, access(out, spread), value)


def make_regions(nodes: Nodes) -> list[Region]:
    """The regions in an order in which each reads only what an earlier one, or itself, has made."""
    regions: list[Region] = []
    makers: dict[int, list[tuple[int, Node, View]]] = defaultdict(list)  # by root: who writes which part
    for node in nodes.order:
        first = -1
        for slot in node.inputs:
            view = nodes.views[slot]
            places = [place for place, _, part in makers[view.root] if part.overlaps(view)]
            first = max(first, *places, -1)
        if isinstance(node, Map | Reduce):
            chosen = _join(node, nodes, regions, first)
        else:
            regions.append(Region([node]))
            chosen = len(regions) - 1
        for slot in node.outputs:
            view = nodes.views[slot]
            makers[view.root].append((chosen, node, view))
    return regions


def _join(node: Loop, nodes: Nodes, regions: list[Region], first: int) -> int:
    """The place of the region that a node joined; a new one if it fits into none."""
    for index in range(max(first, 0, len(regions) - _LOOK_BACK), len(regions)):
        region = regions[index]
        if not region.is_loop or len(region.nodes) >= _MOST_NODES:
            continue
        placement = place(node, nodes.views, region.grid)
        if placement is not None and (index > first or _is_ready(node, placement, nodes, region)):
            region.nodes.append(node)
            region.placements[node.output] = placement
            return index
    grid = node.shape or (1,)
    placement = place(node, nodes.views, grid)
    assert placement is not None
    regions.append(Region([node], grid, {node.output: placement}))
    return len(regions) - 1


def _is_ready(node: Loop, placement: Placement, nodes: Nodes, region: Region) -> bool:
    """Whether everything of the region that a node reads is there, at the place that it reads."""
    for slot, access in zip(node.inputs, placement.inputs, strict=True):
        view = nodes.views[slot]
        for maker in region.loops:
            if not nodes.views[maker.output].overlaps(view):
                continue
            there = region.placements[maker.output]
            if there.value is None or there.output != access:
                return False
            if there.value == "full" and placement.level == "row":
                return False
    return True


def find_times(region: Region) -> dict[int, int]:
    """The pass over a row in which each node is computed; of a value of a row, the pass that completes it."""
    times: dict[int, int] = {}
    makers = {p.output: slot for slot, p in region.placements.items() if p.value is not None}
    for slot, own in region.placements.items():
        time = 0 if own.level == "full" else -1
        for access in own.inputs:
            maker = makers.get(access)
            if maker in times:
                later = own.level == "full" and region.placements[maker].value == "row"
                time = max(time, times[maker] + later)
        times[slot] = time
    return times


def stored_slots(nodes: Nodes, regions: list[Region], outputs: set[int]) -> set[int]:
    """The slots that have to be written to memory: what other regions read, and what leaves."""
    readers: dict[int, list[tuple[int, View]]] = defaultdict(list)
    for index, region in enumerate(regions):
        for node in region.nodes:
            for slot in node.inputs:
                view = nodes.views[slot]
                readers[view.root].append((index, view))
    for slot in outputs:
        view = nodes.views[slot]
        readers[view.root].append((-1, view))
    result = set()
    for index, region in enumerate(regions):
        for node in region.nodes:
            for slot in node.outputs:
                view = nodes.views[slot]
                others = (view_read for reader, view_read in readers[view.root] if reader != index)
                in_place = region.placements.get(slot)
                if (in_place is not None and in_place.value is None) or any(map(view.overlaps, others)):
                    result.add(slot)
    return result
