"""What can go wrong, as a tree; a problem of the server keeps its words and gains the user's own line.

    GradwireError
    ├── CauseElsewhere                    the cause of an error that came from another process, as text
    ├── ConfigurationError                a setting of the client makes no sense
    ├── NotTraced                         code of one's own where a built-in is needed (also a TypeError)
    ├── TraceError                        a traced value was used where only a real one can be
    │   ├── UnsupportedFunction           a NumPy function that has no op (also a TypeError)
    │   ├── TensorFlowDifference          a call that means something else in TensorFlow (also a TypeError)
    │   ├── ReadError                     a value that depends on an argument was read while it is traced
    │   └── TapeError                     a tape was used twice, nested, or before its end
    ├── OptimizerError                    gradients and variables do not fit together (also a ValueError)
    ├── NoAnswer                          nobody answered
    │   └── RequestTimeout                the answer did not come in time
    ├── UnexpectedAnswer                  an answer that is not in Gradwire's format
    ├── JobError                          a job did not end well
    │   ├── JobFailed                     its `problem` says why
    │   └── JobCancelled                  somebody cancelled it
    └── ProblemError                      the server's problem, by its `code`
        ├── InvalidRequest                the caller's fault
        │   ├── MalformedJson             malformed_json
        │   ├── BodyTooLarge              body_too_large
        │   ├── UnsupportedMediaType      unsupported_media_type
        │   ├── InvalidDocument           invalid_document
        │   ├── InvalidParameter          invalid_parameter
        │   ├── MethodNotAllowed          method_not_allowed
        │   ├── UnknownField              unknown_field
        │   ├── InvalidTensor             invalid_tensor
        │   ├── IdempotencyMismatch       idempotency_mismatch
        │   ├── DatasetMismatch           dataset_mismatch
        │   ├── InvalidDataset            invalid_dataset
        │   ├── DeviceUnavailable         device_unavailable
        │   ├── OverLimit                 over_limit, with the estimate
        │   ├── NonFinite                 non_finite, made by training
        │   ├── InvalidGraph              the function's own text
        │   │   ├── ProgramSyntaxError    syntax_error
        │   │   ├── UnknownOp             unknown_op
        │   │   ├── UnknownName           unknown_name
        │   │   ├── DuplicateName         duplicate_name
        │   │   ├── CycleInGraph          cycle
        │   │   ├── WrongArity            wrong_arity
        │   │   └── InvalidAttribute      invalid_attribute
        │   ├── Misfit                    tensors that do not fit the function
        │   │   ├── ShapeMismatch         shape_mismatch
        │   │   ├── DtypeMismatch         dtype_mismatch
        │   │   ├── IndexOutOfRange       index_out_of_range
        │   │   ├── DataDependentShape    data_dependent_shape
        │   │   ├── MissingInput          missing_input
        │   │   └── UnknownInput          unknown_input
        │   └── DerivativeError           the request cannot be differentiated
        │       ├── TargetRequired        target_required
        │       ├── InvalidTarget         invalid_target
        │       ├── UnknownWrt            unknown_wrt
        │       ├── Unconnected           unconnected
        │       ├── NotHolomorphic        not_holomorphic
        │       └── DerivativeNotImplemented  derivative_not_implemented
        ├── Unauthorized                  unauthorized
        ├── NotFound                      not_found
        │   ├── GraphNotFound             graph_not_found
        │   ├── JobNotFound               job_not_found
        │   ├── DatasetNotFound           dataset_not_found
        │   └── CheckpointNotFound        checkpoint_not_found
        ├── WrongState                    wrong_state
        ├── Busy                          busy, after all retries
        ├── TimeLimit                     time_limit
        ├── DiskFull                      disk_full
        ├── ChildDied                     child_died
        └── ServerFault                   internal

`class_of` finds the class of a code; one that is newer than this package falls back to its status.
Four warnings are no errors. `TrainingWarning`: a parameter of a running job does not learn.
`GradientWarning`: a gradient is None, zero or not finite. `ReadWarning`: a value that was read under a tape
is used on it again. `TensorFlowWarning`: a value differs from TensorFlow's.

All of them are in this one file, which is longer than others for it: `gradwire.errors.<name>` is what users
catch, and `class_of` looks each code of the server up among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gradwire._locations import Place


class GradwireError(Exception):
    """The base class of all errors that this package raises on purpose.

    Errors pickle with all their fields, so that an error raised in a worker arrives as it was; a cause that
    is not of this package pickles as its text.
    """

    def __reduce__(self) -> Any:
        cause = self.__cause__ or (None if self.__suppress_context__ else self.__context__)
        if cause is not None and not isinstance(cause, GradwireError):
            cause = CauseElsewhere(f"{type(cause).__qualname__}: {cause}")
        return _restored, (type(self), self.args, vars(self), cause)


class CauseElsewhere(GradwireError):
    """The cause of an error in another process, as text."""


def _restored(
    kind: type[GradwireError], args: tuple[Any, ...], state: Mapping[str, Any], cause: GradwireError | None
) -> GradwireError:
    """An error as it was pickled; its class is not called, for it may take other arguments."""
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    error.__cause__ = cause
    return error


class ConfigurationError(GradwireError):
    """A setting of the client makes no sense."""


class NotTraced(GradwireError, TypeError):
    """A class or function of the user's own was given to a job, which runs only what this package has."""


