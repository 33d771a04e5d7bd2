"""The code blocks of the README run as they stand, against a real server."""

from __future__ import annotations

import json
import re
import sys

from tests.end_to_end.conftest import ROOT, Server

README = (ROOT / "README.md").read_text()
DEFAULT_URL = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    """The fenced code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_curl_returns_the_gradient_that_is_shown(server: Server) -> None:
    (command,) = (block for block in blocks("sh") if block.startswith("curl"))
    (shown,) = blocks("json")
    printed = server.run(["bash", "-c", command.replace(DEFAULT_URL, server.url)])
    assert json.loads(printed) == json.loads(shown)


def test_the_sdk_fits_a_line(server: Server) -> None:
    program = next(block for block in blocks("python") if "SGD" in block)
    assert len([line for line in program.splitlines() if line.strip()]) <= 10
    printed = server.run([sys.executable, "-c", program])
    w, b = (float(number) for number in re.findall(r"\[([-0-9.e]+)\]", printed))
    assert abs(w - 2) < 0.05
    assert abs(b) < 0.12


def test_the_missing_gradient_is_explained(server: Server) -> None:
    program = next(block for block in blocks("python") if "explain" in block)
    quiet = "error,ignore:the gradient by"  # which is what the program shows
    first, *report = server.run([sys.executable, "-c", program], PYTHONWARNINGS=quiet).splitlines()
    assert first == "None"
    text = "\n".join(report)
    for word in ("w", "blocked", "round"):
        assert word in text


def test_the_commands_shown_are_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
