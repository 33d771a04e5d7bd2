"""The tree of errors: drawn as it is, complete, and readable."""

from __future__ import annotations

import re

import pytest

import gradwire as gw
from gradwire import errors
from gradwire._locations import Place
from service.wire.problems import ERRORS
from tests.client.fake import fake_server, problem


def test_the_classes_have_codes_of_the_server() -> None:
    assert set(errors.CODES) <= set(ERRORS)


def test_every_code_of_the_server_is_caught_as_what_it_is() -> None:
    """By a class of its own, or, if it has none, by the class of its status."""
    for code, entry in ERRORS.items():
        found = errors.class_of(code, entry.status)
        if entry.status in (401, 403):
            assert issubclass(found, errors.Unauthorized), code
        elif entry.status == 404:
            assert issubclass(found, errors.NotFound), code
        elif entry.status == 422:
            assert issubclass(found, errors.InvalidRequest), code
        elif entry.status >= 500:
            assert not issubclass(found, errors.InvalidRequest), code


def test_the_tree_is_drawn_as_it_is() -> None:
    assert errors.__doc__ is not None
    drawn: list[tuple[str, str | None, str | None]] = []
    stack: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"^    ([│ ├└─]*)([A-Z]\w+)(?: {2,}(.*))?$", line)
        if match is None:
            continue
        depth, name, rest = len(match[1]), match[2], match[3] or ""
        while stack and stack[-1][0] >= depth:
            stack.pop()
        code = re.match(r"[a-z_]+$|([a-z_]+),", rest)
        drawn.append((name, stack[-1][1] if stack else None, code and code[0].rstrip(",")))
        stack.append((depth, name))
    assert len(drawn) > 40
    for name, parent, code in drawn:
        kind = getattr(errors, name)
        assert kind.__mro__[1].__name__ == parent or parent is None
        assert (getattr(kind, "code", "") or None) == code, name
    defined = {
        kind.__name__
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.GradwireError)
    }
    assert {name for name, _, _ in drawn} == defined


def test_a_newer_servers_code_falls_back_to_its_status() -> None:
    assert errors.class_of("teapot", 422) is errors.InvalidRequest
    assert errors.class_of("gone", 404) is errors.NotFound
    assert errors.class_of("fire", 500) is errors.ServerFault


def test_the_message_has_the_servers_words_and_the_users_line() -> None:
    place = Place(__file__, 1)
    error = errors.ShapeMismatch(
        {"code": "shape_mismatch", "status": 422, "detail": "inner dimensions differ", "hint": "transpose"},
        place=place,
        request_id="r1",
    )
    assert str(error).splitlines() == [
        "inner dimensions differ",
        "  hint: transpose",
        f'  at {__file__}:1: """The tree of errors: drawn as it is, complete, and readable."""',
        "  [shape_mismatch, HTTP 422, request r1]",
    ]


def test_a_problem_points_to_the_line_that_made_the_node() -> None:
    refusal = problem(422, "shape_mismatch", node="matmul_1", op="matmul", hint="transpose")
    with fake_server(refusal):
        a, b = gw.constant([[1.0, 2.0]]), gw.constant([[1.0, 2.0]])
        product = a @ b  # the line that is to blame
        with pytest.raises(errors.ShapeMismatch, match="the line that is to blame"):
            (product + 1.0).numpy()


def test_a_program_shows_its_own_line() -> None:
    source = {"line": 1, "column": 0, "text": "x +"}
    with (
        fake_server(problem(422, "syntax_error", source=source)) as (_, client),
        pytest.raises(errors.ProgramSyntaxError, match="in the program, line 1: x \\+"),
    ):
        client.evaluate("x +", {"x": 1.0})
