"""A question about N rows as the same question about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.derivatives.draft import DIRECTION, common_rows, without_rows
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import UnknownInput, did_you_mean


@dataclass(frozen=True, slots=True)
class Row:
    """The question about one row, the tape's inputs that have the batch axis, and its size."""

    query: Query
    batched: frozenset[str]
    count: int


def one_row(query: Query) -> Row:
    """Take the leading axis off what is batched: the inputs named, every cotangent, and the tangents and
    vectors of those inputs. Raises UnknownInput, ShapeMismatch.
    """
    if not query.batch:
        return Row(query, frozenset(), 0)
    for name in query.batch:
        if name not in query.inputs:
            raise UnknownInput(
                f"`batch` names '{name}', which has no value",
                path="$.batch",
                hint=did_you_mean(name, query.inputs) or "the names are those under `inputs`",
            )
    strip = _Stripper(query)
    row = replace(
        query,
        batch=(),
        inputs=strip.those(query.inputs, "inputs", set(query.batch), ""),
        cotangents=strip.all(query.cotangents, "cotangents"),
        tangents=strip.moved(query.tangents, "tangents"),
        vectors=strip.moved(query.vectors, "vectors"),
    )
    return Row(row, frozenset(strip.batched), common_rows(strip.counts, "$.batch"))


class _Stripper:
    """Takes leading axes off, and remembers whose and how long they were."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.batched: list[str] = []
        self.counts: dict[str, int] = {}

    def those(
        self, types: Mapping[str, TensorType], word: str, names: set[str], prefix: str
    ) -> Mapping[str, TensorType]:
        """The types with those of `names` stripped."""
        answer = dict(types)
        for name in names & set(types):
            answer[name], count = without_rows(types[name], name, f"$.{word}.{name}")
            self.counts[f"{word}.{name}"] = count
            self.batched.append(f"{prefix}{name}")
        return answer

    def all(self, types: Mapping[str, TensorType] | None, word: str) -> Mapping[str, TensorType] | None:
        """Every type stripped."""
        return None if types is None else self.those(types, word, set(types), DIRECTION)

    def moved(self, types: Mapping[str, TensorType] | None, word: str) -> Mapping[str, TensorType] | None:
        """The types of directions in which batched inputs move."""
        return None if types is None else self.those(types, word, set(self.query.batch), DIRECTION)
