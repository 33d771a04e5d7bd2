"""Keras's names of activations, and the op that each one is; its settings are the op's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import engine.ops  # noqa: F401  # fills the table of ops
from engine.ir.attributes import Attribute, Kind
from engine.ir.table import TABLE
from engine.training.catalogue.registry import Registry

LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class Activation:
    """A name, and the op with its attributes; None for the identity."""

    name: str
    op: str | None
    aliases: tuple[str, ...] = ()
    settings: Mapping[str, Any] | None = None

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The op's settings; classes come last."""
        return () if self.op is None else tuple(a for a in TABLE[self.op].attributes if a.name != "axis")


_SAME = (
    "relu sigmoid tanh softmax softplus softsign elu selu celu gelu mish relu6 leaky_relu log_softmax "
    "log_sigmoid hard_sigmoid hard_tanh soft_shrink hard_shrink threshold"
)

ACTIVATIONS = Registry(
    "activation",
    (
        Activation(LINEAR, None),
        *(Activation(name, name) for name in _SAME.split()),
        Activation("silu", "silu", ("swish",)),
        Activation("hard_silu", "hard_swish", ("hard_swish",)),
        Activation("exponential", "exp"),
        Activation("tanh_shrink", "tanhshrink"),
    ),
)


def _read(value: Any) -> Activation:
    if not isinstance(value, str | Mapping):
        raise ValueError
    chosen = ACTIVATIONS.read(value, "")
    return replace(chosen.record, settings=chosen.settings) if chosen.settings else chosen.record


ACTIVATION = Attribute(
    "activation",
    Kind("activation", "an activation's name", _read, {"type": ["string", "object"]}, "str"),
    ACTIVATIONS.named(LINEAR, ""),
)