class TraceError(GradwireError):
    """A traced value was used where only a real one can be."""


class UnsupportedFunction(TraceError, TypeError):
    """A NumPy function, or one of its arguments, that has no counterpart among the server's ops."""


class TensorFlowDifference(TraceError, TypeError):
    """A call that would mean something else in TensorFlow, from code that imports this package as `tf`."""


class ReadError(TraceError):
    """A value that depends on an argument of a traced function was read, and would become a constant.

    `place` is the user's line that reads it.
    """

    def __init__(self, message: str, *, place: Place | None = None) -> None:
        super().__init__(message)
        self.place = place


class TapeError(TraceError):
    """A tape was used twice, nested, or for something that it has not recorded."""


class OptimizerError(GradwireError, ValueError):
    """Gradients and variables that do not fit together."""


class NoAnswer(GradwireError):
    """The server did not respond; `sent` says whether the request may have reached it."""

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class RequestTimeout(NoAnswer):
    """The response did not arrive within the client's timeout."""


class UnexpectedAnswer(GradwireError):
    """A response that is not in Gradwire's format, as from a proxy or another server."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ProblemError(GradwireError):
    """The server's problem (RFC 9457): `detail`, `hint`, `node`, `op`, and `place`, the user's own line."""

    code: ClassVar[str] = ""

    def __init__(
        self, problem: Mapping[str, Any], *, place: Place | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or "the server gave no reason")
        self.problem = dict(problem)
        self.place = place
        self.request_id = request_id

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.problem.get("status", 0))

    @property
    def detail(self) -> str:
        """What was expected, what came, and where: the server's own sentence."""
        return str(self.args[0])

    @property
    def hint(self) -> str | None:
        """The cure, where the server knows one."""
        return self.problem.get("hint")

    @property
    def path(self) -> str | None:
        """The JSON path into the request."""
        return self.problem.get("path")

    @property
    def node(self) -> str | None:
        """The node of the graph."""
        return self.problem.get("node")

    @property
    def op(self) -> str | None:
        """The op of that node."""
        return self.problem.get("op")

    @property
    def source(self) -> Any:
        """Line, column and text in the program, where the function came as one."""
        return self.problem.get("source")

    @property
    def estimate(self) -> Mapping[str, Any] | None:
        """What the request would have cost, where it was refused for that."""
        return self.problem.get("estimate")

    def __str__(self) -> str:
        lines = [self.detail]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        if self.place is not None:
            lines.append(f"  at {self.place}")
        elif isinstance(self.source, Mapping):
            lines.append(f"  in the program, line {self.source.get('line')}: {self.source.get('text')}")
        tail = [str(self.problem.get("code", "")), f"HTTP {self.status}"]
        if self.request_id:
            tail.append(f"request {self.request_id}")
        lines.append(f"  [{', '.join(part for part in tail if part)}]")
        return "\n".join(lines)


