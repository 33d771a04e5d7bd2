"""Structured log lines, for machines (JSON) or for people (console), without global state."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from service.settings import Settings
from service.wire.json_numbers import dumps
from service.wire.visible_text import visible, visible_json


def make_logger(settings: Settings, stream: TextIO | None = None) -> FilteringBoundLogger:
    """A logger of its own for one app; every line has a time, a level and an event."""
    stream = stream or sys.stderr
    in_json = format_of(settings, stream) == "json"
    processors: Sequence[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        *([_as_json] if in_json else [_visible_fields, _console(stream)]),
    ]
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(cast(TextIO, Forgiving(stream))),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level_of(settings)),
    )
    return logger


def format_of(settings: Settings, stream: TextIO) -> Literal["json", "console"]:
    """The format of lines on this stream: `auto` writes for people if it is a terminal."""
    if settings.log_format == "auto":
        return "console" if stream.isatty() else "json"
    return settings.log_format


def _console(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=stream.isatty() and "NO_COLOR" not in os.environ)


def level_of(settings: Settings) -> int:
    """The least level that is logged, as a number of the `logging` module."""
    return logging.getLevelNamesMapping()[settings.log_level.upper()]


class Forgiving:
    """A stream that drops lines that cannot be written: a full disk must not stop the process that logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose the text."""
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or do not."""
        with suppress(OSError):
            self._stream.flush()


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return visible_json(dumps(event, fallback=_show).decode())


def _visible_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: visible(value) if isinstance(value, str) else value for name, value in event.items()}


def _show(value: Any) -> str:
    return repr(value)


class Forwarder(logging.Handler):
    """Carries the records of standard logging (uvicorn's, SQLAlchemy's) into a structlog logger."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record under its own level, with its traceback if it has one."""
        exception = record.exc_info if record.exc_info and record.exc_info[0] else None
        extra: dict[str, Any] = {"exc_info": exception} if exception else {}
        self._logger.log(record.levelno, record.getMessage(), source=record.name, **extra)
