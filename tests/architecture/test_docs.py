"""Links and paths of the documentation exist, decisions are listed, changelog fragments are well formed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "changelog.d/README.md",
    ROOT / "clients/python/README.md",
]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
#: A path of this repository in code font; `<group>` stands for any name.
PATH = re.compile(r"`((?:engine|service|clients|tests|docs|examples|benchmarks|changelog\.d)/[\w./<>-]*)`")
#: A link whose text is a file or a folder.
FILE_LINK = re.compile(r"\[([\w./]+(?:\.py|/))\]\(([^)\s]+)\)")


def prose(path: Path) -> str:
    """The page without its code."""
    return CODE.sub("", FENCE.sub("", path.read_text()))


def anchors(path: Path) -> set[str]:
    """The fragments that a page's headings answer to, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_resolve(page: Path) -> None:
    broken = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (fragment and path.suffix == ".md" and fragment not in anchors(path)):
            broken.append(link)
    assert not broken


@every_page
def test_paths_in_code_font_exist(page: Path) -> None:
    named = {re.sub(r"<\w+>", "*", path) for path in PATH.findall(page.read_text())}
    assert not {path for path in named if not list(ROOT.glob(path.rstrip("/")))}


@every_page
def test_links_lead_to_the_file_that_they_name(page: Path) -> None:
    wrong = [
        (text, target)
        for text, target in FILE_LINK.findall(page.read_text())
        if not (page.parent / target.removesuffix("__init__.py"))
        .resolve()
        .as_posix()
        .endswith(text.rstrip("/"))
    ]
    assert not wrong


def test_names_in_the_glossary_stand_in_the_file_beside_them() -> None:
    page = ROOT / "docs" / "glossary.md"
    named = re.findall(r"`(\w+)` in \[[^\]]+\]\(([^)]+)\)", page.read_text())
    assert named
    assert not [name for name, target in named if name not in (page.parent / target).read_text()]


def test_decisions_are_numbered_and_listed() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, page in enumerate(pages, 1):
        assert page.name.startswith(f"{number:04}-")
        title = page.read_text().splitlines()[0]
        assert title.startswith(f"# {number}. ")
        assert f"[{title.partition('. ')[2]}](decisions/{page.name})" in index
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert heading in page.read_text(), f"{page.name} lacks '{heading}'"


def test_changelog_fragments_have_a_kind_and_a_sentence() -> None:
    for path in (ROOT / "changelog.d").iterdir():
        if path.name == "README.md":
            continue
        assert re.fullmatch(r"\+[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md", path.name), path.name
        text = path.read_text().strip()
        assert text.endswith("."), f"{path.name}: a sentence ends with a full stop"
        assert not text.startswith(("-", "*", "#")), f"{path.name}: towncrier makes the bullet"
