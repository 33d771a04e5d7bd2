"""A job's document, as parsed from JSON, to a checked job. Everything that can be refused is refused here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import floor
from typing import Any

from engine.arrays.types import Array
from engine.derivatives import draft_of
from engine.derivatives.query import Query
from engine.errors import DatasetMismatch, EngineError, InvalidDocument, MissingInput
from engine.frontend.graph import Graph
from engine.frontend.json_reader import array_at, fields_of, member, show
from engine.frontend.tensors import encode_tensor
from engine.runtime import devices
from engine.training.catalogue.optimizers import Method, read_method
from engine.training.catalogue.registry import read_settings
from engine.training.job.data import check_data
from engine.training.job.early_stopping import read_early_stopping
from engine.training.job.fields import FIELDS, SETTINGS, SOURCES
from engine.training.job.objective import Objective
from engine.training.job.schedule_warnings import schedule_warnings
from engine.training.job.source import Types, graph_objective, model_objective
from engine.training.job.spec import VALIDATION_DATA, VALIDATION_SPLIT, TrainingSpec, reported
from engine.training.job.step import evaluation_tape, step_tape
from engine.training.job.step_warnings import step_warnings
from engine.training.job.trained_targets import trained_targets
from engine.training.job.unbounded_target import unbounded_target

READABLE = 64  # values of up to so many elements are written as numbers
_SOURCES = tuple(field.name for field in SOURCES)
_KNOWN = tuple(field.name for field in FIELDS)


def decode_training(
    document: Mapping[str, Any],
    *,
    data: Types,
    validation: Types | None = None,
    path: str = "$",
    attachments: Mapping[str, Array] | None = None,
    admit: Callable[[Graph], None] | None = None,
) -> TrainingSpec:
    """The job that a document means, for data of the types `data` (by name, the first axis that of rows).

    `validation` are the types of `validation_data`; the fields `data` and `validation_data` themselves are
    the transport's, and not read. `admit` sees the function before it is recorded, which takes longest, and
    may raise. Raises UserError with the JSON path of whatever cannot be trained.
    """
    fields = fields_of(document, _KNOWN, path, "a job")
    sources = [name for name in _SOURCES if name in fields]
    if len(sources) != 1:
        came = " and ".join(f"'{name}'" for name in sources) or "none"
        raise InvalidDocument(
            f"expected one of 'model', 'graph' and 'program', got {came} at {path}", path=path
        )
    device = devices.parse(fields.get("device"), f"{path}.device")
    values = {a.name: fields[a.name] for a in SETTINGS if a.name in fields}
    settings = read_settings(values, SETTINGS, path, "a job")
    array_at(fields.get("metrics"), f"{path}.metrics", "an array of metrics", 'for example ["accuracy"]')
    read = model_objective if sources == ["model"] else graph_objective
    objective = read(fields, data, settings["dtype"], path, attachments)
    if admit is not None:
        admit(objective.train)
    method = read_method(fields.get("optimizer") or "sgd", f"{path}.optimizer")
    rows = check_data(objective.columns, data, f"{path}.data")
    kind, count = _validation(objective, rows, settings["validation_split"], validation, path)
    if kind == VALIDATION_SPLIT:
        rows -= count
    spec = TrainingSpec(
        objective=objective,
        method=method,
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        shuffle=settings["shuffle"],
        seed=settings["seed"],
        dtype=settings["dtype"],
        rows=rows,
        validation=kind,
        validation_rows=count,
        early_stopping=None
        if fields.get("early_stopping") is None
        else read_early_stopping(
            fields["early_stopping"], reported(objective, kind is not None), f"{path}.early_stopping"
        ),
        source=_source(fields, objective),
        device=device,
        optimize=settings["optimize"],
    )
    return replace(spec, warnings=_try(spec, path))


def _source(fields: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    """What the job's document says of the function, with nothing that travelled beside the JSON."""
    names = (*_SOURCES, "loss", "metrics", "parameters", "target", "validation_split")
    source = {name: fields[name] for name in names if name in fields}
    if "graph" in source:
        source["graph"] = objective.train.document()
    if "parameters" in source:
        weights = {**objective.parameters, **{name: s.weight for name, s in objective.state.items()}}
        source["parameters"] = {
            name: entry if weights[name].value is None else {"value": _encoded(weights[name].value)}
            for name, entry in source["parameters"].items()
        }
    return source


