"""Warnings that take a value or two to know: singular matrices, labels of a hinge, lost digits.

What has to be looked at is chosen when a gradient is recorded: a function without such a place costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.causes.equal_units import equal_units
from engine.diagnosis.causes.label_warnings import class_indices
from engine.diagnosis.causes.lost_digits import OPS_BEHIND, differences
from engine.diagnosis.causes.narrow_casts import narrow_casts
from engine.diagnosis.causes.unit_warnings import wrong_units
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import write
from engine.diagnosis.texts.source_text import Expressions, bracket
from engine.ir.tape import Instruction
from engine.transforms.vjp import depending_on

LARGEST = 128  # rows of a matrix beyond which its condition is not looked at
SINGULAR = 1e-3  # times the reciprocal of the rounding unit: the condition beyond which three digits are left
_SOLVERS = ("inv", "solve")
#: Ops without which there is nothing to look at; a difference alone is none of a table's rows.
_LOOKED_AT = frozenset(
    {*_SOLVERS, "maximum", "relu", "matmul", "softmax", "log_softmax", "astype"}
    | {"sin", "tan", "pow", *OPS_BEHIND}

