"""Errors of the engine: each names its place, what was expected, what came, and the cure.

    EngineError
    ├── UserError                    the caller's fault; `code` goes on the wire as it stands
    │   ├── SyntaxFault              syntax_error
    │   ├── UnknownField             unknown_field
    │   ├── UnknownOp                unknown_op
    │   ├── UnknownName              unknown_name
    │   ├── DuplicateName            duplicate_name
    │   ├── Cycle                    cycle
    │   ├── WrongArity               wrong_arity
    │   ├── InvalidAttribute         invalid_attribute
    │   ├── InvalidTensor            invalid_tensor
    │   ├── InvalidDocument          invalid_document
    │   ├── ShapeMismatch            shape_mismatch
    │   ├── DtypeMismatch            dtype_mismatch
    │   ├── IndexOutOfRange          index_out_of_range
    │   ├── MissingInput             missing_input
    │   ├── UnknownInput             unknown_input
    │   ├── TargetRequired           target_required
    │   ├── InvalidTarget            invalid_target
    │   ├── UnknownWrt               unknown_wrt
    │   ├── Unconnected              unconnected
    │   ├── DerivativeNotImplemented derivative_not_implemented
    │   ├── DataDependentShape       data_dependent_shape
    │   ├── OverLimit                over_limit (carries the estimate)
    │   ├── DeviceUnavailable        device_unavailable
    │   ├── DatasetMismatch          dataset_mismatch
    │   └── NonFinite                non_finite
    └── InternalError                our fault: a rule or a pass broke a promise of its own

Place: `path` is a JSON path into the caller's document (`$.graph.nodes[3]`), `node` and `op` the
user's own names, `source` the line, column and text where the graph came from a program.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Source:
    """Where in a program a node was written; `line` counts from 1, `column` from 0 (characters)."""

    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The user's node behind an instruction; it survives lowering and every pass."""

    node: str | None = None
    op: str | None = None
    path: str | None = None
    source: Source | str | None = None


class EngineError(Exception):
    """The root of the tree; `str(error)` is the whole sentence for people."""

    code: ClassVar[str]

    def __init__(
        self,
        detail: str,
        *,
        path: str | None = None,
        node: str | None = None,
        op: str | None = None,
        hint: str | None = None,
        source: Source | str | None = None,
        estimate: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.path = path
        self.node = node
        self.op = op
        self.hint = hint
        self.source = source
        self.estimate = estimate

    def at(self, origin: Origin) -> Self:
        """Fill in the place where it is still missing, and say it; what is already known stays."""
        if self.path is None and origin.path is not None:
            place = " ".join(filter(None, [origin.path, origin.node and f"'{origin.node}'"]))
            self.detail = f"{origin.op or 'node'} at {place}: {self.detail}"
            self.args = (self.detail,)
        self.path = self.path or origin.path
        self.node = self.node or origin.node
        self.op = origin.op or self.op
        self.source = self.source or origin.source
        return self

    def fields(self) -> dict[str, Any]:
        """The error as data: code, detail, path, node, op, hint, source, estimate."""
        source: Any = asdict(self.source) if isinstance(self.source, Source) else self.source
        return {
            "code": self.code,
            "detail": self.detail,
            "path": self.path,
            "node": self.node,
            "op": self.op,
            "hint": self.hint,
            "source": source,
            "estimate": self.estimate,
        }


class UserError(EngineError):
    """The caller's document, tensors or choice cannot be served as they stand."""


class SyntaxFault(UserError):
    """A program's text is not an expression of the language."""

    code = "syntax_error"


class UnknownField(UserError):
    """A field that the format does not know."""

    code = "unknown_field"


class UnknownOp(UserError):
    """No op goes by this name or alias."""

    code = "unknown_op"


class UnknownName(UserError):
    """A reference to a name that nothing defines."""

    code = "unknown_name"


class DuplicateName(UserError):
    """Two things in the one name space of inputs, constants and nodes share a name."""

    code = "duplicate_name"


class Cycle(UserError):
    """Nodes, or functions, that depend on themselves."""

    code = "cycle"


class WrongArity(UserError):
    """Too many or too few inputs for the op."""

    code = "wrong_arity"


class InvalidAttribute(UserError):
    """An attribute that is missing, unknown to the op, or of the wrong kind."""

    code = "invalid_attribute"


class InvalidTensor(UserError):
    """A tensor's JSON or bytes that do not make an array."""

    code = "invalid_tensor"


class InvalidDocument(UserError):
    """A graph document whose structure is wrong: a field missing or of the wrong JSON type."""

    code = "invalid_document"


class ShapeMismatch(UserError):
    """Shapes that do not fit together."""

    code = "shape_mismatch"


class DtypeMismatch(UserError):
    """A dtype that the op cannot take."""

    code = "dtype_mismatch"


class IndexOutOfRange(UserError):
    """An index or axis beyond the bounds."""

    code = "index_out_of_range"


class MissingInput(UserError):
    """An input that the answer needs has no value."""

    code = "missing_input"


class UnknownInput(UserError):
    """A value for an input that the function does not have."""

    code = "unknown_input"


class TargetRequired(UserError):
    """Several outputs and no target named."""

    code = "target_required"


class InvalidTarget(UserError):
    """A target that is not one real floating number."""

    code = "invalid_target"


class UnknownWrt(UserError):
    """`wrt` names nothing in the function."""

    code = "unknown_wrt"


class Unconnected(UserError):
    """A gradient that does not exist, where the caller asked for an error."""

    code = "unconnected"


class DerivativeNotImplemented(UserError):
    """The derivative exists in mathematics but not here; the message says why."""

    code = "derivative_not_implemented"


class NotHolomorphic(UserError):
    """A derivative asked for as one complex number, of a function that has none; its parts have theirs."""

    code = "not_holomorphic"


class DataDependentShape(UserError):
    """A shape that only the data could tell."""

    code = "data_dependent_shape"


class OverLimit(UserError):
    """More memory or work than is allowed; `estimate` carries the numbers."""

    code = "over_limit"


class DeviceUnavailable(UserError):
    """The device asked for is not on this machine."""

    code = "device_unavailable"


class DatasetMismatch(UserError):
    """Arrays of data that do not belong together or do not fit the function that they are for."""

    code = "dataset_mismatch"


class NonFinite(UserError):
    """A training step made a loss or parameters that are NaN or infinite."""

    code = "non_finite"


class InternalError(EngineError):
    """Our fault: a rule, a pass or an executor broke a promise of its own."""

    code = "internal"


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint with the nearest known names, or None where nothing is near."""
    near = difflib.get_close_matches(name[:128], islice(known, 5000), n=3, cutoff=0.6)
    if not near:
        return None
    quoted = [f"'{candidate}'" for candidate in near]
    return "did you mean " + " or ".join(quoted) + "?"
