"""`vmap`: a function of one row to a function of all rows, in one pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradwire._client.client import Client, default_client
from gradwire._client.session import input_values, located
from gradwire._names.foreign_keywords import refusing_foreign
from gradwire._tracing.lower import lower_function
from gradwire._tracing.node import Array, Recorder, as_array, recorder
from gradwire._tracing.operators import Operators
from gradwire._tracing.structure import leaves, map_leaves
from gradwire._tracing.subgraph import Body, expect_functions, rebuilt, run
from gradwire._tracing.tensor import record
from gradwire.autodiff.control import map_rows
from gradwire.autodiff.functional import plain
from gradwire.autodiff.transformed import Transformed

__all__ = ["vmap"]


@refusing_foreign
def vmap(
    function: Callable[..., Any],
    in_axes: int | Sequence[int | None] | None = 0,
    out_axes: int = 0,
    *,
    client: Client | None = None,
) -> Callable[..., Any]:
    """Return a function that computes for all rows at once what `function` computes for one.

    `in_axes` says along which axis the rows of each argument lie, None if every row shares it; `out_axes`
    does so for the results. Keyword arguments are shared. Called on arrays it sends one request and returns
    NumPy arrays; inside a tape or a traced function it records a node. `grad`, `hessian` and similar
    functions may be inside: `vmap(grad(f))` computes the gradient of every row.
    """
    expect_functions("vmap", "gw.vmap(f)(xs), with f a function of one row", function=function)
    return _Vmap(function, in_axes=in_axes, out_axes=out_axes, client=client)


class _Vmap(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function, client = self._function, self._options["client"]
        in_axes, out_axes = self._options["in_axes"], self._options["out_axes"]
        axes = [in_axes] * len(args) if in_axes is None or isinstance(in_axes, int) else list(in_axes)
        if len(axes) != len(args) or all(axis is None for axis in axes):
            raise ValueError(
                f"expected an axis for each of {len(args)} arguments, one of them at least, got {in_axes!r}: "
                f"write in_axes={_example(len(args))}"
            )
        rows = [k for k, axis in enumerate(axes) if axis is not None]
        chosen = [map_leaves(_rows_first(axes[k]), args[k]) for k in rows]

        def call(*mapped: Any) -> Any:
            arguments = list(args)
            for k, value in zip(rows, mapped, strict=True):
                arguments[k] = value
            return function(*arguments, **kwargs)

        _check_rows(getattr(function, "__name__", "f"), axes, [chosen[k] for k in range(len(rows))], rows)
        functools.update_wrapper(call, function)
        inside = Recorder()
        body = run(call, *chosen, inside=inside)
        tensors = list(leaves(chosen))
        if recorder.get() is not None:
            answer = map_rows(body, tensors, inside)
            return map_leaves(_moved(out_axes), answer)
        arrays = [leaf._value() if isinstance(leaf, Operators) else as_array(leaf) for leaf in tensors]
        return _asked(body, arrays, out_axes, client)


def _example(count: int) -> str:
    axes = ", ".join(["0"] + ["None"] * (count - 1))
    return "0" if count == 1 else f"({axes}), with None for what all rows share"


def _check_rows(label: str, axes: Sequence[int | None], chosen: Sequence[Any], rows: Sequence[int]) -> None:
    """Raise ValueError if arguments have different numbers of rows; the server knows those of tensors."""
    counts: dict[int, int] = {}
    axes_of: dict[int, int] = {}
    for k, argument in zip(rows, chosen, strict=True):
        for leaf in leaves(argument):
            if not isinstance(leaf, Operators):
                shape = np.shape(leaf)
                counts.setdefault(k, shape[0] if shape else 0)
                axes_of.setdefault(k, len(shape))
    if len(set(counts.values())) < 2:  # nothing to compare
        return
    most = max(set(counts.values()), key=list(counts.values()).count)
    if len(counts) == 2:  # the one with more axes is the data, or else the last one
        most = counts[max(reversed(counts), key=lambda k: axes_of[k])]
    shared = tuple(None if counts.get(k, most) != most else axis for k, axis in enumerate(axes))
    listed = ", ".join(f"{n} of argument {k}" for k, n in counts.items())
    raise ValueError(
        f"expected one number of rows along the axes of `in_axes`, got {listed}: give None for an argument "
        f"that all rows share, as in gw.vmap({label}, in_axes={shared}), or another axis"
    )


def _asked(body: Body, arrays: Sequence[Array], out_axes: int, client: Client | None) -> Any:
    """Evaluate a body for all rows."""
    chosen = client or default_client()
    lowered = lower_function(body.parameters, body.roots, inside=None, label=body.label)
    graph = chosen._session.known(lowered, tuple(dict.fromkeys(lowered.roots)))
    document = graph.document
    names = document.names[: len(arrays)]
    inputs = {
        **dict(zip(names, arrays, strict=True)),
        **input_values(lowered, document, skip=len(arrays)),
    }
    with located(lowered, document):
        flow = chosen._session.ask("evaluate", graph, {"inputs": inputs, "batch": list(names)})
        outputs = chosen._driver.run(flow)["outputs"]
    results = [
        plain(_moveaxis(outputs[document.name(ref)], 0, out_axes, "out_axes")) for ref in lowered.roots
    ]
    return rebuilt(body.answer, results)


def _rows_first(axis: int | None) -> Callable[[Any], Any]:
    def move(leaf: Any) -> Any:
        if axis == 0:
            return leaf
        if isinstance(leaf, Operators):
            return record("moveaxis", (leaf,), {"source": axis, "destination": 0})
        return _moveaxis(np.asarray(leaf), axis or 0, 0, "in_axes")

    return move


def _moveaxis(array: Array, source: int, destination: int, word: str) -> Array:
    """NumPy's; raises ValueError for an axis that the array does not have, by the argument's name."""
    for axis in (source, destination):
        if axis and not -array.ndim <= axis < array.ndim:
            raise ValueError(
                f"expected `{word}` among the axes of an array of shape {array.shape}, got {axis}"
            )
    return np.moveaxis(array, source, destination)


def _moved(axis: int) -> Callable[[Any], Any]:
    def move(leaf: Any) -> Any:
        if axis == 0 or leaf is None:
            return leaf
        return record("moveaxis", (leaf,), {"source": 0, "destination": axis})

    return move
