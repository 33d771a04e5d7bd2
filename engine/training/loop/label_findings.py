"""Labels that the loss of a graph or a program does not mean, known from the data alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from engine.arrays.types import Array
from engine.derivatives.gradients import user_names
from engine.diagnosis import Graphing, render_caveat, value_watches
from engine.frontend.record import record
from engine.training.job.spec import TrainingSpec
from engine.training.loop.finding import Finding, finding

_MOST_NODES = 2000  # of a function that is looked at


def findings_of_losses(spec: TrainingSpec, data: Mapping[str, Array], rows: int) -> Iterator[Finding]:
    """What a cross-entropy, a hinge or a logistic loss says of the labels in the first `rows` rows."""
    objective = spec.objective
    graph, target = objective.train, objective.target
    if len(graph.nodes) > _MOST_NODES:
        return
    types = objective.input_types(min(spec.batch_size, spec.rows), training=True)
    recording = record(graph, {n: t for n, t in types.items() if n in graph.inputs}, [target])
    tape = recording.tape
    inputs = {slot: name for name, slot in tape.inputs.items() if name in objective.columns}
    sources = [tape.inputs[name] for name in objective.parameters if name in tape.inputs]
    watches = value_watches(
        Graphing(tape, tuple(tape.instructions), {}), sources, recording.slot(target), user_names(recording)
    )
    makers = {slot: step for step in tape.instructions for slot in step.outputs}
    for watch in watches:
        if len(watch.slots) != 1:
            continue
        slot = watch.slots[0]
        while slot in makers and makers[slot].op.name in ("astype", "identity"):
            slot = makers[slot].inputs[0]
        name = inputs.get(slot)
        caveat = None if name is None else watch.tell(np.asarray(data[name][:rows]))
        if caveat is not None:
            warning = render_caveat(caveat)
            yield finding("labels_out_of_range", str(warning["message"]), node=warning["node"])
