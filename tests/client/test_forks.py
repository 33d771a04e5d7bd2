"""Forked children, pools and workers: each gets its own results, nothing hangs, errors arrive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("forking.py")
SDK = Path(__file__).parents[2] / "clients" / "python" / "src"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")


def answers(scenario: str, url: str, timeout: float = 240) -> dict[str, int]:
    """What a scenario of the program counts; raises AssertionError, showing what it said, where it fails."""
    environment = {**os.environ, "GRADWIRE_URL": url, "PYTHONPATH": str(SDK), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), scenario],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{scenario} failed\n{done.stdout}\n{done.stderr}"
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts


@pytest.mark.parametrize(
    "scenario",
    [
        "forks",
        "idle_connection",
        "grandchildren",
        "locks",
        "streams",
        "event_loops",
        "tapes",
        "draws",
        "unaware",
        "transports",
        "pools:fork",
        "pools:forkserver",
        "pools:spawn",
    ],
)
def test_every_answer_is_the_askers_own(scenario: str, url: str) -> None:
    counts = answers(scenario, url)
    assert counts["asked"] > 0
    assert counts["right"] == counts["asked"]


@pytest.mark.parametrize(
    ("package", "scenario"),
    [
        ("joblib", "joblib:loky"),
        ("joblib", "joblib:multiprocessing"),
        ("emcee", "emcee"),
        ("torch", "loader"),
    ],
)
@pytest.mark.oracle
def test_pools_of_other_packages(package: str, scenario: str, url: str, oracle: Callable[[str], Any]) -> None:
    oracle(package)
    counts = answers(scenario, url)
    assert counts["asked"] > 0
    assert counts["right"] == counts["asked"]


@pytest.mark.slow
def test_ten_thousand_answers_of_forked_children(url: str) -> None:
    assert answers("many_forks", url, timeout=900) == {"asked": 10_000, "right": 10_000}
