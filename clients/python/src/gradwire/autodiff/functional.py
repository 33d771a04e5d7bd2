"""`grad` and `value_and_grad`: functions of arrays to functions that answer gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from gradwire._client.client import Client
from gradwire._locations import here, place_at, user_frame
from gradwire._names.foreign_keywords import refusing_foreign
from gradwire._tracing.applied import note_array
from gradwire._tracing.node import Array, Edge, Leaf, as_array, leaf_of, recorder
from gradwire._tracing.operators import Operators
from gradwire._tracing.scopes import named, scope
from gradwire._tracing.structure import leaves, paths, rebuild
from gradwire._tracing.subgraph import label_of, parameter_names
from gradwire._tracing.tensor import Tensor, constant, record
from gradwire._tracing.variable import Variable
from gradwire.autodiff.argument_lists import guarded
from gradwire.autodiff.diverging_loops import follow_calls
from gradwire.autodiff.list_arguments import told_of_lists
from gradwire.autodiff.scalar_target import check_function, target_of, told_of
from gradwire.autodiff.subtracted import warn_of_another_argument
from gradwire.autodiff.swapped import warn_of_swapped_results
from gradwire.autodiff.tape import GradientTape
from gradwire.autodiff.transformed import Transformed
from gradwire.errors import TraceError

_LARGEST = 1_000_000  # numbers of which steps are followed


@refusing_foreign
def value_and_grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    unconnected_gradients: str = "none",
    stabilize: bool = False,
    masked_backward: bool = False,
    allow_reads: bool = False,
    client: Client | None = None,
) -> Callable[..., Any]:
    """Return a function that computes the value of `function` and its gradient by the arguments at `argnums`.

    `function` must return one number; with `has_aux`, a pair of that and any other value, which is passed on.
    The arguments may be nested lists, tuples and dicts of floating arrays. The result is (value, gradient) in
    NumPy arrays. The gradient has the structure and shapes of the argument, None if there is none; if
    `argnums` is a sequence, it is a tuple. Each call is one request. Inside a tape, or another function that
    is traced, nothing is sent: the result consists of traced tensors, which can be differentiated again.

    Each call traces `function` anew, so it may branch on values. Any other reading of a value that depends on
    an argument, such as `float(x)` or `math.exp(x)`, raises ReadError, since it would be a constant to the
    gradient; with `allow_reads` it is one. Raises TraceError if `function` does not return one number, or if
    an argument has an integer dtype.
    """
    check_function("grad", function, argnums)
    return _ValueAndGrad(
        function,
        argnums=argnums,
        has_aux=has_aux,
        zero=unconnected_gradients == "zero",
        allow_reads=allow_reads,
        tape={"stabilize": stabilize, "masked_backward": masked_backward, "client": client},
    )


class _ValueAndGrad(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.called("value_and_grad", args, kwargs)

    def called(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What a call returns; `name` is what the user wrote, for warnings."""
        function, options = self._function, self._options
        positions, single = positions_of(options["argnums"], len(args))
        if name == "value_and_grad" or (single and not options["has_aux"]):
            warn_of_swapped_results(name, label_of(function))
        has_aux, zero = options["has_aux"], options["zero"]
        tape = GradientTape(watch_accessed_variables=False, **options["tape"])
        chosen, answer = traced_on(tape, function, args, kwargs, positions, options["allow_reads"])
        target, aux = target_of(function, answer, has_aux)
        if not isinstance(target, Operators):
            target = constant(target)  # a function that uses none of its arguments
        sources = list(leaves(chosen))
        with told_of(function):
            gradients = tape._differentiate(target, sources, None, zero=zero, sums=False)
        names = argument_names(function, len(args))
        if not (single and warn_of_another_argument(name, label_of(function), names, positions[0])):
            tape._advise(target, sources, gradients, zero=zero)
        if recorder.get() is not None:
            shaped, value = rebuild(chosen, iter(gradients)), target
        else:
            arrays = [None if g is None else g._value() for g in gradients]
            for gradient in gradients:
                if gradient is not None and (leaf := leaf_of(gradient._edge())) is not None:
                    note_array(leaf.value, leaf)
            shaped = rebuild(chosen, iter([None if g is None else plain(g) for g in arrays]))
            value = plain(target._value())
            _follow(value, [source._value() for source in sources], arrays)
        return ((value, aux) if has_aux else value), (shaped[0] if single else shaped)


def _follow(value: Any, points: Sequence[Array], gradients: Sequence[Array | None]) -> None:
    """Let a loop of descent by hand be followed: the loss, the arguments and gradients as one vector."""
    pairs = [(x, g) for x, g in zip(points, gradients, strict=True) if g is not None]
    frame = user_frame()
    if frame is None or not pairs or sum(x.size for x, _ in pairs) > _LARGEST or np.iscomplexobj(value):
        return
    if any(x.dtype.kind != "f" or x.shape != g.shape for x, g in pairs):
        return
    x, g = (np.concatenate([each[k].reshape(-1) for each in pairs]) for k in (0, 1))
    follow_calls(place_at(frame), float(np.asarray(value).reshape(-1)[0]), x, g)


