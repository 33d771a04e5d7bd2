"""What `masked_backward` did to a gradient, as the warnings of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.derivatives.draft import Outputs, Values
from engine.diagnosis import masked_caveat, render_caveat
from engine.errors import Origin
from engine.transforms.masks import Masks


@dataclass(frozen=True, slots=True)
class Watched:
    """A node, and the places among the outputs of the masks that say where it was acted upon."""

    origin: Origin
    places: tuple[int, ...]


def watched(masks: Masks, outputs: Outputs) -> tuple[Watched, ...]:
    """The nodes at which the masks of a walk can act."""
    by_node: dict[str | None, Watched] = {}
    for acted in masks.acted:
        origin = acted.step.origin
        previous = by_node.get(origin.node)
        place = outputs.add(acted.where.slot)
        by_node[origin.node] = Watched(origin, (place,) if previous is None else (*previous.places, place))
    return tuple(by_node.values())


def warnings_of(watched: Sequence[Watched], values: Values) -> list[dict[str, Any]]:
    """A warning for each node at which a mask acted, in the order of the nodes."""
    warnings = []
    for one in reversed(watched):
        acted = [np.asarray(values[place]) for place in one.places]
        most = max(acted, key=np.count_nonzero)
        if most.any():
            warnings.append(render_caveat(masked_caveat(one.origin, most)))
    return warnings
