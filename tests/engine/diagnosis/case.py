"""A case of the catalogue: a program, a variable, and the diagnosis that is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One program, the variable asked about, and what the diagnosis has to say.

    `node` is the primary culprit; `also` are nodes that must be among the others; `elements` those of the
    primary culprit, where they matter. `steady` says that finite differences do not move the target, which
    is checked for every missing and every zero gradient unless `steady` is False. `heads` are the outputs
    where they are several; `options` are asked for besides, such as `stabilize`. `fix` is a part of the cure,
    and `says` of the message.
    """

    title: str
    program: str
    inputs: Mapping[str, Any]
    name: str
    status: str
    reason: str | None = None
    node: str | None = None
    also: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    repaired: str | None = None
    elements: Sequence[Sequence[int]] | None = None
    dtype: str = "float64"
    target: str | None = None
    wrt: tuple[str, ...] = field(default=())
    fix: str | None = None
    says: str | None = None
    steady: bool = True
    heads: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