@refusing_foreign
def grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    unconnected_gradients: str = "none",
    stabilize: bool = False,
    masked_backward: bool = False,
    allow_reads: bool = False,
    client: Client | None = None,
) -> Callable[..., Any]:
    """Return a function that computes the gradient of `function`; see value_and_grad."""
    both = value_and_grad(
        function,
        argnums,
        has_aux,
        unconnected_gradients=unconnected_gradients,
        stabilize=stabilize,
        masked_backward=masked_backward,
        allow_reads=allow_reads,
        client=client,
    )

    return _Grad(function, both=both, has_aux=has_aux)


class _Grad(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        value, gradient = self._options["both"].called("grad", args, kwargs)
        return (gradient, value[1]) if self._options["has_aux"] else gradient


def traced_on(
    tape: GradientTape,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    positions: Sequence[int],
    allow_reads: bool,
) -> tuple[tuple[Any, ...], Any]:
    """The arguments at some positions as sources that `tape` watches, and what `function` answers on it."""
    tape._recorder.reads = None  # what depends on an argument cannot be read, or is allowed to be
    names = argument_names(function, len(args))
    arguments = list(args)
    for position in positions:
        arguments[position] = sources_of(names[position], args[position])
    chosen = tuple(arguments[position] for position in positions)
    tape.watch(chosen)
    label = label_of(function)
    sources = named([names[position] for position in positions], chosen)
    lists = [(names[k], args[k]) for k in positions]
    with tape, scope("grad", label, sources, values=True, free=allow_reads), told_of_lists(lists):
        for position in positions:
            arguments[position] = guarded(names[position], args[position], arguments[position])
        return chosen, function(*arguments, **kwargs)


def sources_of(name: str, argument: Any) -> Any:
    """An argument with something to differentiate by in place of each of its numbers; see as_source."""
    make = as_source(name)
    tensors = []
    for path, value in paths(argument, name):
        if path != name and not isinstance(value, Operators) and _is_setting(value):
            what = "None" if value is None else f"{type(value).__name__} {value!r:.30}"
            raise TypeError(
                f"expected numbers to differentiate by in '{name}', and {path} is {what}: leave it out of "
                f"'{name}', and read it in the function from a name outside, or from an argument of its own"
            )
        tensors.append(make(value) if path == name else make(value, path))
    return rebuild(argument, iter(tensors))


def _is_setting(value: Any) -> bool:
    """Whether an entry is no number, but a text, a choice or a function."""
    return value is None or isinstance(value, str | bytes | bool | np.bool_) or callable(value)


def as_source(name: str) -> Callable[..., Tensor | Variable]:
    """What makes an argument something to differentiate by; raises TraceError for integers.

    A `path` says which entry of the argument it is. While something records, a traced argument stays on its
    tape; else its value is taken.
    """

    def make(value: Any, path: str = "") -> Tensor | Variable:
        if isinstance(value, Variable):
            return value
        if isinstance(value, Operators) and recorder.get() is not None:
            return record("identity", (value,))
        try:
            array = value._value() if isinstance(value, Operators) else as_array(value)
        except TypeError as error:
            raise TypeError(_no_numbers(path or name, value, error)) from None
        if array.dtype.kind not in "fc":
            raise TraceError(
                f"expected floating numbers to differentiate by for '{path or name}', got {array.dtype}; "
                "integers carry no gradient: pass value.astype(float), or give the position of the argument "
                "that is meant, argnums=1 for the second"
            )
        return Tensor(Edge(Leaf(array, name, here(), path=path.replace("'", '"'))))

    return make


def _no_numbers(name: str, value: Any, error: TypeError) -> str:
    """What is said of an argument to differentiate by that is no array of numbers."""
    if value is None or isinstance(value, str | bytes) or callable(value):
        what = "None" if value is None else f"{type(value).__name__} {value!r:.30}"
        return (
            f"expected numbers to differentiate by for '{name}', got {what}: argnums names the positions "
            "of the arguments that are numbers, argnums=1 for the second"
        )
    if is_dataclass(value) or (hasattr(value, "__dict__") and not hasattr(value, "__array__")):
        remedy = "dataclasses.asdict(p)" if is_dataclass(value) else "vars(p)"
        return (
            f"expected numbers to differentiate by for '{name}', got an object of {type(value).__name__}: "
            f"pass a dict, a tuple or a NamedTuple of arrays, such as {remedy}, and read p['w'] in the "
            "function"
        )
    return f"'{name}': {error}"


def argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """What the arguments are called in graphs and messages."""
    return parameter_names(function, max(count, 1))


def plain(array: Array) -> Any:
    """An array, or NumPy's scalar for one without axes."""
    return array[()] if array.ndim == 0 else array


def positions_of(argnums: int | Sequence[int], count: int) -> tuple[tuple[int, ...], bool]:
    """The positions meant among `count` arguments, and whether it is a single one.

    Negative ones count from the end. Raises TypeError for one that is not there.
    """
    if count == 0:
        raise TypeError(
            "expected an argument to differentiate by, passed by position, gw.grad(f)(x, w): argnums counts "
            "positions, and what is passed by name is a constant"
        )
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for position in positions:
        if not -count <= position < count:
            raise TypeError(
                f"expected `argnums` among {count} positional arguments, counted from 0, got {position}: "
                f"argnums={count - 1} is the last one"
            )
    return tuple(position % count for position in positions), isinstance(argnums, int)
