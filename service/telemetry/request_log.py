"""One line for each request, written directly: a logging library costs more than a small gradient."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from pydantic_core import to_json
from structlog.typing import FilteringBoundLogger

from service.settings import Settings
from service.telemetry.logs import Forgiving, format_of, level_of
from service.wire.visible_text import visible_json

#: Text that stands in JSON as it is.
_PLAIN = re.compile(r"[ !#-\[\]-~]*").fullmatch


class Request(NamedTuple):
    """What the line of one request says; `quiet` ones, such as health checks, are of level debug.

    `status` is 0 if the caller was gone before there was one, and `code` the code of the problem, if any.
    """

    method: str
    path: str
    status: int
    code: str | None
    seconds: float
    client: str | None
    request_id: str
    quiet: bool

    @property
    def level(self) -> int:
        """Failures of the server are errors, whoever asked."""
        if self.status >= 500:
            return logging.ERROR
        return logging.DEBUG if self.quiet else logging.INFO


RequestLog = Callable[[Request], None]


def make_request_log(settings: Settings, logger: FilteringBoundLogger, stream: TextIO) -> RequestLog:
    """The log of requests as GRADWIRE_LOG_REQUESTS, the format and the level have it."""
    level = level_of(settings)
    in_json = format_of(settings, stream) == "json"
    write_line = _json_writer(stream) if in_json else _console_writer(logger)
    least = {"all": 0, "errors": 400, "off": 1000}[settings.log_requests]

    def write(request: Request) -> None:
        if 0 < request.status < least or request.level < level:
            return
        write_line(request)

    return write


def _json_writer(stream: TextIO) -> RequestLog:
    out = Forgiving(stream)

    def write(request: Request) -> None:
        method, path, status, code, seconds, client, request_id, _ = request
        now = datetime.now(UTC).isoformat().removesuffix("+00:00")
        problem = "" if code is None else f'"code":"{code}",'
        out.write(
            f'{{"method":{_quoted(method)},"path":{_quoted(path)},"status":{status},{problem}'
            f'"milliseconds":{seconds * 1000:.3f},"client":{"null" if client is None else _quoted(client)},'
            f'"request_id":"{request_id}","event":"request",'
            f'"level":"{logging.getLevelName(request.level).lower()}","timestamp":"{now}Z"}}\n'
        )
        out.flush()

    return write


def _quoted(text: str) -> str:
    return f'"{text}"' if _PLAIN(text) else visible_json(to_json(text).decode())


def _console_writer(logger: FilteringBoundLogger) -> RequestLog:
    def write(request: Request) -> None:
        line = request._asdict()
        del line["quiet"]
        line["milliseconds"] = round(line.pop("seconds") * 1000, 3)
        if line["code"] is None:
            del line["code"]
        logger.log(request.level, "request", **line)

    return write
