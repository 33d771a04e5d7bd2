"""One training step as one tape: loss, metrics, gradients and update over the flat vector of parameters.

The parameters are slices of one vector, and so is every slot of the optimiser; gradients are joined into one
vector, so that the optimiser's formula runs once whatever the number of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import EngineError, InvalidTarget, Origin
from engine.frontend.graph import Graph
from engine.frontend.record import record
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.passes import optimize
from engine.runtime.plan import Plan, make_plan
from engine.training.catalogue.clipping import clipped
from engine.training.catalogue.metrics import Metric, total
from engine.training.catalogue.optimizers import Method
from engine.training.catalogue.registry import Choice
from engine.training.job.objective import Objective
from engine.training.model.builder import Weight
from engine.transforms.vjp import backward, ones, zeros

PARAMETERS = "parameters:"  # names of users have no colon
SLOT, RATE = "slot:", "rate:"


@dataclass(frozen=True, slots=True)
class Total:
    """A metric among the outputs: a sum over `count` values, or a mean over the rows (`count` None)."""

    name: str
    count: int | None


@dataclass(slots=True)
class StepTape:
    """The tape, and what its outputs are: the loss, `totals`, `state`, then (of a training step) the new
    parameters and `slots`. `forward` instructions come before the adjoints.
    """

    tape: Tape
    totals: list[Total] = field(default_factory=list)
    state: list[str] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    forward: int = 0

    @property
    def written(self) -> list[str]:
        """The inputs that the last outputs take the place of, in the same order; none when evaluating."""
        return [*self.state, PARAMETERS, *(f"{SLOT}{name}" for name in self.slots)] if self.forward else []


def step_tape(objective: Objective, method: Method, rows: int) -> StepTape:
    """The tape of one step on a batch of `rows`. Raises UserError at the node that does not fit."""
    step = StepTape(Tape())
    tape = step.tape
    played, weights = _play(step, objective, objective.train, rows, training=True)
    loss = played[objective.target]
    step.forward = len(tape.instructions)
    # a loss of shape (1,) and the like is one number too
    adjoints = backward(tape, {loss.slot: ones(tape, loss)}, [w.slot for w in weights.values()])
    gradients = [adjoints[w.slot] if w.slot in adjoints else zeros(tape, w) for w in weights.values()]
    gradients = clipped(gradients, method.optimizer.settings)
    flat = [g.reshape((g.size,)) for g in gradients]
    w = tape.variable(tape.inputs[PARAMETERS])
    g = F.concat(*flat) if len(flat) > 1 else flat[0]
    slots = {name: tape.input(f"{SLOT}{name}", w.type) for name in method.slots}
    rates = {name: tape.input(f"{RATE}{name}", TensorType((), w.dtype)) for name in method.rates(0)}
    with tape.at(Origin("optimizer", method.optimizer.record.name)):
        moved, new_slots = method.update(w, g, slots, rates)
    step.slots = list(slots)
    tape.outputs += [moved.slot, *(new_slots[name].slot for name in slots)]
    return step


def evaluation_tape(objective: Objective, rows: int) -> StepTape:
    """The tape of loss and metrics on a batch of `rows`, as predicting sees them."""
    step = StepTape(Tape())
    _play(step, objective, objective.evaluate, rows, training=False)
    return step


def planned(tape: Tape) -> Plan:
    """The optimised plan of a tape."""
    return make_plan(optimize(tape))


def _play(
    step: StepTape, objective: Objective, graph: Graph, rows: int, *, training: bool
) -> tuple[dict[str, Variable], dict[str, Variable]]:
    """Record the graph, the metrics and the next state; returns the nodes by name, and the parameters."""
    tape = step.tape
    types = objective.input_types(rows, training=training)
    types = {name: type for name, type in types.items() if name in graph.inputs}
    updates = {name: state.update for name, state in objective.state.items()} if training else {}
    named = [m for m in objective.metrics.values() if isinstance(m, str)]
    names = [objective.target, *named, *updates.values()]
    measured = any(not isinstance(m, str) for m in objective.metrics.values())
    if measured:
        names += [objective.predicted, objective.scores]
    recording = record(graph, types, names)
    weights = _unpacked(tape, objective.parameters)
    inner = recording.tape
    arguments = {
        name: weights[name] if name in weights else tape.input(name, inner.types[slot])
        for name, slot in inner.inputs.items()
    }
    inner.outputs = [recording.slot(name) for name in names]
    played = dict(zip(names, tape.inline(inner, list(arguments.values())), strict=True))
    tape.outputs = [played[objective.target].slot]
    for name, metric in objective.metrics.items():
        step.totals.append(_measure(step, name, metric, objective, played, arguments))
    step.state = list(updates)
    tape.outputs += [played[node].slot for node in updates.values()]
    return played, weights


def _measure(
    step: StepTape,
    name: str,
    metric: Choice[Metric] | str,
    objective: Objective,
    played: Mapping[str, Variable],
    arguments: Mapping[str, Variable],
) -> Total:
    if isinstance(metric, str):
        value = played[metric]
        if value.size != 1 or dtypes.is_complex(value.dtype):
            raise InvalidTarget(
                f"a metric is one real number, '{name}' is {value.dtype} of shape {list(value.shape)}",
                path="$.metrics",
                node=metric,
                hint=f"reduce it first, as in mean({metric})",
            )
        step.tape.outputs.append(value.slot)
        return Total(name, None)
    y_pred = played[objective.scores if metric.record.ranks else objective.predicted]
    origin = Origin(name, metric.record.name, "$.metrics")
    with step.tape.at(origin):
        try:
            summed, count = total(metric, arguments[objective.labels], y_pred)
        except EngineError as error:
            raise error.at(origin) from None
    step.tape.outputs.append(summed.slot)
    return Total(name, count)


def _unpacked(tape: Tape, parameters: Mapping[str, Weight]) -> dict[str, Variable]:
    """The parameters as views of the flat vector."""
    sizes = [prod(weight.shape) for weight in parameters.values()]
    dtype = next(iter(parameters.values())).dtype
    flat = tape.input(PARAMETERS, TensorType((sum(sizes),), dtype))
    answer: dict[str, Variable] = {}
    start = 0
    for (name, weight), size in zip(parameters.items(), sizes, strict=True):
        part: Any = F.getitem(flat, index=(slice(start, start + size),))
        answer[name] = part.reshape(weight.shape)
        start += size
    return answer
