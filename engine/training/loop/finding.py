"""What is found wrong with a job that runs, as data."""

from __future__ import annotations

from typing import Any

Finding = dict[str, Any]


def finding(code: str, message: str, node: str | None = None, parameter: str | None = None) -> Finding:
    """A finding in the form of those of parameters that do not learn."""
    empty = dict.fromkeys(("op", "reason", "rows", "diagnosis"))
    return {"code": code, "parameter": parameter, "node": node, **empty, "message": message}
