"""Products with derivatives that are never formed: jvp, hvp, gnvp.

Tangents, vectors and how outputs move are plain changes; gradients and their changes are conjugated on the
way out where they are complex, as every cotangent is (`engine.derivatives.draft`).
"""

from __future__ import annotations

from typing import Any

from engine.derivatives.derivative_nodes import recorded
from engine.derivatives.draft import (
    Draft,
    Outputs,
    Values,
    carries_gradient,
    directions,
    in_user_convention,
    slot_of,
    unique,
)
from engine.derivatives.gradients import is_difference, why_no_target
from engine.derivatives.query import Query
from engine.ir.tape import Tape, Variable
from engine.transforms.jvp import forward
from engine.transforms.vjp import backward, ones, zeros


def jvp(query: Query) -> Draft:
    """Values of outputs, and how they move along the tangents."""
    direction_types = query.chosen_directions()
    chosen = query.chosen_outputs()
    recording = recorded(query, unique(*chosen, *direction_types))
    tape = recording.tape
    steps = tuple(tape.instructions)
    tangents, types = directions(recording, direction_types, "tangent")
    moved = forward(tape, tangents, steps)
    outputs = Outputs(tape)
    slots = {name: slot_of(recording, name, "$.outputs") for name in chosen}
    places = {name: outputs.add(slot) for name, slot in slots.items()}
    pushed = {name: outputs.add(_or_zeros(tape, moved, slot).slot) for name, slot in slots.items()}
    return Draft(tape, lambda values, _: {"outputs": _at(values, places), "jvp": _at(values, pushed)}, types)


def hvp(query: Query) -> Draft:
    """The target's value and gradients, and its Hessian times the vectors: forward over reverse."""
    direction_types = query.chosen_directions()
    (target,) = query.chosen_targets()
    recording = recorded(query, unique(target, *direction_types))
    tape = recording.tape
    slot = slot_of(recording, target, "$.target")
    wrong = why_no_target(tape.types[slot], target, residual=is_difference(tape, slot))
    if wrong is not None:
        raise wrong
    tangents, types = directions(recording, direction_types, "vector")
    adjoints = backward(tape, {slot: ones(tape, tape.variable(slot))}, tangents)
    steps = tuple(tape.instructions)
    moved = forward(tape, tangents, steps)
    outputs = Outputs(tape)
    value = outputs.add(slot)
    gradients: dict[str, int] = {}
    products: dict[str, int] = {}
    for name in direction_types:
        variable = slot_of(recording, name, "$.vectors")
        adjoint = _or_zeros(tape, adjoints, variable)
        gradients[name] = outputs.add(in_user_convention(adjoint).slot)
        products[name] = outputs.add(in_user_convention(_or_zeros(tape, moved, adjoint.slot)).slot)
    return Draft(
        tape,
        lambda values, _: {
            "value": values[value],
            "gradients": _at(values, gradients),
            "hvp": _at(values, products),
        },
        types,
    )


def gnvp(query: Query) -> Draft:
    """Values of outputs r, and J'J v, the Gauss-Newton product of 0.5 |r|^2; of complex outputs Jᴴ J v."""
    direction_types = query.chosen_directions()
    chosen = query.chosen_outputs()
    recording = recorded(query, unique(*chosen, *direction_types))
    tape = recording.tape
    steps = tuple(tape.instructions)
    vectors, types = directions(recording, direction_types, "vector")
    moved = forward(tape, vectors, steps)
    slots = {name: slot_of(recording, name, "$.outputs") for name in chosen}
    live = [slot for slot in slots.values() if slot in moved and carries_gradient(tape, slot)]
    seeds = {slot: moved[slot].conj() for slot in live}
    pulled = backward(tape, seeds, vectors)
    outputs = Outputs(tape)
    places = {name: outputs.add(slot) for name, slot in slots.items()}
    variables = {name: slot_of(recording, name, "$.vectors") for name in direction_types}
    visible = {name: in_user_convention(_or_zeros(tape, pulled, slot)) for name, slot in variables.items()}
    products = {name: outputs.add(product.slot) for name, product in visible.items()}
    return Draft(
        tape, lambda values, _: {"outputs": _at(values, places), "gnvp": _at(values, products)}, types
    )


def _at(values: Values, places: dict[str, int]) -> dict[str, Any]:
    return {name: values[place] for name, place in places.items()}


def _or_zeros(tape: Tape, variables: dict[int, Variable], slot: int) -> Variable:
    """What is known of a slot, zeros if there is no path."""
    return variables[slot] if slot in variables else zeros(tape, tape.variable(slot))
