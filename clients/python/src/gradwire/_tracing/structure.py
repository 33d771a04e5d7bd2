"""Nested tuples, lists and dicts of things, taken apart and put together in the same shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> Iterator[Any]:
    """The things in a structure, in the order of its positions and keys."""
    if isinstance(tree, dict):
        for item in tree.values():
            yield from leaves(item)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from leaves(item)
    else:
        yield tree


def paths(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a structure called `name`, each with how it is written: `p['w'][0]`."""
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from paths(item, f"{name}[{key!r}]")
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        for field, item in zip(tree._fields, tree, strict=True):
            yield from paths(item, f"{name}.{field}")
    elif isinstance(tree, list | tuple):
        for k, item in enumerate(tree):
            yield from paths(item, f"{name}[{k}]")
    else:
        yield name, tree


def rebuild(tree: Any, replacements: Iterator[Any]) -> Any:
    """The same structure with other things in the places of its leaves."""
    if isinstance(tree, dict):
        return {key: rebuild(item, replacements) for key, item in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(rebuild(item, replacements) for item in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(rebuild(item, replacements) for item in tree)
    return next(replacements)


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same structure with `function` applied to every leaf."""
    return rebuild(tree, iter([function(leaf) for leaf in leaves(tree)]))
