"""The function that a job trains: a model of layers, a graph or a program, read into one objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine import dtypes
from engine.arrays.types import Array
from engine.dtypes import TensorType
from engine.errors import (
    DatasetMismatch,
    InternalError,
    InvalidDocument,
    MissingInput,
    TargetRequired,
    UnknownName,
    did_you_mean,
)
from engine.frontend.decode import decode_graph
from engine.frontend.function_checks import check_reference
from engine.frontend.graph import Graph
from engine.frontend.json_reader import member, object_at, show
from engine.frontend.program import parse_program
from engine.queries.compiler import constants_in
from engine.training.catalogue.losses import LOSSES
from engine.training.job.fit import check_input, check_labels
from engine.training.job.objective import Column, Objective
from engine.training.model.builder import State, Weight
from engine.training.model.expand import LABELS, PREDICTED, SCORES, TARGET, Expansion, X, expand_model
from engine.training.model.parameter import read_parameter

Types = Mapping[str, TensorType]
Attachments = Mapping[str, Array] | None


def model_objective(
    fields: Mapping[str, Any], data: Types, dtype: str, path: str, attachments: Attachments
) -> Objective:
    """The objective of `model`, `loss` and `metrics`; data are `x` and `y`."""
    _check_model_fields(fields, data, path)
    expansion = expand_model(
        fields["model"],
        loss=fields["loss"],
        metrics=fields.get("metrics") or (),
        dtype=dtype,
        path=f"{path}.model",
        row=data[X].shape[1:],
    )
    if expansion.evaluate is None:
        raise InternalError("a model that is expanded with a loss has a function to evaluate")
    _check_learns(expansion, path)
    parameters, state = _weights_of_document(fields.get("parameters"), expansion, dtype, path, attachments)
    labels = data[LABELS].shape[1:]
    check_input(expansion, data[X], data[LABELS], path)
    check_labels(labels, expansion, LOSSES.read(fields["loss"], f"{path}.loss").record, path)
    return Objective(
        train=expansion.train,
        evaluate=expansion.evaluate,
        predict=expansion.predict,
        target=TARGET,
        columns={
            X: Column(expansion.input, expansion.input_shape),
            LABELS: Column(expansion.labels, labels),
        },
        parameters=parameters,
        state=state,
        draws=expansion.draws,
        metrics=expansion.metrics,
        labels=LABELS,
        predicted=PREDICTED,
        scores=SCORES,
    )


def _check_model_fields(fields: Mapping[str, Any], data: Types, path: str) -> None:
    """Raise UserError unless there is a loss, no target, and data `x` and `y` alone."""
    if fields.get("loss") is None:
        raise InvalidDocument(
            f"expected a 'loss' beside the model at {path}",
            path=f"{path}.loss",
            hint="for example 'mean_squared_error' or 'categorical_crossentropy'",
        )
    if fields.get("target") is not None:
        raise InvalidDocument(
            "'target' goes with a graph or a program", path=f"{path}.target", hint="a model has a 'loss'"
        )
    for name in (X, LABELS):
        if name not in data:
            raise MissingInput(
                f"a model is trained on data 'x' and 'y'; there is no '{name}'",
                path=member(f"{path}.data", name),
            )
    for name in data:
        if name not in (X, LABELS):
            raise DatasetMismatch(
                f"a model is trained on data 'x' and 'y', got '{name}' too", path=member(f"{path}.data", name)
            )


def _check_learns(expansion: Expansion, path: str) -> None:
    """Raise InvalidDocument for a model without a parameter to train."""
    if expansion.parameters:
        return
    raise InvalidDocument(
        f"expected a layer that learns: there is nothing to train at {path}.model.layers",
        path=f"{path}.model.layers",
        hint='one of them has to learn: "trainable": true in the document, layer.trainable = True in Python'
        if any(state.frozen for state in expansion.state.values())
        else 'for example {"type": "Dense", "units": 10}',
    )


def _weights_of_document(
    entries: Any, expansion: Expansion, dtype: str, path: str, attachments: Attachments
) -> tuple[dict[str, Weight], dict[str, State]]:
    """The model's parameters and state by name, starting from what the document's `parameters` give."""
    parameters, state = dict(expansion.parameters), dict(expansion.state)
    for name, value in object_at(entries, f"{path}.parameters").items():
        place = member(f"{path}.parameters", name)
        if name in parameters:
            parameters[name] = read_parameter(value, dtype, place, attachments, parameters[name])
        elif name in state:
            weight = read_parameter(value, dtype, place, attachments, state[name].weight)
            state[name] = replace(state[name], weight=weight)
        else:
            raise UnknownName(
                f"the model has no parameter {show(name)}",
                path=place,
                hint=did_you_mean(name, parameters) or f"it has {', '.join(list(parameters)[:20])}",
            )
    return parameters, state


def graph_objective(
    fields: Mapping[str, Any], data: Types, dtype: str, path: str, attachments: Attachments
) -> Objective:
    """The objective of `graph` or `program`, `target` and `parameters`; data go by the names of inputs."""
    if fields.get("loss") is not None:
        raise InvalidDocument(
            "'loss' goes with a model",
            path=f"{path}.loss",
            hint="a graph or a program names its loss in 'target'",
        )
    graph = constants_in(_graph(fields, data, path, attachments), dtype)
    target = _target(graph, fields.get("target"), path)
    entries = object_at(fields.get("parameters"), f"{path}.parameters")
    if not entries:
        raise MissingInput(
            f"expected 'parameters': there is nothing to train at {path}",
            path=f"{path}.parameters",
            hint="name the inputs that are learned, and what they start from: "
            '{"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}}',
        )
    parameters: dict[str, Weight] = {}
    for name, value in entries.items():
        place = member(f"{path}.parameters", name)
        _check_input(graph, name, place)
        if name in data:
            raise DatasetMismatch(f"'{name}' is a parameter and data at once", path=place)
        parameters[name] = read_parameter(value, dtype, place, attachments, None)
    columns: dict[str, Column] = {}
    for name, type in data.items():
        place = member(f"{path}.data", name)
        _check_input(graph, name, place)
        own = graph.inputs[name].dtype or (dtype if dtypes.is_floating(type.dtype) else type.dtype)
        columns[name] = Column(own, type.shape[1:])
    return Objective(
        train=graph,
        evaluate=graph,
        predict=graph,
        target=target,
        columns=columns,
        parameters=parameters,
        metrics=_node_metrics(graph, fields.get("metrics"), path),
    )


def _graph(fields: Mapping[str, Any], data: Types, path: str, attachments: Attachments) -> Graph:
    if "graph" in fields:
        return decode_graph(fields["graph"], path=f"{path}.graph", attachments=attachments)
    program = fields["program"]
    if not isinstance(program, str):
        raise InvalidDocument(f"expected a program's text, got {show(program)}", path=f"{path}.program")
    named = {**dict.fromkeys(data), **object_at(fields.get("parameters"), f"{path}.parameters")}
    return parse_program(program, declared=named, path=f"{path}.program")


def _target(graph: Graph, target: Any, path: str) -> str:
    place = f"{path}.target"
    if target is None:
        if len(graph.outputs) != 1:
            raise TargetRequired(
                f"the function has {len(graph.outputs)} outputs", path=place, hint="name the loss in 'target'"
            )
        return graph.outputs[0]
    reference = target if isinstance(target, str) else show(target)
    check_reference(reference, graph, place)
    return reference


def _check_input(graph: Graph, name: str, path: str) -> None:
    if name not in graph.inputs:
        raise UnknownName(
            f"the function has no input {show(name)}",
            path=path,
            hint=did_you_mean(name, graph.inputs) or f"its inputs are {', '.join(graph.inputs)}",
        )


def _node_metrics(graph: Graph, metrics: Any, path: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for i, name in enumerate(metrics or ()):
        reference = name if isinstance(name, str) else show(name)
        hint = "the metrics of a graph or a program are names of its scalar nodes"
        check_reference(reference, graph, f"{path}.metrics[{i}]", hint=hint)
        names[reference] = reference
    return names
