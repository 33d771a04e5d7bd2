"""The SDK's classes under Keras's names, held equal to the engine's records.

Every record has a class here with the same settings and the same defaults, or a row of `ABSENT` or
`DIFFERENT` with the reason. A row that is not needed any more fails, too.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from engine.errors import InvalidAttribute
from engine.ir.attributes import REQUIRED
from engine.training.catalogue.initializers import INITIALIZERS
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.metrics import METRICS
from engine.training.catalogue.optimizers import OPTIMIZERS, read_method
from engine.training.catalogue.registry import Registry, key
from engine.training.catalogue.schedules import SCHEDULES, rate_at, read_schedule
from engine.training.model.layers import LAYERS
from gradwire._tracing import ops
from gradwire.errors import OptimizerError
from gradwire.keras import initializers, layers, losses, metrics, optimizers, schedules
from tests.engine.training.world import trained

CATALOGUES: dict[str, tuple[Registry[Any], ModuleType]] = {
    "optimizer": (OPTIMIZERS, optimizers),
    "schedule": (SCHEDULES, schedules),
    "loss": (LOSSES, losses),
    "metric": (METRICS, metrics),
    "initializer": (INITIALIZERS, initializers),
}
RECORDS = [(what, record) for what, (registry, _) in CATALOGUES.items() for record in registry]

_SAME_LOSS = "a loss as a metric: name it in compile(metrics=[…]); classes add batches up here, in NumPy"
#: Records without a class, and why.
ABSENT = {
    ("schedule", "constant"): "a number is the constant rate",
    ("metric", "accuracy"): "it is chosen by shapes in a job; Keras's Accuracy compares labels for equality",
    **{
        ("metric", loss.name): _SAME_LOSS
        for loss in LOSSES
        if loss.name not in ("mean_squared_error", "mean_absolute_error")
    },
}
#: Settings that only the classes have, by catalogue, and why.
ONLY_HERE = {
    "optimizer": {"learning_rate"},  # of the wire's optimizer itself, compared on its own
    "schedule": set[str](),
    "loss": {"reduction", "axis"},  # a job trains means with classes last; on a tape both can be chosen
    "metric": {"name"},  # histories go by it
    "initializer": set[str](),
}
#: Settings that only the records have, by catalogue, and why.
ONLY_THERE = {"loss": {"epsilon"}}  # Keras's classes have none; on a tape the ops of the same names take it


def class_of(what: str, record: Any) -> type[Any] | None:
    """The public class that has the name, or another name, of a record."""
    module = CATALOGUES[what][1]
    names = {key(name) for name in (record.name, *record.aliases)}
    found = [name for name in module.__all__ if name[0].isupper() and key(name) in names]
    assert len(found) <= 1, found
    return getattr(module, found[0]) if found else None


def settings_of(kind: type[Any]) -> Mapping[str, Any]:
    """The names and defaults of a class's settings, with those that `**shared` hands on."""
    own = inspect.signature(kind).parameters
    found = {name: p.default for name, p in own.items() if p.kind is not p.VAR_KEYWORD}
    if any(p.kind is p.VAR_KEYWORD for p in own.values()):
        shared = inspect.signature(optimizers.Optimizer).parameters
        found = {**{name: p.default for name, p in shared.items()}, **found}
    return {
        name: REQUIRED if default is inspect.Parameter.empty else default for name, default in found.items()
    }


@pytest.mark.parametrize(("what", "record"), RECORDS, ids=lambda value: getattr(value, "name", value))
def test_a_record_has_a_class_with_the_same_settings(what: str, record: Any) -> None:
    kind = class_of(what, record)
    if (what, record.name) in ABSENT:
        assert kind is None, "it has a class: take its row out of ABSENT"
        return
    assert kind is not None, f"the SDK has no {what} for {record.name}"
    there = {attribute.name: attribute.default for attribute in record.attributes}
    expected = {name: there[name] for name in there if name not in ONLY_THERE.get(what, ())}
    here = dict(settings_of(kind))
    if what == "optimizer":
        assert here["learning_rate"] == record.learning_rate
    assert {name: here[name] for name in here if name not in ONLY_HERE[what]} == expected


