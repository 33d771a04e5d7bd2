"""JSON as RFC 8259 has it and no further: UTF-8, one object, every key once, no NaN, no 1e999.

The parser is pydantic's (jiter), which refuses bad UTF-8, lone surrogates, NaN literals, trailing text
and deep nesting by itself. It keeps the last of duplicate keys, so keys are counted in the text and in
the result; only when the counts differ does a slow walk look for the culprit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from math import isinf
from typing import Any

from pydantic_core import from_json

from engine.errors import InvalidTensor
from service.wire.json_numbers import INFINITY, LISTED, loads
from service.wire.problems import Problem

_KEY = re.compile(rb'"(?:[^"\\]++|\\.)*+"\s*+(:)?')  # in valid JSON, a string followed by a colon
_FINITE = frozenset({str, bool, int, type(None)})
_INF = float("inf")
_LISTS = frozenset({list})
_FLAT = frozenset({int, float, str, bool, type(None)})
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_object(text: bytes, *, tensors: str | None = None) -> dict[str, Any]:
    """The one JSON object in `text`. Raises Problem malformed_json, naming line and column or the key's path.

    A number beyond float64 (1e999) raises InvalidTensor with its path; under the field `tensors` that is left
    to whoever makes arrays of it, so that a request is not walked through twice.
    """
    if text.startswith(b"\xef\xbb\xbf"):
        raise Problem("malformed_json", "expected JSON, got a byte order mark at line 1 column 1", path="$")
    try:
        value = loads(text)
    except ValueError as error:
        raise Problem(
            "malformed_json", f"expected a JSON object: {error}", path="$", hint=_hint(error, text)
        ) from None
    if not isinstance(value, dict):
        shown = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}.get(
            type(value), "a number"
        )
        raise Problem("malformed_json", f"expected a JSON object, got {shown} at $", path="$")
    keys, overflow = None if tensors is None else _glance(value, text, tensors), False
    if keys is None:
        keys, overflow = _survey(value)
    # As many colons as keys: no key came twice. Colons inside strings call for the slower count.
    if text.count(b":") != keys and _KEY.findall(text).count(b":") != keys:
        _refuse_duplicate(text)
    if overflow:
        _refuse_overflow(value)
    return value


def child_path(path: str, key: str | int) -> str:
    """`$.a` and `b` make `$.a.b`; indices and odd keys go in brackets."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if _PLAIN.fullmatch(key):
        return f"{path}.{key}"
    shown = key if len(key) <= 60 else key[:57] + "..."
    return f"{path}[{shown!r}]"


def _hint(error: ValueError, text: bytes) -> str | None:
    message = str(error)
    if "recursion" in message:
        return "the nesting is deeper than 200 levels; flatten the document"
    if "number out of range" in message:
        return "a number has more digits than any dtype can hold"
    if "trailing comma" in message:
        return "leave the last comma out"
    if "key must be a string" in message:
        return 'keys and strings have double quotes: {"x": [1, 2]}'
    if "expected value" in message or "invalid number" in message:
        return _about_value(message, text)
    return None


def _about_value(message: str, text: bytes) -> str:
    """What to write at the place that an error names, where a value should stand."""
    place = re.search(r"line (\d+) column (\d+)", message)
    line, column = (int(place[1]), int(place[2])) if place else (1, 1)
    rest = text.split(b"\n")[line - 1][max(column - 1, 0) :].lstrip()
    for start, hint in _VALUES:
        if rest.startswith(start):
            return hint
    return f"JSON has no NaN or Infinity; send the strings {LISTED}"


_VALUES = (
    (b".", "numbers have a digit before the point: 0.5"),
    (b"+", "numbers have no plus sign: 1, not +1"),
    (b"'", "strings have double quotes"),
    (b"True", "booleans are true and false"),
    (b"False", "booleans are true and false"),
    (b"None", "nothing is null"),
    (b",", "a value is missing before the comma"),
    (b"]", "a value is missing, or a comma is too many"),
    (b"}", "a value is missing, or a comma is too many"),
    (b"(", "lists have square brackets"),
)


def _glance(root: dict[str, Any], text: bytes, tensors: str) -> int | None:
    """How many keys there are in all, if no number outside `tensors` could be infinite; else None.

    Braces in the text that no object accounts for are in strings or in lists: None, too.
    """
    keys, objects = len(root), 1
    for name, item in root.items():
        kind = type(item)
        if kind is dict:
            if name != tensors:
                return None
            nodes = [item]
            for node in nodes:  # it grows on the way
                keys += len(node)
                nodes += [inner for inner in node.values() if type(inner) is dict]
            objects += len(nodes)
        elif not (kind in _FINITE or (kind is list and _FINITE.issuperset(map(type, item)))):
            return None
    return keys if text.count(b"{") == objects else None


def _survey(root: dict[str, Any]) -> tuple[int, bool]:
    """How many keys there are in all, and whether a number came out infinite; no paths, for speed."""
    keys, overflow = 0, False
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is dict:
            keys += len(node)
            stack += node.values()
        elif kind is list:
            kinds = set(map(type, node))
            if kinds == _LISTS:  # a tensor: level by level instead of list by list
                stack.append(list(chain.from_iterable(node)))
            elif kinds <= _FLAT:
                overflow = overflow or _INF in node or -_INF in node
            else:
                stack += node
        elif kind is float and isinf(node):
            overflow = True
    return keys, overflow


def _containers(root: Any) -> Iterator[tuple[str, Any]]:
    """Every object and list below `root` with its path; lists of plain values are passed over at C speed."""
    stack: list[tuple[str, Any]] = [("$", root)]
    while stack:
        path, node = stack.pop()
        yield path, node
        children = node.items() if isinstance(node, dict) else enumerate(node)
        if isinstance(node, list) and _FLAT.issuperset(map(type, node)):
            continue
        stack.extend((child_path(path, key), item) for key, item in children if type(item) in (dict, list))


def _refuse_overflow(root: Any) -> None:
    for path, node in _containers(root):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            if type(item) is float and isinf(item):
                place = child_path(path, key)
                raise InvalidTensor(
                    f"expected a number that fits float64, got one beyond it at {place}",
                    path=place,
                    hint=f'write "{INFINITY}" where infinity is meant',
                )


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\]:,]')


def _refuse_duplicate(text: bytes) -> None:
    """Walk the tokens of valid JSON with a stack of open containers until a key comes a second time."""
    stack: list[tuple[str, set[str] | None]] = []  # path, keys so far (None: a list)
    path, counters, expect_key = "$", [0], False
    for token in _TOKEN.finditer(text):
        first = token[0][:1]
        if first in b"{[":
            stack.append((path, set() if first == b"{" else None))
            counters.append(0)
            expect_key = first == b"{"
            path = path if expect_key else f"{path}[0]"
        elif first in b"}]":
            path, _ = stack.pop()
            counters.pop()
        elif first == b",":
            parent, keys = stack[-1]
            counters[-1] += 1
            expect_key = keys is not None
            path = parent if expect_key else f"{parent}[{counters[-1]}]"
        elif first == b'"' and expect_key:
            parent, keys = stack[-1]
            key = str(from_json(token[0]))
            path, expect_key = child_path(parent, key), False
            if keys is not None and key in keys:
                line = text.count(b"\n", 0, token.start()) + 1
                column = token.start() - (text.rfind(b"\n", 0, token.start()) + 1) + 1
                raise Problem(
                    "malformed_json",
                    f"expected every key once, got {key!r} again at {path} (line {line} column {column})",
                    path=path,
                    hint="remove one of the two; which one counts is not defined",
                )
            if keys is not None:
                keys.add(key)