class InvalidRequest(ProblemError):
    """A fault of the caller; the same request would fail again."""


class MalformedJson(InvalidRequest):
    """The body is not JSON."""

    code = "malformed_json"


class BodyTooLarge(InvalidRequest):
    """The body is over the server's limit."""

    code = "body_too_large"


class UnsupportedMediaType(InvalidRequest):
    """The server does not read this content type."""

    code = "unsupported_media_type"


class InvalidDocument(InvalidRequest):
    """The request's structure is wrong."""

    code = "invalid_document"


class InvalidParameter(InvalidRequest):
    """A query parameter or header is wrong."""

    code = "invalid_parameter"


class MethodNotAllowed(InvalidRequest):
    """The path exists, the method does not."""

    code = "method_not_allowed"


class UnknownField(InvalidRequest):
    """A field that the format does not know; often a client newer than its server."""

    code = "unknown_field"


class InvalidTensor(InvalidRequest):
    """A value is not a tensor."""

    code = "invalid_tensor"


class IdempotencyMismatch(InvalidRequest):
    """An Idempotency-Key was sent again with another body."""

    code = "idempotency_mismatch"


class DatasetMismatch(InvalidRequest):
    """The data set does not fit the graph."""

    code = "dataset_mismatch"


class InvalidDataset(InvalidRequest):
    """The file is not a data set."""

    code = "invalid_dataset"


class DeviceUnavailable(InvalidRequest):
    """The server has no such device."""

    code = "device_unavailable"


class OverLimit(InvalidRequest):
    """The request would cost more than the server allows; `estimate` has its cost."""

    code = "over_limit"


class NonFinite(InvalidRequest):
    """Training made a value that is NaN or infinite; `node` made it first."""

    code = "non_finite"

    @property
    def step(self) -> int | None:
        """The step at which it happened, counted from 1."""
        return self.problem.get("step")

    @property
    def diagnosis(self) -> Mapping[str, Any]:
        """What made the first such value: node, reason, elements, evidence, and the `rows` of the data."""
        return self.problem.get("diagnosis") or {}


class InvalidGraph(InvalidRequest):
    """The function itself is wrong, whatever its inputs."""


class ProgramSyntaxError(InvalidGraph):
    """The program's text is not an expression of the language."""

    code = "syntax_error"


class UnknownOp(InvalidGraph):
    """No op has this name."""

    code = "unknown_op"


class UnknownName(InvalidGraph):
    """A reference to a name that nothing defines."""

    code = "unknown_name"


class DuplicateName(InvalidGraph):
    """Two things share a name."""

    code = "duplicate_name"


class CycleInGraph(InvalidGraph):
    """Nodes that depend on themselves."""

    code = "cycle"


class WrongArity(InvalidGraph):
    """Too many or too few inputs of an op."""

    code = "wrong_arity"


class InvalidAttribute(InvalidGraph):
    """An attribute of the wrong kind or out of range."""

    code = "invalid_attribute"


class Misfit(InvalidRequest):
    """The given tensors do not fit the function."""


class ShapeMismatch(Misfit):
    """Shapes that do not fit."""

    code = "shape_mismatch"


class DtypeMismatch(Misfit):
    """Dtypes that do not fit."""

    code = "dtype_mismatch"


class IndexOutOfRange(Misfit):
    """An index beyond its axis."""

    code = "index_out_of_range"


class DataDependentShape(Misfit):
    """A shape that would depend on the values."""

    code = "data_dependent_shape"


class MissingInput(Misfit):
    """An input that the function needs was not given."""

    code = "missing_input"


class UnknownInput(Misfit):
    """An input was given that the function does not have."""

    code = "unknown_input"


class DerivativeError(InvalidRequest):
    """The derivative cannot be computed."""


