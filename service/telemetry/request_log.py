"""One line for each request, written directly: a logging library costs more than a small gradient."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TextIO

from pydantic_core import to_json
from structlog.typing import FilteringBoundLogger

from service.settings import Settings
from service.telemetry.logs import Forgiving, level_of

#: Text that stands in JSON as it is.
_PLAIN = re.compile(r"[ !#-\[\]-~]*").fullmatch
_INFO, _DEBUG = 20, 10


class RequestLog(Protocol):
    """Writes the line of one request; `quiet` ones, such as health checks, are of level debug."""

    def __call__(
        self,
        method: str,
        path: str,
        status: int,
        seconds: float,
        client: str | None,
        request_id: str,
        quiet: bool,
    ) -> None:
        """Write the line, or none: the settings decide."""
        ...


def make_request_log(settings: Settings, logger: FilteringBoundLogger, stream: TextIO) -> RequestLog:
    """The log of requests as GRADWIRE_LOG_REQUESTS, the format and the level have it."""
    level = level_of(settings)
    write_line = _json_writer(stream) if settings.log_format == "json" else _console_writer(logger)
    least = {"all": 0, "errors": 400, "off": 1000}[settings.log_requests]

    def write(
        method: str,
        path: str,
        status: int,
        seconds: float,
        client: str | None,
        request_id: str,
        quiet: bool,
    ) -> None:
        if 0 < status < least or (_DEBUG if quiet else _INFO) < level:
            return
        write_line(method, path, status, seconds, client, request_id, "debug" if quiet else "info")

    return write


Line = Callable[[str, str, int, float, str | None, str, str], None]


def _json_writer(stream: TextIO) -> Line:
    out = Forgiving(stream)

    def write(
        method: str, path: str, status: int, seconds: float, client: str | None, request_id: str, level: str
    ) -> None:
        now = datetime.now(UTC).isoformat().removesuffix("+00:00")
        out.write(
            f'{{"method":{_quoted(method)},"path":{_quoted(path)},"status":{status},'
            f'"milliseconds":{seconds * 1000:.3f},"client":{"null" if client is None else _quoted(client)},'
            f'"request_id":"{request_id}","event":"request","level":"{level}","timestamp":"{now}Z"}}\n'
        )
        out.flush()

    return write


def _quoted(text: str) -> str:
    return f'"{text}"' if _PLAIN(text) else to_json(text).decode()


def _console_writer(logger: FilteringBoundLogger) -> Line:
    def write(
        method: str, path: str, status: int, seconds: float, client: str | None, request_id: str, level: str
    ) -> None:
        log = logger.debug if level == "debug" else logger.info
        milliseconds = round(seconds * 1000, 3)
        log(
            "request",
            method=method,
            path=path,
            status=status,
            milliseconds=milliseconds,
            client=client,
            request_id=request_id,
        )

    return write
