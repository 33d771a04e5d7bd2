"""Options of the calls, by kind of query: the one place that declares them.

The calls of both clients, of published graphs and of published functions take these as keywords, under the
names of the wire. For an option that is None or not given, the server's default applies. To add an option of
a kind, add a line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

Names = Sequence[str] | str | None


class Options(TypedDict, total=False):
    """Options of every kind.

    `batch` names the inputs that have a leading axis of N rows; everything returned has one too. `dtype` is
    the floating dtype to compute in. `optimize` is how far to optimise: off, plan, compiled or auto (true is
    auto, false off); with `exact` numbers have the bits of the NumPy plan. `device` is where to
    compute: cpu, cuda, cuda:n or auto. With `stabilize`, expressions that overflow or are undefined are
    computed in stable forms (docs/stable.md lists them).
    """

    batch: Names
    dtype: str | None
    optimize: bool | str | None
    exact: bool | None
    device: str | None
    stabilize: bool | None


class EvaluateOptions(Options, total=False):
    """`outputs` names what to return; default: all outputs."""

    outputs: Names


class GradientOptions(Options, total=False):
    """`target` names what to differentiate, `wrt` with respect to what.

    `unconnected` ("null", "zero", "error") says what stands for a gradient that does not exist; `diagnose`
    ("auto", "full", "off") when reasons are added. With `masked_backward`, elements that nothing selects get
    no gradient, where 0 · inf would be NaN. `return_graph` and `receipt` add these to the result.
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
    """`masked_backward` as in `gradient`."""

    wrt: Names
    target: str | None
    masked_backward: bool | None


class CheckOptions(Options, total=False):
    """`seed` is the seed of the random directions."""

    target: str | None
    wrt: Names
    seed: int | None


class EstimateOptions(Options, total=False):
    """`target`, `wrt` and `outputs` are those of the derivatives; `sparse` adds the sparse matrices."""

    target: str | None
    wrt: Names
    outputs: Names
    sparse: bool | None
