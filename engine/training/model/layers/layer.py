"""What a layer is: one record that writes itself into a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import InvalidAttribute
from engine.ir.attributes import Attribute
from engine.training.model.builder import Symbol

CHANNELS_LAST = "rows are (*sizes, channels): move the channels of the data to the last axis"


@dataclass(frozen=True, slots=True)
class Layer:
    """One record, from which the SDK's class and the row in docs/training.md follow.

    `write(scope, x, **settings)` returns the layer's output; `summary` says what it computes. `stem` names
    layers that have no name. `integers` says that the layer reads integers, so that a model that starts
    with it takes them. `absent` are settings that only Keras's layer has, with the cure.
    """

    name: str
    stem: str
    summary: str
    write: Callable[..., Symbol]
    attributes: tuple[Attribute, ...] = ()
    aliases: tuple[str, ...] = ()
    integers: bool = False
    absent: Mapping[str, str] = field(default_factory=dict)


def axes_of(axis: tuple[int, ...], x: Symbol) -> tuple[int, ...]:
    """The axes of one row that `axis` names, counted with the axis of the samples in front, as in Keras.

    Raises InvalidAttribute for the axis of the samples and for axes that are not there.
    """
    ndim = len(x.shape) + 1
    answer = []
    for a in axis:
        if not -ndim < a < ndim or a % ndim == 0:
            raise InvalidAttribute(
                f"axis {a} is not one of a row of shape {list(x.shape)}",
                path=".axis",
                hint="axis 0 is that of the samples; -1 is the last one",
            )
        answer.append(a % ndim - 1)
    return tuple(sorted(set(answer)))


def needs_axis(x: Symbol, what: str, count: int = 1) -> None:
    """Raise InvalidAttribute unless a row has at least `count` axes."""
    if len(x.shape) < count:
        axes = "one axis" if count == 1 else f"{count} axes"
        raise InvalidAttribute(
            f"{what} needs rows of at least {axes}, got {_rows(x)}",
            hint=_missing_axis(x, what, count),
        )


def _missing_axis(x: Symbol, what: str, count: int) -> str:
    """How data get the axis that a layer misses."""
    if count == 1:
        return (
            "a column of single numbers has rows of shape [1]: [[1], [2]] instead of [1, 2], x[:, None]; "
            '"fields": [name] instead of "field": name of a data set'
        )
    recurrent = count == 2 and "1D" not in what
    layout = "(steps, features)" if count == 2 else f"({', '.join(_SIZES[count])}, channels)"
    one = "one feature at each step" if count == 2 else "one channel, as images in grey have"
    hint = f"rows are {layout}: for {one} send x[..., None]"
    if recurrent:
        hint += "; after a recurrent layer give that one return_sequences=True, so that it returns every step"
    return f"{hint}; after a Flatten or a pool over whole axes take Dense" if len(x.shape) == 1 else hint


_SIZES = {3: ("height", "width"), 4: ("depth", "height", "width")}


def _rows(x: Symbol) -> str:
    return f"rows of shape {list(x.shape)}"


Settings = dict[str, Any]
