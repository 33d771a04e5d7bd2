"""The remedies for gradients that are NaN or infinite, in the order in which they are searched."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.angle_remedies import ANGLE_REMEDIES
from engine.diagnosis.remedies.cancelling import LOGISTIC_REMEDIES, TAIL_REMEDIES
from engine.diagnosis.remedies.logarithm_remedies import LOGARITHM_REMEDIES
from engine.diagnosis.remedies.power_remedies import POWER_REMEDIES
from engine.diagnosis.remedies.quotient_remedies import QUOTIENT_REMEDIES
from engine.diagnosis.remedies.range_remedies import RANGE_REMEDIES
from engine.diagnosis.remedies.table import Remedy

POLE_REMEDIES: Sequence[Remedy] = (
    *ANGLE_REMEDIES,
    *POWER_REMEDIES,
    *LOGARITHM_REMEDIES,
    *QUOTIENT_REMEDIES,
    *RANGE_REMEDIES,
    *TAIL_REMEDIES,
    *LOGISTIC_REMEDIES,
)
