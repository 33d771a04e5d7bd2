"""Whether derivatives are right, without a step size to choose: `check`.

Two tests that share no arithmetic. Taylor: along a random direction v, f(x + hv) - f(x) - h <g, v> shrinks
with h² (or faster, or is nothing at all); the order is the slope between halved steps, read where the
remainder stands clear of rounding. The values of f are taken in float64 whatever dtype the gradient is
computed in: float32 has too few digits to show a remainder. Adjoint: <J v, w> = <v, J'w>, to the last bits.
A rule that is wrong by a thousandth leaves a remainder of order 1. A complex variable moves in its real and
imaginary parts at once, and <a, b> is the real part of Σ conj(a) b.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.derivatives.query import Kind, Optimize, Query
from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, UnknownWrt
from engine.frontend.graph import Graph
from engine.queries.compiler import Compiler, Program, constants_in

LEAST_ORDER = 1.9  # of 2; a function that is linear along v has no remainder, and passes
STEPS = tuple(2.0**-k for k in range(1, 28))
CLEAR = 64.0  # a remainder is read where it is this many roundings large
_WIDEST = "float64"
_LEAST_ROUNDING = float(np.finfo(_WIDEST).eps)
LARGEST_ERROR = 1e3  # of the dot products, in units of the dtype's rounding


def check(
    graph: Graph,
    inputs: Mapping[str, Array],
    *,
    target: str | None = None,
    wrt: Sequence[str] | None = None,
    seed: int = 0,
    dtype: str | None = None,
    optimize: Optimize | bool = "auto",
    exact: bool = False,
    stabilize: bool = False,
    compiler: Compiler | None = None,
    peak_bytes_limit: int | None = None,
) -> dict[str, Any]:
    """The answer of `/v1/check`: `passed`, the order of the Taylor remainder for each variable (None if
    there is none: the target is linear in it; NaN where the target is not finite, which does not pass), and
    the relative error of the dot products; with `stabilize` the `rewrites` as well.

    `target` is a scalar (the only output when absent), `wrt` the floating inputs (all when absent), `dtype`
    the floating dtype to compute in (each input's own when absent). Raises what a gradient raises:
    UnknownName, UnknownWrt, InvalidTarget, TargetRequired, MissingInput; UnknownWrt and DtypeMismatch for
    what is no input to move a little, UnknownWrt where there is none; OverLimit where it would need more
    than `peak_bytes_limit` bytes.
    """
    compiler = compiler or Compiler()
    choices = {"optimize": optimize, "exact": exact, "stabilize": stabilize}

    def compile(query: Query) -> Program:
        program = compiler.compile(query, peak_bytes_limit=peak_bytes_limit)
        assert isinstance(program, Program), "nothing sparse is asked for"
        return program

    with np.errstate(all="ignore"):  # what is not finite does not pass
        if dtype is not None:
            graph = constants_in(graph, dtype)
            inputs = {n: x.astype(dtypes.in_precision(x.dtype.name, dtype)) for n, x in inputs.items()}
        return _verdict(_Point(graph, inputs, target, wrt, compile, choices), seed)


def _verdict(point: _Point, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    moves = {name: point.direction(name, rng) for name in point.gradients}
    orders = {name: _order(point, name, move) for name, move in moves.items()}
    error = _dot_product_error(point, moves, float(rng.uniform(0.5, 1.5)))
    straight = all(order is None or order >= LEAST_ORDER for order in orders.values())
    report = {
        "passed": straight and error <= LARGEST_ERROR * point.rounding,
        "taylor_order": orders,
        "dot_product_error": error,
    }
    return report if point.rewrites is None else {**report, "rewrites": point.rewrites}


def _number(value: Array) -> float:
    """The one element of a target, which may have axes of size 1."""
    return float(value.reshape(()))


def movable(type: TensorType) -> bool:
    """Whether an input of the type can be moved a little."""
    return dtypes.is_inexact(type.dtype)


class _Point:
    """The target at and around the given inputs."""

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Array],
        target: str | None,
        wrt: Sequence[str] | None,
        compile: Callable[[Query], Program],
        choices: Mapping[str, Any],
    ) -> None:
        self.inputs = dict(inputs)
        self.types = {name: TensorType(v.shape, dtypes.name_of(v.dtype)) for name, v in inputs.items()}
        self._graph, self._compile = graph, compile
        self._choices = choices
        targets = None if target is None else (target,)
        names = None if wrt is None else tuple(wrt)
        query = Query(
            graph=graph,
            kind="gradient",
            inputs=self.types,
            targets=targets,
            wrt=names,
            unconnected="zero",
            diagnose="off",
            **choices,
        )
        program = compile(query)
        self._check_movable(names or ())
        answer = program.run(self.inputs)
        if not answer["gradients"]:  # it would pass whatever the rules are
            raise UnknownWrt(
                "there is nothing to check: no input that is floating or complex is differentiated by",
                path="$.wrt",
                hint="name such an input in `wrt`, or give one as floats",
            )
        (self.target,) = query.chosen_targets()
        self.gradients: dict[str, Array] = answer["gradients"]
        self.rewrites: list[dict[str, Any]] | None = answer.get("rewrites")
        self.rounding = program.rounding
        self._wide = compile(replace(self._query("evaluate"), graph=_widened(graph), dtype=_WIDEST))
        self.value = self.at({}) if np.isfinite(answer["value"]) else math.nan

    def _check_movable(self, names: Sequence[str]) -> None:
        """Raise UnknownWrt for a node, DtypeMismatch for an input that is no floating or complex number."""
        for name in names:
            if name not in self.types:
                raise UnknownWrt(
                    f"a check moves inputs, and '{name}' is none",
                    path="$.wrt",
                    hint="name inputs, or leave `wrt` out for all that are floating",
                )
            if not movable(self.types[name]):
                raise DtypeMismatch(
                    f"'{name}' is {self.types[name].dtype}, which carries no derivative",
                    path="$.wrt",
                    hint="leave it out of `wrt`",
                )

    def direction(self, name: str, rng: np.random.Generator) -> Array:
        """A random direction of a variable, as long as the variable's own scale."""
        x = self.inputs[name]
        scale = max(1.0, float(np.abs(x).max(initial=0.0))) / max(1.0, math.sqrt(x.size))
        noise = rng.normal(size=x.shape)
        turned = noise + 1j * rng.normal(size=x.shape) if x.dtype.kind == "c" else noise
        return np.asarray(scale * turned, x.dtype)

    def at(self, moved: Mapping[str, Array]) -> float:
        """The target's value in float64, with some inputs replaced."""
        answer = self._wide.run({**self.inputs, **moved})
        return _number(answer["outputs"][self.target])

    def pushed(self, moves: Mapping[str, Array]) -> float:
        """How the target moves along `moves`, by the forward walk."""
        types = {name: self.types[name] for name in moves}
        query = self._query("jvp", tangents=types)
        return _number(self._compile(query).run(self.inputs, moves)["jvp"][self.target])

    def _query(self, kind: Kind, **fields: Any) -> Query:
        return Query(
            graph=self._graph,
            kind=kind,
            inputs=self.types,
            outputs=(self.target,),
            **self._choices,
            **fields,
        )


def _order(point: _Point, name: str, move: Array) -> float | None:
    """The order of f(x + hv) - f(x) - h <g, v>: the median slope where it is clear of rounding.

    None if nothing remains but rounding, NaN where no step has a remainder to read, as of a target that
    is NaN itself. Below float64 only wide steps may be clear of rounding, where a slope mixes several orders
    and says little; then it counts that <g, v> is as right as the digits can tell.
    """
    x, move = _wide(point.inputs[name]), _wide(move)
    terms = _terms(point.gradients[name], move)
    slope, size = float(terms.sum()), float(np.abs(terms).sum())
    tellable = 8 * CLEAR * point.rounding
    clear: list[tuple[float, float]] = []
    right: list[bool] = []
    for h in STEPS:
        value = point.at({name: x + h * move})
        remainder = abs(value - point.value - h * slope)
        noise = CLEAR * _LEAST_ROUNDING * (abs(value) + abs(point.value))
        noise += CLEAR * point.rounding * h * (size + abs(point.value))
        if not math.isfinite(remainder):
            continue
        right.append(remainder + noise <= h * size * tellable)
        if remainder > noise:
            clear.append((h, remainder))
    slopes = [
        math.log2(large / small) / math.log2(h / shorter)
        for (h, large), (shorter, small) in pairwise(clear)
        if small > 0
    ]
    if not slopes:
        return None if right else math.nan
    order = float(np.median(slopes[-4:]))
    settled = any(map(operator.and_, right, right[1:]))  # one alone may be where the remainder changes sign
    coarse = point.rounding > _LEAST_ROUNDING
    return None if order < LEAST_ORDER and coarse and settled else order


def _widened(graph: Graph) -> Graph:
    """The graph with every precision that it names itself, in inputs and nodes, the widest."""
    inputs = {
        name: spec if spec.dtype is None else replace(spec, dtype=dtypes.in_precision(spec.dtype, _WIDEST))
        for name, spec in graph.inputs.items()
    }
    nodes = tuple(
        replace(node, attributes={**node.attributes, "dtype": dtypes.in_precision(named, _WIDEST)})
        if (named := node.attributes.get("dtype")) is not None
        else node
        for node in graph.nodes
    )
    functions = {name: _widened(function) for name, function in graph.functions.items()}
    return replace(graph, inputs=inputs, nodes=nodes, functions=functions)


def _wide(x: Array) -> Array:
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _terms(gradient: Array, move: Array) -> Array:
    """What each element adds to <gradient, move>."""
    return np.asarray((_wide(gradient).conj() * _wide(move)).real)


def _dot_product_error(point: _Point, moves: Mapping[str, Array], weight: float) -> float:
    """|<J v, w> - <v, J'w>| over the size of their terms; w is a number, since the target is.

    Terms that are no larger than the target's own rounding, as where all of a gradient cancels, are measured
    by the target.
    """
    if not moves:
        return 0.0
    left = weight * point.pushed(moves)
    terms = [_terms(point.gradients[name], move) * weight for name, move in moves.items()]
    right = sum(float(term.sum()) for term in terms)
    scale = max(sum(float(np.abs(term).sum()) for term in terms), abs(point.value) / CLEAR)
    return abs(left - right) / scale if scale > 0 else abs(left - right)
