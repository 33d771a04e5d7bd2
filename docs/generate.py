"""Write docs/ops.md from the table of ops: python docs/generate.py [--check].

With --check nothing is written; the exit status is 1 where the page lags behind the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import engine.ops  # noqa: F401 - fills the table
from engine.op import TABLE

PAGE = Path(__file__).with_name("ops.md")

HEAD = """\
# Ops

<!-- Generated from the table of ops by docs/generate.py; `make generate` writes it anew. -->

{count} ops. Names are the array API's; NumPy, TensorFlow and short names are aliases, accepted everywhere.
The signature is that of programs: arrays first, then attributes with their defaults. *Gradient* says which
inputs carry one; "stopped" is a cut on purpose. A running server answers the same records under `/v1/ops`.
"""


def page(records: Iterable[dict[str, Any]]) -> str:
    """The whole page, groups in alphabetical order and ops by name."""
    ordered = sorted(records, key=lambda record: (record["group"], record["name"]))
    groups = groupby(ordered, key=lambda record: record["group"])
    sections = [section(group, list(members)) for group, members in groups]
    return "\n".join([HEAD.format(count=len(ordered)), *sections])


def section(group: str, records: list[dict[str, Any]]) -> str:
    """One group: a table, then what its ops agree on at kinks and corners."""
    rows = [row(f"`{r['signature']}`", summary(r), gradient(r), aliases(r)) for r in records]
    lines = [
        f"## {group.capitalize()}",
        "",
        "| op | | gradient | also |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
    ]
    notes = [f"- `{record['name']}`: {record['conventions']}" for record in records if record["conventions"]]
    return "\n".join([*lines, *notes, ""] if notes else lines)


def summary(record: dict[str, Any]) -> str:
    """The op's sentence, capitalised, without a full stop."""
    text: str = record["summary"].strip().rstrip(".")
    return text[:1].upper() + text[1:]


def gradient(record: dict[str, Any]) -> str:
    """`yes`, or for each input that differs, what happens there and why."""
    inputs = record["inputs"]
    if all(entry["differentiable"] == "yes" for entry in inputs):
        return "yes" if record["second_order"] else "first order only"
    return "; ".join(_per_input(inputs))


def aliases(record: dict[str, Any]) -> str:
    """Other names, in code style."""
    return ", ".join(f"`{name}`" for name in record["aliases"])


def row(*cells: str) -> str:
    """One line of a table; bars inside a cell are escaped."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _per_input(inputs: list[dict[str, Any]]) -> Iterator[str]:
    words = {"yes": "yes", "no": "no", "stopped": "stopped", "not_implemented": "not yet"}
    for entry in inputs:
        reason = f" ({entry['why'].rstrip('.')})" if entry.get("why") else ""
        yield f"{entry['name']}: {words[entry['differentiable']]}{reason}"


def main(arguments: list[str]) -> int:
    """Write the page, or with --check compare it."""
    text = page(op.describe(full=True) for op in TABLE.public())
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/ops.md lags behind the table of ops: run `make generate`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
