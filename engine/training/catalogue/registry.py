"""Named records with settings: how `{"name": "adam", "epsilon": 1e-8}` and `"adam"` are read.

Optimisers, schedules, initialisers, losses, metrics and layers are each one record in a catalogue. A
record has a name, aliases and attributes; case and underscores do not count, so `HeNormal` is `he_normal`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from engine.errors import (
    EngineError,
    InvalidAttribute,
    InvalidDocument,
    UnknownField,
    UnknownName,
    did_you_mean,
)
from engine.frontend.json_reader import member, show
from engine.ir.attributes import REQUIRED, Attribute, Kind, integer, to_json
from engine.training.catalogue.foreign import foreign


class Record(Protocol):
    """What a catalogue needs of its records."""

    @property
    def name(self) -> str:
        """The canonical name."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names."""
        ...

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The settings."""
        ...


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Choice(Generic[R]):
    """A record with its settings in normal form, every one present."""

    record: R
    settings: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """As JSON that reads back to the same choice: the name, and the settings that are set."""
        values = {name: to_json(value) for name, value in self.settings.items() if value is not None}
        return {"name": self.record.name, **values}


class Registry(Generic[R]):
    """Records by name. `what` is the noun for messages."""

    def __init__(self, what: str, records: Iterable[R]) -> None:
        self.what = what
        self._records = tuple(records)
        self._by_key = {
            key(name): record for record in self._records for name in (record.name, *record.aliases)
        }

    def __iter__(self) -> Iterator[R]:
        return iter(self._records)

    def named(self, name: str, path: str) -> R:
        """The record called `name`; raises UnknownName with the nearest names."""
        record = self._by_key.get(key(name))
        if record is None:
            names = [record.name for record in self._records]
            raise UnknownName(
                f"there is no {self.what} called {show(name)}",
                path=path,
                hint=did_you_mean(name, [*names, *(a for r in self._records for a in r.aliases)])
                or foreign(self.what, key(name))
                or f"there are {', '.join(names)}",
            )
        return record

    def read(self, value: Any, path: str) -> Choice[R]:
        """A name, or an object with a name and settings.

        Raises UnknownName, UnknownField, InvalidAttribute and InvalidDocument.
        """
        if isinstance(value, str):
            record = self.named(value, path)
            return Choice(record, read_settings({}, record.attributes, path, self.what))
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            raise InvalidDocument(
                f"expected the name of {article(self.what)}, or an object with a 'name', got {show(value)}",
                path=path,
            )
        record = self.named(value["name"], member(path, "name"))
        values = {name: setting for name, setting in value.items() if name != "name"}
        return Choice(record, read_settings(values, record.attributes, path, record.name))


def key(name: str) -> str:
    """A name as it is compared: `AdamW`, `adam_w` and `adamw` are one."""
    return name[:64].lower().replace("_", "").replace("-", "").replace(" ", "")


def camel(name: str) -> str:
    """A name as Keras writes that of a class: `mean_squared_error` is `MeanSquaredError`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def article(noun: str) -> str:
    """The noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def read_settings(
    values: Mapping[str, Any],
    declared: Sequence[Attribute],
    path: str,
    what: str,
    others: Sequence[str] = (),
    absent: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The settings in normal form, defaults filled in, each refusal with its path; null means absent.

    `others` are settings that are read elsewhere, named if one is unknown; `absent` says what to do instead
    of settings that other libraries have.
    """
    by_name = {attribute.name: attribute for attribute in declared}
    names = [*others, *by_name]
    for name in values:
        if name not in by_name:
            raise UnknownField(
                f"{what} has no setting {show(name)}",
                path=member(path, str(name)),
                hint=absent.get(name)
                or did_you_mean(str(name), names)
                or f"the settings are {', '.join(names) or 'none'}",
            )
    settings: dict[str, Any] = {}
    for name, attribute in by_name.items():
        place = member(path, name)
        if values.get(name) is not None:
            try:
                settings[name] = attribute.parse(values[name])
            except EngineError as error:
                error.path = place + (error.path or "")
                error.hint = _fraction(attribute, values[name]) or error.hint
                raise
        elif attribute.default is REQUIRED:
            raise InvalidAttribute(
                f"{what} needs '{name}' ({attribute.kind.expected})", path=place, hint=attribute.doc or None
            )
        else:
            settings[name] = attribute.default
    return settings


def _fraction(attribute: Attribute, value: Any) -> str | None:
    """The cure for a percentage in place of a fraction, and for a whole number that is written as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if (
        attribute.kind.name == "number"
        and " at least 0 and below 1" in attribute.kind.expected
        and value >= 1
    ):
        return (
            f"'{attribute.name}' is a fraction: {value / 100:g} for {value:g} %"
            if value > 1
            else "it is a fraction below 1"
        )
    if attribute.kind.name == "int" and isinstance(value, float) and value.is_integer():
        return f"write it as an integer: {int(value)}"
    if attribute.kind.name == "int" and value < 1:
        return f"leave '{attribute.name}' out for its default, or give 1 or more"
    return None


# -- kinds of settings ----------------------------------------------------------------------------------


def number(
    low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False
) -> Kind:
    """A finite number in an interval; `above` and `below` leave its ends out."""
    expected = "a finite number" + _interval(low, high, above, below)

    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError
        if value < low or value > high or (above and value == low) or (below and value == high):
            raise ValueError
        return float(value)

    bounds: dict[str, Any] = {"type": "number"}
    if low > -math.inf:
        bounds["exclusiveMinimum" if above else "minimum"] = low
    if high < math.inf:
        bounds["exclusiveMaximum" if below else "maximum"] = high
    return Kind("number", expected, parse, bounds, "float")


def _interval(low: float, high: float, above: bool, below: bool) -> str:
    parts = []
    if low > -math.inf:
        parts.append(f"{'above' if above else 'at least'} {low:g}")
    if high < math.inf:
        parts.append(f"{'below' if below else 'at most'} {high:g}")
    return f" {' and '.join(parts)}" if parts else ""


def whole(low: int, high: int = 2**63 - 1) -> Kind:
    """An integer in an interval, ends included."""
    bounds = f"at least {low}" if high == 2**63 - 1 else f"from {low} to {high}"

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return int(value)

    return Kind("int", f"an integer, {bounds}", parse, {"type": "integer", "minimum": low}, "int")


def sizes(value: Any) -> tuple[int, ...]:
    """A list of sizes, each at least 1; raises ValueError."""
    if not isinstance(value, list | tuple) or len(value) > 32:
        raise ValueError("for example [784]")
    if None in value:
        raise ValueError("the axis of the samples is left out, as in [784]")
    if any(integer(size) < 1 for size in value):
        raise ValueError("a size is at least 1")
    return tuple(value)


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError
    parse = number().parse
    return tuple(parse(item) for item in value)


SHAPE = Kind(
    "shape", "a list of sizes", sizes, {"type": "array", "items": {"type": "integer"}}, "Sequence[int]"
)
NUMBERS = Kind(
    "numbers",
    "a list of numbers",
    _numbers,
    {"type": "array", "items": {"type": "number"}},
    "Sequence[float]",
)
