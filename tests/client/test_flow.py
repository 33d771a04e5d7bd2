"""The conversation with a server, stepped by hand: no socket, no clock."""

from __future__ import annotations

import email.utils
import json
import time
from typing import Any

import pytest

from gradwire._transport.flow import Flow, Request, Response, Retry, Sleep, exchange, retry_after
from gradwire.errors import Busy, NoAnswer, RequestTimeout, ShapeMismatch, TimeLimit, UnexpectedAnswer

POST = Request("POST", "/v1/evaluate", b"{}")
OK = Response(200, {"content-type": "application/json"}, b"{}")
PROBLEM = {"content-type": "application/problem+json"}


def answer(status: int, code: str, **headers: str) -> Response:
    return Response(status, {**PROBLEM, **headers}, json.dumps({"code": code, "detail": "why"}).encode())


def play(flow: Flow[Response], *answers: Response | Exception) -> tuple[list[Request], list[float], Any]:
    """Drive a flow with these answers: requests sent, seconds slept, and the result or error."""
    sent: list[Request] = []
    slept: list[float] = []
    script = list(answers)
    step = next(flow)
    try:
        while True:
            if isinstance(step, Sleep):
                slept.append(step.seconds)
                step = flow.send(None)
                continue
            sent.append(step)
            following = script.pop(0)
            step = flow.throw(following) if isinstance(following, Exception) else flow.send(following)
    except StopIteration as stop:
        return sent, slept, stop.value
    except (NoAnswer, UnexpectedAnswer, Busy, TimeLimit, ShapeMismatch) as error:
        return sent, slept, error


def test_an_answer_is_an_answer() -> None:
    sent, slept, result = play(exchange(POST, Retry()), OK)
    assert result is OK
    assert (len(sent), slept) == (1, [])


def test_a_retry_keeps_its_idempotency_key() -> None:
    sent, _, result = play(exchange(POST, Retry()), answer(503, "busy"), answer(429, "busy"), OK)
    assert result is OK
    keys = {request.headers["Idempotency-Key"] for request in sent}
    assert len(sent) == 3
    assert len(keys) == 1
    other, _, _ = play(exchange(POST, Retry()), OK)
    assert other[0].headers["Idempotency-Key"] not in keys


def test_only_posts_have_a_key() -> None:
    sent, _, _ = play(exchange(Request("GET", "/v1/ops"), Retry()), OK)
    assert "Idempotency-Key" not in sent[0].headers


def test_waits_double_and_are_shortened_at_random() -> None:
    retry = Retry(attempts=6, first_wait=1.0, longest_wait=4.0)
    _, slept, error = play(exchange(POST, retry), *[answer(503, "busy")] * 6)
    assert isinstance(error, Busy)
    for wait, bound in zip(slept, [1.0, 2.0, 4.0, 4.0, 4.0], strict=True):
        assert bound / 2 <= wait <= bound


def test_retry_after_goes_first() -> None:
    _, slept, result = play(exchange(POST, Retry()), answer(503, "busy", **{"retry-after": "7"}), OK)
    assert result is OK
    assert slept == [7.0]


def test_retry_after_beyond_our_patience_ends_it() -> None:
    busy = answer(503, "busy", **{"retry-after": "3600"})
    sent, slept, error = play(exchange(POST, Retry(patience=60)), busy)
    assert isinstance(error, Busy)
    assert (len(sent), slept) == (1, [])


def test_retry_after_may_be_a_date() -> None:
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert retry_after(soon) == pytest.approx(30, abs=2)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after("soon") is None


def test_trying_is_bounded() -> None:
    sent, _, error = play(exchange(POST, Retry(attempts=3)), *[NoAnswer("refused")] * 3)
    assert isinstance(error, NoAnswer)
    assert len(sent) == 3


def test_what_was_sent_is_repeated_only_where_that_is_safe() -> None:
    broken = NoAnswer("broke off", sent=True)
    sent, _, result = play(exchange(POST, Retry()), broken, OK)
    assert result is OK
    unsafe = Request("POST", "/v1/jobs", b"{}", safe=False)
    sent, _, error = play(exchange(unsafe, Retry()), broken)
    assert error is broken
    assert len(sent) == 1
    sent, _, result = play(exchange(unsafe, Retry()), NoAnswer("refused"), OK)
    assert result is OK


def test_a_timeout_is_final() -> None:
    sent, _, error = play(exchange(POST, Retry()), RequestTimeout("late", sent=True))
    assert isinstance(error, RequestTimeout)
    assert len(sent) == 1


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_is_asked_again_only_where_that_is_safe(status: int) -> None:
    html = Response(status, {"content-type": "text/html"}, b"<h1>Bad gateway</h1>")
    _, _, result = play(exchange(POST, Retry()), html, OK)
    assert result is OK
    _, _, error = play(exchange(Request("POST", "/v1/jobs", safe=False), Retry()), html)
    assert isinstance(error, UnexpectedAnswer)
    assert "Bad gateway" in str(error)


def test_the_servers_own_time_limit_is_final() -> None:
    sent, _, error = play(exchange(POST, Retry()), answer(504, "time_limit"))
    assert isinstance(error, TimeLimit)
    assert len(sent) == 1


def test_a_fault_of_ours_is_not_repeated() -> None:
    sent, _, error = play(exchange(POST, Retry()), answer(422, "shape_mismatch"))
    assert isinstance(error, ShapeMismatch)
    assert len(sent) == 1
