"""A gradient asked for again after its variables were assigned: a tape keeps the values that it recorded."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from gradwire._notices import warn
from gradwire._tracing.node import Edge, Leaf, Owner
from gradwire.autodiff.gradient_requests import Question, Source
from gradwire.errors import TrainingWarning


class Asked:
    """What a tape has been asked so far: by value of a variable, the targets that it was a part of."""

    def __init__(self) -> None:
        self._targets: WeakKeyDictionary[Leaf, set[int]] = WeakKeyDictionary()

    def note(self, query: Question, target: Edge) -> None:
        """Note a question; warn if it was asked before, at values that its variables have no more."""
        leaves = query.leaves
        for source in query.sources:
            recorded = [leaf for leaf in leaves if leaf.owner is not None and leaf.owner is source.owner]
            if self._is_stale(recorded, source, target):
                _warn(source)
                return
        for leaf in leaves:
            if leaf.owner is not None:
                self._targets.setdefault(leaf, set()).add(id(target.node))

    def _is_stale(self, recorded: Sequence[Leaf], source: Source, target: Edge) -> bool:
        now = source.edge.node
        return (
            len(recorded) == 1
            and isinstance(now, Leaf)
            and now is not recorded[0]
            and id(target.node) in self._targets.get(recorded[0], ())
            and not np.array_equal(now.value, recorded[0].value, equal_nan=now.value.dtype.kind in "fc")
        )


def _warn(source: Source) -> None:
    place = source.owner.assigned if isinstance(source.owner, Owner) else None
    at = "" if place is None else f", last at {place}"
    warn(
        TrainingWarning,
        f"this tape recorded its target before '{source.label}' was assigned{at}: the gradient is that at "
        "the old values, and asking again does not record again. Record the loss anew for every step: put "
        "`with gw.GradientTape() as tape:` inside the loop",
        ("stale",),
    )
