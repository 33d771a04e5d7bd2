"""What calls return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradwire._locations import Place
from gradwire._transport.codec import Array


@dataclass(frozen=True, slots=True)
class Gradients:
    """The value of a target and its gradients by name, each shaped like its input; None if there is none.

    `diagnosis` says why, for every gradient that is missing, zero or not finite. With a list of targets, all
    three are keyed by target first. `rewrites` lists what `stabilize` computed in a stable form, `warnings`
    shapes that meet by accident and where `masked_backward` changed a number. `graph` and `receipt` are
    present if they were requested.
    """

    value: Any
    gradients: Mapping[str, Any]
    diagnosis: Mapping[str, Any] = field(default_factory=dict)
    rewrites: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[Mapping[str, Any], ...] = ()
    graph: Mapping[str, Any] | None = None
    receipt: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self.gradients[name]

    def __iter__(self) -> Iterator[Any]:
        """Value, then gradients: `value, gradients = client.gradient(…)`."""
        return iter((self.value, self.gradients))


@dataclass(frozen=True, slots=True)
class Pullback:
    """Outputs, and the vector-Jacobian products by input."""

    outputs: Mapping[str, Array]
    vjp: Mapping[str, Array | None]

    def __getitem__(self, name: str) -> Array | None:
        return self.vjp[name]


@dataclass(frozen=True, slots=True)
class Pushforward:
    """Outputs, and the Jacobian-vector products by output."""

    outputs: Mapping[str, Array]
    jvp: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.jvp[name]


@dataclass(frozen=True, slots=True)
class Jacobian:
    """Outputs, blocks by output and input, each of shape out.shape + in.shape, and the method used."""

    outputs: Mapping[str, Array]
    jacobian: Mapping[str, Mapping[str, Any]]
    method: str

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return self.jacobian[name]


@dataclass(frozen=True, slots=True)
class Hessian:
    """Value, gradients, and blocks by two inputs, each of shape a.shape + b.shape."""

    value: Any
    gradients: Mapping[str, Array]
    hessian: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return self.hessian[name]


@dataclass(frozen=True, slots=True)
class HessianProduct:
    """Value, gradients, and the Hessian times the vectors, by input."""

    value: Any
    gradients: Mapping[str, Array]
    hvp: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.hvp[name]


@dataclass(frozen=True, slots=True)
class GaussNewtonProduct:
    """Outputs, and Jᵀ J times the vectors, by input."""

    outputs: Mapping[str, Array]
    gnvp: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.gnvp[name]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of two tests of a derivative.

    `taylor_order` is the order of the Taylor remainder by input: about 2 if the gradient is right, None if
    the target is linear and nothing remains, NaN if it is not finite. `dot_product_error` is the relative
    difference of <Jv, w> and <v, Jᵀw>. `rewrites` lists what `stabilize` computed in a stable form.
    """

    passed: bool
    taylor_order: Mapping[str, float | None]
    dot_product_error: float
    rewrites: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Sparse:
    """A block of a sparse Jacobian or Hessian: its entries in row-major order, without duplicates.

    `rows` and `columns` number the elements of either side in C order; `shape` has their counts. The places
    are the same at every point with the same indices, so some values may be zero. For a batch, `values` has a
    leading axis of rows.
    """

    rows: Array
    columns: Array
    values: Array
    shape: tuple[int, ...]

    @property
    def coo(self) -> tuple[Array, tuple[Array, Array]]:
        """(values, (rows, columns)), for SciPy: `scipy.sparse.coo_array(block.coo, shape=block.shape)`."""
        return self.values, (self.rows, self.columns)

    def dense(self) -> Array:
        """Return the block as an array, rows by columns."""
        dense = np.zeros((*self.values.shape[:-1], *self.shape), self.values.dtype)
        dense[..., self.rows, self.columns] = self.values
        return dense

    def __add__(self, other: Sparse) -> Sparse:
        """The sum of two blocks of one shape; entries at one place add up."""
        height, width = self.shape
        places = np.concatenate([block.rows * width + block.columns for block in (self, other)])
        there, where = np.unique(places, return_inverse=True)
        values = np.zeros(there.size, np.result_type(self.values, other.values))
        np.add.at(values, where, np.concatenate([self.values, other.values]))
        return Sparse(there // max(width, 1), there % max(width, 1), values, (height, width))


@dataclass(frozen=True, slots=True)
class Finding:
    """Why the gradient of one variable is what it is, as the server returned it.

    `places` are the lines of the user's code behind the culprits, and `warned` those behind the warnings, in
    their order. `place` is the line that made the variable, `target` the one that made the target.
    """

    name: str
    status: str
    reason: str | None = None
    message: str = ""
    fix: str | None = None
    culprits: tuple[Mapping[str, Any], ...] = ()
    path: tuple[str, ...] = ()
    warnings: tuple[Mapping[str, Any], ...] = ()
    stats: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None
    places: tuple[Place | None, ...] = ()
    warned: tuple[Place | None, ...] = ()
    target: Place | None = None

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.status}" + (f" ({self.reason})" if self.reason else "")]
        if self.place:
            lines.append(f"  made at {self.place}")
        if self.target and self.status in ("invalid_target", "disconnected"):
            lines.append(f"  target made at {self.target}")
        if self.message:
            lines.append(f"  why: {self.message}")
        for culprit, place in zip(self.culprits, self.places, strict=True):
            lines.append(f"  by {_culprit(culprit, place)}")
        if len(self.path) > 1:
            lines.append(f"  path: {' → '.join(self.path)}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        places = self.warned or (None,) * len(self.warnings)
        for warning, place in zip(self.warnings, places, strict=True):
            at = f" {place}" if place else ""
            lines.append(f"  warning {warning.get('code')}: {warning.get('message')}{at}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Report:
    """Why each gradient is what it is: the value of the target and a finding for each variable."""

    value: Any
    findings: tuple[Finding, ...]
    rewrites: tuple[Mapping[str, Any], ...] = ()

    def __getitem__(self, name: str) -> Finding:
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)


def _culprit(culprit: Mapping[str, Any], place: Place | None) -> str:
    what = f"{culprit.get('op')} '{culprit.get('node')}'"
    reason = f" ({culprit['reason']})" if culprit.get("reason") else ""
    source = culprit.get("source")
    if place:
        where = f", {place}"
    elif isinstance(source, Mapping):
        where = f", line {source.get('line')}: {source.get('text')}"
    else:
        where = ""
    return f"{what}{reason}{where}"
