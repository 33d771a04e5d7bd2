"""Shared by all tests: settings of random examples, and the oracles, imported only if a test uses them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import hypothesis
import numpy as np
import pytest

# A busy machine is no failure; in CI the same examples are drawn every time.
hypothesis.settings.register_profile("gradwire", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("gradwire")


_beginnings: dict[int, Any] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A module's RNG starts anew for each test: no draw hangs on what ran before."""
    generator = getattr(getattr(item, "module", None), "RNG", None)
    if isinstance(generator, np.random.Generator):
        bits = generator.bit_generator
        bits.state = _beginnings.setdefault(id(generator), bits.state)


@pytest.fixture(scope="session")
def oracle() -> Callable[[str], ModuleType]:
    """`oracle("torch")` imports a peer; where it is missing the test is skipped.

    With GRADWIRE_REQUIRE_ORACLES=1, as in CI, a missing peer fails the test instead. Keras runs on PyTorch.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")  # read once, when it is imported

    def load(name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name.partition(".")[0]:
                raise
            message = f"oracle '{name}' is not installed: pip install -e '.[oracles]'"
            if os.environ.get("GRADWIRE_REQUIRE_ORACLES") == "1":
                pytest.fail(message)
            pytest.skip(message)

    return load
