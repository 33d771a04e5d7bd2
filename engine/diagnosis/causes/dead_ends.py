"""What a program computes and nothing reads: a loss that is assigned anew, and inputs that end there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice

from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix, write
from engine.errors import Source
from engine.frontend.graph import Graph, Node, split_reference

_LISTED = 3
_LONGEST = 80  # characters of a text that is written anew
_MOST = 8  # ends that are looked at


def dead_ends(
    graph: Graph,
    targets: Collection[str],
    inputs: Collection[str],
    variables: Collection[str],
    *,
    chosen: bool,
) -> Iterator[Caveat]:
    """A warning for each named value that nothing reads and no target is.

    That is a mistake if its name is assigned anew, and if inputs that have a value have a part in nothing
    else; the latter not if targets were `chosen`, for then the others are other targets, unless the inputs
    are `variables` that are asked about.
    """
    if not any(isinstance(node.source, Source) for node in graph.nodes):
        return
    used, read = _reaching(graph, targets), _read(graph)
    ends = (node for node in graph.nodes if node.name not in read and node.name not in used)
    for node in islice(ends, _MOST):
        if not isinstance(node.source, Source):
            continue
        lost = [name for name in _inputs_behind(graph, node.name) if name not in used and name in inputs]
        later = _last(graph, node.name)
        if later is not None:
            yield _overwritten(graph, node, later, lost, is_target=later in targets)
        elif lost and not _is_unnamed(node) and (not chosen or not {*variables}.isdisjoint(lost)):
            words = {"name": node.name, "inputs": _listed(lost), "target": next(iter(targets), "the target")}
            words["line"] = str(node.source.line)
            fix = _followed(graph, node) or Fix("use_or_leave", words)
            yield Caveat("likely_mistake", node.name, "dead_end", words, fix)


def _followed(graph: Graph, end: Node) -> Fix | None:
    """A later product `x @ V` with the end in place of an x that the end was computed from, as x @ W was."""
    assert isinstance(end.source, Source)
    names = set(re.findall(r"[A-Za-z_]\w*", end.source.text))
    after = graph.nodes[graph.nodes.index(end) + 1 :]
    for node in after:
        if (
            node.op.name != "matmul"
            or not isinstance(node.source, Source)
            or len(node.source.text) > _LONGEST
        ):
            continue
        text = node.source.text
        match = re.match(r"([A-Za-z_]\w*)\s*@", text)
        if match is not None and match[1] in names and match[1] in graph.inputs:
            return write(f"{end.name}{text[match.end(1) :]}", text, "the second layer reads the first then")
    return None


def _overwritten(graph: Graph, node: Node, later: str, lost: list[str], *, is_target: bool) -> Caveat:
    assert isinstance(node.source, Source)
    words = {"name": later, "line": str(node.source.line), "inputs": _listed(lost)}
    sentence = "dead_store_of_inputs" if lost else "dead_store"
    after = graph.names.get(later)
    fix = Fix("keep_both", words)
    if (
        is_target
        and after is not None
        and isinstance(after.source, Source)
        and len(after.source.text) <= _LONGEST
    ):
        text = after.source.text
        fix = write(f"{later} + {text}", text, "both are added then; or give one of them another name")
    return Caveat("likely_mistake", node.name, sentence, words, fix)


def _reaching(graph: Graph, targets: Collection[str]) -> set[str]:
    """The names that the targets are computed from, themselves among them."""
    reached = {split_reference(target)[0] for target in targets}
    for node in reversed(graph.nodes):
        if node.name in reached:
            reached.update(split_reference(one)[0] for one in node.inputs if isinstance(one, str))
    return reached


def _read(graph: Graph) -> set[str]:
    return {split_reference(one)[0] for node in graph.nodes for one in node.inputs if isinstance(one, str)}


def _inputs_behind(graph: Graph, name: str) -> list[str]:
    return [one for one in graph.inputs if one in _reaching(graph, [name])]


def _last(graph: Graph, name: str) -> str | None:
    """The name that was assigned anew after the node `name` had it."""
    later = graph.rebound.get(name)
    while later is not None and later in graph.rebound:
        later = graph.rebound[later]
    return later


def _is_unnamed(node: Node) -> bool:
    """Whether a node has no name but that of its op, as what a tuple or a list leaves over."""
    base, _, number = node.name.rpartition("_")
    return node.name == "result" or (number.isdigit() and base == node.op.name)


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:_LISTED]) + (
        " and others" if len(names) > _LISTED else ""
    )
