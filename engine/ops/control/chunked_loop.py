"""chunked_loop: a scan_loop that loop fission has split, run in chunks of steps.

For each chunk `before` answers what its steps read and what does not wait for the step before, all steps
in one batch; `core` runs step by step and hands on what is carried; `after` answers, in one batch again, the
results that nothing in the loop reads, and the sums that grow by a term a step. `once` is what every step
shares. Steps that fill no chunk run the body as it was. See `engine.passes.loop_fission`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.dtypes import TensorType
from engine.ir.attributes import FUNCTION, INTS, SIZE, Attribute
from engine.ir.cost import Cost
from engine.ir.families import CONTROL, define
from engine.ir.function_rules import outputs_of
from engine.ir.no_gradient import stop
from engine.ir.tape import Tape
from engine.ops.control.loop_rules import length_of
from engine.ops.control.scan_loop import scan_loop
from engine.ops.control.stepping import owned, stacks_of, walk
from engine.ops.control.subtape import cost_of_runs

PARTS = ("once", "before", "core", "after")


@dataclass(frozen=True, slots=True)
class _Split:
    """A body that loop fission has split: its parts as functions, and the values passed between them.

    The attributes of the op below describe the fields.
    """

    core_carry: Sequence[int]
    sums: Sequence[int]
    entered: Sequence[int]
    made_read: Sequence[int]
    walked_read: Sequence[int]
    direct: Sequence[int]
    late: Sequence[int]
    once: Any
    before: Any
    core: Any
    after: Any


@dataclass(slots=True)
class _Arrays:
    """What a run reads and writes; a stack of `results` or `entries` that nothing reads is None."""

    carried: list[Any]
    walked: Sequence[Any]
    constants: Sequence[Any]
    results: Sequence[Any]
    entries: Sequence[Any]


def _run(
    xp: Any,
    *xs: Any,
    body: Any,
    carry: int,
    scanned: int,
    reverse: bool,
    length: int | None,
    counted: bool,
    needed: Sequence[bool],
    chunk: int,
    **split: Any,
) -> list[Any]:
    count = xp.item(xs[-1]) if counted else None
    xs = xs[:-1] if counted else xs
    carried, walked, constants = list(xs[:carry]), xs[carry : carry + scanned], xs[carry + scanned :]
    steps = walked[0].shape[0] if walked else int(length or 0)
    total = steps if count is None else min(count, steps)
    types = body.outputs
    stacks = stacks_of(xp, (*types[carry:], *types[:carry]), steps, needed[carry:])
    results, entries = stacks[: len(types) - carry], stacks[len(types) - carry :]
    arrays = _Arrays(carried, walked, constants, results, entries)
    done = total - total % chunk
    if done:
        starts = range(0, done, chunk) if not reverse else range(total - chunk, total - done - 1, -chunk)
        order = range(chunk) if not reverse else range(chunk - 1, -1, -1)
        _run_chunks(xp, starts, order, arrays, _Split(**split))
    rest = range(done, total) if not reverse else range(total - done - 1, -1, -1)
    if rest:
        arrays.carried = walk(xp, body, arrays.carried, walked, constants, rest, results, entries)
    return [*owned(xp, arrays.carried), *stacks]


def _run_chunks(xp: Any, starts: Sequence[int], order: range, arrays: _Arrays, split: _Split) -> None:
    """Run every whole chunk, its steps in `order`; carried values and stacks are brought up to date."""
    chunk, places, direct, entered = len(order), split.core_carry, split.direct, split.entered
    carried, results, entries = arrays.carried, arrays.results, arrays.entries

    def room(type: TensorType) -> Any:
        return xp.zeros((chunk, *type.shape), dtype=getattr(xp, type.dtype))

    constants = [*split.once(arrays.constants), *arrays.constants]
    types = dict(zip((*places, *range(-len(direct), 0)), split.core.outputs, strict=True))
    rooms = {place: room(types[place]) for place in entered if entries[place] is None}
    handed = [
        room(types[i - len(direct)]) if place < 0 or results[place] is None else None
        for i, place in enumerate(direct)
    ]
    now = [carried[place] for place in places]
    with split.before.session() as ahead, split.after.session() as behind:
        for start in starts:
            rows = slice(start, start + chunk)
            own = [x[rows] for x in arrays.walked]
            forward = ahead([*own, *constants])
            stepped = [*(forward[k] for k in split.made_read), *(own[k] for k in split.walked_read)]
            writes = [_rows_of(entries[place], rooms.get(place), rows) for place in places]
            outs = [
                results[place][rows] if own_room is None else own_room
                for place, own_room in zip(direct, handed, strict=True)
            ]
            now = walk(xp, split.core, now, stepped, constants, order, outs, writes)
            stacked = [writes[places.index(place)] for place in entered]
            ends = behind([*stacked, *outs, *forward, *own, *constants])
            for place, value in zip(split.late, ends, strict=False):
                if results[place] is not None:
                    results[place][rows] = value
            for place, term in zip(split.sums, ends[len(split.late) :], strict=True):
                carried[place] = carried[place] + term
    for place, value in zip(places, now, strict=True):
        carried[place] = value


def _rows_of(stack: Any, room: Any, rows: slice) -> Any:
    """Where a chunk stores what is carried into its steps: a room that chunks share, a stack, or nowhere."""
    return room if room is not None or stack is None else stack[rows]


def _cost(
    types: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    body: Tape,
    carry: int,
    scanned: int,
    length: int | None,
    chunk: int,
    **parts: Any,
) -> Cost:
    steps = length_of(types, carry, scanned, length)
    chunks = steps // chunk
    runs = {"once": 1, "before": chunks, "core": chunks * chunk, "after": chunks}
    costs = [cost_of_runs(parts[name], runs[name]) for name in PARTS]
    if steps % chunk:
        costs.append(cost_of_runs(body, steps % chunk))
    nbytes = sum(t.nbytes for t in outputs_of(parts["before"]))
    nbytes += chunk * sum(t.nbytes for t in outputs_of(parts["core"]))
    return Cost(
        sum(cost.flops for cost in costs),
        sum(cost.bytes for cost in costs),
        sum(cost.workspace for cost in costs) + nbytes,
        sum(cost.slow for cost in costs),
    )


chunked_loop = define(
    "chunked_loop",
    family=CONTROL,
    summary="What scan_loop becomes where its steps need not all wait for each other.",
    forward=_run,
    infer=scan_loop.infer,
    vjp=stop("passes come after the walks"),
    kinds="any",
    promote=False,
    variadic=True,
    cost=_cost,
    takes_needed=True,
    attributes=(
        *scan_loop.attributes,
        Attribute("chunk", SIZE, doc="how many steps at once"),
        Attribute("core_carry", INTS, doc="the places of what is carried through the core"),
        Attribute("sums", INTS, doc="the places of what only grows by a term a step"),
        Attribute("entered", INTS, doc="the carried places whose way `after` reads"),
        Attribute("made_read", INTS, doc="which answers of `before` the core reads"),
        Attribute("walked_read", INTS, doc="which scanned inputs the core reads"),
        Attribute("direct", INTS, doc="for what the core hands to `after`: the result that it is, or -1"),
        Attribute("late", INTS, doc="the results that `after` answers"),
        *(Attribute(name, FUNCTION) for name in PARTS),
    ),
    outputs=None,
    internal=True,
)
