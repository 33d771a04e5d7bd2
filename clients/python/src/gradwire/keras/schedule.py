"""What learning rates that change with the step share.

Each is a function of the number of finished steps, for optimisers that step here, and a document, for jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gradwire._names.own import own_class
from gradwire._names.strict import Strict
from gradwire.keras import cures

TABULATED = (
    "tabulate it for a job: `PiecewiseConstantDecay(range(n - 1), [schedule(k) for k in range(n)])`, or give "
    "`fit` a LearningRateScheduler, which sets each epoch's rate; functions run where optimisers step here"
)


class LearningRateSchedule(Strict):
    """What schedules share; `settings` are those of the wire."""

    name: ClassVar[str] = ""
    _fixed: ClassVar[frozenset[str]] = frozenset({"settings", "name"})
    _cures: ClassVar[Mapping[str, str]] = cures.SCHEDULE

    def __init__(self, **settings: Any) -> None:
        self.settings: Mapping[str, Any] = {k: v for k, v in settings.items() if v is not None}

    def __call__(self, step: int) -> float:
        """The rate of the update that has so many finished ones before it."""
        raise NotImplementedError

    def document(self) -> dict[str, Any]:
        """As the wire has it; raises NotTraced for a class of the user's own."""
        return {"name": own_class(self, "schedule", TABULATED).name, **self.settings}


class FormulaSchedule(LearningRateSchedule):
    """A schedule of the server's table; `_formula` and `_check` are the server's own.

    Raises ValueError for settings that do not fit each other.
    """

    _formula: ClassVar[Callable[..., float]]
    _optional: ClassVar[tuple[str, ...]] = ()  # settings that may be None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        wrong = self._check(self.settings)
        if wrong is not None:
            raise ValueError(wrong)

    @staticmethod
    def _check(settings: Mapping[str, Any]) -> str | None:
        """What is wrong with settings that do not fit each other."""
        return None

    def __call__(self, step: int) -> float:
        """The rate of the update that has so many finished ones before it."""
        return float(type(self)._formula(step, **{**dict.fromkeys(self._optional), **self.settings}))
