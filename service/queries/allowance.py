"""How much of the event loop's time callers have used lately: who uses much leaves some to others."""

from __future__ import annotations

from collections import OrderedDict

from service.queries.turns import Caller

#: Callers that are remembered; who is forgotten begins anew.
_REMEMBERED = 1024


class Allowance:
    """Each connection may use a `share` of the time, and `burst` seconds at once.

    An address may use three connections' share, all addresses six.
    """

    def __init__(self, share: float, burst: float) -> None:
        self._share = share
        self._burst = burst
        #: By connection, by address, and of all: when the time that was used will be paid off.
        self._paid: OrderedDict[object, float] = OrderedDict()

    def allows(self, caller: Caller, now: float) -> bool:
        """Whether the caller may use more at the time `now`."""
        return all(self._paid.get(key, now) - now <= self._burst / self._share for key, _ in _keys(caller))

    def spend(self, caller: Caller, now: float, seconds: float) -> None:
        """Count what the caller has used."""
        for key, factor in _keys(caller):
            self._paid[key] = max(self._paid.get(key, now), now) + seconds / (self._share * factor)
            self._paid.move_to_end(key)
        while len(self._paid) > _REMEMBERED:
            self._paid.popitem(last=False)


def _keys(caller: Caller) -> tuple[tuple[object, int], ...]:
    """What is counted for a caller, and how many times the share of a connection it may use.

    Over a Unix socket callers are not known apart.
    """
    if caller is None:
        return ((("all",), 6),)
    return (("connection", caller), 1), (("address", caller[0]), 3), (("all",), 6)
