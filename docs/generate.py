"""Write ops.md, settings.md, errors.md and tables of http.md and training.md: generate.py [--check].

With --check nothing is written; the exit status is 1 if a page is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

import engine.ops  # noqa: F401 - fills the table
from engine.ir.table import TABLE
from engine.ops.describe import describe
from service.api import openapi
from service.api.routes import ROUTES
from service.settings import Settings, default_text, variable
from service.wire.problems import ERRORS, ErrorEntry

FOLDER = SOURCE = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))  # the table of differences stands beside the test that holds it exact

from docs import training_tables  # noqa: E402 - it needs the path
from tests.engine.differences import TABLE as DIFFERENCES  # noqa: E402 - the same
from tests.engine.differences import Deliberate  # noqa: E402

OPS_HEAD = """\
# Ops

<!-- Generated from the table of ops by docs/generate.py; `make generate` writes it anew. -->

{count} ops. Names are the array API's; NumPy, TensorFlow and short names are aliases, accepted everywhere.
The signature is that of programs: arrays first, then attributes with their defaults. *Gradient* says which
inputs carry one; "stopped" is a cut on purpose. A running server answers the same records under `/v1/ops`.
"""

SETTINGS_HEAD = """\
# Settings

<!-- Generated from service/settings.py by docs/generate.py; `make generate` writes it anew. -->

Each setting is a variable in the environment and a flag of `gradwire-server serve`; a flag wins.

| variable | default | |
| --- | --- | --- |
"""


ERRORS_HEAD = """\
# Errors

<!-- Generated from engine/errors.py and service/wire/problems.py by docs/generate.py (`make generate`). -->

Errors are RFC 9457 problems, `application/problem+json`; [the wire format](wire.md#errors) shows one. A code
never changes its meaning; `detail` and `hint` are for people and may be worded anew.

| code | status | means | cure |
| --- | --- | --- | --- |
"""


#: Below it stand the rows of the endpoints, which are generated; the rest of that page is written by hand.
HTTP_HEAD = "| endpoint | | parameters | status |\n| --- | --- | --- | --- |\n"

DIFFERENCES_HEAD = """\
## Where ops differ from NumPy and SciPy

A test compares every op's defaults, and its values, dtypes and shapes at zeros, infinities, NaN, huge and
tiny numbers, empty tensors and scalars, in floats, integers and booleans, with NumPy, SciPy or the formula
written out. These differences are deliberate, and there are no others.

| ops | what they do | why |
| --- | --- | --- |
"""


def ops_page(records: Iterable[dict[str, Any]]) -> str:
    """The page of ops, groups in alphabetical order and ops by name."""
    ordered = sorted(records, key=lambda record: (record["group"], record["name"]))
    groups = groupby(ordered, key=lambda record: record["group"])
    sections = [section(group, list(members)) for group, members in groups]
    return "\n".join([OPS_HEAD.format(count=len(ordered)), *sections, differences(DIFFERENCES)])


def differences(rows: Iterable[Deliberate]) -> str:
    """The deliberate differences from NumPy and SciPy."""
    named = [(", ".join(f"`{op}`" for op in sorted(r.ops.split())), r.ours, r.why) for r in rows]
    return DIFFERENCES_HEAD + "\n".join(row(*cells) for cells in named) + "\n"


def section(group: str, records: list[dict[str, Any]]) -> str:
    """One group: a table, then what its ops agree on at kinks and corners."""
    rows = [row(f"`{r['signature']}`", r["summary"].rstrip("."), gradient(r), aliases(r)) for r in records]
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


def gradient(record: dict[str, Any]) -> str:
    """`yes`, or for each input that differs, what happens there and why."""
    inputs = record["inputs"]
    if not inputs:
        return "no inputs"
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


def settings_page(fields: dict[str, FieldInfo]) -> str:
    """One row a setting, in the order in which they are declared."""
    rows = [
        row(f"`{variable(name)}`", default(field), field.description or "") for name, field in fields.items()
    ]
    return SETTINGS_HEAD + "\n".join(rows) + "\n"


def default(field: FieldInfo) -> str:
    """The default as code; empty where there is none."""
    text = default_text(field)
    return f"`{text}`" if text else ""


def errors_page(entries: Mapping[str, ErrorEntry]) -> str:
    """One row a code, by status."""
    ordered = sorted(entries.items(), key=lambda item: (item[1].status, item[0]))
    rows = [row(f"`{code}`", str(entry.status), entry.title, entry.cure) for code, entry in ordered]
    return ERRORS_HEAD + "\n".join(rows) + "\n"


def http_page(text: str) -> str:
    """The page of the HTTP interface with a row for each endpoint, in the order of the OpenAPI document."""
    paths = openapi.build(ROUTES, version="", keyed=False)["paths"]
    rows = [
        endpoint(method.upper(), path, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    head, _, tail = text.partition(HTTP_HEAD)
    rest = tail[tail.index("\n\n") :]
    return head + HTTP_HEAD + "\n".join(rows) + rest


def endpoint(method: str, path: str, operation: Mapping[str, Any]) -> str:
    """One row: what the endpoint does, its query parameters, and its statuses if all goes well."""
    parameters = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
    statuses = [status for status in operation["responses"] if status < "300"]
    named = ", ".join(f"`{name}`" for name in parameters)
    return row(f"`{method} {path}`", operation["summary"], named, ", ".join(statuses))


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check compare them."""
    pages = {
        "ops.md": ops_page(describe(op, full=True) for op in TABLE.public()),
        "errors.md": errors_page(ERRORS),
        "settings.md": settings_page(Settings.model_fields),
        "training.md": training_tables.fill((SOURCE / "training.md").read_text()),
        "http.md": http_page((SOURCE / "http.md").read_text()),
    }
    lagging = [name for name, text in pages.items() if _read(FOLDER / name) != text]
    if "--check" in arguments:
        for name in lagging:
            print(f"docs/{name} lags behind its records: run `make generate`", file=sys.stderr)
        return 1 if lagging else 0
    for name in lagging:
        (FOLDER / name).write_text(pages[name], encoding="utf-8")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