@pytest.mark.parametrize("what", CATALOGUES)
def test_a_class_has_a_record(what: str) -> None:
    bases = {"Optimizer", "LearningRateSchedule", "Loss", "Metric", "Initializer"}
    here = {"Mean"} if what == "metric" else set()  # of numbers, in loops of one's own; no job needs it
    names = {name for name in CATALOGUES[what][1].__all__ if name[0].isupper()} - bases - here
    kinds = [class_of(what, record) for record in CATALOGUES[what][0]]
    assert names == {kind.__name__ for kind in kinds if kind is not None}


def test_exceptions_name_records() -> None:
    assert {*ABSENT} <= {(what, record.name) for what, record in RECORDS}


@pytest.mark.parametrize("record", list(OPTIMIZERS), ids=lambda record: record.name)
def test_the_server_reads_an_optimizer_as_it_was_made(record: Any) -> None:
    kind = class_of("optimizer", record)
    assert kind is not None
    assert read_method(kind().document(), "$") == read_method(record.name, "$")
    decay = schedules.CosineDecay(0.1, 10)
    assert read_method(kind(decay).document(), "$").schedule == read_schedule(decay.document(), "$")
    with pytest.raises(OptimizerError, match="schedules"):
        kind(lambda step: 0.1).document()


WRITTEN = {
    "exponential_decay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9},
    "inverse_time_decay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "piecewise_constant_decay": {"boundaries": [5, 10], "values": [0.1, 0.01, 0.001]},
    "polynomial_decay": {"initial_learning_rate": 0.1, "decay_steps": 20},
    "cosine_decay": {"initial_learning_rate": 0.1, "decay_steps": 20},
    "linear_warmup": {"learning_rate": 0.1, "warmup_steps": 5, "initial_learning_rate": 0.02},
}


@pytest.mark.parametrize("record", [r for r in SCHEDULES if r.name != "constant"], ids=lambda r: r.name)
def test_a_schedule_has_the_server_s_rates(record: Any) -> None:
    kind = class_of("schedule", record)
    assert kind is not None
    schedule = kind(**WRITTEN[record.name])
    read = read_schedule(schedule.document(), "$")
    assert read.record is record
    for step in (0, 1, 4, 5, 6, 10, 19, 20, 33):
        assert schedule(step) == pytest.approx(rate_at(read, step)), step


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("record", list(LOSSES), ids=lambda record: record.name)
def test_a_loss_is_the_server_s(record: Any) -> None:
    kind = class_of("loss", record)
    assert kind is not None
    loss = kind()
    assert LOSSES.read(loss.document(), "$") == LOSSES.read(record.name, "$")
    with pytest.raises(ValueError, match="mean"):
        kind(reduction="sum").document()
    predicted = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    labels = np.array([1, 2]) if record.labels else np.eye(3)[[1, 2]]
    each = kind(reduction="none")(labels, predicted).numpy()
    assert float(loss(labels, predicted)) == pytest.approx(each.mean())
    assert float(kind(reduction="sum")(labels, predicted)) == pytest.approx(each.sum())
    assert float(loss(labels, predicted)) == float(getattr(ops, record.op.name)(labels, predicted))


@pytest.mark.parametrize("record", list(LAYERS), ids=lambda record: record.name)
def test_a_layer_has_the_record_s_settings(record: Any) -> None:
    """Defaults are shown as the wire has them; the identity is no activation, as in Keras."""
    here = settings_of(getattr(layers, record.name))
    own = {attribute.name for attribute in record.attributes}
    shared = {"input_shape", "name", "trainable"} | ({"input_dim"} - own)
    assert here.keys() == own | shared
    for attribute in record.attributes:
        default = here[attribute.name]
        if attribute.default is REQUIRED or attribute.kind.name == "activation":
            assert default is (REQUIRED if attribute.default is REQUIRED else None)
        else:
            assert attribute.parse(default) == attribute.default


