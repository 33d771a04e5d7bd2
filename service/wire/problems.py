"""Every error as RFC 9457 problem details: one table of codes, and what renders them.

From the table come the statuses, the pages under `/problems/{code}` and `docs/errors.md`. The engine's errors
bring code, title and cure with their class (`engine/errors.py`); the entries of HTTP's own errors are here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import EngineError, UserError
from service.wire.json_numbers import dumps
from service.wire.stored_answer import StoredAnswer

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One code: its HTTP status, a title, and what a person should do about it."""

    status: int
    title: str
    cure: str


_HTTP: Mapping[str, ErrorEntry] = {
    "malformed_http": ErrorEntry(
        400,
        "The bytes are no request that this server reads",
        "Send HTTP/1.1 with a short head and the body at once; most HTTP libraries do.",
    ),
    "malformed_json": ErrorEntry(
        400,
        "The body is not strict JSON",
        "Send one UTF-8 JSON object without duplicate keys, NaN or Infinity literals, or anything after it.",
    ),
    "unauthorized": ErrorEntry(
        401, "A key is required", "Send the server's key as 'Authorization: Bearer KEY'."
    ),
    "not_found": ErrorEntry(404, "There is nothing here", "See /docs for the paths that exist."),
    "graph_not_found": ErrorEntry(
        404, "No such graph", "Publish the graph with POST /v1/graphs and call it by the id in the answer."
    ),
    "job_not_found": ErrorEntry(404, "No such job", "GET /v1/jobs lists the jobs that there are."),
    "dataset_not_found": ErrorEntry(
        404, "No such data set", "Upload it with POST /v1/datasets and name it by the id in the answer."
    ),
    "checkpoint_not_found": ErrorEntry(
        404, "No such checkpoint", "GET /v1/jobs/{id}/checkpoints lists those that are kept."
    ),
    "method_not_allowed": ErrorEntry(
        405, "The path exists, the method does not", "The Allow header lists the methods."
    ),
    "wrong_state": ErrorEntry(
        409, "Not in this state", "Look at the job's status; 'hint' says what has to happen first."
    ),
    "body_too_large": ErrorEntry(
        413,
        "The body is over the limit",
        "Send arrays as safetensors or base64, or raise GRADWIRE_MAX_BODY_BYTES.",
    ),
    "unsupported_media_type": ErrorEntry(
        415,
        "The body's type is not supported",
        "Send 'Content-Type: application/json' or 'application/x-safetensors', plain or in gzip or zstd.",
    ),
    "invalid_parameter": ErrorEntry(
        422, "A query parameter or header is wrong", "Compare the parameter named by 'path' with /docs."
    ),
    "idempotency_mismatch": ErrorEntry(
        422, "The Idempotency-Key was used for another body", "Send a new key with a new job."
    ),
    "invalid_dataset": ErrorEntry(
        422, "The file is not a data set", "Send npy, npz or CSV of plain numbers, as 'hint' says."
    ),
    "child_died": ErrorEntry(
        500,
        "The job's process died again and again",
        "The machine may be short of memory: use a smaller batch_size or model.",
    ),
    "disk_full": ErrorEntry(
        507, "The server's disk is full", "Delete jobs and data sets that are done with."
    ),
    "busy": ErrorEntry(503, "The server is busy", "Try again after the seconds in Retry-After."),
    "time_limit": ErrorEntry(
        504, "The query ran out of time", "Make the problem smaller, or raise GRADWIRE_TIME_LIMIT_S."
    ),
}


def _engine_errors(base: type[EngineError]) -> Iterator[tuple[str, ErrorEntry]]:
    """The caller's faults are 422, ours 500."""
    for error in base.__subclasses__():
        if "code" in vars(error):
            status = 422 if issubclass(error, UserError) else 500
            yield error.code, ErrorEntry(status, error.title, error.cure)
        yield from _engine_errors(error)


ERRORS: Mapping[str, ErrorEntry] = {**_HTTP, **dict(_engine_errors(EngineError))}


class Problem(Exception):
    """An error of the HTTP side: a code of the table and what is particular to this case."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        path: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.path = path
        self.hint = hint
        self.status = status
        self.headers = dict(headers or {})


def database_busy() -> Problem:
    """The problem of a database that was locked for longer than a request waits."""
    return Problem(
        "busy",
        "the server's database was locked for too long, and nothing was changed",
        hint="try again after the seconds in Retry-After",
        headers={"Retry-After": "1"},
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished response: what every tier, process and route returns.

    Large bodies go on with `parts`, pieces of memory that are sent as they are, or are `stored`.
    """

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    parts: tuple[memoryview, ...] = ()
    stored: StoredAnswer | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        if self.stored is not None:
            return self.stored.size
        return len(self.body) + sum([part.nbytes for part in self.parts]) if self.parts else len(self.body)

    def whole(self) -> bytes:
        """The whole body in one piece."""
        if self.stored is not None:
            return b"".join(self.stored.pieces())
        return b"".join([self.body, *self.parts]) if self.parts else self.body


def render(error: Problem | EngineError) -> Reply:
    """The problem document of an error; an internal error of the engine shows no details."""
    if isinstance(error, Problem):
        entry, code, headers = ERRORS[error.code], error.code, error.headers
        fields: Mapping[str, Any] = {"detail": error.detail, "path": error.path, "hint": error.hint}
        status = error.status or entry.status
    else:
        code = getattr(error, "code", "internal")
        entry = ERRORS[code]
        if entry.status >= 500:
            return internal()
        fields, status, headers = error.fields(), entry.status, {}
    return _document(code, entry, status, fields, headers)


def internal(request_id: str | None = None) -> Reply:
    """The 500 problem, which says how to report it and nothing else."""
    named = f" of request {request_id}" if request_id else ""
    return _document(
        "internal",
        ERRORS["internal"],
        500,
        {"detail": f"the server failed unexpectedly; its log has the traceback{named}"},
        {},
    )


_CODE = re.compile(rb'\{"type":"/problems/([a-z0-9_]+)"').match


def code_in(body: bytes) -> str | None:
    """The code of the problem document that a body holds or begins; None if it is none."""
    match = _CODE(body)
    return match[1].decode() if match else None


#: Further fields of a failed training run: when it failed, and the diagnosis.
_OF_TRAINING = ("step", "epoch", "diagnosis")


def _document(
    code: str, entry: ErrorEntry, status: int, fields: Mapping[str, Any], headers: dict[str, str]
) -> Reply:
    document = {
        "type": f"/problems/{code}",
        "title": entry.title,
        "status": status,
        "code": code,
        "detail": fields["detail"],
        "path": fields.get("path"),
        "node": fields.get("node"),
        "op": fields.get("op"),
        "hint": fields.get("hint") or entry.cure,
        "source": fields.get("source"),
        "estimate": fields.get("estimate"),
    }
    document |= {name: fields[name] for name in _OF_TRAINING if name in fields}
    return Reply(status, dumps(document, fallback=str), MEDIA_TYPE, headers)
