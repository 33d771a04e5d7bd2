"""Optimisers that are given variables, as in PyTorch: one error shows the call that works here."""

from __future__ import annotations

import re
from typing import Any

import pytest

import gradwire as gw
from gradwire.errors import OptimizerError

SETTINGS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"learning_rate": 0.1},
    {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-6},
    {"weight_decay": 0.01},
]


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_variables_and_foreign_settings_are_told_in_one_error(kind: str, settings: dict[str, Any]) -> None:
    with pytest.raises(OptimizerError, match="apply_gradients") as caught:
        getattr(gw.optimizers, kind)([gw.Variable(2.0)], **settings)
    pasted = re.search(r"write (gw\..*\))$", str(caught.value))
    assert pasted is not None
    made = eval(pasted[1], {"gw": gw})
    assert made.learning_rate == settings.get("lr", settings.get("learning_rate", 0.001))
    assert (made.beta_1, made.beta_2) == settings.get("betas", (0.9, 0.999))
    assert made.epsilon == settings.get("eps", 1e-7)


def test_an_optimizer_of_ones_own_may_take_variables() -> None:
    class Mine(gw.optimizers.SGD):
        def __init__(self, variables: list[gw.Variable], rate: float) -> None:
            super().__init__(rate)
            self.mine = variables

    assert Mine([gw.Variable(1.0)], rate=0.5).learning_rate == 0.5
