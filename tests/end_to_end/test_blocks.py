"""Every block of code on every page is run by a test, or is listed here with the reason why not."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from service.api.responses.jobs import MachineWarning
from tests.end_to_end import test_guides, test_wire_page
from tests.end_to_end.conftest import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: The catalogue of diagnoses is generated from programs that tests/engine/diagnosis runs.
PAGES = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "clients/python/README.md"]
PAGES = sorted(page for page in PAGES if page.name != "diagnosis-catalogue.md")
#: Languages by page, for pages that other tests run; `json` and `text` show what the block before returns.
RUN = {
    **{ROOT / "docs" / page: {"http", "short"} for page in test_wire_page.PAGES},
    ROOT / "README.md": {"python", "curl"},  # test_readme
    ROOT / "clients/python/README.md": {"python"},  # tests/client/test_package.py
}
for name in test_guides.PAGES:
    RUN[ROOT / "docs" / name] = RUN.get(ROOT / "docs" / name, set()) | {"python"}
for name in test_guides.WITH_CURL:
    RUN[ROOT / "docs" / f"{name}.md"] = RUN.get(ROOT / "docs" / f"{name}.md", set()) | {"curl"}
NOT_RUN = {
    "make run": "starts a server and does not end",
    "make check": "is what runs the tests",
    "pip install ./clients/python": "installs into the reader's environment",
    "docker build": "needs a container runtime",
    "JSON graph / infix program": "is a drawing",
    '{"status": "not_ready"': "needs a worker that ends again and again",
    '{"code": "other_machine"': "is compared with its model below: two machines would be needed",
}


def language(label: str, code: str) -> str:
    """What kind of block it is: `curl` for shell commands of curl, `short` for requests with an arrow."""
    if label == "sh" and code.startswith("curl"):
        return "curl"
    return "short" if not label and "→ {" in code else label


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(language(label, code), code) for label, code in FENCE.findall(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_run_by_a_test(page: Path) -> None:
    found = [("", ""), *blocks(page)]
    for (before, _), (kind, code) in pairwise(found):
        shown = {"json": "curl", "text": "python"}.get(kind)
        if shown and before == shown:
            continue
        known = kind in RUN.get(page, set()) or any(code.startswith(start) for start in NOT_RUN)
        assert known, f"{page.name} shows this, and no test runs it:\n{code}"


def test_the_warning_of_another_machine_is_one() -> None:
    (code,) = (code for kind, code in blocks(ROOT / "docs" / "jobs.md") if "other_machine" in code)
    MachineWarning.model_validate_json(code)
