"""A model of layers expanded into graphs: one to train, one to predict, one to evaluate, of one description.

The train graph has the inputs `x`, `y` (the labels, where there is a loss), the parameters
`{layer}.{weight}`, the state of stateful layers, and the masks of dropout; its outputs are `loss` and
`y_pred`. The predict graph returns `y`. A softmax or sigmoid at the end is taken into the cross-entropy,
which then works on logits and is exact in both tails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from engine.errors import DtypeMismatch, EngineError, InvalidDocument
from engine.frontend.decode import decode_graph
from engine.frontend.graph import Graph
from engine.training.catalogue.losses import LOSSES, Loss
from engine.training.catalogue.metrics import METRICS, Metric
from engine.training.catalogue.registry import Choice
from engine.training.model.builder import Draw, GraphBuilder, Shape, State, Symbol, Weight
from engine.training.model.model import Model, read_model

X, LABELS, TARGET, PREDICTED, SCORES = "x", "y", "loss", "y_pred", "scores"


@dataclass(frozen=True)
class Expansion:
    """The graphs of a model, and what they need beside data.

    `evaluate` is the loss as predicting sees it. Beside `y_pred`, a graph with a loss has a node `scores`
    that orders the classes alike: the logits where the loss took a softmax in. `input` and `labels` are the
    dtypes of `x` and `y`; `over_classes` says that the loss is one of classes. Without a loss the train graph
    answers `y`, and `evaluate` is None.
    """

    train: Graph
    predict: Graph
    evaluate: Graph | None
    parameters: Mapping[str, Weight]
    state: Mapping[str, State]
    draws: Mapping[str, Draw]
    metrics: Mapping[str, Choice[Metric]]
    input_shape: Shape
    input: str
    labels: str
    over_classes: bool
    summary: tuple[Mapping[str, Any], ...]

    @property
    def answer(self) -> Shape:
        """The shape of one row that the model returns."""
        return tuple(self.summary[-1]["shape"][1:])

    def document(self) -> dict[str, Any]:
        """The answer of `/v1/models/expand`."""
        return {
            "train": self.train.document(),
            "predict": self.predict.document(),
            "parameters": {name: weight.document() for name, weight in self.parameters.items()},
            "state": {name: state.document() for name, state in self.state.items()},
            "draws": {name: draw.document() for name, draw in self.draws.items()},
            "summary": [dict(row) for row in self.summary],
        }


def expand_model(
    model: Any,
    *,
    loss: Any = None,
    metrics: Sequence[Any] = (),
    dtype: str = "float32",
    path: str = "$.model",
    row: Shape | None = None,
) -> Expansion:
    """Expand a Keras-style list of layers; `row` is the shape of a row of the data, where it is known.

    Raises UserError with the JSON path of the layer, loss or metric that cannot be served.
    """
    if dtype not in ("float16", "float32", "float64"):
        raise DtypeMismatch(f"expected a real floating dtype, got {dtype}", path="$.dtype")
    read = read_model(model, dtype=dtype, path=path, row=row)
    chosen = None if loss is None else LOSSES.read(loss, "$.loss")
    measured = read_metrics(metrics)
    train, summary = _play(read, dtype, chosen, training=True)
    predict, _ = _play(read, dtype, None, training=False)
    evaluate = None if chosen is None else _play(read, dtype, chosen, training=False)[0]
    return Expansion(
        train=_graph(train, (PREDICTED, TARGET) if chosen else (LABELS,)),
        predict=_graph(predict, (LABELS,)),
        evaluate=None if evaluate is None else _graph(evaluate, (PREDICTED, TARGET)),
        parameters=train.weights,
        state=train.states,
        draws=train.draws,
        metrics=measured,
        input_shape=read.input_shape,
        input=read.input_dtype,
        labels=dtype if chosen is None else chosen.record.labels or dtype,
        over_classes=chosen is not None and chosen.record.over_classes,
        summary=summary,
    )


def read_metrics(metrics: Sequence[Any]) -> dict[str, Choice[Metric]]:
    """Metrics by the name that they are reported under: the one they were requested by.

    Raises InvalidDocument for two of one name with different settings.
    """
    chosen: dict[str, Choice[Metric]] = {}
    for i, value in enumerate(metrics):
        path = f"$.metrics[{i}]"
        metric = METRICS.read(value, path)
        name = value if isinstance(value, str) else value["name"]
        if chosen.setdefault(name, metric).settings != metric.settings:
            raise InvalidDocument(
                f"'{name}' is asked for twice at {path}, with different settings",
                path=path,
                hint="metrics are reported by their names: ask for one of each, or for the other by an alias",
            )
    return chosen


def _play(
    model: Model, dtype: str, loss: Choice[Loss] | None, *, training: bool
) -> tuple[GraphBuilder, tuple[Mapping[str, Any], ...]]:
    """Write one graph: the scope, and a row of the summary for each layer."""
    scope = GraphBuilder(training, dtype)
    x = Symbol(scope.input(X, model.input_shape, model.input_dtype), model.input_shape, model.input_dtype)
    rows = []
    for named in model.layers:
        scope.layer, scope.path, scope.frozen = named.name, named.path, not named.trainable
        before = set(scope.weights)
        try:
            x = named.layer.record.write(scope, x, **named.layer.settings)
        except EngineError as error:
            error.path = named.path + (error.path or "")
            raise
        learned = sum(prod(scope.weights[name].shape) for name in scope.weights.keys() - before)
        kind = named.layer.record.name
        rows.append({"name": named.name, "type": kind, "shape": [None, *x.shape], "parameters": learned})
    scope.layer, scope.path, scope.frozen = "", "", False
    scope.node("identity", x.name, name=LABELS if loss is None else PREDICTED)
    if loss is not None:
        _write_loss(scope, x, loss)
    return scope, tuple(rows)


def _write_loss(scope: GraphBuilder, x: Symbol, loss: Choice[Loss]) -> None:
    """The loss of the predictions `x`, and the scores that metrics may rank."""
    labels = scope.input(LABELS, None, loss.record.labels or scope.dtype)
    settings = dict(loss.settings)
    activation, logits = scope.before.get(x.name, ("", x))
    fused = activation == loss.record.fuses and not settings.get("from_logits")
    if fused:
        settings["from_logits"] = True
    scope.path = "$.loss"
    scope.node(loss.record.op.name, labels, logits.name if fused else x.name, name=TARGET, **settings)
    scope.node("identity", logits.name if fused and activation == "softmax" else x.name, name=SCORES)


def _graph(scope: GraphBuilder, outputs: Sequence[str]) -> Graph:
    """The graph of what was written; its nodes are placed at the layers that wrote them."""
    updates = [state.update for state in scope.states.values()] if scope.training else []
    graph = decode_graph(scope.document([*outputs, *updates]), path="$")
    nodes = tuple(replace(node, path=scope.paths[node.name] or None) for node in graph.nodes)
    return replace(graph, nodes=nodes)