def test_a_class_of_a_layer_has_a_record() -> None:
    by_hand = {"Input", "InputLayer", "Layer"}
    assert {*layers.__all__} - by_hand == {record.name for record in LAYERS}


#: A value of each kind that a layer may require.
GIVEN: dict[str, Any] = {"int": 3, "number": 0.5, "activation": "relu", "new_shape": (2, 3), "steps": 2}


@pytest.mark.parametrize("record", list(LAYERS), ids=lambda record: record.name)
def test_a_layer_at_its_defaults_sends_what_is_required(record: Any) -> None:
    kind = getattr(layers, record.name)
    required = {a.name: GIVEN[a.kind.name] for a in record.attributes if a.default is REQUIRED}
    made = kind(**required)
    written = {name: list(value) if isinstance(value, tuple) else value for name, value in required.items()}
    assert made.document() == {"type": record.name, **written}
    others = {a.name: settings_of(kind)[a.name] for a in record.attributes if a.name not in required}
    assert kind(**required, **others).document() == made.document()
    for name, cure in record.absent.items():
        with pytest.raises(TypeError, match=re.escape(f"{record.name} has no keyword '{name}'; {cure}")):
            kind(**{**required, name: True})


@pytest.mark.parametrize("shape", [[2, 3], (2, 3), np.array([2, 3]), range(2, 4)], ids=repr)
def test_a_shape_may_be_any_sequence(shape: Any) -> None:
    assert layers.Reshape(shape).document() == {"type": "Reshape", "target_shape": [2, 3]}
    assert layers.Dense(np.int64(3)).document() == {"type": "Dense", "units": 3}


STEPS = {"amsgrad": True, "centered": True, "nesterov": True, "momentum": 0.9, "weight_decay": 0.1}


@pytest.mark.parametrize("on", [False, True], ids=["plain", "all"])
@pytest.mark.parametrize("record", list(OPTIMIZERS), ids=lambda record: record.name)
def test_a_step_here_is_a_step_there(record: Any, on: bool) -> None:
    """The formula is one text; here it runs on NumPy's arrays, there it is recorded on a tape."""
    own = {attribute.name for attribute in record.attributes}
    settings = {name: value for name, value in STEPS.items() if on and name in own}
    here = getattr(optimizers, record.class_name)(0.1, **settings)
    start = np.array([0.5, -2.0, 3.0])
    document = {
        "program": "loss = sum((w - 1) ** 2) + 0 * mean(x)",
        "parameters": {"w": {"value": start.tolist()}},
        "optimizer": {"name": record.name, "learning_rate": 0.1, **settings},
        "batch_size": 2,
        "epochs": 4,
        "dtype": "float64",
    }
    run, _ = trained(document, {"x": np.ones(2)})
    w = gw.Variable(start)
    for _ in range(4):
        here.apply_gradients([(2 * (w.numpy() - 1), w)])
    np.testing.assert_allclose(w.numpy(), run.parameters["w"], rtol=1e-13)


@pytest.mark.parametrize(
    ("kind", "setting", "value", "told"),
    [
        ("SGD", "momentum", 1.5, "expected a momentum between 0 and 1, got 1.5"),
        ("Adam", "beta_1", 1.0, "expected a beta_1 of at least 0 and below 1, got 1.0"),
        ("Adagrad", "epsilon", -1.0, "expected an epsilon of at least 0, got -1.0"),
    ],
)
def test_a_setting_is_refused_here_as_there(kind: str, setting: str, value: float, told: str) -> None:
    with pytest.raises(OptimizerError, match=told):
        getattr(optimizers, kind)(**{setting: value})
    with pytest.raises(InvalidAttribute):
        read_method({"name": kind, setting: value}, "$")
