"""The array parameters of an op."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.ir.derivative import Rule
from engine.ir.no_gradient import NoGradient

InputKind = Literal["any", "numeric", "floating", "real_floating", "real", "integer", "index", "boolean"]


@dataclass(frozen=True, slots=True)
class Input:
    """One array parameter of an op, with the VJP rule of its edge.

    `kind` says which dtypes it takes: `floating` computes integers in float64, `real_floating` too
    and refuses complex, `numeric` refuses booleans, `real` complex and booleans, `index` and `integer`
    take integers (an index also bool).
    Inputs with `promote` share one dtype. A variadic input comes last and takes one or more arrays;
    its rule gets the position first: `rule(i, g, y, *inputs, **attributes)`.
    """

    name: str
    vjp: Rule | NoGradient
    kind: InputKind = "numeric"
    promote: bool = True
    variadic: bool = False
    minimum: int = 1
