"""Every error as RFC 9457 problem details: one table of codes, and what renders them.

The table is the whole truth: the status of an engine error, the pages under `/problems/{code}` and the
list in `docs/errors.md` all come from it. An error finds its entry by its class, nearest base first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from engine.errors import EngineError

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One code: its HTTP status, a title, and what a person should do about it."""

    status: int
    title: str
    cure: str


KINDS: Mapping[str, Kind] = {
    "malformed_json": Kind(
        400,
        "The body is not strict JSON",
        "Send one UTF-8 JSON object without duplicate keys, NaN or Infinity literals, or anything after it.",
    ),
    "unauthorized": Kind(401, "A key is required", "Send the server's key as 'Authorization: Bearer KEY'."),
    "not_found": Kind(404, "There is nothing here", "See /docs for the paths that exist."),
    "graph_not_found": Kind(
        404, "No such graph", "Publish the graph with POST /v1/graphs and call it by the id in the answer."
    ),
    "job_not_found": Kind(404, "No such job", "GET /v1/jobs lists the jobs that there are."),
    "dataset_not_found": Kind(
        404, "No such data set", "Upload it with POST /v1/datasets and name it by the id in the answer."
    ),
    "checkpoint_not_found": Kind(
        404, "No such checkpoint", "GET /v1/jobs/{id}/checkpoints lists those that are kept."
    ),
    "method_not_allowed": Kind(
        405, "The path exists, the method does not", "The Allow header lists the methods."
    ),
    "wrong_state": Kind(
        409, "Not in this state", "Look at the job's status; 'hint' says what has to happen first."
    ),
    "body_too_large": Kind(
        413,
        "The body is over the limit",
        "Send arrays as safetensors or base64, or raise GRADWIRE_MAX_BODY_BYTES.",
    ),
    "unsupported_media_type": Kind(
        415,
        "The body's type is not supported",
        "Send 'Content-Type: application/json' or 'application/x-safetensors', without Content-Encoding.",
    ),
    "unknown_field": Kind(
        422, "A field that the format does not know", "Check the spelling against the hint, or leave it out."
    ),
    "invalid_document": Kind(
        422,
        "The document's structure is wrong",
        "Compare the place named by 'path' with the examples in /docs.",
    ),
    "invalid_parameter": Kind(
        422, "A query parameter or header is wrong", "Compare the parameter named by 'path' with /docs."
    ),
    "invalid_tensor": Kind(
        422, "This does not make an array", "Send a number, a rectangular nested list, or a typed tensor."
    ),
    "syntax_error": Kind(
        422,
        "The program's text is not in the language",
        "Write NumPy-like expressions; 'source' marks the place.",
    ),
    "unknown_op": Kind(422, "No op has this name", "GET /v1/ops lists every op and alias."),
    "unknown_name": Kind(422, "Nothing defines this name", "Define it as an input, a constant or a node."),
    "duplicate_name": Kind(
        422, "A name is defined twice", "Inputs, constants and nodes share one name space: rename one."
    ),
    "cycle": Kind(
        422, "Nodes or functions depend on themselves", "Break the cycle that 'detail' spells out."
    ),
    "wrong_arity": Kind(
        422, "Too many or too few inputs for the op", "GET /v1/ops/{name} shows its signature."
    ),
    "invalid_attribute": Kind(
        422,
        "An attribute is missing, unknown or of the wrong kind",
        "Give what 'detail' expects; GET /v1/ops/{name} shows those of an op, docs/training.md a job's.",
    ),
    "shape_mismatch": Kind(
        422, "Shapes do not fit together", "Reshape or broadcast one side as 'detail' says."
    ),
    "dtype_mismatch": Kind(
        422, "A dtype that cannot be taken here", "Cast with astype, or send another dtype."
    ),
    "index_out_of_range": Kind(
        422, "An index or axis beyond the bounds", "Axes count from 0, or from -1 backwards."
    ),
    "missing_input": Kind(422, "An input has no value", "Give it a value under 'inputs'."),
    "unknown_input": Kind(
        422, "A value for an input that does not exist", "Check the name against the hint."
    ),
    "target_required": Kind(422, "Several outputs and no target", "Name one of the outputs as 'target'."),
    "invalid_target": Kind(
        422, "The target is not one real floating number", "Reduce it to one number with sum or mean."
    ),
    "unknown_wrt": Kind(422, "'wrt' names nothing in the function", "Check the name against the hint."),
    "unconnected": Kind(
        422, "A gradient does not exist", "See 'detail' for the reason, or ask for unconnected: null or zero."
    ),
    "not_holomorphic": Kind(
        422,
        "This has no derivative as one complex number",
        "Ask for the Jacobian of real and imaginary parts, or for the vjp, jvp or hvp.",
    ),
    "derivative_not_implemented": Kind(
        422,
        "This derivative is not implemented",
        "Rewrite with ops whose derivative exists, as 'hint' proposes.",
    ),
    "data_dependent_shape": Kind(
        422, "A shape that only the data could tell", "Use where, or give size and fill_value."
    ),
    "over_limit": Kind(
        422,
        "More memory or work than is allowed",
        "Make the problem smaller, or raise GRADWIRE_MAX_PEAK_BYTES.",
    ),
    "dataset_mismatch": Kind(
        422,
        "The data do not fit together or do not fit the function",
        "Send arrays with one row a sample, as many rows each, in the shapes that 'detail' names.",
    ),
    "non_finite": Kind(
        422,
        "Training made a value that is NaN or infinite",
        "See 'node' for where it was made first; a smaller learning rate or clipping often helps.",
    ),
    "device_unavailable": Kind(
        422, "The device is not on this machine", "Leave 'device' out, or send one that GET /readyz lists."
    ),
    "idempotency_mismatch": Kind(
        422, "The Idempotency-Key was used for another body", "Send a new key with a new job."
    ),
    "invalid_dataset": Kind(
        422, "The file is not a data set", "Send npy, npz or CSV of plain numbers, as 'hint' says."
    ),
    "child_died": Kind(
        500,
        "The job's process died again and again",
        "The machine may be short of memory: use a smaller batch_size or model.",
    ),
    "disk_full": Kind(507, "The server's disk is full", "Delete jobs and data sets that are done with."),
    "internal": Kind(
        500,
        "The server made a mistake",
        "Report it with the X-Request-ID of the answer; the log has the rest.",
    ),
    "busy": Kind(503, "The server is busy", "Try again after the seconds in Retry-After."),
    "time_limit": Kind(
        504, "The query ran out of time", "Make the problem smaller, or raise GRADWIRE_TIME_LIMIT_S."
    ),
}


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
    """Others kept the database to themselves for longer than a request waits."""
    return Problem(
        "busy",
        "the server's database was locked for too long, and nothing was changed",
        hint="try again after the seconds in Retry-After",
        headers={"Retry-After": "1"},
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer: what every tier, process and route hands back."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def kind_of(error: EngineError) -> tuple[str, Kind]:
    """The code and table entry of an engine error: its own class's, or the nearest base's."""
    for base in type(error).__mro__:
        code = str(vars(base).get("code"))
        if code in KINDS:
            return code, KINDS[code]
    return "internal", KINDS["internal"]


def render(error: Problem | EngineError) -> Reply:
    """The problem document for an error; an engine error of ours says nothing of the inside."""
    if isinstance(error, Problem):
        kind, code, headers = KINDS[error.code], error.code, error.headers
        fields: Mapping[str, Any] = {"detail": error.detail, "path": error.path, "hint": error.hint}
        status = error.status or kind.status
    else:
        code, kind = kind_of(error)
        if kind.status >= 500:
            return internal()
        fields, status, headers = error.fields(), kind.status, {}
    return _document(code, kind, status, fields, headers)


def internal(request_id: str | None = None) -> Reply:
    """The 500 that tells the caller nothing but how to report it."""
    known = f" of request {request_id}" if request_id else ""
    return _document(
        "internal",
        KINDS["internal"],
        500,
        {"detail": f"the server failed unexpectedly; its log has the traceback{known}"},
        {},
    )


#: What the failure of a training run has beside: when it happened, and what the diagnosis says.
_OF_TRAINING = ("step", "epoch", "diagnosis")


def _document(
    code: str, kind: Kind, status: int, fields: Mapping[str, Any], headers: dict[str, str]
) -> Reply:
    document = {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": status,
        "code": code,
        "detail": fields["detail"],
        "path": fields.get("path"),
        "node": fields.get("node"),
        "op": fields.get("op"),
        "hint": fields.get("hint") or kind.cure,
        "source": fields.get("source"),
        "estimate": fields.get("estimate"),
    }
    document |= {name: fields[name] for name in _OF_TRAINING if name in fields}
    return Reply(status, to_json(document, inf_nan_mode="strings", fallback=str), MEDIA_TYPE, headers)
