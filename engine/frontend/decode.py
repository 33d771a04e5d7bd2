"""A graph document, as parsed from JSON, to a checked graph.

Nothing is trusted: every field, name and reference is checked, and every refusal carries the JSON path
of the first offender. Shapes and dtypes are not known here; `engine.frontend.record` checks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.arrays.types import Array
from engine.errors import (
    DuplicateName,
    EngineError,
    InvalidAttribute,
    InvalidDocument,
    OverLimit,
    UnknownName,
    UnknownOp,
    UserError,
    did_you_mean,
)
from engine.frontend.function_checks import link
from engine.frontend.graph import (
    MAX_NODES,
    OUTPUT,
    VERSION,
    Constant,
    Graph,
    InputSpec,
    Node,
    Number,
    canonical_attributes,
    canonical_order,
    documented_op,
    normal_number,
)
from engine.frontend.json_reader import array_at, fields_of, member, name_at, object_at, show
from engine.frontend.tensors import decode_dtype, decode_tensor
from engine.ir.budget import charge
from engine.ir.op import Op
from engine.ir.operands import check_arity

_GRAPH_FIELDS = ("version", "inputs", "constants", "nodes", "outputs", "functions")
_FUNCTION_FIELDS = ("inputs", "constants", "nodes", "outputs")
_FUNCTION_HINTS = {
    "version": "the version stands in the graph only",
    "functions": "functions stand in the graph only, side by side; they may call each other",
}
_NODE_FIELDS = ("name", "op", "inputs", "attributes", "source")
_INPUTS_HINT = 'the inputs of a graph are an object: {"x": {}}; those of a function are an array of names'
_MAX_NDIM = 64
_MAX_SOURCE = 1000


def decode_graph(
    document: Mapping[str, Any],
    *,
    path: str = "$.graph",
    attachments: Mapping[str, Array] | None = None,
) -> Graph:
    """The graph that a document means. `attachments` are tensors that travelled beside the JSON.

    Raises InvalidDocument, UnknownField, UnknownOp, UnknownName, DuplicateName, WrongArity,
    InvalidAttribute, InvalidTensor, Cycle and OverLimit, each with the path of the offender.

    >>> graph = decode_graph({"inputs": {"x": {}}, "outputs": ["y"],
    ...                       "nodes": [{"name": "y", "op": "mul", "inputs": ["x", 2.0]}]})
    >>> graph.document()["nodes"]
    [{'name': 'y', 'op': 'multiply', 'inputs': ['x', 2.0]}]
    """
    fields = fields_of(document, _GRAPH_FIELDS, path, "a graph")
    version = fields.get("version", VERSION)
    if isinstance(version, bool) or version != VERSION:
        raise InvalidDocument(
            f"expected version {VERSION}, got {show(version)} at {path}.version", path=f"{path}.version"
        )
    inputs = {
        name_at(name, f"{path}.inputs"): _input(spec, member(f"{path}.inputs", name))
        for name, spec in object_at(fields.get("inputs"), f"{path}.inputs", _INPUTS_HINT).items()
    }
    functions = {
        name_at(name, f"{path}.functions"): _function(body, member(f"{path}.functions", name), attachments)
        for name, body in object_at(fields.get("functions"), f"{path}.functions").items()
    }
    body = _body(dict(sorted(inputs.items())), fields, path, attachments)
    for i, name in enumerate(body.outputs):
        if name in body.outputs[:i]:
            place = f"{path}.outputs[{i}]"
            raise DuplicateName(f"the output '{name}' is named twice, at {place}", path=place)
    graph = Graph(body.inputs, body.constants, body.nodes, body.outputs, dict(sorted(functions.items())))
    link(graph, path)
    return graph


# -- parts of a graph --------------------------------------------------------------------------------


def _function(value: Any, path: str, attachments: Mapping[str, Array] | None) -> Graph:
    fields = fields_of(value, _FUNCTION_FIELDS, path, "a function", _FUNCTION_HINTS)
    inputs: dict[str, InputSpec] = {}
    for i, entry in enumerate(array_at(fields.get("inputs"), f"{path}.inputs", "an array of names")):
        name = name_at(entry, f"{path}.inputs[{i}]")
        if name in inputs:
            _duplicate(name, "an input", f"{path}.inputs[{i}]")
        inputs[name] = InputSpec()
    return _body(inputs, fields, path, attachments)


def _body(
    inputs: dict[str, InputSpec],
    fields: Mapping[str, Any],
    path: str,
    attachments: Mapping[str, Array] | None,
) -> Graph:
    definitions = dict.fromkeys(inputs, "an input")
    constants: dict[str, Constant] = {}
    for name, value in sorted(object_at(fields.get("constants"), f"{path}.constants").items()):
        place = member(f"{path}.constants", name)
        name_at(name, f"{path}.constants")
        if name in definitions:
            _duplicate(name, definitions[name], place)
        definitions[name] = "a constant"
        tensor = decode_tensor(value, path=place, attachments=attachments)
        constants[name] = Constant(tensor.array, tensor.weak)
    nodes = _nodes(fields.get("nodes"), f"{path}.nodes", definitions)
    for node in nodes:
        for i, reference in enumerate(node.inputs):
            if isinstance(reference, str) and reference.partition(":")[0] not in definitions:
                _unknown(reference, definitions, f"{node.path}.inputs[{i}]", node)
    outputs = _outputs(fields.get("outputs"), f"{path}.outputs", definitions)
    return Graph(inputs, constants, canonical_order(nodes), outputs)


def _nodes(value: Any, path: str, definitions: dict[str, str]) -> list[Node]:
    documents = array_at(value, path, "an array of nodes")
    if len(documents) > MAX_NODES:
        raise OverLimit(
            f"expected at most {MAX_NODES:,} nodes, got {len(documents):,} at {path}",
            path=path,
            hint="use scan for repetition",
        )
    nodes = []
    for i, document in enumerate(documents):
        node = _node(document, f"{path}[{i}]")
        if node.name in definitions:
            _duplicate(node.name, definitions[node.name], f"{node.path}.name")
        definitions[node.name] = "a node"
        nodes.append(node)
    return nodes


def _node(document: Any, path: str) -> Node:
    charge()
    fields = fields_of(document, _NODE_FIELDS, path, "a node")
    for required in ("name", "op"):
        if required not in fields:
            raise InvalidDocument(
                f"expected a field '{required}' in the node at {path}, got none",
                path=path,
                hint='a node is {"name": "y", "op": "multiply", "inputs": ["w", "x"]}',
            )
    name = name_at(fields["name"], f"{path}.name")
    op = _op(fields["op"], f"{path}.op", name)
    inputs = array_at(fields.get("inputs"), f"{path}.inputs", "an array of names and numbers")
    operands = tuple([_operand(value, path, i) for i, value in enumerate(inputs)])
    source = fields.get("source")
    if source is not None and (not isinstance(source, str) or len(source) > _MAX_SOURCE):
        came = f"{len(source):,} characters" if isinstance(source, str) else show(source)
        raise InvalidDocument(
            f"expected text of at most {_MAX_SOURCE:,} characters, got {came} at {path}.source",
            path=f"{path}.source",
        )
    node = Node(name, op, operands, {}, source, path)
    try:
        check_arity(op, len(operands))
    except EngineError as error:
        raise error.at(node.origin) from None
    entry = fields.get("attributes")
    if not entry and not op.attributes:
        return node
    attributes = _attributes(op, object_at(entry, f"{path}.attributes"), node)
    return Node(name, op, operands, attributes, source, path) if attributes else node


def _op(value: Any, path: str, node: str) -> Op:
    if not isinstance(value, str):
        raise InvalidDocument(
            f"expected the name of an op, got {show(value)} at {path}", path=path, node=node
        )
    try:
        return documented_op(value)
    except UnknownOp as error:
        error.path, error.node = path, node
        error.detail = f"{error.detail}, at {path}"
        raise error from None


def _operand(value: Any, path: str, position: int) -> str | Number:
    kind = type(value)
    if kind is str:
        return str(value) if ":" not in value else _reference(value, f"{path}.inputs[{position}]")
    place = f"{path}.inputs[{position}]"
    if kind is bool or kind is int or kind is float:
        return normal_number(value, place)
    raise InvalidDocument(
        f"expected a name or a number, got {show(value)} at {place}",
        path=place,
        hint="name arrays under 'constants' and refer to them",
    )


def _reference(value: str, path: str) -> str:
    """`n:0` as `n`. Whether there is such a node is checked when all names are known."""
    name, colon, output = value.partition(":")
    if not colon:
        return value
    if OUTPUT.fullmatch(output) is None:
        raise InvalidDocument(
            f"expected a name, or 'n:k' for output k of node n, got {show(value)} at {path}", path=path
        )
    return f"{name}:{int(output)}" if int(output) else name


def _attributes(op: Op, values: Mapping[str, Any], node: Node) -> dict[str, Any]:
    try:
        return canonical_attributes(op, values)
    except (EngineError, RecursionError) as error:
        blamed = next((name for name in values if not _fits(op, name, values[name])), None)
        if blamed is not None and node.path is not None:
            place = member(f"{node.path}.attributes", blamed)
            node = Node(node.name, op, node.inputs, {}, node.source, place)
        if isinstance(error, RecursionError):
            error = InvalidAttribute("expected a shallow value, got one nested too deep")
        raise error.at(node.origin) from None


def _fits(op: Op, name: str, value: Any) -> bool:
    for attribute in op.attributes:
        if attribute.name == name:
            try:
                attribute.parse(value)
            except (UserError, RecursionError):
                return False
            return True
    return False


def _outputs(value: Any, path: str, definitions: Mapping[str, str]) -> tuple[str, ...]:
    outputs: list[str] = []
    for i, entry in enumerate(array_at(value, path, "an array of names")):
        place = f"{path}[{i}]"
        if not isinstance(entry, str):
            raise InvalidDocument(f"expected a name, got {show(entry)} at {place}", path=place)
        outputs.append(_reference(entry, place))
        if outputs[-1].partition(":")[0] not in definitions:
            _unknown(entry, definitions, place, None)
    if not outputs:
        raise InvalidDocument(f"expected at least one output, got none at {path}", path=path)
    return tuple(outputs)


def _input(value: Any, path: str) -> InputSpec:
    fields = fields_of({} if value is None else value, ("shape", "dtype"), path, "an input")
    dtype = fields.get("dtype")
    shape = fields.get("shape")
    if shape is not None:
        sizes = array_at(shape, f"{path}.shape", "an array of sizes")
        for i, size in enumerate(sizes):
            if size is not None and (type(size) is not int or not 0 <= size < 2**63):
                place = f"{path}.shape[{i}]"
                raise InvalidDocument(
                    f"expected a size or null (any size), got {show(size)} at {place}", path=place
                )
        if len(sizes) > _MAX_NDIM:
            raise InvalidDocument(
                f"expected at most {_MAX_NDIM} axes, got {len(sizes)} at {path}.shape", path=f"{path}.shape"
            )
        shape = tuple(sizes)
    return InputSpec(shape, None if dtype is None else decode_dtype(dtype, f"{path}.dtype"))


# -- refusals ---------------------------------------------------------------------------------------


def _duplicate(name: str, what: str, path: str) -> None:
    raise DuplicateName(
        f"the name '{name}' is taken by {what}, at {path}",
        path=path,
        node=name,
        hint="inputs, constants and nodes share one name space",
    )


def _unknown(reference: str, definitions: Iterable[str], path: str, node: Node | None) -> None:
    raise UnknownName(
        f"expected an input, a constant or a node, got the unknown name {show(reference)} at {path}",
        path=path,
        node=None if node is None else node.name,
        op=None if node is None else node.op.name,
        source=None if node is None else node.source,
        hint=did_you_mean(reference, definitions)
        or "declare it under 'inputs' or 'constants', or add the node",
    )