class TargetRequired(DerivativeError):
    """The function has several outputs and none was chosen."""

    code = "target_required"


class InvalidTarget(DerivativeError):
    """The target is not one real floating number."""

    code = "invalid_target"


class UnknownWrt(DerivativeError):
    """A name in `wrt` that the function does not have."""

    code = "unknown_wrt"


class Unconnected(DerivativeError):
    """A gradient does not exist, and the call requested an error in that case."""

    code = "unconnected"


class NotHolomorphic(DerivativeError):
    """A complex function has no derivative as one complex number; its real and imaginary parts have one."""

    code = "not_holomorphic"


class DerivativeNotImplemented(DerivativeError):
    """An op on the way has no derivative rule."""

    code = "derivative_not_implemented"


class Unauthorized(ProblemError):
    """The API key is missing or wrong."""

    code = "unauthorized"


class NotFound(ProblemError):
    """The server has no such thing."""

    code = "not_found"


class GraphNotFound(NotFound):
    """No graph is published under this id."""

    code = "graph_not_found"


class JobNotFound(NotFound):
    """There is no such job."""

    code = "job_not_found"


class DatasetNotFound(NotFound):
    """There is no such data set."""

    code = "dataset_not_found"


class CheckpointNotFound(NotFound):
    """The job keeps no such checkpoint."""

    code = "checkpoint_not_found"


class WrongState(ProblemError):
    """The thing is not in a state that allows this."""

    code = "wrong_state"


class Busy(ProblemError):
    """The server was busy in all retries."""

    code = "busy"


class TimeLimit(ProblemError):
    """The query ran longer than the server's time limit."""

    code = "time_limit"


class DiskFull(ProblemError):
    """The server's disk is full."""

    code = "disk_full"


class ChildDied(ProblemError):
    """A process of the server was killed while it computed this."""

    code = "child_died"


class ServerFault(ProblemError):
    """A fault of the server; its log has an entry with the request id."""

    code = "internal"


class JobError(GradwireError):
    """A job did not succeed; `job_id` is its id."""

    def __init__(self, message: str, *, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class JobFailed(JobError):
    """A job failed; `problem` is the server's problem, as the class of its code."""

    def __init__(self, job_id: str, problem: Mapping[str, Any]) -> None:
        code = str(problem.get("code", ""))
        self.problem = class_of(code, int(problem.get("status") or 500))(problem)
        super().__init__(f"the job {job_id} failed: {self.problem}", job_id=job_id)


class JobCancelled(JobError):
    """A job was cancelled; the parameters of its last checkpoint are kept."""


class TrainingWarning(UserWarning):
    """Something may be wrong with a training: the text says what, why, and what to change.

    In a job, a parameter has not changed and its gradient is zero, its data, loss or schedule look like a
    mistake, or it continued on another machine or with another library. In a loop, steps are lost, or make
    the loss grow.
    """


class TensorFlowWarning(UserWarning):
    """A value differs from TensorFlow's, in code that imports this package as `tf`."""


class GradientWarning(UserWarning):
    """A gradient is None, zero everywhere or not finite, or shapes meet by accident in its function.

    The text says why, on which line, and what to write instead.
    """


class ReadWarning(UserWarning):
    """A value that was read under a tape is used on the same tape again, as a constant; the text has both
    lines.
    """


def _descendants(kind: type[ProblemError]) -> list[type[ProblemError]]:
    return [kind, *(d for child in kind.__subclasses__() for d in _descendants(child))]


CODES: dict[str, type[ProblemError]] = {kind.code: kind for kind in _descendants(ProblemError) if kind.code}


def class_of(code: str, status: int) -> type[ProblemError]:
    """The class of a problem: by its code, else (a newer server) by its status."""
    if code in CODES:
        return CODES[code]
    if status >= 500:
        return ServerFault
    by_status: dict[int, type[ProblemError]] = {401: Unauthorized, 403: Unauthorized, 404: NotFound}
    return by_status.get(status, InvalidRequest)
