"""Where a run stands, beside its arrays: plain numbers that go through JSON and come back the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from engine.ir.attributes import to_json
from engine.ir.json_numbers import NON_FINITE
from engine.training.job.early_stopping import Watch
from engine.training.loop.drift import Losses


@dataclass(slots=True)
class Progress:
    """`epoch` epochs are done and `batch` batches of the next; `totals` are its sums and counts so far.

    `reason` is set when no step is left, `finished` once that was reported; `reported` are the parameters of
    which a warning has said that they do not learn, `codes` the other warnings, `losses` those of epochs.
    """

    epoch: int = 0
    batch: int = 0
    totals: dict[str, list[Any]] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    reason: Literal["completed", "early_stopping"] | None = None
    finished: bool = False
    reported: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    losses: Losses = field(default_factory=Losses)

    def add(self, sums: Mapping[str, tuple[float, int]]) -> None:
        """Take in the sums and counts of a batch."""
        for name, (total, count) in sums.items():
            entry = self.totals.setdefault(name, [0.0, 0])
            entry[0] += total
            entry[1] += count

    def sums(self) -> dict[str, tuple[float, int]]:
        """The sums and counts so far."""
        return {name: (total, count) for name, (total, count) in self.totals.items()}

    def start_epoch(self) -> None:
        """Forget the sums of the epoch that is done."""
        self.batch = 0
        self.totals = {}

    def document(self) -> dict[str, Any]:
        """As JSON."""
        totals = {name: [to_json(total), count] for name, (total, count) in self.totals.items()}
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "totals": totals,
            "watch": {name: to_json(value) for name, value in asdict(self.watch).items()},
            "reason": self.reason,
            "finished": self.finished,
            "told": list(self.reported),
            "codes": list(self.codes),
            "losses": {name: to_json(value) for name, value in asdict(self.losses).items()},
        }

    @staticmethod
    def read(document: Mapping[str, Any]) -> Progress:
        """What `document` wrote."""
        totals = {name: [_number(total), count] for name, (total, count) in document["totals"].items()}
        watch = Watch(**{name: _number(value) for name, value in document["watch"].items()})
        return Progress(
            document["epoch"],
            document["batch"],
            totals,
            watch,
            document["reason"],
            document["finished"],
            list(document.get("told", ())),
            list(document.get("codes", ())),
            Losses(**{name: _numbers(value) for name, value in document.get("losses", {}).items()}),
        )


def _numbers(value: Any) -> Any:
    return [_number(each) for each in value] if isinstance(value, list) else _number(value)


def _number(value: Any) -> Any:
    return NON_FINITE[value] if isinstance(value, str) else value
