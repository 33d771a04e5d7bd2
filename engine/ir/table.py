"""The table of ops: `TABLE` and `lookup` by name, and `F`, by which rules call ops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.errors import InternalError, UnknownOp, slip_of
from engine.ir import substitutes
from engine.ir.op import Op


class Table(Mapping[str, Op]):
    """The ops by canonical name; `lookup` knows the aliases too."""

    def __init__(self) -> None:
        self._ops: dict[str, Op] = {}
        self._names: dict[str, Op] = {}

    def add(self, op: Op) -> Op:
        """Enter a record; raises InternalError if a name or an alias is there already."""
        for name in (op.name, *op.aliases):
            if name in self._names:
                raise InternalError(f"two ops are called '{name}': {self._names[name].name} and {op.name}")
            self._names[name] = op
        self._ops[op.name] = op
        return op

    def lookup(self, name: str) -> Op:
        """The op called `name`, canonical or alias; raises UnknownOp with what to write instead."""
        op = self._names.get(name)
        if op is None:
            public = self.public_names()
            instead = substitutes.find(name)
            raise UnknownOp(
                f"there is no op '{name}'",
                op=name,
                hint=(instead.advice if instead else slip_of(name, public))
                or "GET /v1/ops lists every op with its signature",
            )
        return op

    def find(self, name: str) -> Op | None:
        """The op called `name`, canonical or alias; None if there is none."""
        return self._names.get(name)

    def public_names(self) -> list[str]:
        """The names and aliases of every op that users may call."""
        return [name for name, op in self._names.items() if not op.internal]

    def public(self) -> list[Op]:
        """Every op that users may call, by group and name."""
        return sorted(
            (op for op in self._ops.values() if not op.internal), key=lambda op: (op.group, op.name)
        )

    def __getitem__(self, name: str) -> Op:
        return self._ops[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ops)

    def __len__(self) -> int:
        return len(self._ops)


TABLE = Table()
lookup = TABLE.lookup


class _Names:
    """`F.cos` is the op `cos`, looked up when called: rules may use ops that are defined after them."""

    def __getattr__(self, name: str) -> Op:
        try:
            return TABLE[name]
        except KeyError:
            if name.startswith("__"):  # looked up by Python itself, for instance to copy the object
                raise AttributeError(name) from None
            raise InternalError(f"a rule uses the op '{name}', which is not in the table") from None


F = _Names()
