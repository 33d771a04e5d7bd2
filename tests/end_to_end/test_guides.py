"""The Python and curl of the pages of docs/: every block and every row of code runs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.conftest import ROOT, Server
from tests.end_to_end.test_readme import DEFAULT_URL
from tests.end_to_end.test_wire_page import matches

WITH_ROWS = ("which-kind.md", "tensorflow.md", "from-pytorch.md", "from-jax.md")
PAGES = (*WITH_ROWS, "tutorial.md", "derivatives.md", "jobs.md", "programs.md", "training.md")
PEERS = {"from-pytorch.md": "torch", "from-jax.md": "jax"}
PYTHON = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
CURL = re.compile(r"^```sh\n(curl.*?)^```$\n\n^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITH_CURL = ("tutorial", "jobs", "training")
TUTORIAL, JOBS, TRAINING = ((ROOT / "docs" / f"{name}.md").read_text() for name in WITH_CURL)
COMMANDS = [example for page in (TUTORIAL, JOBS, TRAINING) for example in CURL.findall(page)]


def run(server: Server, page: str, *options: str) -> dict[str, Any]:
    """What the page's Python printed and evaluated to."""
    runner = ROOT / "tests" / "end_to_end" / "page_runner.py"
    # what some examples are about, and what PyTorch says of itself
    quiet = "error,ignore:the gradient by,ignore:`torch.jit.script` is deprecated:DeprecationWarning"
    printed = server.run(
        [sys.executable, str(runner), str(ROOT / "docs" / page), *options], PYTHONWARNINGS=quiet
    )
    found: dict[str, Any] = json.loads(printed)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_our_side_runs(server: Server, page: str) -> None:
    found = run(server, page)
    text = (ROOT / "docs" / page).read_text()
    theirs = re.compile(r"^import (torch|jax)$", re.MULTILINE)
    shown = [output for code, output in PYTHON.findall(text) if not theirs.search(code)]
    assert len(shown) == len(found["blocks"])
    for expected, got in zip(shown, found["blocks"], strict=True):
        assert not expected or got == expected
    for row in found["rows"]:
        failed = isinstance(row.get("ours"), dict) and "error" in row["ours"]
        assert failed == ("refused" in row["line"]), row
    assert bool([row for row in found["rows"] if "ours" in row]) == (page in WITH_ROWS)


@pytest.mark.oracle
@pytest.mark.parametrize("page", PEERS)
def test_both_sides_agree_where_the_page_says_so(
    server: Server, page: str, oracle: Callable[[str], ModuleType]
) -> None:
    oracle(PEERS[page])
    rows = [row for row in run(server, page, "peer")["rows"] if {"ours", "theirs"} <= row.keys()]
    assert {row["section"] for row in rows} >= {"The same", "What differs"}
    for row in rows:
        same = equal(row["ours"], row["theirs"])
        assert same == (row["section"] == "The same"), row


@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_curl_prints_what_the_page_shows(server: Server, command: str, shown: str) -> None:
    printed = server.run(["bash", "-c", command.replace(DEFAULT_URL, server.url)])
    assert matches(json.loads(shown), json.loads(printed)), printed


def test_the_pages_have_examples() -> None:
    assert len(CURL.findall(TUTORIAL)) >= 4
    assert len(COMMANDS) >= 6
    assert len(PYTHON.findall(TUTORIAL)) >= 5


def equal(ours: Any, theirs: Any) -> bool:
    """Whether two plain values have the same structure and, to rounding, the same numbers."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(equal(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(equal, ours, theirs))
    if isinstance(ours, float | int) and isinstance(theirs, float | int):
        return bool(np.isclose(ours, theirs, rtol=1e-9, atol=1e-12, equal_nan=True))
    return bool(ours == theirs)
