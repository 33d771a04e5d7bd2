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
    │   ├── NotHolomorphic           not_holomorphic
    │   ├── DataDependentShape       data_dependent_shape
    │   ├── OverLimit                over_limit (carries the estimate)
    │   ├── DeviceUnavailable        device_unavailable
    │   ├── DatasetMismatch          dataset_mismatch
    │   └── NonFinite                non_finite
    └── InternalError                our fault: a rule or a pass broke a promise of its own

Place: `path` is a JSON path into the caller's document (`$.graph.nodes[3]`), `node` and `op` the
user's own names, `source` the line, column and text where the graph came from a program.

The classes are one table in one file, and longer than other files for it: docs/errors.md and the OpenAPI
document are generated from it, and an error is added in this one place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
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
    """The root of the tree; `str(error)` is the whole sentence for people.

    A class has a `code`, by which programs know it, a `title`, and the `cure` that is told if an error has no
    `hint`. A subclass without them takes its base's.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    cure: ClassVar[str]

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
    title = "The program's text is not in the language"
    cure = "Write NumPy-like expressions; 'source' marks the place."


class UnknownField(UserError):
    """A field that the format does not know."""

    code = "unknown_field"
    title = "A field that the format does not know"
    cure = "Check the spelling against the hint, or leave it out."


class UnknownOp(UserError):
    """No op goes by this name or alias."""

    code = "unknown_op"
    title = "No op has this name"
    cure = "GET /v1/ops lists every op and alias."


class UnknownName(UserError):
    """A reference to a name that nothing defines."""

    code = "unknown_name"
    title = "Nothing defines this name"
    cure = "Define it as an input, a constant or a node."


class DuplicateName(UserError):
    """Two things in the one name space of inputs, constants and nodes share a name."""

    code = "duplicate_name"
    title = "A name is defined twice"
    cure = "Inputs, constants and nodes share one name space: rename one."


class Cycle(UserError):
    """Nodes, or functions, that depend on themselves."""

    code = "cycle"
    title = "Nodes or functions depend on themselves"
    cure = "Break the cycle that 'detail' spells out."


class WrongArity(UserError):
    """Too many or too few inputs for the op."""

    code = "wrong_arity"
    title = "Too many or too few inputs for the op"
    cure = "GET /v1/ops/{name} shows its signature."


class InvalidAttribute(UserError):
    """An attribute that is missing, unknown to the op, or of the wrong kind."""

    code = "invalid_attribute"
    title = "An attribute is missing, unknown or of the wrong kind"
    cure = "Give what 'detail' expects; GET /v1/ops/{name} shows those of an op, docs/training.md a job's."


class InvalidTensor(UserError):
    """A tensor's JSON or bytes that do not make an array."""

    code = "invalid_tensor"
    title = "This does not make an array"
    cure = "Send a number, a rectangular nested list, or a typed tensor."


class InvalidDocument(UserError):
    """A graph document whose structure is wrong: a field missing or of the wrong JSON type."""

    code = "invalid_document"
    title = "The document's structure is wrong"
    cure = "Compare the place named by 'path' with the examples in /docs."


class ShapeMismatch(UserError):
    """Shapes that do not fit together."""

    code = "shape_mismatch"
    title = "Shapes do not fit together"
    cure = "Reshape or broadcast one side as 'detail' says."


class DtypeMismatch(UserError):
    """A dtype that the op cannot take."""

    code = "dtype_mismatch"
    title = "A dtype that cannot be taken here"
    cure = "Cast with astype, or send another dtype."


class IndexOutOfRange(UserError):
    """An index or axis beyond the bounds."""

    code = "index_out_of_range"
    title = "An index or axis beyond the bounds"
    cure = "Axes count from 0, or from -1 backwards."


class MissingInput(UserError):
    """An input that the answer needs has no value."""

    code = "missing_input"
    title = "An input has no value"
    cure = "Give it a value under 'inputs'."


class UnknownInput(UserError):
    """A value for an input that the function does not have."""

    code = "unknown_input"
    title = "A value for an input that does not exist"
    cure = "Check the name against the hint."


class TargetRequired(UserError):
    """Several outputs and no target named."""

    code = "target_required"
    title = "Several outputs and no target"
    cure = "Name one of the outputs as 'target'."


class InvalidTarget(UserError):
    """A target that is not one real floating number."""

    code = "invalid_target"
    title = "The target is not one real floating number"
    cure = "Reduce it to one number with sum or mean."


