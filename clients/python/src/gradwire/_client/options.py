"""Options of the calls, by kind of query: the one place that declares them.

The calls of both clients, of published graphs and of published functions take these as keywords, under the
names of the wire. What is None, or not given, is left to the server's default. A new option of a kind is a
line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

Names = Sequence[str] | str | None


class Options(TypedDict, total=False):
    """What every kind takes.

    `batch` names the inputs that have a leading axis of N rows; everything returned has one too. `dtype` is
    the floating dtype to compute in. `optimize` says whether optimising passes run. `device` is where to
    compute: cpu, cuda, cuda:n or auto. With `stabilize`, what overflows or is undefined on the way is
    computed in stable forms (docs/derivatives.md lists them).
    """

    batch: Names
    dtype: str | None
    optimize: bool | None
    device: str | None
    stabilize: bool | None


class EvaluateOptions(Options, total=False):
    """`outputs` names what to return; default: all outputs."""

    outputs: Names


class GradientOptions(Options, total=False):
    """`wrt` and `target` name what to differentiate by, and what.

    `unconnected` ("null", "zero", "error") is what becomes of a gradient that does not exist; `diagnose`
    ("auto", "full", "off") says when reasons are added. With `masked_backward`, nothing is passed back to
    elements that nothing selects, where 0 · inf would be NaN. `return_graph` and `receipt` ask for more.
    """

    wrt: Names
    target: Names
    unconnected: str | None
    diagnose: str | None
    masked_backward: bool | None
    return_graph: bool | None
    receipt: bool | None


class VjpOptions(Options, total=False):
    """With `cotangent_batch`, every cotangent has a leading axis of K, and so has every value in `vjp`."""

    wrt: Names
    outputs: Names
    cotangent_batch: bool | None


class JvpOptions(Options, total=False):
    """`outputs` names what to return; default: all outputs."""

    outputs: Names


class JacobianOptions(Options, total=False):
    """`method` is "forward", "reverse" or "auto", the cheaper one. With `sparse`, blocks are `Sparse`."""

    outputs: Names
    wrt: Names
    method: str | None
    sparse: bool | None


class HessianOptions(Options, total=False):
    """With `sparse`, blocks are `Sparse`."""

    target: str | None
    wrt: Names
    sparse: bool | None


class HvpOptions(Options, total=False):
    """`target` names what to differentiate."""

    target: str | None


class GnvpOptions(Options, total=False):
    """`outputs` names the residuals; default: all outputs."""

    outputs: Names


class DiagnoseOptions(Options, total=False):
    """`masked_backward` is that of `gradient`."""

    wrt: Names
    target: str | None
    masked_backward: bool | None


class CheckOptions(Options, total=False):
    """`seed` is that of the random directions."""

    target: str | None
    wrt: Names
    seed: int | None


class EstimateOptions(Options, total=False):
    """`target`, `wrt` and `outputs` are those of the derivatives; `sparse` adds the sparse matrices."""

    target: str | None
    wrt: Names
    outputs: Names
    sparse: bool | None
