"""Parameters that do not learn: found by what did not move, explained by the diagnosis of a gradient.

Looking costs next to nothing where all is well: at rare ends of epochs the parameters are compared with a
copy. Only what stood still is differentiated once more, on the graph as it was written, and it is told only
where the gradient is zero for a cause that training does not cure by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.derivatives.query import Query
from engine.errors import UserError
from engine.frontend.record import record
from engine.queries.compiler import make_program
from engine.training.job.spec import TrainingSpec
from engine.training.loop.events import Stalled
from engine.training.loop.memory import Memory

WINDOW = 256  # steps between two looks, at least …
LAST_WINDOW = 16  # … but for the last one: the first step of weights that start from zero tells nothing
#: A gradient that is zero for another reason, as at the minimum, is as it should be.
CAUSES = frozenset({"saturated", "unselected", "zero_operand", "underflow", "empty_selection", "constant"})


class PlateauWatch:
    """Remembers where the parameters stood, and from which step on.

    The last look is at a window of its own near the end, so that a unit is found that died after a few steps.
    """

    def __init__(self, spec: TrainingSpec, memory: Memory, step: int) -> None:
        self._spec, self._memory = spec, memory
        self._before = np.array(memory.on_host(memory.flat))
        self._recent, self._recent_since = self._before.copy(), step
        self._since = step
        self._again = 0
        sizes = {name: prod(weight.shape) for name, weight in spec.objective.parameters.items()}
        ends = np.cumsum([*sizes.values()])
        starts = {name: end - size for (name, size), end in zip(sizes.items(), ends, strict=True) if size}
        self._names, self._starts = list(starts), list(starts.values())  # nothing in an empty one can move

    def due(self, step: int) -> bool:
        """Whether to look at this end of an epoch: after a window of whole epochs, and at the last one."""
        window = max(LAST_WINDOW, self._spec.steps_per_epoch)
        if step - self._recent_since >= window and self._spec.steps - step >= window:
            np.copyto(self._recent, self._memory.on_host(self._memory.flat))
            self._recent_since = step
        waited = step - self._since
        long_enough = waited >= (LAST_WINDOW if step == self._spec.steps else WINDOW)
        return waited >= self._spec.steps_per_epoch and long_enough and step >= self._again

    def candidates(self, step: int) -> list[str]:
        """The parameters that stood still since the last look; a new window begins."""
        flat = self._memory.on_host(self._memory.flat)
        names = self._still(flat, self._before)
        if step == self._spec.steps and self._recent_since > self._since:
            died = self._still(flat, self._recent)  # what died on the way stood still for a part of the time
            if set(died) - set(names):
                names, self._since = died, self._recent_since
        np.copyto(self._before, flat)
        self.window, self._since = step - self._since, step
        return names

    def _still(self, flat: Array, before: Array) -> list[str]:
        """The parameters of which no element has moved since `before`."""
        still = flat == before
        if self._spec.method.optimizer.settings["weight_decay"]:
            still |= self._never_pulled()
        if not still.any():
            return []
        whole = np.logical_and.reduceat(still, self._starts)
        return [n for n, s in zip(self._names, whole, strict=True) if s]

    def pause(self, step: int) -> None:
        """What stood still has a gradient after all, as with a rate of zero: look again, but later."""
        self._again = 2 * step

    def _never_pulled(self) -> Array:
        """Where the optimiser's own memory is as it was at first: decay moves what no gradient moves."""
        first = self._spec.method.slots
        unchanged = [
            self._memory.on_host(self._memory.slots[name]) == value
            for name, value in first.items()
            if value == 0.0
        ]
        return np.logical_and.reduce(unchanged) if unchanged else np.zeros(self._memory.flat.shape, bool)


def explain(
    spec: TrainingSpec,
    memory: Memory,
    names: Sequence[str],
    batch: Mapping[str, Array],
    *,
    places: Sequence[int],
    epoch: int,
    step: int,
    window: int,
) -> Stalled | None:
    """What the diagnosis says of parameters that stood still; None if their gradients are no matter.

    `batch` are the data and draws of the last step, `places` the rows of the data that made them.
    """
    objective, rows = spec.objective, len(places)
    graph = objective.train
    types = {n: t for n, t in objective.input_types(rows, training=True).items() if n in graph.inputs}
    learned = {name: memory.on_host(a) for name, a in {**memory.parameters, **memory.state}.items()}
    arrays = {**learned, **batch}
    values = {n: arrays[n] if n in arrays else np.zeros(t.shape, t.dtype) for n, t in types.items()}
    query = Query(graph=graph, kind="gradient", inputs=types, targets=(objective.target,), wrt=tuple(names))
    try:
        answer = make_program(query).run(values)
    except (UserError, MemoryError):
        return None  # the job goes on; that its gradient cannot be looked at alone is no matter of its own
    findings = []
    for name, entry in answer.get("diagnosis", {}).items():
        culprits = [culprit for culprit in entry["culprits"] if culprit["reason"] in CAUSES]
        if entry["status"] != "zero" or not culprits:
            continue
        first = culprits[0]
        findings.append(
            {
                "code": "no_gradient",
                "parameter": name,
                "epoch": epoch,
                "step": step,
                "node": first["node"],
                "op": first["op"],
                "reason": first["reason"],
                "rows": _rows(spec, first, types, places),
                "message": f"'{name}' did not move in {window:,} steps, its gradient is zero: "
                f"{entry['message']} {entry['fix'] or ''}".strip(),
                "diagnosis": entry,
            }
        )
    if not findings:
        return None
    return Stalled(epoch, step, _message(findings, objective.parameters, window), findings)


def _message(findings: Sequence[Mapping[str, Any]], parameters: Iterable[str], window: int) -> str:
    stalled = {finding["parameter"] for finding in findings}
    if stalled.issuperset(parameters):
        return f"nothing was learned in {window:,} steps: {findings[0]['message']}"
    rest = f" ({len(findings) - 1} more like it)" if len(findings) > 1 else ""
    return f"{findings[0]['message']}{rest}"


def _rows(
    spec: TrainingSpec, culprit: Mapping[str, Any], types: Mapping[str, Any], places: Sequence[int]
) -> list[int] | None:
    """The rows of the data behind a culprit's elements, where its tensor has the batch as its first axis."""
    graph = spec.objective.train
    node = graph.names.get(culprit["node"])
    if node is None:
        return None
    position = culprit["input"]
    reference = node.name if position is None else node.inputs[position]
    if not isinstance(reference, str):
        return None
    recording = record(graph, dict(types), [reference])
    shape = recording.tape.types[recording.slot(reference)].shape
    if shape[:1] != (len(places),):
        return None
    if culprit["count"] == prod(shape):
        return sorted(int(place) for place in places)
    return sorted({int(places[element[0]]) for element in culprit["elements"]})
