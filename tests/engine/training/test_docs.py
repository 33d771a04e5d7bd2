"""The page about training names every record and every setting."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from engine.training.catalogue.activations import ACTIVATIONS
from engine.training.catalogue.initializers import INITIALIZERS
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.metrics import METRICS
from engine.training.catalogue.optimizers import OPTIMIZERS
from engine.training.catalogue.schedules import SCHEDULES
from engine.training.model.layers import LAYERS

PAGE = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
NAMES = [
    (catalogue.what, record.name)
    for catalogue in (ACTIVATIONS, INITIALIZERS, LAYERS, LOSSES, METRICS, OPTIMIZERS, SCHEDULES)
    for record in catalogue  # type: ignore[attr-defined]  # each is a catalogue of its own kind of record
]


@pytest.mark.parametrize(("what", "name"), NAMES)
def test_every_record_is_on_the_page(what: str, name: str) -> None:
    assert re.search(rf"(?<!\w){name}(?!\w)", PAGE), f"the {what} {name}"


@pytest.mark.parametrize("catalogue", [LAYERS, OPTIMIZERS, SCHEDULES], ids=lambda catalogue: catalogue.what)
def test_every_setting_is_on_the_page(catalogue: Any) -> None:
    names = {attribute.name for record in catalogue for attribute in record.attributes}
    assert sorted(name for name in names if f"`{name}`" not in PAGE) == []
