"""Attributes of ops: static parameters, each with a schema.

A kind checks a JSON value and gives its normal form, which is hashable, so that two instructions can
be compared. Axes stay as the user wrote them here; the op's family makes them non-negative once the
rank is known. Every refusal is an InvalidAttribute that says what was expected and what came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine import dtypes
from engine.errors import InvalidAttribute, did_you_mean
from engine.ir.json_numbers import LISTED, NON_FINITE, named
from engine.ir.substitutes.spellings import NEEDLESS, spelled

REQUIRED: Final = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of attribute value: its check, its JSON schema, its Python annotation for the SDK."""

    name: str
    expected: str
    parse: Callable[[Any], Any]
    schema: Mapping[str, Any]
    annotation: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named static parameter of an op.

    A null is the default, unless the attribute is `nullable`: then it means what None means to NumPy or
    SciPy. An axis for which None has no meaning refuses it.
    """

    name: str
    kind: Kind
    default: Any = REQUIRED
    doc: str = ""
    nullable: bool = field(default=False)

    def parse(self, value: Any) -> Any:
        """The normal form of `value`; raises InvalidAttribute."""
        if value is None and (self.nullable or self.default is None):
            return None
        if value is None and self.default is not REQUIRED:
            return self._default_for_null()
        try:
            return self.kind.parse(value)
        except (ValueError, TypeError, OverflowError) as error:
            detail = f": {error}" if str(error) else ""
            example = _EXAMPLES.get(self.kind.name)
            raise InvalidAttribute(
                f"expected {self.kind.expected} for '{self.name}', got {_show(value)}{detail}",
                hint=f"for example {self.name}={example}" if example else None,
            ) from None

    def _default_for_null(self) -> Any:
        if self.kind.name in _PLACES:
            raise InvalidAttribute(
                f"null names no axis: expected {self.kind.expected} for '{self.name}'",
                hint=f"leave it out for the default, {to_json(self.default)}",
            )
        return self.default

    def describe(self) -> dict[str, Any]:
        """The attribute as `/v1/ops` lists it."""
        answer: dict[str, Any] = {"kind": self.kind.name, "schema": dict(self.kind.schema)}
        if self.doc:
            answer["doc"] = self.doc
        if self.nullable:
            answer["nullable"] = True
        if self.default is REQUIRED:
            answer["required"] = True
        else:
            answer["default"] = to_json(self.default)
        return answer


_PLACES: Final = frozenset({"axis", "axes", "contraction"})  # kinds of which NumPy's None is no default
#: A value of each kind, as it is written in a program.
_EXAMPLES: Final = {
    "axis": "0",
    "axes": "(0, 1)",
    "bool": "True",
    "shape": "(2, 3)",
    "new_shape": "(2, -1)",
    "pairs": "[[1, 1], [0, 0]], a pair for each axis",
    "order": "2, 1, inf or 'fro'",
    "dtype": "'float32'",
    "contraction": "1, or [[1], [0]]",
    "sections": "2, or [1, 3]",
}


def parse_attributes(values: Mapping[str, Any], declared: Sequence[Attribute]) -> dict[str, Any]:
    """Check `values` against the declared attributes and fill in defaults; raises InvalidAttribute."""
    if not values and not declared:
        return {}
    names = [attribute.name for attribute in declared]
    for name in values:
        if name not in names:
            listed = ", ".join(sorted(names)) or "none"
            ours = spelled(name, tuple(names))
            hint = f"it is called '{ours}' here" if ours else did_you_mean(name, names)
            raise InvalidAttribute(
                f"unknown attribute '{name}'; the attributes are: {listed}",
                hint=hint or ("leave it out" if name in NEEDLESS else None),
            )
    settings: dict[str, Any] = {}
    for attribute in declared:
        value = values.get(attribute.name)
        if value is not None or (attribute.name in values and not _is_missing(attribute)):
            settings[attribute.name] = attribute.parse(value)
        elif attribute.default is REQUIRED:
            raise InvalidAttribute(f"attribute '{attribute.name}' ({attribute.kind.expected}) is required")
        else:
            settings[attribute.name] = attribute.default
    return settings


def _is_missing(attribute: Attribute) -> bool:
    """Whether a null is as if a required attribute had not been given."""
    return attribute.default is REQUIRED and not attribute.nullable


def to_json(value: Any) -> Any:
    """An attribute's normal form as JSON; `parse` reads it back to the same value."""
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, slice):
        return {"start": value.start, "stop": value.stop, "step": value.step}
    if value is Ellipsis:
        return "..."
    if isinstance(value, InputIndex):
        return {"input": value.position}
    return named(value) if isinstance(value, float) else value


