"""Records of ops with one part changed, for tests that must find a wrong one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from engine.ir.op import Op


def altered(op: Op, **changes: Any) -> Op:
    """The record with fields of its parts replaced, named as in `engine.ops`."""
    parts = {}
    for name in ("kernel", "derivative", "rules", "samples"):
        part: Any = getattr(op, name)
        own = {field.name for field in fields(part)} & changes.keys()
        parts[name] = replace(part, **{field: changes.pop(field) for field in own})
    return replace(op, **parts, **changes)
