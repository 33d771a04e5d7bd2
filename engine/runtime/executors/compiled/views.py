"""Where the elements of a slot lie: offsets and strides over the memory of a root slot."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]


@dataclass(slots=True)
class View:
    """Elements of `root`'s memory; `offset` and `strides` count elements of `dtype`, not bytes."""

    root: int
    offset: int
    shape: Shape
    strides: Shape
    dtype: str

    @property
    def size(self) -> int:
        """How many elements it has."""
        return prod(self.shape)

    @property
    def is_dense(self) -> bool:
        """Whether the elements lie one after another in C order."""
        return all(
            size == 1 or stride == expected
            for size, stride, expected in zip(self.shape, self.strides, dense(self.shape), strict=True)
        )

    @property
    def span(self) -> tuple[int, int]:
        """The first element of the root that it may hold, and the first behind it."""
        if not self.size:
            return self.offset, self.offset
        reach = [(size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)]
        low = self.offset + sum(step for step in reach if step < 0)
        return low, self.offset + sum(step for step in reach if step > 0) + 1

    def overlaps(self, other: View) -> bool:
        """Whether the two may share an element."""
        if self.root != other.root:
            return False
        (low, high), (other_low, other_high) = self.span, other.span
        return low < other_high and other_low < high

    def over(self, shape: Shape) -> Shape:
        """Its strides when it is broadcast to `shape`; 0 along axes that it repeats or that have size 1."""
        extra = len(shape) - len(self.shape)
        own = (*(0,) * extra, *self.strides)
        sizes = (*(1,) * extra, *self.shape)
        return tuple(0 if size == 1 else stride for size, stride in zip(sizes, own, strict=True))


def dense(shape: Shape) -> Shape:
    """The strides of an array in C order, in elements."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))
