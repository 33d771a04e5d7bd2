"""Early stopping, as Keras has it: training ends when a metric has not improved for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from math import isnan
from typing import Any

from engine.errors import InvalidDocument, UnknownName, did_you_mean
from engine.frontend.json_reader import show
from engine.ir.attributes import BOOLEAN, TEXT, Attribute, choice
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.metrics import METRICS
from engine.training.catalogue.registry import number, read_settings, whole

_ATTRIBUTES = (
    Attribute("monitor", TEXT, "val_loss", "the metric to watch"),
    Attribute("min_delta", number(0.0), 0.0, "a change that is not larger is no improvement"),
    Attribute("patience", whole(0), 0, "how many epochs without improvement are borne"),
    Attribute("mode", choice("auto", "min", "max"), "auto", "whether less or more is better"),
    Attribute("baseline", number(), None, "patience starts anew only when this is beaten too"),
    Attribute("restore_best_weights", BOOLEAN, False, "end with the parameters of the best epoch"),
    Attribute("start_from_epoch", whole(0), 0, "epochs before the watch begins"),
)
_MORE_IS_BETTER = ("accuracy", "acc", "auc")
_LESS_IS_BETTER = ("error", "mse", "mae", "rmse", "mape", "msle", "crossentropy", "divergence", "hinge")
_VALIDATED = "val_"


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """The settings; `mode` is definite."""

    monitor: str
    min_delta: float
    patience: int
    mode: str
    baseline: float | None
    restore_best_weights: bool
    start_from_epoch: int

    def improved(self, value: float, than: float | None) -> bool:
        """Whether `value` is better by more than `min_delta`; anything is better than nothing, but NaN."""
        if than is None:
            return not isnan(value)
        return value - self.min_delta > than if self.mode == "max" else value + self.min_delta < than

    def warnings(self) -> Iterator[Mapping[str, Any]]:
        """A warning of a mode that stops when the metric improves."""
        best = best_mode(self.monitor)
        if best is not None and self.mode != best:
            yield {
                "code": "early_stopping_mode",
                "node": None,
                "message": f"mode '{self.mode}' of early stopping waits for a "
                f"{'lower' if self.mode == 'min' else 'higher'} '{self.monitor}', of which "
                f"{'more' if best == 'max' else 'less'} is better: training would stop because it improves. "
                f"Write mode='{best}', or leave mode out",
            }

    def document(self) -> dict[str, Any]:
        """As JSON that reads back to the same."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(slots=True)
class Watch:
    """How training stands: the best value so far, its epoch, and how long ago that was."""

    best: float | None = None
    best_epoch: int = 0
    waited: int = 0

    def see(self, settings: EarlyStopping, epoch: int, value: float) -> tuple[bool, bool]:
        """Take in the value of a finished epoch (counted from 1): is it the best, and is it time to stop?"""
        if epoch <= settings.start_from_epoch:
            return False, False
        self.waited += 1
        if settings.improved(value, self.best):
            self.best, self.best_epoch = value, epoch
            if settings.baseline is None or settings.improved(value, settings.baseline):
                self.waited = 0
            return True, False
        return False, self.waited >= settings.patience and epoch > 1


def read_early_stopping(value: Any, reported: Iterable[str], path: str) -> EarlyStopping:
    """Read the settings; `reported` are the metrics that an epoch reports.

    Raises InvalidDocument, UnknownField, InvalidAttribute, and UnknownName for a monitor not reported.
    """
    if not isinstance(value, Mapping | str):
        raise InvalidDocument(
            f"expected an object of settings, got {show(value)} at {path}",
            path=path,
            hint='for example {"monitor": "val_loss", "patience": 3}',
        )
    document = value if isinstance(value, Mapping) else {"monitor": value}
    settings = read_settings(document, _ATTRIBUTES, path, "early stopping")
    names = tuple(reported)
    if settings["monitor"] not in names:
        raise UnknownName(
            f"no epoch reports '{settings['monitor']}'",
            path=f"{path}.monitor",
            hint=_of_monitor(settings["monitor"], names),
        )
    if settings["mode"] == "auto":
        watched = settings["monitor"].removeprefix(_VALIDATED)
        settings["mode"] = "max" if watched.endswith(_MORE_IS_BETTER) else "min"
    return EarlyStopping(**settings)


def best_mode(monitor: str) -> str | None:
    """Whether less or more of a metric is better, by its name; None if that is not known."""
    watched = monitor.removeprefix(_VALIDATED)
    if watched.endswith(_MORE_IS_BETTER):
        return "max"
    return "min" if watched == "loss" or watched.endswith(_LESS_IS_BETTER) else None


def _of_monitor(monitor: str, names: Collection[str]) -> str:
    """How to get a metric that no epoch reports."""
    name = monitor.removeprefix(_VALIDATED)
    unasked = f'name it in the metrics, "metrics": ["{name}"]; what is reported is {", ".join(names)}'
    if not monitor.startswith(_VALIDATED) or any(each.startswith(_VALIDATED) for each in names):
        return unasked if _is_metric(name) else did_you_mean(monitor, names) or unasked
    near = name if name in names else next(iter(get_close_matches(name, names, n=1, cutoff=0.5)), None)
    message = (
        f"'{monitor}' is measured on validation data, and this job has none: give validation_split=0.2, or "
        "validation_data"
    )
    if near is None or (near != name and _is_metric(name)):
        return f"{message}; and {unasked}"
    if near != name:
        return f"{message}; and watch '{_VALIDATED}{near}'"
    return f"{message}; '{name}' alone is that of the rows trained on, and says nothing of new ones"


def _is_metric(name: str) -> bool:
    """Whether a name is one of the table's metrics or losses, asked for or not."""
    for registry in (METRICS, LOSSES):
        with suppress(UnknownName):
            registry.named(name, "")
            return name not in ("loss", "acc")
    return False
