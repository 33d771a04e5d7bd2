"""The table of cuts whose remedy is an expression, in the order in which it is searched."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.soft import Soft
from engine.diagnosis.remedies.soft_losses import SOFT_LOSSES
from engine.diagnosis.remedies.soft_places import SOFT_PLACES
from engine.diagnosis.remedies.soft_steps import SOFT_STEPS

SOFT: Sequence[Soft] = (*SOFT_LOSSES, *SOFT_PLACES, *SOFT_STEPS)