def _encoded(value: Array) -> Any:
    return encode_tensor(value, "typed" if value.size <= READABLE else "base64")


def _validation(
    objective: Objective, rows: int, split: float, validation: Types | None, path: str
) -> tuple[str | None, int]:
    """Where validation rows come from, and how many there are. A split takes the last rows, as in Keras."""
    if validation is not None:
        return VALIDATION_DATA, check_data(
            objective.columns, validation, f"{path}.validation_data", " to validate on"
        )
    if not split:
        return None, 0
    trained = floor(rows * (1 - split))
    if trained in (0, rows):
        raise DatasetMismatch(
            f"a validation_split of {split} leaves {trained} of {rows} rows to train on",
            path=f"{path}.validation_split",
        )
    return VALIDATION_SPLIT, rows - trained


def _try(spec: TrainingSpec, path: str) -> tuple[Mapping[str, Any], ...]:
    """Record what the job will run, for both sizes of batch, and return what the recording warns of.

    The errors name the document's places.
    """
    objective = spec.objective
    rows = min(spec.batch_size, spec.rows)
    try:
        draft = draft_of(
            Query(
                graph=objective.train,
                kind="gradient",
                inputs=_input_types(objective, rows, spec.method),
                targets=(objective.target,),
                wrt=tuple(objective.parameters),
                unconnected="error",
            )
        )
        step_tape(objective, spec.method, rows)
        last = spec.rows % spec.batch_size
        if last and last != rows:
            step_tape(objective, spec.method, last)
        if spec.validation is not None:
            evaluation_tape(objective, min(spec.batch_size, spec.validation_rows))
        total = spec.rows + (spec.validation_rows if spec.validation == VALIDATION_SPLIT else 0)
        of_layers = "model" in spec.source  # whose own warnings say more
        return (
            *(each for each in draft.warnings if not of_layers or each["code"] == "broadcast"),
            *trained_targets(objective, total),
            *unbounded_target(objective),
            *schedule_warnings(spec),
            *step_warnings(spec),
            *(() if spec.early_stopping is None else spec.early_stopping.warnings()),
        )
    except EngineError as error:
        if error.path == "$.wrt" and error.hint:
            error.hint = error.hint.replace("out of wrt", "out of the parameters")
        if isinstance(error, MissingInput) and error.hint:
            error.hint = error.hint.replace(
                'send it: {"inputs": {', 'name it in the parameters if it is learned, or send it: {"data": {'
            )
        if isinstance(error, MissingInput) and error.hint and (idle := _unread(objective)):
            error.hint += f"; nothing reads {' and '.join(map(show, idle))} of the data"
        error.path = _placed(error.path, objective, path)
        raise


def _unread(objective: Objective) -> list[str]:
    """The data that no node reads: a name that was mistyped is among them."""
    read = {reference for node in objective.train.nodes for reference in node.inputs}
    return [name for name in objective.columns if name not in read][:5]


def _input_types(objective: Objective, rows: int, method: Method) -> Types:
    types = objective.input_types(rows, training=True)
    return {name: type for name, type in types.items() if name in objective.train.inputs}


def _placed(place: str | None, objective: Objective, path: str) -> str | None:
    """A path of the engine's questions as one of the job's document."""
    if place is None:
        return None
    if place == "$.wrt":
        return f"{path}.parameters"
    if place.startswith("$.inputs"):
        rest = place.removeprefix("$.inputs")
        fields = [(f"{path}.data", objective.columns), (f"{path}.parameters", objective.parameters)]
        for field, names in fields:
            if any(member("", name) == rest for name in names):
                return field + rest
        return f"{path}.data{rest}"
    return place
