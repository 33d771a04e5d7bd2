"""The tables of training.md, from the records of what a job may name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine.ir.attributes import to_json
from engine.training.catalogue.activations import ACTIVATIONS
from engine.training.catalogue.initializers import INITIALIZERS
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.metrics import METRICS
from engine.training.catalogue.optimizers import OPTIMIZERS, SHARED
from engine.training.catalogue.schedules import SCHEDULES
from engine.training.model.layers import LAYERS

PLACE = re.compile(r"(<!-- table: (\w+)[^>]*-->\n).*?(<!-- end of the table -->)", re.DOTALL)


def fill(page: str) -> str:
    """The page with its tables written anew; raises KeyError for a table that is unknown."""
    return PLACE.sub(lambda place: place[1] + "\n".join(TABLES[place[2]]()) + "\n" + place[3], page)


def layers() -> list[str]:
    """A row a layer."""
    rows = [(f"`{r.name}`", settings(r.attributes), r.summary.rstrip(".")) for r in LAYERS]
    return table(("layer", "settings (defaults)", "does"), rows)


def losses() -> list[str]:
    """A row a loss."""
    rows = [(names(r), settings(r.attributes), r.summary.rstrip(".")) for r in LOSSES]
    return table(("loss", "settings (defaults)", "is"), rows)


def metrics() -> list[str]:
    """A row a metric that is no loss."""
    of_losses = {record.name for record in LOSSES}
    own = [record for record in METRICS if record.name not in of_losses]
    rows = [(names(r), settings(r.attributes), r.summary.rstrip(".")) for r in own]
    return table(("metric", "settings (defaults)", "is"), rows)


def optimizers() -> list[str]:
    """A row an optimiser."""
    rows = []
    for record in OPTIMIZERS:
        own = [a for a in record.attributes if a.name not in SHARED or a.default is not None]
        rows.append(
            (f"{names(record)}, {record.learning_rate:g}", settings(own), record.summary, record.formula)
        )
    return table(("name, rate", "settings (defaults)", "", "formula"), rows)


def schedules() -> list[str]:
    """A row a schedule."""
    rows = [(names(r), settings(r.attributes), r.formula) for r in SCHEDULES]
    return table(("name", "settings (defaults)", "rate at s"), rows)


def initializers() -> list[str]:
    """A row an initialiser."""
    rows = [(names(r), settings(r.attributes), r.summary.rstrip(".")) for r in INITIALIZERS]
    return table(("name", "settings (defaults)", "is"), rows)


def activations() -> list[str]:
    """All names in a sentence."""
    return [", ".join(f"`{record.name}`" for record in ACTIVATIONS) + "."]


TABLES: Mapping[str, Callable[[], list[str]]] = {
    function.__name__: function
    for function in (layers, losses, metrics, optimizers, schedules, initializers, activations)
}


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A table in Markdown; bars inside of cells are escaped."""
    heads = list(heads)
    lines = [[*heads], ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in lines]


def names(record: Any) -> str:
    """A record's name, with the others that say something else."""
    return f"`{record.name}`" + (f" ({', '.join(record.aliases)})" if record.aliases else "")


def settings(attributes: Iterable[Any]) -> str:
    """Settings with their defaults."""
    return ", ".join(f"`{attribute.name}`{default(attribute)}" for attribute in attributes)


def default(attribute: Any) -> str:
    """A setting's default in brackets; nothing if it is required, or absent unless given."""
    value = attribute.default
    if repr(value) == "REQUIRED" or value is None:
        return ""
    if attribute.kind.name == "initializer":
        return f" ({value.record.name})"
    if attribute.kind.name == "activation":
        return f" ({value.name})"
    value = to_json(value[0] if isinstance(value, tuple) and len(value) == 1 else value)
    shown = (
        str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    )
    return f" ({shown})"
