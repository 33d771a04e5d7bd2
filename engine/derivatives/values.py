"""Values of outputs, and cotangents pulled back: evaluate and vjp."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.backward import backward
from engine.derivatives.draft import (
    Draft,
    Outputs,
    Values,
    carries_gradient,
    directions,
    slot_of,
    unique,
    wrt_slots,
)
from engine.query import Query
from engine.record import record


def evaluate(query: Query) -> Draft:
    """The values of outputs or nodes."""
    chosen = query.chosen_outputs()
    recording = record(query.graph, query.inputs, chosen)
    outputs = Outputs(recording.tape)
    places = {name: outputs.add(slot_of(recording, name, "$.outputs")) for name in chosen}
    return Draft(recording.tape, lambda values: {"outputs": {name: values[i] for name, i in places.items()}})


def vjp(query: Query) -> Draft:
    """Values of outputs, and their cotangents pulled back to `wrt`."""
    chosen = query.chosen_outputs()
    query.check_wrt()
    given = dict(query.cotangents or {})
    recording = record(query.graph, query.inputs, unique(*chosen, *given, *(query.wrt or ())))
    tape = recording.tape
    outputs = Outputs(tape)
    places = {name: outputs.add(slot_of(recording, name, "$.outputs")) for name in chosen}
    seeds, types = directions(recording, given, "cotangent")
    wanted = wrt_slots(query, recording)
    adjoints = backward(tape, seeds, [slot for slot in wanted.values() if carries_gradient(tape, slot)])
    pulled: dict[str, int | None] = {
        name: outputs.add(adjoints[slot].slot) if slot in adjoints else None for name, slot in wanted.items()
    }
    missing = {name: tape.types[wanted[name]] for name, place in pulled.items() if place is None}

    def assemble(values: Values) -> dict[str, Any]:
        absent = {name: np.zeros(type.shape, type.dtype) for name, type in missing.items()}
        return {
            "outputs": {name: values[i] for name, i in places.items()},
            "vjp": {name: absent[name] if i is None else values[i] for name, i in pulled.items()},
        }

    return Draft(tape, assemble, types)
