"""Responses: a tree of plain data with arrays as leaves becomes bytes in the form that the caller chose."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from engine.frontend.tensors import Encoding, encode_tensor
from service.wire import safetensors as safetensors_io
from service.wire.json_numbers import dumps
from service.wire.problems import Reply

JSON = "application/json"


def wants_safetensors(accept: str | None) -> bool:
    """Whether the Accept header prefers safetensors to JSON."""
    if not accept or "safetensors" not in accept:
        return False
    quality = _qualities(accept)
    wanted = quality.get(safetensors_io.MEDIA_TYPE, 0.0)
    return wanted > 0 and wanted >= quality.get(JSON, 0.0)


def encode_answer(answer: Mapping[str, Any], encoding: Encoding, *, safetensors: bool = False) -> Reply:
    """The reply for an answer whose tensors are NumPy arrays anywhere in the tree."""
    if safetensors:
        tensors: dict[str, np.ndarray[Any, Any]] = {}
        document = _take_tensors(answer, "", tensors)
        start, parts = safetensors_io.pack(document, tensors)
        return Reply(200, start, safetensors_io.MEDIA_TYPE, parts=parts)
    if encoding == "json":
        answer = _in_lists(answer)
        return Reply(200, dumps(answer, fallback=_plain), JSON)
    fallback = partial(encode_tensor, encoding=encoding)
    return Reply(200, dumps(answer, fallback=fallback), JSON)


def _in_lists(node: Any) -> Any:
    """The tree with its arrays as lists, which spares the writer a call for each; not those in lists."""
    kind = type(node)
    if kind is dict:
        return {name: _in_lists(item) for name, item in node.items()}
    return _plain(node) if kind is np.ndarray else node


def _plain(array: np.ndarray[Any, Any]) -> Any:
    """As `encode_tensor` does; the writer of the JSON makes the strings of non-finite numbers itself."""
    return encode_tensor(array) if array.dtype.kind == "c" else array.tolist()


def json_reply(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Plain data as a JSON reply."""
    return Reply(status, dumps(document), JSON, dict(headers or {}))


def _take_tensors(node: Any, path: str, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    """`node` with every array replaced by `{"tensor": key}`; keys are paths such as `gradients/W`."""
    if isinstance(node, np.ndarray):
        if not safetensors_io.has_code(node):
            return encode_tensor(node, "base64")
        key = path
        while key in tensors:  # names may hold slashes themselves
            key += "'"
        tensors[key] = node
        return {"tensor": key}
    if isinstance(node, Mapping):
        return {
            key: _take_tensors(item, f"{path}/{key}" if path else key, tensors) for key, item in node.items()
        }
    return node


def _qualities(accept: str) -> dict[str, float]:
    """`type/subtype` → q of an Accept header; anything unreadable counts as q=1."""
    qualities = {}
    for part in accept.split(","):
        essence, *parameters = (piece.strip().lower() for piece in part.split(";"))
        q = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            qualities[essence] = float(q)
        except ValueError:
            qualities[essence] = 1.0
    return qualities
