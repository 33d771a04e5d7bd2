"""Every example of these pages of docs/ is sent to a real server, which responds as the page says."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import ROOT, Server

ANYTHING = "…"
PAGES = (
    "wire.md", "derivatives.md", "stable.md", "diagnosis.md", "which-kind.md", "programs.md", "graphs.md",
    "devices.md", "compiled.md",
)  # fmt: skip
TEXT = "".join((ROOT / "docs" / page).read_text() for page in PAGES)
EXAMPLES: list[tuple[str, ...]] = re.findall(
    r"^```http\n(?P<method>[A-Z]+) (?P<path>\S+)\n(?P<body>.*?)\n\n(?P<status>\d+)\n(?P<answer>.*?)^```$",
    TEXT,
    flags=re.MULTILINE | re.DOTALL,
)
#: The short form of an example: the kind and the request, an arrow, the response.
SHORT: list[tuple[str, ...]] = re.findall(r"^([a-z]+) (\{.*\})(?:\n| )→ (\{.*\})$", TEXT, flags=re.MULTILINE)


def matches(shown: Any, got: Any) -> bool:
    """Equality, where the page's "…" stands for any value and, as a key, for further members."""
    if shown == ANYTHING:
        return True
    if isinstance(shown, dict) and isinstance(got, dict):
        keys = set(shown) - {ANYTHING}
        complete = ANYTHING in shown or keys == set(got)
        return complete and keys <= set(got) and all(matches(shown[key], got[key]) for key in keys)
    if isinstance(shown, list) and isinstance(got, list):
        return len(shown) == len(got) and all(map(matches, shown, got))
    return type(shown) is type(got) and bool(shown == got)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 40
    assert len(SHORT) >= 25
    assert TEXT.count("```http\n") == len(EXAMPLES)
    assert TEXT.count("→ {") == len(SHORT)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[1])
def test_example(server: Server, example: tuple[str, ...]) -> None:
    method, path, body, status, answer = example
    got = httpx.request(method, server.url + path, json=json.loads(body), timeout=30)
    assert got.status_code == int(status), got.text
    assert matches(json.loads(answer), got.json()), got.text


@pytest.mark.parametrize("example", SHORT, ids=lambda example: example[0])
def test_short_example(server: Server, example: tuple[str, ...]) -> None:
    kind, body, answer = example
    got = httpx.post(f"{server.url}/v1/{kind}", json=json.loads(body), timeout=30)
    assert got.status_code == 200, got.text
    assert matches(json.loads(answer), got.json()), got.text


def test_a_matcher_that_finds_differences() -> None:
    assert matches({"a": 1, "…": "…"}, {"a": 1, "b": 2})
    assert not matches({"a": 1}, {"a": 1, "b": 2})
    assert not matches({"a": [1.0, "…"]}, {"a": [2.0, 3]})
    assert not matches(1, 1.0)
