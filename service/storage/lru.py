"""A cache that is bounded in entries and in bytes, and forgets what was used longest ago."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """At most `entries` values of `most_bytes` in all, with `hits` and `misses` counted.

    Whoever puts a value says how many bytes it takes, about. Safe to share between threads.
    """

    def __init__(self, entries: int, most_bytes: int) -> None:
        self._entries = entries
        self._most_bytes = most_bytes
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = Lock()
        self.nbytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        """The value, now the newest; None if it is not there."""
        with self._lock:
            entry = self._values.get(key)
            if entry is None:
                self.misses += 1
                return None
            self.hits += 1
            self._values.move_to_end(key)
            return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep `value` of `size` bytes as the newest, forgetting the oldest if there are too many.

        What is larger than all that may be kept is not kept.
        """
        with self._lock:
            self._drop(key)
            if size > self._most_bytes:
                return
            self._values[key] = value, size
            self.nbytes += size
            while len(self._values) > self._entries or self.nbytes > self._most_bytes:
                _, (_, dropped) = self._values.popitem(last=False)
                self.nbytes -= dropped

    def discard(self, key: K) -> None:
        """Forget one value; nothing happens if it is not there."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: K) -> None:
        entry = self._values.pop(key, None)
        if entry is not None:
            self.nbytes -= entry[1]
