"""What the pages list is what there is: some are generated, others compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate
from engine.training.job.fields import FIELDS
from service.api.responses.jobs import Job
from service.queries.kinds import KINDS
from service.wire.responses import Entry
from tests.engine.diagnosis.test_catalogue import REASONS, STATUSES, WARNINGS

DOCS = Path(__file__).parents[2] / "docs"
DERIVATIVES = ("gradient", "vjp", "jvp", "jacobian", "hessian", "hvp", "gnvp")


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its first two lines."""
    _, found, text = (DOCS / page).read_text().partition(f"\n## {heading}\n")
    assert found, heading
    table = re.search(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert table
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table[0].splitlines()[2:]]


def names(cells: list[str]) -> set[str]:
    """The names in code font in the first cell of each row."""
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def kinds_of(table: list[list[str]], column: int) -> dict[str, set[str]]:
    """The kinds that each field of a table is for: all, that of its own name, or those listed."""
    found = {}
    for row in table:
        listed = DERIVATIVES if row[column] == "all" else row[column].split(", ")
        for name in names(row[:1]):
            found[name] = {name} if "of that name" in row[column] else set(listed)
    return found


def test_generated_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_that_lags_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_the_fields_of_derivatives_are_those_of_the_models() -> None:
    requests = {kind: set(KINDS[kind].request.model_fields) for kind in DERIVATIVES}
    fields = sorted({field for each in requests.values() for field in each})
    models = {field: {kind for kind, each in requests.items() if field in each} for field in fields}
    assert kinds_of(rows("derivatives.md", "Fields of a request"), 3) == models


def test_the_fields_of_responses_are_those_of_the_models() -> None:
    responses = {kind: set(KINDS[kind].response.model_fields) for kind in DERIVATIVES}
    fields = sorted({field for each in responses.values() for field in each})
    models = {field: {kind for kind, each in responses.items() if field in each} for field in fields}
    assert kinds_of(rows("derivatives.md", "Fields of a response"), 2) == models


def test_the_fields_of_jobs_are_those_of_the_table() -> None:
    assert names([row[0] for row in rows("jobs.md", "Fields of a submission")]) == {f.name for f in FIELDS}
    assert names([row[0] for row in rows("jobs.md", "Fields of a job")]) == set(Job.model_fields)


def test_the_words_of_a_diagnosis_are_those_that_are_used() -> None:
    assert names([row[0] for row in rows("diagnosis.md", "Statuses")]) == STATUSES
    assert names([row[0] for row in rows("diagnosis.md", "Reasons")]) == REASONS
    assert names([row[0] for row in rows("diagnosis.md", "Warnings")]) == WARNINGS
    fields = names([row[0] for row in rows("diagnosis.md", "Fields of an entry")])
    assert fields >= set(Entry.model_fields)
