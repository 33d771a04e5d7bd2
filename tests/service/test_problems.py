"""Errors as problem documents: complete, documented, and without internals of the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import errors
from engine.errors import EngineError, InternalError, ShapeMismatch, UserError
from service.wire.problems import ERRORS, Problem, render
from tests.service.world import problem, world

ROOT = Path(__file__).parents[2]


def concrete(base: type[EngineError]) -> Iterator[type[EngineError]]:
    for sub in base.__subclasses__():
        if sub.__module__ == errors.__name__:
            yield from concrete(sub)
            if "code" in vars(sub):
                yield sub


@pytest.mark.parametrize("error", list(concrete(EngineError)), ids=lambda error: error.__name__)
def test_every_engine_error_has_a_status(error: type[EngineError]) -> None:
    entry = ERRORS[error.code]
    assert (entry.title, entry.cure) == (error.title, error.cure)
    assert {"code", "title", "cure"} <= set(vars(error)), "a code has a title and a cure of its own"
    assert render(error("expected a, got b")).status == (422 if issubclass(error, UserError) else 500)


def test_a_subclass_takes_its_bases_entry() -> None:
    class Local(ShapeMismatch):
        """A finer error of some part."""

    assert b'"code":"shape_mismatch"' in render(Local("x")).body


def test_an_error_without_a_code_is_ours() -> None:
    assert render(UserError("x")).status == 500


def test_an_engine_error_says_everything_it_knows() -> None:
    error = ShapeMismatch("d", path="$.p", node="h", op="matmul", hint="c", estimate={"bytes": 1})
    text = render(error).body.decode()
    for part in ('"d"', '"$.p"', '"h"', '"matmul"', '"c"', '{"bytes":1}', '"status":422'):
        assert part in text


def test_a_fault_of_ours_says_nothing_of_the_inside() -> None:
    reply = render(InternalError("secret of the plan", node="secret node"))
    assert reply.status == 500
    assert b"secret" not in reply.body


def test_every_code_is_documented() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    for code, entry in ERRORS.items():
        assert f"| `{code}` | {entry.status} | {entry.title} |" in page


@pytest.mark.anyio
async def test_every_code_has_a_page(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for code, entry in ERRORS.items():
            answer = (await here.client.get(f"/problems/{code}")).json()
            assert answer == {"code": code, "status": entry.status, "title": entry.title, "cure": entry.cure}
        page = await here.client.get("/problems/busy", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert "<code>busy</code>" in page.text
        problem(await here.client.get("/problems/nothing"), 404, "not_found")


@pytest.mark.anyio
async def test_the_routers_own_refusals_are_problems(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for path in (
            "/",
            "/v1",
            "/v1/nothing",
            "/v1/graphs/",
            "/docs/static/nothing.js",
            "/docs/static/../app.py",
        ):
            problem(await here.client.get(path), 404, "not_found")
        refused = await here.client.put("/v1/graphs")
        problem(refused, 405, "method_not_allowed")
        assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.anyio
async def test_an_unexpected_exception_is_logged_and_not_leaked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as here:

        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError("the secret inside")

        monkeypatch.setattr(type(here.services.graphs), "page", broken)
        response = await here.client.get("/v1/graphs", headers={"X-Request-ID": "find-me"})
        document = problem(response, 500, "internal")
        assert "secret" not in response.text
        assert "find-me" in document["detail"]
        [line] = here.lines("unexpected")
        assert line["request_id"] == "find-me"
        assert "the secret inside" in line["exception"]
        assert "Traceback" in line["exception"]


def test_a_problem_needs_a_known_code() -> None:
    with pytest.raises(KeyError):
        render(Problem("no_such_code", "x"))
