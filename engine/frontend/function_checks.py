"""Functions and the nodes that name them: do they exist, fit, end, and stay within bounds?

Each op that takes functions says in its record how their inputs and outputs bind
(`engine.ir.function_rules`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from functools import cache
from typing import Any, Final

from engine.errors import Cycle, OverLimit, UnknownName, UserError, WrongArity, did_you_mean
from engine.frontend.graph import MAX_NODES, OUTPUT, Graph, Node, abridged, split_reference
from engine.frontend.ordering import Loop, topological
from engine.ir.attributes import REQUIRED
from engine.ir.function_rules import Sizes, counted
from engine.ir.op import Op

MAX_DEPTH: Final = 32  # functions that call functions; recording them takes Python's stack

Functions = Mapping[str, Graph]


def link(graph: Graph, path: str) -> None:
    """Check every function that a node names, and every `n:k`; raises with the place of the node.

    UnknownName for a function or an output that does not exist, WrongArity for one that does not fit,
    Cycle for recursion, OverLimit for functions too deep or too large once expanded.
    """
    bodies = [graph, *graph.functions.values()]
    for body in bodies:
        for node in body.nodes:
            if function_attributes(node.op):
                _check_functions(node, graph.functions)
    _check_depth_and_size(graph, path)
    for body in bodies:
        for node in body.nodes:
            for reference in node.inputs:
                if isinstance(reference, str) and ":" in reference:
                    _check_output(reference, body, graph.functions, node)
        for reference in body.outputs:
            if ":" in reference:
                _check_output(reference, body, graph.functions, None, f"{path}.outputs")


@cache
def function_attributes(op: Op) -> tuple[str, ...]:
    """The op's attributes that name functions."""
    return tuple(attribute.name for attribute in op.attributes if attribute.kind.name == "function")


def called(node: Node) -> Iterator[tuple[str, str]]:
    """The functions that a node names: (attribute, function)."""
    for attribute in function_attributes(node.op):
        name = node.attributes.get(attribute)
        if name is not None:
            yield attribute, name


def count_outputs(op: Op, inputs: int, attributes: Mapping[str, Any], sizes: Sizes) -> int | None:
    """How many outputs a node has; None if that takes shapes to know."""
    if op.outputs is not None:
        return len(op.outputs)
    rule = op.rules.functions
    if rule is not None:
        needed = (a.name for a in op.attributes if a.kind.name == "function" and a.default is REQUIRED)
        if any(attributes.get(name) is None for name in needed):
            return None  # whoever parses the attributes refuses it
        return rule.outputs(attributes, sizes)
    for attribute in op.attributes:
        value = attributes.get(attribute.name)
        if attribute.kind.name == "sections":
            return value if isinstance(value, int) else len(value) + 1 if isinstance(value, Sized) else None
    return inputs if op.variadic else None


def _check_functions(node: Node, functions: Functions) -> None:
    for attribute, name in called(node):
        if name not in functions:
            raise UnknownName(
                f"there is no function '{name}'",
                path=None if node.path is None else f"{node.path}.attributes.{attribute}",
                node=node.name,
                op=node.op.name,
                source=node.source,
                hint=did_you_mean(name, functions)
                or f"define it under 'functions'; there are: {_listed(functions)}",
            )
    rule = node.op.rules.functions
    if rule is not None:
        try:
            rule.link(node.attributes, len(node.inputs), sizes_in(functions))
        except WrongArity as error:
            raise error.at(node.origin) from None


def sizes_in(functions: Functions) -> Sizes:
    """How many inputs and outputs a function has, by name."""
    return lambda name: (len(functions[name].inputs), len(functions[name].outputs))


def _check_depth_and_size(graph: Graph, path: str) -> None:
    uses = _uses(graph)
    try:
        order = topological(uses)
    except Loop as loop:
        raise Cycle(
            f"the functions {abridged(loop.names)} call themselves",
            path=f"{path}.functions",
            hint="functions are expanded, so recursion never ends; use scan or while_loop",
        ) from None
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = 1 + max((depth[target] for target in uses[name]), default=0)
    size = _sizes(graph, uses, order)
    deepest = max(order, key=depth.__getitem__, default=None)
    if deepest is not None and depth[deepest] > MAX_DEPTH:
        raise OverLimit(
            f"the function '{deepest}' calls functions {depth[deepest]} deep; the limit is {MAX_DEPTH}",
            path=f"{path}.functions",
            hint="write the innermost functions out",
        )
    total = _total(graph, size)
    largest = max([total, *size.values()])
    if largest > MAX_NODES:
        raise OverLimit(
            f"expected at most {MAX_NODES:,} nodes once the functions are expanded, got {largest:,}",
            path=path,
            hint="call fewer functions from functions, or use scan for repetition",
        )


def expanded_size(graph: Graph) -> int:
    """How many nodes a linked graph has once its functions are expanded: what recording it costs grows so."""
    if not graph.functions:
        return len(graph.nodes)
    return graph.fact("expanded size", _expanded_size)


def _expanded_size(graph: Graph) -> int:
    uses = _uses(graph)
    return _total(graph, _sizes(graph, uses, topological(uses)))


def _uses(graph: Graph) -> dict[str, list[str]]:
    """For each function those that it names."""
    return {
        name: [target for node in body.nodes for _, target in called(node)]
        for name, body in graph.functions.items()
    }


def _sizes(graph: Graph, uses: Mapping[str, list[str]], order: Iterable[str]) -> dict[str, int]:
    """The expanded sizes of functions, each after those that it names."""
    size: dict[str, int] = {}
    for name in order:
        size[name] = len(graph.functions[name].nodes) + sum(size[target] for target in uses[name])
    return size


def _total(graph: Graph, size: Mapping[str, int]) -> int:
    return len(graph.nodes) + sum(size[target] for node in graph.nodes for _, target in called(node))


def check_reference(
    reference: str, graph: Graph, path: str, error: type[UserError] = UnknownName, hint: str | None = None
) -> None:
    """Raise `error` unless `reference`, which a user wrote, is a name of `graph` or an `n:k` that it has.

    Where the number of outputs takes shapes to know, `Recording.slot` finds out. `hint` is for a name that is
    like no other.
    """
    name, colon, output = reference.partition(":")
    if name not in graph.names or (colon and OUTPUT.fullmatch(output) is None):
        raise error(
            f"the function has no '{reference}'",
            path=path,
            hint=did_you_mean(name, graph.names)
            or hint
            or "the names are those of inputs, constants and nodes",
        )
    if colon:
        _check_output(reference, graph, graph.functions, None, path, error)


def _check_output(
    reference: str,
    body: Graph,
    functions: Functions,
    user: Node | None,
    path: str | None = None,
    error: type[UserError] = UnknownName,
) -> None:
    name, output = split_reference(reference)
    node = body.names[name]
    count: int | None = 1  # inputs and constants have one
    if node is not None:
        count = count_outputs(node.op, len(node.inputs), node.attributes, sizes_in(functions))
    if count is None or output < count:
        return
    refusal = error(
        f"'{reference}' is not there: '{name}' has {counted(count, 'output')}",
        path=path,
        hint=f"outputs count from 0: write '{name}'" + (f" to '{name}:{count - 1}'" if count > 1 else ""),
    )
    raise refusal if user is None else refusal.at(user.origin)


def _listed(functions: Functions) -> str:
    return ", ".join(sorted(functions)[:20]) or "none"
