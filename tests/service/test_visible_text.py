"""Nothing that a caller sends makes a terminal do anything."""

from __future__ import annotations

import io
import json
from typing import Literal

import pytest

from service.settings import Settings
from service.telemetry.logs import make_logger
from service.telemetry.request_log import Request, make_request_log
from service.wire.visible_text import visible_bytes

HOSTILE = "/a\x1b[2J\x9b31m\x07\x7f\r\u202eb"
FORBIDDEN = set("\x1b\x9b\x07\x7f\r\u202e")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_control_character_is_logged(form: Literal["json", "console"]) -> None:
    settings, out = Settings(log_format=form), io.StringIO()
    logger = make_logger(settings, out)
    logger.warning("storage is not ready", error=HOSTILE)
    request = Request("GET", HOSTILE, 200, None, 0.1, "1.2.3.4", "id", quiet=False)
    make_request_log(settings, logger, out)(request)
    text = out.getvalue()
    assert not FORBIDDEN & set(text)
    assert "[2J" in text
    if form == "json":
        first, second = map(json.loads, text.splitlines())
        assert (first["error"], second["path"]) == (HOSTILE, HOSTILE)


def test_what_a_process_writes_is_made_visible() -> None:
    assert visible_bytes("é\x1b[1m\x9bx\ty\n".encode()) == "é\\x1b[1m\\x9bx\ty\n".encode()
