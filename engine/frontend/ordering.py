"""One topological order for one graph, whatever order its document had."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping


class Loop(Exception):
    """Names that depend on each other in a circle; `names` starts and ends with the same one."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(" → ".join(names))
        self.names = names


def topological(dependencies: Mapping[str, Collection[str]]) -> list[str]:
    """The keys, each after what it depends on; of those that are free the least name comes first.

    Dependencies that are no keys are taken as given; raises Loop.

    >>> topological({"c": ["a", "b"], "b": ["a"], "a": ["x"]})
    ['a', 'b', 'c']
    """
    waiting = dict.fromkeys(dependencies, 0)
    users: dict[str, list[str]] = {}
    for name, sources in dependencies.items():
        for source in sources:  # one that is named twice is waited for twice, and set free twice
            if source in waiting:
                waiting[name] += 1
                users.setdefault(source, []).append(name)
    free = [name for name, count in waiting.items() if count == 0]
    heapq.heapify(free)
    order: list[str] = []
    while free:
        name = heapq.heappop(free)
        order.append(name)
        for user in users.get(name, ()):
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(free, user)
    if len(order) < len(dependencies):
        raise Loop(_circle(dependencies, {name for name, count in waiting.items() if count}))
    return order


def _circle(dependencies: Mapping[str, Collection[str]], stuck: set[str]) -> list[str]:
    """One circle among the names that never came free: each of them waits for another of them."""
    trail: dict[str, None] = {}
    name = min(stuck)
    while name not in trail:
        trail[name] = None
        name = min(source for source in dependencies[name] if source in stuck)
    circle = list(trail)
    circle = circle[circle.index(name) :]
    first = circle.index(min(circle))
    circle = circle[first:] + circle[:first]
    # The trail followed dependencies; the reader follows the data.
    return [circle[0], *reversed(circle[1:]), circle[0]]
