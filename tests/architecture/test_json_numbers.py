"""NaN and the infinities of JSON are named in one module each of the engine, the service and the SDK."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator

import pytest

from engine.ir import json_numbers as engine_numbers
from gradwire._names import json_numbers as sdk_numbers
from service.wire import json_numbers as service_numbers
from tests.architecture.test_layers import PACKAGES, ROOT

NAMES = ("NaN", "Infinity", "-Infinity")
KEYWORDS = ("allow_nan", "inf_nan_mode", "allow_inf_nan", "parse_constant")
HOMES = {
    "engine/ir/json_numbers.py",
    "service/wire/json_numbers.py",
    "clients/python/src/gradwire/_names/json_numbers.py",
}
#: Where a name is none of JSON's.
OTHERWISE = {"engine/frontend/program/libraries.py": "np.NaN, a constant of NumPy's, in a program"}


def spelled(text: str) -> Iterator[str]:
    """The names that code gives as strings, alone or quoted in a message, and options of JSON writers."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (name for name in NAMES if node.value == name or f'"{name}"' in node.value)
        elif isinstance(node, ast.keyword) and node.arg in KEYWORDS:
            yield node.arg


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_file_spells_them(package: str) -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in PACKAGES[package].rglob("*.py")
        if (names := sorted({*spelled(path.read_text())}))
    }
    assert {path: names for path, names in found.items() if path not in {*HOMES, *OTHERWISE}} == {}
    assert HOMES & found.keys(), "the module itself spells them, else this test would see nothing"


@pytest.mark.parametrize(
    "text", ['x = {"NaN": 1}', "hint = 'write \"Infinity\"'", "json.dumps(x, allow_nan=False)"]
)
def test_a_spelling_would_be_found(text: str) -> None:
    assert list(spelled(text))


def test_prose_may_speak_of_them() -> None:
    assert not list(spelled('"""NaN and Infinity, the largest for Infinity."""'))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5, 0.0])
def test_writers_and_readers_agree(value: float) -> None:
    name = engine_numbers.named(value)
    assert sdk_numbers.named(value) == pytest.approx(value, nan_ok=True) or sdk_numbers.named(value) == name
    assert json.loads(service_numbers.dumps([value])) == [name] == json.loads(sdk_numbers.dumps((value,)))
    assert service_numbers.loads(service_numbers.dumps({"x": value})) == {"x": name}
    assert float(name) == pytest.approx(value, nan_ok=True)


def test_the_reader_refuses_literals() -> None:
    with pytest.raises(ValueError, match="expected value"):
        service_numbers.loads(b"[NaN]")
    with pytest.raises(ValueError, match="not JSON compliant"):
        engine_numbers.canonical({"x": math.inf})


def test_the_schema_names_them() -> None:
    assert set(service_numbers.SCHEMA["anyOf"][1]["enum"]) == {*NAMES} == engine_numbers.NON_FINITE.keys()
