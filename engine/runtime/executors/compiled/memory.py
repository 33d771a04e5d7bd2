"""Which value lies where: an arena, shared by values whose lifetimes do not meet, and donations."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from engine.runtime.executors.compiled.nodes import Map, Nodes
from engine.runtime.executors.compiled.regions import Region, find_times

_ALIGNMENT = 64


def bytes_of(nodes: Nodes, root: int) -> int:
    """The size of a root's memory."""
    view = nodes.views[root]
    return view.size * np.dtype(view.dtype).itemsize


def find_homes(
    nodes: Nodes, regions: Sequence[Region], donated: Mapping[int, int], outputs: Collection[int]
) -> dict[int, int]:
    """The roots that can be written where a donated input lies, by what they take over.

    That is so if whoever reads the old value has done so by then: in earlier regions, or, in the region that
    writes, at the same element and in no later pass. `outputs` are all outputs of the tape, which are read
    in the end.
    """
    homes: dict[int, int] = {}
    returned = {nodes.views[slot].root for slot in outputs}
    for output, source in donated.items():
        view, old = nodes.views[output], nodes.views[source]
        root = nodes.views[view.root]
        is_whole = view.is_dense and view.offset == 0 and view.size == root.size == old.size
        alike = is_whole and view.dtype == old.dtype and source in nodes.external
        free = view.root not in nodes.external and view.root not in homes and source not in homes.values()
        if alike and free and old.root not in returned and _written_last(nodes, regions, view.root, source):
            homes[view.root] = source
    return homes


def _written_last(nodes: Nodes, regions: Sequence[Region], root: int, source: int) -> bool:
    writers = [
        (place, node)
        for place, region in enumerate(regions)
        for node in region.nodes
        for slot in node.outputs
        if nodes.views[slot].root == root
    ]
    if len(writers) != 1 or not isinstance(writers[0][1], Map):
        return False
    place, writer = writers[0]
    for region in regions[place + 1 :]:
        if any(nodes.views[slot].root == source for node in region.nodes for slot in node.inputs):
            return False
    region = regions[place]
    assert isinstance(writer, Map)
    own, times = region.placements[writer.output], find_times(region)
    return own.level == "full" and all(
        placement.level == "full"
        and (access.offset, access.strides) == (own.output.offset, own.output.strides)
        and times[slot] <= times[writer.output]
        for slot, placement in region.placements.items()
        for access in placement.inputs
        if access.root == source
    )


def lifetimes(
    nodes: Nodes, regions: Sequence[Region], outputs: Collection[int]
) -> dict[int, tuple[int, int]]:
    """For each root the first region that writes it and the last that reads it; outputs live to the end."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for place, region in enumerate(regions):
        for node in region.nodes:
            for slot in node.outputs:
                root = nodes.views[slot].root
                first.setdefault(root, place)
                last[root] = place
            for slot in node.inputs:
                last[nodes.views[slot].root] = place
    for slot in outputs:
        last[nodes.views[slot].root] = len(regions)
    return {root: (place, last[root]) for root, place in first.items()}


class Arena:
    """Offsets in one block of memory of `size` bytes."""

    def __init__(self) -> None:
        self.size = 0
        self.offsets: dict[int, int] = {}

    def keep(self, root: int, nbytes: int) -> None:
        """Memory for a root that is its own all the time."""
        self.offsets[root] = self.size
        self.size += _rounded(nbytes)

    def share(self, needs: Mapping[int, tuple[int, int, int]]) -> None:
        """Memory for roots by (first region, last region, bytes); those that never meet may share."""
        starts: dict[int, list[int]] = {}
        ends: dict[int, list[int]] = {}
        for root, (first, last, _) in needs.items():
            starts.setdefault(first, []).append(root)
            ends.setdefault(last, []).append(root)
        free: list[tuple[int, int]] = []  # size, offset
        sizes: dict[int, int] = {}
        for place in sorted({*starts, *ends}):
            for root in starts.get(place, ()):
                size = max(_ALIGNMENT, _rounded(needs[root][2]))
                fit = bisect_left(free, (size, -1))
                if fit < len(free) and free[fit][0] <= 2 * size:
                    size, self.offsets[root] = free.pop(fit)
                else:
                    self.offsets[root] = self.size
                    self.size += size
                sizes[root] = size
            for root in ends.get(place, ()):
                insort(free, (sizes[root], self.offsets[root]))


def _rounded(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT


def aligned(
    memory: np.ndarray[tuple[int], np.dtype[np.uint8]], size: int
) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """`size` bytes of `memory` that begin at a full vector; `memory` has 64 bytes more."""
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size]
