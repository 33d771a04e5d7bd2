"""Bytes that are held for callers: bodies, and answers that are not read; bounded in all and for each.

What is small is not counted: a connection holds a few kilobytes anyway, and the number of those is bounded.
"""

from __future__ import annotations

from collections import Counter

from service.wire.problems import Problem

#: Up to so many bytes nothing is counted.
UNCOUNTED = 64 * 1024


class HeldBytes:
    """At most `most` bytes at once, and half of them for one address; `what` names them in the problem."""

    def __init__(self, most: int, what: str, setting: str) -> None:
        self._most = most
        self._what = what
        self._setting = setting
        self._by_address: Counter[str] = Counter()
        self.total = 0

    def take(self, address: str, size: int) -> None:
        """Count `size` bytes more. Raises Problem busy, and counts nothing, if that is too many."""
        own = self._by_address[address]
        whole = self.total + size > self._most
        # A single one may be larger than the half.
        if whole or (own and own + size > self._most // 2):
            whose = "the server holds" if whole else "the server holds for your address"
            raise Problem(
                "busy",
                f"{whose} as many bytes of {self._what} as it may",
                hint="try again after the seconds in Retry-After, with fewer large requests at once; the "
                f"operator may raise {self._setting}",
                headers={"Retry-After": "1"},
            )
        self._by_address[address] = own + size
        self.total += size

    def give(self, address: str, size: int) -> None:
        """Count `size` bytes less."""
        self.total -= size
        self._by_address[address] -= size
        if self._by_address[address] <= 0:
            del self._by_address[address]


class Share:
    """What one request holds; everything is given back at the end of the block."""

    __slots__ = ("_address", "_counted", "_size", "_total")

    def __init__(self, total: HeldBytes, address: str) -> None:
        self._total = total
        self._address = address
        self._size = self._counted = 0

    def add(self, size: int) -> None:
        """Hold `size` bytes more. Raises Problem busy."""
        self._size += size
        if self._size > UNCOUNTED:
            self._total.take(self._address, self._size - self._counted)
            self._counted = self._size

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._counted:
            self._total.give(self._address, self._counted)
            self._counted = 0
