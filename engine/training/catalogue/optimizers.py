"""Optimisers, under Keras's names, arguments and defaults: each one formula over tape variables.

`update(w, g, slots, rates, **settings)` returns the new parameters and the new slots. It is recorded once,
over the flat vector of all parameters, behind the gradient and on the same tape. What depends on the number
of the step alone (the learning rate, Adam's bias correction) is a plain number, `rates(rate, step)`.

The formulas are Keras 3's; docs/training.md says where PyTorch's differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

from engine.errors import InvalidAttribute, InvalidDocument
from engine.frontend.json_reader import member, show
from engine.ir.attributes import BOOLEAN, Attribute
from engine.ir.table import F
from engine.training.catalogue.registry import Choice, Registry, number, read_settings
from engine.training.catalogue.schedules import Schedule, rate_at, read_schedule, schedule_document

Slots = Mapping[str, Any]
Rates = Mapping[str, Any]
Update = Callable[..., tuple[Any, dict[str, Any]]]


def _only_rate(rate: float, step: int, **_: Any) -> dict[str, float]:
    return {"rate": rate}


@dataclass(frozen=True, slots=True)
class Slot:
    """What is kept for each parameter: zeros, or the value of the setting `start`; only if `when` is set."""

    name: str
    when: str | None = None
    start: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """One record, from which the SDK's class and the row in docs/training.md follow.

    `summary` is a sentence, `formula` the update in mathematical notation. `update` and `rates` may use ops
    of `F` that NumPy has under the same name, and functions of `math`: the SDK steps with their source.
    `rates` counts steps from 1. `class_name` is Keras's name of the class.
    """

    name: str
    class_name: str
    summary: str
    formula: str
    learning_rate: float
    update: Update
    slots: tuple[Slot, ...]
    attributes: tuple[Attribute, ...]
    aliases: tuple[str, ...] = ()
    rates: Callable[..., dict[str, float]] = _only_rate

    def start(self, settings: Mapping[str, Any]) -> dict[str, float]:
        """The slots that these settings need, and what they start from."""
        needed = (slot for slot in self.slots if slot.when is None or settings[slot.when])
        return {slot.name: settings[slot.start] if slot.start else 0.0 for slot in needed}


@dataclass(frozen=True, slots=True)
class Method:
    """An optimiser with its settings and its schedule: how parameters move."""

    optimizer: Choice[Optimizer]
    schedule: Choice[Schedule]

    @property
    def slots(self) -> dict[str, float]:
        """What is kept for each parameter, and what it starts from."""
        return self.optimizer.record.start(self.optimizer.settings)

    def rates(self, finished: int) -> dict[str, float]:
        """The numbers that the update after `finished` steps takes, in float64."""
        rate = rate_at(self.schedule, finished)
        return self.optimizer.record.rates(rate, finished + 1, **self.optimizer.settings)

    def update(self, w: Any, g: Any, slots: Slots, rates: Rates) -> tuple[Any, dict[str, Any]]:
        """The new parameters and slots, recorded on the tape of `w`."""
        settings = dict(self.optimizer.settings)
        decay = settings["weight_decay"]
        if decay:
            w = w - w * (rates["rate"] * decay)
        return self.optimizer.record.update(w, g, slots, rates, **settings)

    def document(self) -> dict[str, Any]:
        """As JSON that reads back to the same method."""
        return {**self.optimizer.document(), "learning_rate": schedule_document(self.schedule)}


def read_method(value: Any, path: str) -> Method:
    """An optimiser's name, or an object with its name, `learning_rate` and settings.

    Raises UnknownName, UnknownField, InvalidAttribute, InvalidDocument with their paths.
    """
    document = {"name": value} if isinstance(value, str) else value
    if not isinstance(document, Mapping) or not isinstance(document.get("name"), str):
        raise InvalidDocument(
            f"expected the name of an optimizer, or an object with a 'name', got {show(value)}",
            path=path,
            hint='for example {"name": "adam", "learning_rate": 0.001}',
        )
    name_path = path if isinstance(value, str) else member(path, "name")
    record = OPTIMIZERS.named(document["name"], name_path)
    values = {k: v for k, v in document.items() if k not in ("name", "learning_rate")}
    settings = read_settings(values, record.attributes, path, record.name, others=("learning_rate",))
    clips = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if settings[name] is not None]
    if len(clips) > 1:
        raise InvalidAttribute(f"expected one way of clipping, got {' and '.join(clips)}", path=path)
    rate = document.get("learning_rate")
    schedule = read_schedule(record.learning_rate if rate is None else rate, member(path, "learning_rate"))
    return Method(Choice(record, settings), schedule)


# -- the formulas ---------------------------------------------------------------------------------------


def _sgd(
    w: Any, g: Any, slots: Slots, rates: Rates, *, momentum: float, nesterov: bool, **_: Any
) -> tuple[Any, dict[str, Any]]:
    """V ← momentum v - rate g;  w + v, or with Nesterov w + momentum v - rate g."""
    step = rates["rate"] * g
    if not momentum:
        return w - step, {}
    v = momentum * slots["momentum"] - step
    return (w + (momentum * v - step) if nesterov else w + v), {"momentum": v}


def _adam(
    w: Any,
    g: Any,
    slots: Slots,
    rates: Rates,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    amsgrad: bool,
    **_: Any,
) -> tuple[Any, dict[str, Any]]:
    """m, v ← running means of g and g²;  w - scale m / (√v + ε)."""
    m = slots["m"] + (g - slots["m"]) * (1 - beta_1)
    v = slots["v"] + (F.square(g) - slots["v"]) * (1 - beta_2)
    new = {"m": m, "v": v}
    if amsgrad:
        v = new["largest"] = F.maximum(slots["largest"], v)
    return w - rates["scale"] * m / (F.sqrt(v) + epsilon), new


def _adam_rates(rate: float, step: int, *, beta_1: float, beta_2: float, **_: Any) -> dict[str, float]:
    """The scale is rate √(1-β₂ᵗ) / (1-β₁ᵗ), the bias correction of both means."""
    return {"rate": rate, "scale": rate * sqrt(1 - beta_2**step) / (1 - beta_1**step)}


def _rmsprop(
    w: Any,
    g: Any,
    slots: Slots,
    rates: Rates,
    *,
    rho: float,
    momentum: float,
    epsilon: float,
    centered: bool,
    **_: Any,
) -> tuple[Any, dict[str, Any]]:
    """V ← rho v + (1-rho) g², less the squared mean gradient if centered;  w - rate g / √(v + ε)."""
    v = rho * slots["v"] + (1 - rho) * F.square(g)
    new, spread = {"v": v}, v
    if centered:
        mean = new["mean"] = rho * slots["mean"] + (1 - rho) * g
        spread = v - F.square(mean)
    step = rates["rate"] * g / F.sqrt(spread + epsilon)
    if momentum:
        step = new["momentum"] = momentum * slots["momentum"] + step
    return w - step, new


def _adagrad(
    w: Any, g: Any, slots: Slots, rates: Rates, *, epsilon: float, **_: Any
) -> tuple[Any, dict[str, Any]]:
    """A ← a + g²;  w - rate g / √(a + ε)."""
    a = slots["accumulator"] + F.square(g)
    return w - rates["rate"] * g / F.sqrt(a + epsilon), {"accumulator": a}


# -- the records ----------------------------------------------------------------------------------------


_FRACTION = number(0.0, 1.0)
SHARED = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")  # settings that all have
_COMMON = (
    Attribute("clipnorm", number(0.0, above=True), None, "the largest norm of one parameter's gradient"),
    Attribute("clipvalue", number(0.0, above=True), None, "the largest element of a gradient, by magnitude"),
    Attribute("global_clipnorm", number(0.0, above=True), None, "the largest norm of all gradients together"),
)
_DECAY = Attribute("weight_decay", number(0.0), None, "w is first made smaller by rate · weight_decay · w")
_EPSILON = Attribute("epsilon", number(0.0), 1e-7)
_MOMENTUM = Attribute("momentum", _FRACTION, 0.0)
_ADAM = (
    Attribute("beta_1", number(0.0, 1.0, below=True), 0.9, "how slowly the mean of g is forgotten"),
    Attribute("beta_2", number(0.0, 1.0, below=True), 0.999, "how slowly the mean of g² is forgotten"),
    _EPSILON,
    Attribute("amsgrad", BOOLEAN, False, "divide by the largest mean of g² so far"),
)

OPTIMIZERS = Registry(
    "optimizer",
    (
        Optimizer(
            name="sgd",
            class_name="SGD",
            summary="Gradient descent, with momentum and Nesterov's look-ahead if asked for.",
            formula="`w ← w - rate·g`; with momentum μ: `v ← μv - rate·g`, `w ← w + v`, with Nesterov "
            "`w ← w + μv - rate·g`",
            learning_rate=0.01,
            update=_sgd,
            slots=(Slot("momentum", when="momentum"),),
            attributes=(_MOMENTUM, Attribute("nesterov", BOOLEAN, False), _DECAY, *_COMMON),
            aliases=("gradient_descent",),
        ),
        Optimizer(
            name="adam",
            class_name="Adam",
            summary="Adaptive moments (Kingma and Ba 2015).",
            formula="`m ← m + (1-β₁)(g-m)`, `v ← v + (1-β₂)(g²-v)`, "
            "`w ← w - rate·√(1-β₂ᵗ)/(1-β₁ᵗ) · m/(√v + ε)`",
            learning_rate=0.001,
            update=_adam,
            slots=(Slot("m"), Slot("v"), Slot("largest", when="amsgrad")),
            attributes=(*_ADAM, _DECAY, *_COMMON),
            rates=_adam_rates,
        ),
        Optimizer(
            name="adamw",
            class_name="AdamW",
            summary="Adam with decoupled weight decay (Loshchilov and Hutter 2019).",
            formula="Adam's",
            learning_rate=0.001,
            update=_adam,
            slots=(Slot("m"), Slot("v"), Slot("largest", when="amsgrad")),
            attributes=(Attribute("weight_decay", number(0.0), 0.004, _DECAY.doc), *_ADAM, *_COMMON),
            rates=_adam_rates,
        ),
        Optimizer(
            name="rmsprop",
            class_name="RMSprop",
            summary="Gradients divided by a running root mean square (Hinton), with momentum or centred if "
            "asked for.",
            formula="`v ← ρv + (1-ρ)g²`, `w ← w - rate·g/√(v + ε)`; centered: less the square of the mean of "
            "g; with momentum the steps are summed up",
            learning_rate=0.001,
            update=_rmsprop,
            slots=(Slot("v"), Slot("mean", when="centered"), Slot("momentum", when="momentum")),
            attributes=(
                Attribute("rho", number(0.0, 1.0), 0.9),
                _MOMENTUM,
                _EPSILON,
                Attribute("centered", BOOLEAN, False),
                _DECAY,
                *_COMMON,
            ),
        ),
        Optimizer(
            name="adagrad",
            class_name="Adagrad",
            summary="Gradients divided by the root of the sum of all their squares (Duchi et al. 2011).",
            formula="`a ← a + g²`, `w ← w - rate·g/√(a + ε)`",
            learning_rate=0.001,
            update=_adagrad,
            slots=(Slot("accumulator", start="initial_accumulator_value"),),
            attributes=(
                Attribute("initial_accumulator_value", number(0.0), 0.1),
                _EPSILON,
                _DECAY,
                *_COMMON,
            ),
        ),
    ),
)
