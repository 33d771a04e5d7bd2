"""The rules by which transforms, analyses and the planner treat an op."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.ir.cost import Cost
from engine.ir.dependence import Dependence
from engine.ir.derivative import Rule
from engine.ir.function_rules import FunctionRule


@dataclass(frozen=True, slots=True)
class Rules:
    """How an op is batched, analysed, linked and estimated.

    `batch` takes a leading batch axis (see `engine.ir.batch_rules`); without it, each row is computed alone.
    `dependence` says which elements of the inputs an output element depends on (see
    `engine.ir.dependence_rules`); without it, on every element. Both default to the family's.
    `functions` says how function attributes bind. `cost(types, outputs, **attributes)` gives flops and bytes.
    """

    batch: Rule | None = None
    dependence: Dependence | None = None
    functions: FunctionRule | None = None
    cost: Callable[..., Cost] | None = None
