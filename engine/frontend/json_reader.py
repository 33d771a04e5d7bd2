"""Reading JSON documents strictly: objects, arrays and names, each refusal with its JSON path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import InvalidDocument, UnknownField, did_you_mean
from engine.frontend.graph import NAME


def member(path: str, name: str) -> str:
    """The JSON path of a field, whose name may hold dots and dashes.

    >>> member("$.graph.inputs", "W"), member("$.graph.inputs", "dense.kernel")
    ('$.graph.inputs.W', '$.graph.inputs["dense.kernel"]')
    """
    name = str(name)[:128]
    return f"{path}.{name}" if name.isidentifier() else f'{path}["{name}"]'


def fields_of(
    value: Any, names: Sequence[str], path: str, what: str, hints: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The fields of an object that are given; null means absent.

    Raises InvalidDocument if `value` is no object, UnknownField for a field that is not in `names`;
    `hints` has the cure for some likely ones.
    """
    if not isinstance(value, Mapping):
        raise InvalidDocument(f"expected {what}, a JSON object, got {show(value)} at {path}", path=path)
    unknown = value.keys() - names
    for field in value if unknown else ():
        if field in unknown:
            raise UnknownField(
                f"expected only {', '.join(names)} in {what}, got {show(field)} at {path}",
                path=member(path, field),
                hint=(hints or {}).get(field) or did_you_mean(str(field), names),
            )
    return dict(value) if None not in value.values() else {k: v for k, v in value.items() if v is not None}


def object_at(value: Any, path: str, hint: str | None = None) -> Mapping[str, Any]:
    """An object, empty where absent; raises InvalidDocument."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidDocument(f"expected an object, got {show(value)} at {path}", path=path, hint=hint)
    return value


def array_at(value: Any, path: str, what: str, hint: str | None = None) -> Sequence[Any]:
    """An array, empty where absent; raises InvalidDocument."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidDocument(f"expected {what}, got {show(value)} at {path}", path=path, hint=hint)
    return value


def name_at(value: Any, path: str, hint: str | None = None) -> str:
    """A name of the graph's name space; raises InvalidDocument, with `hint` or what names are made of."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    raise InvalidDocument(
        f"expected a name, got {show(value)} at {path}",
        path=path,
        hint=hint or "an ASCII letter or _, then up to 127 ASCII letters, digits and _ . / -",
    )


def show(value: Any) -> str:
    """A short picture of a JSON value, whatever its size."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return "an array"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, int) and value.bit_length() > 128:
        return "an integer of many digits"
    text = f"'{value}'" if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