class UnknownWrt(UserError):
    """`wrt` names nothing in the function."""

    code = "unknown_wrt"
    title = "'wrt' names nothing in the function"
    cure = "Check the name against the hint."


class Unconnected(UserError):
    """A gradient that does not exist, where the caller asked for an error."""

    code = "unconnected"
    title = "A gradient does not exist"
    cure = "See 'detail' for the reason, or ask for unconnected: null or zero."


class DerivativeNotImplemented(UserError):
    """The derivative exists in mathematics but not here; the message says why."""

    code = "derivative_not_implemented"
    title = "This derivative is not implemented"
    cure = "Rewrite with ops whose derivative exists, as 'hint' proposes."


class NotHolomorphic(UserError):
    """A derivative asked for as one complex number, of a function that has none; its parts have theirs."""

    code = "not_holomorphic"
    title = "This has no derivative as one complex number"
    cure = "Ask for the Jacobian of real and imaginary parts, or for the vjp, jvp or hvp."


class DataDependentShape(UserError):
    """A shape that only the data could tell."""

    code = "data_dependent_shape"
    title = "A shape that only the data could tell"
    cure = "Use where, or give size and fill_value."


class OverLimit(UserError):
    """More memory or work than is allowed; `estimate` carries the numbers."""

    code = "over_limit"
    title = "More memory or work than is allowed"
    cure = "Make the problem smaller, or raise GRADWIRE_MAX_PEAK_BYTES."


class DeviceUnavailable(UserError):
    """The device asked for is not on this machine."""

    code = "device_unavailable"
    title = "The device is not on this machine"
    cure = "Leave 'device' out, or send one that GET /readyz lists."


class DatasetMismatch(UserError):
    """Arrays of data that do not belong together or do not fit the function that they are for."""

    code = "dataset_mismatch"
    title = "The data do not fit together or do not fit the function"
    cure = "Send arrays with one row a sample, as many rows each, in the shapes that 'detail' names."


class NonFinite(UserError):
    """A training step made a loss or parameters that are NaN or infinite."""

    code = "non_finite"
    title = "Training made a value that is NaN or infinite"
    cure = "See 'node' for where it was made first; a smaller learning rate or clipping often helps."


class InternalError(EngineError):
    """Our fault: a rule, a pass or an executor broke a promise of its own."""

    code = "internal"
    title = "The server made a mistake"
    cure = "Report it with the X-Request-ID of the answer; the log has the rest."


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """A hint with the nearest known names, or None if nothing is near.

    A name that differs in case or underscores only, as `w` and `W` do, stands for itself alone.
    """
    names = list(islice(candidates, 5000))
    name = name[:128]
    near = same_but_for_case(name, names) or difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return _quoted(near)


def slip_of(name: str, candidates: Iterable[str]) -> str | None:
    """Like `did_you_mean`, for names where a look-alike may mean something else: slips of the pen only.

    One letter wrong, missing, too many or exchanged with its neighbour; two in names of eight letters.
    """
    names = list(islice(candidates, 5000))
    name = name[:128]
    allowed = 2 if len(name) >= 8 else 1 if len(name) >= 3 else 0
    near = same_but_for_case(name, names)
    for slips in range(1, allowed + 1):
        near = near or [
            candidate for candidate in names if _slips(name.lower(), candidate.lower(), slips) == slips
        ]
    likeness = difflib.SequenceMatcher(b=name)
    return _quoted(sorted(near, key=lambda candidate: -_ratio(likeness, candidate))[:3])


def _ratio(likeness: difflib.SequenceMatcher[str], candidate: str) -> float:
    likeness.set_seq1(candidate)
    return likeness.ratio()


def same_but_for_case(name: str, candidates: Iterable[str]) -> list[str]:
    """The known names that are `name` but for case and underscores, those that differ in case only first."""
    folded = _folded(name)
    near = [other for other in candidates if _folded(other) == folded]
    return sorted(near, key=lambda other: other.lower() != name.lower())[:3]


def _folded(name: str) -> str:
    return name.replace("_", "").lower() or name


def _slips(a: str, b: str, most: int) -> int:
    """How many slips make `b` of `a` (Damerau's distance), or more than `most`."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i], row
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before = last
    return row[-1]


def _quoted(near: Sequence[str]) -> str | None:
    return "did you mean " + " or ".join(f"'{candidate}'" for candidate in near) + "?" if near else None
