"""What is wrong with a tensor: each refusal names the JSON path of the first offender and the cure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from engine import dtypes
from engine.errors import InvalidTensor, ShapeMismatch, UnknownField, did_you_mean
from engine.ir.json_numbers import INFINITY, LISTED, NAN, NEGATIVE_INFINITY


def check_declared_shape(came: tuple[int, ...], declared: tuple[int | None, ...], path: str) -> None:
    """Raise ShapeMismatch if a shape is not the declared one; None stands for any size."""
    fits = len(came) == len(declared) and all(
        want in (None, size) for want, size in zip(declared, came, strict=True)
    )
    if not fits:
        raise ShapeMismatch(
            f"expected shape {show([*declared])}, as the function declares, got {show([*came])} at {path}",
            path=path,
            hint="reshape it, or declare null where any size is fine",
        )


def all_of(allowed: frozenset[type], flat: list[Any], shape: Sequence[int], path: str, expected: str) -> None:
    """Raise InvalidTensor at the first leaf whose type is not `allowed`."""
    if set(map(type, flat)) <= allowed:
        return
    odd = next(k for k, item in enumerate(flat) if type(item) not in allowed)
    place, item = path + index_path(odd, shape), flat[odd]
    hint = _HINTS.get(type(item), lambda item: None)(item)
    raise InvalidTensor(f"expected {expected}, got {show(item)} at {place}", path=place, hint=hint)


def _about_text(text: str) -> str:
    """What to send instead of a string."""
    plain = text.strip().lower()
    if plain in _NON_FINITE:
        return f'write it as "{_NON_FINITE[plain]}"'
    if plain in ("true", "false"):
        return f'write it without quotes, in {{"dtype": "bool", "data": {plain}}}'
    try:
        float(plain)
    except ValueError:
        pass
    else:
        return f"write {plain.removeprefix('+')} without quotes"
    number = _complex(plain)
    if number is not None:
        pair = f"[{number.real:g}, {number.imag:g}]"
        return f'complex numbers are pairs [re, im]: {{"dtype": "complex128", "data": {pair}}}'
    if plain.startswith("["):
        return "write the list without quotes around it"
    return f"the only strings are {LISTED}; write numbers without quotes"


def _complex(text: str) -> complex | None:
    try:
        return complex(text.replace(" ", "").replace("i", "j"))
    except ValueError:
        return None


_NON_FINITE: Final = {
    **dict.fromkeys(("nan", "na", "n/a", "", "none", "null"), NAN),
    **dict.fromkeys(("inf", "+inf", "infinity", "+infinity"), INFINITY),
    **dict.fromkeys(("-inf", "-infinity"), NEGATIVE_INFINITY),
}
_HINTS: Final[dict[type, Callable[[Any], str | None]]] = {
    str: _about_text,
    bool: lambda item: 'write 1 or 0; a tensor of booleans is {"dtype": "bool", "data": [true, false]}',
    type(None): lambda item: (
        f'a number that is missing is "{NAN}", and makes NaN of what it meets; or leave it out, there '
        "and in every tensor that it meets"
    ),
    float: lambda item: "write a whole number, or give the tensor a floating dtype",
}


def check_fields(value: dict[str, Any], names: tuple[str, ...], path: str) -> None:
    """Raise UnknownField at the first field that is not `names`."""
    for field in value:
        if field not in names:
            raise UnknownField(
                f"expected only {', '.join(names)} in the tensor at {path}, got '{field}'",
                path=f"{path}.{field}",
                hint=did_you_mean(field, names)
                or 'a tensor is a number, nested lists, or {"dtype": "float64", "data": [1, 2]}',
            )


def ragged(expected: str, item: Any, path: str, shape: Sequence[int], odd: int) -> NoReturn:
    """Raise InvalidTensor for the element at place `odd` of a level of `shape`."""
    came = f"a list of {len(item)} elements" if type(item) is list else show(item)
    place = path + index_path(odd, shape)
    raise InvalidTensor(
        f"expected {expected}, as its neighbours are, got {came} at {place}",
        path=place,
        hint="tensors are rectangular: every list at one level has the same length",
    )


def out_of_range(item: Any, shape: Sequence[int], path: str, odd: int, dtype: str) -> NoReturn:
    """Raise InvalidTensor for the leaf at place `odd` that does not fit `dtype`."""
    place = path + index_path(odd, shape)
    shown = "a number beyond float64" if item in (float("inf"), float("-inf")) else show(item)
    hint = f'write "{INFINITY}" where infinity is meant' if dtypes.is_floating(dtype) else None
    raise InvalidTensor(f"expected a number that fits {dtype}, got {shown} at {place}", path=place, hint=hint)


def index_path(flat: int, shape: Sequence[int]) -> str:
    """`[1][0]` for a place counted along the leaves of `shape`."""
    index: list[int] = []
    for size in reversed(shape):
        flat, at = divmod(flat, size)
        index.append(at)
    return "".join(f"[{at}]" for at in reversed(index))


def show(value: Any) -> str:
    """A short picture of a JSON value, whatever its size."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of about {int(value.bit_length() * 0.30103)} digits"
    if isinstance(value, list) and len(value) <= 8 and not any(isinstance(v, (list, dict)) for v in value):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, (list, dict)):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)} elements"
    text = repr(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= 60 else f"{text[:57]}..."
