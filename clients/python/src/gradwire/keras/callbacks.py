"""What watches a fit, under Keras's names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from gradwire._names.strict import Strict
from gradwire.errors import ConfigurationError
from gradwire.keras import cures
from gradwire.keras.base_model import Network
from gradwire.keras.schedules import PiecewiseConstantDecay

__all__ = ["Callback", "EarlyStopping", "History", "LearningRateScheduler"]


class Callback(Strict):
    """A callback of `fit`: its methods are called in this process as the job on the server proceeds.

    It can end the fit: after `self.model.stop_training = True` the job writes a checkpoint and ends, perhaps
    some epochs later, and the model has the weights of that checkpoint. If a method raises, the job is
    cancelled.
    """

    model: Network[Any]
    _cures: ClassVar[Mapping[str, str]] = cures.CALLBACK

    def _settable(self) -> set[str]:
        return super()._settable() | {name for name in dir(Callback) if name.startswith("on_")}

    def check(self) -> None:
        """Raise ConfigurationError for a method that a fit would never call."""
        for name in dir(type(self)):
            if name.startswith("on_") and not hasattr(Callback, name):
                raise ConfigurationError(
                    f"nothing calls {type(self).__name__}.{name}: the job trains on the server, which tells "
                    "of epochs only; a Callback has on_train_begin, on_epoch_end and on_train_end"
                )

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Called when the job was submitted."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Called after an epoch, counted from 0, with its metrics."""

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Called when the job has succeeded and its weights are in the model."""


class _EpochValues(dict[str, Any]):
    """Values by the name of a metric; a name that is not there is answered with how to get it."""

    def __missing__(self, name: str) -> NoReturn:
        """Raise KeyError for a metric that no epoch reports."""
        there = ", ".join(self) or "nothing"
        cure = f"name it in compile(metrics=['{name.removeprefix('val_')}'])"
        if name.startswith("val_") and not any(each.startswith("val_") for each in self):
            cure = (
                "give validation_split=0.2 or validation_data to fit: values of val_… are measured on those"
            )
        raise KeyError(f"{name}: what is reported is {there}; {cure}")


class History(Callback):
    """The result of a fit: `history` maps a metric to its values by epoch, `epoch` counts from 0."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = _EpochValues()
        self.epoch: list[int] = []

    def __getitem__(self, name: str) -> NoReturn:
        """Refused, with the form that works."""
        raise TypeError(f"the values of each epoch are in its history: history.history[{name!r}]")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keep the metrics."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class EarlyStopping(Callback):
    """Makes the server end the job if a metric has not improved for `patience` epochs."""

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.monitor = monitor
        self.min_delta = min_delta
        self.patience = patience
        self.mode = mode
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch

    def document(self) -> dict[str, Any]:
        """As the wire has it."""
        settings = inspect.signature(EarlyStopping).parameters
        return {name: value for name in settings if (value := getattr(self, name)) is not None}


class LearningRateScheduler(Callback):
    """The rate of each epoch, `schedule(epoch)` or `schedule(epoch, rate)`, with epochs counted from 0.

    `schedule` is called for all epochs when the job is submitted.
    """

    def __init__(self, schedule: Callable[..., float]) -> None:
        self.schedule = schedule

    def tabulated(self, rate: float, epochs: int, steps: int) -> PiecewiseConstantDecay:
        """The rates of all epochs, each of so many steps."""
        takes_rate = len(inspect.signature(self.schedule).parameters) > 1
        rates: list[float] = []
        for epoch in range(epochs):
            rate = float(self.schedule(epoch, rate) if takes_rate else self.schedule(epoch))
            rates.append(rate)
        ends = [(epoch + 1) * steps - 1 for epoch in range(epochs - 1)]
        return PiecewiseConstantDecay(ends, rates)
