"""Values of outputs, and cotangents pulled back: evaluate and vjp."""

from __future__ import annotations

from engine.derivatives.derivative_nodes import recorded
from engine.derivatives.draft import (
    DIRECTION,
    Assemble,
    Draft,
    Outputs,
    carries_gradient,
    common_rows,
    directions,
    in_user_convention,
    play_rows,
    slot_of,
    unique,
    without_rows,
    wrt_slots,
)
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.record import Recording
from engine.ir.tape import Variable
from engine.transforms.vjp import backward, zeros


def evaluate(query: Query) -> Draft:
    """The values of outputs or nodes."""
    chosen = query.chosen_outputs()
    recording = recorded(query, chosen)
    outputs = Outputs(recording.tape)
    places = {name: outputs.add(slot_of(recording, name, "$.outputs")) for name in chosen}
    return Draft(
        recording.tape, lambda values, _: {"outputs": {name: values[i] for name, i in places.items()}}
    )


def vjp(query: Query) -> Draft:
    """Values of outputs, and their cotangents pulled back to `wrt`."""
    chosen = query.chosen_outputs()
    query.check_wrt()
    cotangent_types = dict(query.cotangents or {})
    if query.cotangent_batch:
        return _vjp_of_many(query, chosen, cotangent_types)
    needed = unique(*chosen, *cotangent_types, *(query.wrt or ()))
    recording = recorded(query, needed)
    tape = recording.tape
    outputs = Outputs(tape)
    places = {name: outputs.add(slot_of(recording, name, "$.outputs")) for name in chosen}
    seeds, types = directions(recording, cotangent_types, "cotangent")
    pulled = {name: outputs.add(slot) for name, slot in _pulled(query, recording, seeds).items()}
    return Draft(tape, _assemble(places, pulled), types)


def _vjp_of_many(query: Query, chosen: tuple[str, ...], cotangent_types: dict[str, TensorType]) -> Draft:
    """K cotangents pulled back in one pass: the outputs once, every VJP with a leading K."""
    singles, counts = {}, {}
    for name, type in cotangent_types.items():
        singles[name], counts[name] = without_rows(type, name, f"$.cotangents.{name}")
    k = common_rows(counts, "$.cotangents")
    needed = unique(*chosen, *cotangent_types, *(query.wrt or ()))
    recording, product = (recorded(query, needed) for _ in range(2))
    seeds, types = directions(product, singles, "cotangent")
    slots = _pulled(query, product, seeds)
    product.tape.outputs = list(slots.values())
    tape = recording.tape
    outputs = Outputs(tape)
    places = {name: outputs.add(slot_of(recording, name, "$.outputs")) for name in chosen}
    types = {name: TensorType((k, *type.shape), type.dtype) for name, type in types.items()}
    over = {f"{DIRECTION}{name}": tape.input(f"{DIRECTION}{name}", type) for name, type in types.items()}
    answers = play_rows(tape, product.tape, over)
    pulled = {name: outputs.add(answer.slot) for name, answer in zip(slots, answers, strict=True)}
    return Draft(tape, _assemble(places, pulled), types)


def _pulled(query: Query, recording: Recording, seeds: dict[int, Variable]) -> dict[str, int]:
    """The slots of the adjoints of `wrt`, as users see them; zeros if there is no path."""
    tape = recording.tape
    slots = wrt_slots(query, recording)
    adjoints = backward(tape, seeds, [slot for slot in slots.values() if carries_gradient(tape, slot)])
    return {
        name: in_user_convention(adjoints[slot]).slot
        if slot in adjoints
        else zeros(tape, tape.variable(slot)).slot
        for name, slot in slots.items()
    }


def _assemble(places: dict[str, int], pulled: dict[str, int]) -> Assemble:
    return lambda values, _: {
        "outputs": {name: values[i] for name, i in places.items()},
        "vjp": {name: values[i] for name, i in pulled.items()},
    }
