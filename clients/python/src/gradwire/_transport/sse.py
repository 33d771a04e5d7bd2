"""Server-sent events out of bytes. No I/O: chunks go in as they come, whole events come out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a job: its kind (status, step, epoch, log, end), its data, and its id in the stream."""

    kind: str
    data: dict[str, Any]
    id: str = ""


class Parser:
    """Takes chunks that may end anywhere, in the middle of a character too.

    `last_id` is where a broken stream resumes; `wait` is how long the server wants it to wait before, in
    seconds, None where it says nothing.
    """

    def __init__(self) -> None:
        self.last_id = ""
        self.wait: float | None = None
        self._rest = b""
        self._forget()

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete with this chunk."""
        events: list[Event] = []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._line(line.rstrip(b"\r").decode("utf-8", "replace"))
            if event is not None:
                events.append(event)
        return events

    def restart(self) -> None:
        """The connection broke off: what was not complete comes again."""
        self._rest = b""
        self._forget()

    def _forget(self) -> None:
        self._kind, self._id, self._data = "", self.last_id, list[str]()

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._finish()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdigit():
            self.wait = int(value) / 1000
        return None

    def _finish(self) -> Event | None:
        self.last_id = self._id
        event = None
        if self._data:
            text = "\n".join(self._data)
            try:
                data = json.loads(text)
            except ValueError:
                data = text
            kind = self._kind or "message"
            event = Event(kind, data if isinstance(data, dict) else {"text": data}, self._id)
        self._forget()
        return event