def _show(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def integer(value: Any) -> int:
    """An int in the 64-bit range, no bool; whole floats are refused too."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError
    if not -(2**63) <= value < 2**63:
        raise ValueError("beyond 64 bits")
    return int(value)


def _size(value: Any) -> int:
    number = integer(value)
    if number < 0:
        raise ValueError("a size is not negative")
    return number


def _number(value: Any) -> float | int:
    if isinstance(value, str):
        return NON_FINITE[value] if value in NON_FINITE else _refuse()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    if isinstance(value, float) and not math.isfinite(value):
        return value
    float(value)  # OverflowError for an integer that no float holds
    return value


def _refuse() -> Any:
    raise ValueError(f"the only strings are {LISTED}")


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _integers(value: Any) -> tuple[int, ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        return (integer(value),)
    if not isinstance(value, list | tuple):
        raise ValueError
    return tuple(integer(item) for item in value)


def _axes(value: Any) -> tuple[int, ...]:
    axes = _integers(value)
    if len(set(axes)) != len(axes):
        raise ValueError("an axis is named twice")
    return axes


def _shape(value: Any) -> tuple[int, ...]:
    shape = _integers(value)
    if any(size < 0 for size in shape):
        raise ValueError("a size is not negative")
    return _bounded(shape)


def _bounded(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) > 64:
        raise ValueError("more than 64 axes")
    return shape


def _shape_with_wildcard(value: Any) -> tuple[int, ...]:
    shape = _integers(value)
    if any(size < -1 for size in shape) or shape.count(-1) > 1:
        raise ValueError("sizes are not negative, and one at most is -1")
    return _bounded(shape)


def _pairs(value: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list | tuple):
        raise ValueError
    pairs = [tuple(integer(item) for item in pair) for pair in value]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("each entry is a pair")
    return tuple((pair[0], pair[1]) for pair in pairs)


def _sections(value: Any) -> int | tuple[int, ...]:
    if isinstance(value, list | tuple):
        return _integers(value)
    sections = integer(value)
    if sections < 1:
        raise ValueError("at least one section")
    return sections


def _contraction(value: Any) -> int | tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError("two lists of axes")
        return _integers(value[0]), _integers(value[1])
    count = integer(value)
    if count < 0:
        raise ValueError("a count is not negative")
    return count


def _dtype(value: Any) -> str:
    if value not in dtypes.ALL:
        raise ValueError(f"the dtypes are {dtypes.names(dtypes.ALL)}")
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    if len(value) > 4096:
        raise ValueError("longer than 4,096 characters")
    return value


def _order(value: Any) -> float | int | str:
    return value if value in ("fro", "nuc") else _number(value)


@dataclass(frozen=True, slots=True)
class InputIndex:
    """In an index: the tensor that arrives as the node's input `position`."""

    position: int


def _index(value: Any) -> tuple[Any, ...]:
    items = tuple(_index_item(item) for item in (value if isinstance(value, list | tuple) else [value]))
    if sum(item is Ellipsis for item in items) > 1:
        raise ValueError('one "..." at most')
    return items


def _index_item(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, slice | InputIndex):
        return item
    if item == "...":
        return Ellipsis
    if isinstance(item, bool):
        raise ValueError("a bare boolean is no index")
    if isinstance(item, int):
        return integer(item)
    if isinstance(item, list | tuple):
        return _index_list(item)
    if isinstance(item, dict) and set(item) == {"input"}:
        return InputIndex(integer(item["input"]))
    if isinstance(item, dict) and set(item) <= {"start", "stop", "step"}:
        bounds = {key: None if bound is None else integer(bound) for key, bound in item.items()}
        if bounds.get("step") == 0:
            raise ValueError("a slice's step is not 0")
        return slice(bounds.get("start"), bounds.get("stop"), bounds.get("step"))
    raise ValueError


def _index_list(items: Sequence[Any]) -> tuple[Any, ...]:
    nested = [isinstance(item, list | tuple) for item in items]
    if any(nested):
        if not all(nested) or len({len(item) for item in items}) > 1:
            raise ValueError("a ragged list is no index")
        return tuple(_index_list(item) for item in items)
    if any(isinstance(item, bool) for item in items):
        if not all(isinstance(item, bool) for item in items):
            raise ValueError("booleans and integers do not mix in an index")
        return tuple(items)
    return tuple(integer(item) for item in items)


def choice(*options: str) -> Kind:
    """One of a few words."""

    def parse(value: Any) -> str:
        if value not in options:
            raise ValueError
        return str(value)

    listed = ", ".join(f"'{option}'" for option in options)
    return Kind("choice", f"one of {listed}", parse, {"enum": list(options)}, "str")


_INT = {"type": "integer"}
_INTS = {"type": "array", "items": _INT}

INT = Kind("int", "an integer", integer, _INT, "int")
SIZE = Kind("size", "an integer, 0 or more", _size, {"type": "integer", "minimum": 0}, "int")
NUMBER = Kind("number", "a number", _number, {"type": ["number", "string"]}, "float")
BOOLEAN = Kind("bool", "true or false", _boolean, {"type": "boolean"}, "bool")
AXIS = Kind("axis", "an axis (an integer)", integer, _INT, "int")
AXES = Kind("axes", "an axis or a list of axes", _axes, {"anyOf": [_INT, _INTS]}, "int | Sequence[int]")
SHAPE = Kind("shape", "a list of sizes", _shape, {"anyOf": [_INT, _INTS]}, "int | Sequence[int]")
NEW_SHAPE = Kind(
    "new_shape",
    "a list of sizes, one of which may be -1",
    _shape_with_wildcard,
    {"anyOf": [_INT, _INTS]},
    "int | Sequence[int]",
)
INTS = Kind(
    "ints", "an integer or a list of integers", _integers, {"anyOf": [_INT, _INTS]}, "int | Sequence[int]"
)
PAIRS = Kind(
    "pairs",
    "a list of pairs of integers",
    _pairs,
    {"type": "array", "items": {**_INTS, "minItems": 2, "maxItems": 2}},
    "Sequence[Sequence[int]]",
)
SECTIONS = Kind(
    "sections",
    "a number of sections, or a list of sizes or places",
    _sections,
    {"anyOf": [_INT, _INTS]},
    "int | Sequence[int]",
)
CONTRACTION = Kind(
    "contraction",
    "a number of axes, or two lists of axes",
    _contraction,
    {"anyOf": [_INT, {"type": "array", "items": {"anyOf": [_INT, _INTS]}, "minItems": 2, "maxItems": 2}]},
    "int | Sequence[Sequence[int]]",
)
DTYPE = Kind("dtype", "a dtype's name", _dtype, {"enum": list(dtypes.ALL)}, "str")
TEXT = Kind("text", "a string", _text, {"type": "string"}, "str")
ORDER = Kind(
    "order",
    "a norm's order (a number, 'fro' or 'nuc')",
    _order,
    {"type": ["number", "string"]},
    "float | str",
)
INDEX = Kind(
    "index",
    'an index: integers, {"start", "stop", "step"}, null, "...", lists, {"input": k}',
    _index,
    {"type": "array", "items": {}},
    "Any",
)


def _function(value: Any) -> Any:
    """A name in a document; the sub-tape that took its place once recorded."""
    return value if hasattr(value, "instructions") else _text(value)


FUNCTION = Kind("function", "the name of an entry of `functions`", _function, {"type": "string"}, "str")
