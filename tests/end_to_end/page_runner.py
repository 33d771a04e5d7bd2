"""Runs the Python of a page of docs/ in a process of its own, as a reader would: page_runner.py PAGE [peer].

Prints one JSON document: `blocks`, what each block printed, and `rows`, for each row of a table whose first
cells are code, what they evaluate to. Blocks that import a peer (PyTorch, JAX) and their cells run with the
argument `peer` only, so that the page can be tested without them.
"""

from __future__ import annotations

import io
import json
import linecache
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

import gradwire as gw

PEERS = re.compile(r"^import (torch|jax|tensorflow)\b", re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (?P<cells>.*) \|$")
CELL = re.compile(r"`([^`]+)`")
OURS, THEIRS = {"Gradwire", "Python"}, {"PyTorch", "JAX"}


def run(page: Path, *, peer: bool) -> dict[str, Any]:
    """The outputs of the blocks and the values of the rows; ours alone unless `peer`."""
    text = page.read_text()
    names: dict[str, Any] = {}
    wanted = [found for found in BLOCK.finditer(text) if peer or not PEERS.search(found[1])]
    linecache.cache[page.name] = (len(text), None, _lines(text, wanted), page.name)
    blocks = [_printed(_numbered(text, found), names, page.name) for found in wanted]
    return {"blocks": blocks, "rows": list(_rows(text, names, peer=peer))}


def _numbered(text: str, block: re.Match[str]) -> str:
    """A block's code behind as many empty lines as stand before it on the page."""
    return "\n" * text.count("\n", 0, block.start(1)) + block[1]


def _lines(text: str, blocks: list[re.Match[str]]) -> list[str]:
    """The page as a file of Python, which explanations quote: its code in place, and empty lines."""
    lines = ["\n"] * text.count("\n")
    for block in blocks:
        first = text.count("\n", 0, block.start(1))
        code = block[1].splitlines(keepends=True)
        lines[first : first + len(code)] = code
    return lines


def _printed(code: str, names: dict[str, Any], name: str) -> str:
    """What a block prints."""
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(code, name, "exec"), names)
    return output.getvalue()


def _rows(text: str, names: dict[str, Any], *, peer: bool) -> Iterator[dict[str, Any]]:
    """The rows of every table that has a column of `OURS`, with what the code in its cells evaluates to."""
    section, columns = "", []
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        found = ROW.match(line)
        if not found:
            columns = []
            continue
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", found["cells"])]
        if not columns:
            columns = cells
        elif not cells[0].startswith("---") and OURS & {*columns}:
            named = dict(zip(columns, cells, strict=True))
            row: dict[str, Any] = {"section": section, "line": line}
            for column, cell in named.items():
                code = CELL.fullmatch(cell)
                if code and (column in OURS or (peer and column in THEIRS)):
                    row["ours" if column in OURS else "theirs"] = _value(code[1], names)
            yield row


def _value(code: str, names: dict[str, Any]) -> Any:
    try:
        return _plain(eval(code, names))
    except (Exception, Warning) as error:
        return {"error": type(error).__name__, "message": str(error)}


def _plain(value: Any) -> Any:
    """A value of any of the libraries as lists of numbers, so that they can be compared."""
    if isinstance(value, gw.Tensor | gw.Variable):
        value = value.numpy()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.dtype) or type(value).__name__ == "dtype":
        return str(value).removeprefix("torch.")
    if hasattr(value, "detach"):
        value = value.detach().resolve_conj().numpy()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return type(value).__name__
    if array.dtype == object:
        return type(value).__name__
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    return array.tolist()


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), peer="peer" in sys.argv)))
