"""Everything a caller can do wrong, in one table: a 4xx problem with path and cure, quickly."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, JSON, problem, world

pytestmark = pytest.mark.anyio

X = {"x": [1.0, 2.0]}


def program(text: str, inputs: Any = None, **more: Any) -> dict[str, Any]:
    return {"program": text, "inputs": X if inputs is None else inputs, **more}


def graph(*nodes: dict[str, Any], outputs: tuple[str, ...] = ("y",), **more: Any) -> dict[str, Any]:
    return {
        "graph": {"inputs": {"x": {}}, "nodes": list(nodes), "outputs": list(outputs), **more},
        "inputs": X,
    }


def node(name: str, op: str, *inputs: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "inputs": list(inputs), **more}


def raw(inputs: str) -> bytes:
    return f'{{"program": "sum(x)", "inputs": {{"x": {inputs}}}}}'.encode()


def base64(buffer: Any, **more: Any) -> dict[str, Any]:
    data = {"encoding": "base64", "buffer": buffer}
    return program("sum(x)", {"x": {"dtype": "float32", "shape": [2], "data": data, **more}})


BAD: list[tuple[str, Any, int, str, str | None]] = [
    # what, body, status, code, path
    ("unknown op", graph(node("y", "mulitply", "x", 2.0)), 422, "unknown_op", "$.graph.nodes[0].op"),
    ("unknown op in a program", program("sum(foo(x))"), 422, "unknown_op", "$.program"),
    ("unknown name", graph(node("y", "exp", "z")), 422, "unknown_name", "$.graph.nodes[0].inputs[0]"),
    (
        "unknown output",
        graph(node("y", "exp", "x"), outputs=("w",)),
        422,
        "unknown_name",
        "$.graph.outputs[0]",
    ),
    ("arity", graph(node("y", "multiply", "x")), 422, "wrong_arity", "$.graph.nodes[0]"),
    (
        "kind of attribute",
        graph(node("y", "sum", "x", attributes={"axis": "no"})),
        422,
        "invalid_attribute",
        "$.graph.nodes[0].attributes.axis",
    ),
    (
        "unknown attribute",
        graph(node("y", "sum", "x", attributes={"axes": 0})),
        422,
        "invalid_attribute",
        "$.graph.nodes[0].attributes.axes",
    ),
    ("axis out of range", program("sum(x, axis=3)"), 422, "index_out_of_range", None),
    ("cycle", graph(node("y", "exp", "z"), node("z", "exp", "y")), 422, "cycle", "$.graph.nodes[0]"),
    ("name twice", graph(node("y", "exp", "x"), node("y", "sin", "x")), 422, "duplicate_name", None),
    ("name of an input", graph(node("x", "exp", 1.0), outputs=("x",)), 422, "duplicate_name", None),
    ("name with spaces", graph(node("a b", "exp", "x"), outputs=("a b",)), 422, "invalid_document", None),
    (
        "unknown field of a node",
        graph(node("y", "exp", "x", opp=1)),
        422,
        "unknown_field",
        "$.graph.nodes[0].opp",
    ),
    ("version", graph(node("y", "exp", "x"), version=2), 422, "invalid_document", "$.graph.version"),
    (
        "nodes that are no list",
        {"graph": {"nodes": 1}, "inputs": {}},
        422,
        "invalid_document",
        "$.graph.nodes",
    ),
    ("shapes", program("sum(x @ y)", {"x": [[1, 2]], "y": [[1, 2]]}), 422, "shape_mismatch", None),
    ("broadcast", program("sum(x + y)", {"x": [1, 2], "y": [1, 2, 3]}), 422, "shape_mismatch", None),
    (
        "declared shape",
        {"graph": REGRESSION, "inputs": {**INPUTS, "W": [1, 2]}},
        422,
        "shape_mismatch",
        "$.inputs.W",
    ),
    ("dtype", program("sum(x & 1)"), 422, "dtype_mismatch", None),
    ("ragged", program("sum(x)", {"x": [[1, 2], [3]]}), 422, "invalid_tensor", "$.inputs.x[1]"),
    ("ragged deep", program("sum(x)", {"x": [[1, 2], [[3], 4]]}), 422, "invalid_tensor", "$.inputs.x[1][0]"),
    ("null in a list", program("sum(x)", {"x": [1, None]}), 422, "invalid_tensor", "$.inputs.x[1]"),
    ("quoted number", program("sum(x)", {"x": [1, "1.5"]}), 422, "invalid_tensor", "$.inputs.x[1]"),
    ("true for a number", program("sum(x)", {"x": [1, True]}), 422, "invalid_tensor", "$.inputs.x[1]"),
    ("an object", program("sum(x)", {"x": {}}), 422, "invalid_tensor", "$.inputs.x"),
    ("NaN literal", raw("[1, NaN]"), 400, "malformed_json", "$"),
    ("Infinity literal", raw("-Infinity"), 400, "malformed_json", "$"),
    ("1e999", raw("[1, 1e999]"), 422, "invalid_tensor", "$.inputs.x[1]"),
    ("integer of 400 digits", raw("1" + "0" * 400), 422, "invalid_tensor", "$.inputs.x"),
    ("integer of 5000 digits", raw("1" * 5000), 400, "malformed_json", "$"),
    ("1e999 in a program", program("sum(x) * 1e999"), 422, "syntax_error", "$.program"),
    ("base64 of wrong length", base64("AAAA"), 422, "invalid_tensor", "$.inputs.x.data.buffer"),
    ("base64 of wrong letters", base64("****"), 422, "invalid_tensor", "$.inputs.x.data.buffer"),
    ("base64 that is a number", base64(1), 422, "invalid_tensor", "$.inputs.x.data.buffer"),
    ("shape too big", base64("", shape=[10**18, 10**18]), 422, "invalid_tensor", "$.inputs.x.shape"),
    (
        "unknown field of a tensor",
        base64("AAAAAAAAAAA=", order="F"),
        422,
        "unknown_field",
        "$.inputs.x.order",
    ),
    ("tensor elsewhere", program("sum(x)", {"x": {"tensor": "x"}}), 422, "invalid_tensor", "$.inputs.x"),
    ("key twice", b'{"program": "sum(x)", "inputs": {"x": 1, "x": 2}}', 400, "malformed_json", "$.inputs.x"),
    ("deep nesting", raw("[" * 100_000 + "]" * 100_000), 400, "malformed_json", "$"),
    ("deep objects", b'{"a":' * 100_000, 400, "malformed_json", "$"),
    ("nothing", b"", 400, "malformed_json", "$"),
    ("a list", b"[]", 400, "malformed_json", "$"),
    ("rest after the end", b'{"program": "x"} x', 400, "malformed_json", "$"),
    ("byte order mark", b"\xef\xbb\xbf{}", 400, "malformed_json", "$"),
    ("not UTF-8", b'{"program": "\xff"}', 400, "malformed_json", "$"),
    ("lone surrogate", b'{"program": "\\ud800"}', 400, "malformed_json", "$"),
    ("a program that is code", program("__import__('os')"), 422, "syntax_error", "$.program"),
    ("a program that is a loop", program("while True: pass"), 422, "syntax_error", "$.program"),
    ("a lambda", program("(lambda: 1)()"), 422, "syntax_error", "$.program"),
    ("an attribute of Python", program("x.__class__"), 422, "syntax_error", "$.program"),
    ("half a program", program("x +"), 422, "syntax_error", "$.program"),
    ("no program", program(""), 422, "syntax_error", "$.program"),
    ("a null byte", program("x\0"), 422, "syntax_error", "$.program"),
    ("deep program", program("(" * 100_000 + "x" + ")" * 100_000), 422, "syntax_error", "$.program"),
    ("deep signs", program("-" * 100_000 + "x"), 422, "syntax_error", "$.program"),
    ("long program", program("x + " * 100_000 + "x"), 422, "syntax_error", "$.program"),
    ("missing input", program("sum(x * w)"), 422, "missing_input", None),
    (
        "unknown input",
        {"graph": REGRESSION, "inputs": {**INPUTS, "w": 1}},
        422,
        "unknown_input",
        "$.inputs.w",
    ),
    (
        "two outputs",
        graph(node("y", "sum", "x"), node("z", "max", "x"), outputs=("y", "z")),
        422,
        "target_required",
        None,
    ),
    ("target that is no scalar", program("y = x * 2"), 422, "invalid_target", "$.target"),
    ("unknown target", program("sum(x)", target="lss"), 422, "unknown_name", "$.target"),
    ("no target", program("sum(x)", target=[]), 422, "invalid_document", "$.target"),
    ("unknown wrt", program("sum(x)", wrt=["y"]), 422, "unknown_wrt", "$.wrt"),
    ("unconnected", program("sum(stop_gradient(x))", unconnected="error"), 422, "unconnected", "$.wrt"),
    ("data-dependent shape", program("sum(x[x > 1])"), 422, "data_dependent_shape", None),
    ("device", program("sum(x)", device="cuda:0"), 422, "device_unavailable", "$.device"),
    ("no device", program("sum(x)", device="gpu"), 422, "invalid_document", "$.device"),
    ("dtype of the call", program("sum(x)", dtype="int64"), 422, "invalid_document", "$.dtype"),
    ("sparse gradient", program("sum(x)", sparse=True), 422, "unknown_field", "$.sparse"),
    ("unknown field", program("sum(x)", wtr=["x"]), 422, "unknown_field", "$.wtr"),
    ("field of another call", program("sum(x)", cotangents={}), 422, "unknown_field", "$.cotangents"),
    ("both functions", {**graph(node("y", "exp", "x")), "program": "x"}, 422, "invalid_document", "$"),
    ("no function", {"inputs": X}, 422, "invalid_document", "$"),
    (
        "a sum of a petabyte",
        program("sum(a + b)", {"a": [[1.0]] * 200_000, "b": [[1.0] * 200_000]}),
        422,
        "over_limit",
        None,
    ),
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """One server for the whole table: whatever a bad request does, the next one must find it well."""
    async with world(tmp_path_factory.mktemp("bad")) as here:
        # A refusal is timed below, and the start of the process that a large body goes to is no part of it.
        await here.services.pool.wait_until_up(120)
        yield here.client


@pytest.mark.parametrize(
    ("body", "status", "code", "path"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
async def test_bad_input(
    client: httpx.AsyncClient, body: Any, status: int, code: str, path: str | None
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    start = time.perf_counter()
    response = await client.post("/v1/gradient", content=content, headers=JSON)
    seconds = time.perf_counter() - start
    document = problem(response, status, code)
    assert seconds < 5, "a refusal is quick"
    if path is not None:
        assert document["path"] == path
    assert len(response.content) < 5000, "a refusal is short"


async def test_nine_to_the_nine_is_arithmetic_of_floats(client: httpx.AsyncClient) -> None:
    start = time.perf_counter()
    response = await client.post("/v1/evaluate", json={"program": "y = 9**9**9**9 + x * 0", "inputs": X})
    assert time.perf_counter() - start < 1
    assert response.json() == {"outputs": {"y": ["Infinity", "Infinity"]}}


async def test_a_huge_broadcast_is_refused_before_a_byte_is_allocated(tmp_path: Path) -> None:
    size = 10**9
    rows = {"dtype": "float32", "data": [[1.0]], "shape": [1, 1]}
    text = f"sum(broadcast_to(x, [{size}, 1]) + broadcast_to(x, [1, {size}]))"
    async with world(tmp_path) as here:
        start = time.perf_counter()
        document = problem(await here.post("/v1/evaluate", program(text, {"x": rows})), 422, "over_limit")
        assert time.perf_counter() - start < 1
        assert document["estimate"]["peak_bytes"] >= 4 * size * size
        assert not here.services.pool.pids


async def test_a_body_over_the_limit_is_refused_while_it_comes(tmp_path: Path) -> None:
    async with world(tmp_path, max_body_bytes=1000) as here:
        declared = await here.post("/v1/gradient", b" " * 1001)
        problem(declared, 413, "body_too_large")
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 100
                yield b" " * 100

        streamed = await here.client.post("/v1/gradient", content=endless(), headers=JSON)
        document = problem(streamed, 413, "body_too_large")
        assert "1000 bytes" in document["detail"]
        assert sent <= 1200
        exact = json.dumps(program("sum(x)")).encode().ljust(1000)
        assert (await here.post("/v1/gradient", exact)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({}, "headers.content-type"),
        ({"Content-Type": "text/plain"}, "headers.content-type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "headers.content-type"),
        ({"Content-Type": "application/json; charset=utf-16"}, "headers.content-type"),
        ({**JSON, "Content-Encoding": "br"}, "headers.content-encoding"),
    ],
)
async def test_media_types(client: httpx.AsyncClient, headers: dict[str, str], path: str) -> None:
    body = json.dumps(program("sum(x)")).encode()
    document = problem(
        await client.post("/v1/gradient", content=body, headers=headers), 415, "unsupported_media_type"
    )
    assert document["path"] == path


@pytest.mark.parametrize(
    "kind", ["application/json; charset=UTF-8", "APPLICATION/JSON", "application/json;x=y"]
)
async def test_media_types_that_are_json(client: httpx.AsyncClient, kind: str) -> None:
    body = json.dumps(program("sum(x)")).encode()
    answer = await client.post(
        "/v1/gradient", content=body, headers={"Content-Type": kind, "Idempotency-Key": "k"}
    )
    assert answer.status_code == 200


REFERENCES = ["y:2", "y:", "y:a", "y:-1", "y:0:0", "z:1", "x:1", "y:99999999999999999999", "y:\u0661", ":0"]
ASKED: list[tuple[str, dict[str, Any], str]] = [
    ("evaluate", {"outputs": ["REF"]}, "unknown_name"),
    ("gradient", {"target": "REF"}, "unknown_name"),
    ("gradient", {"target": "z", "wrt": ["REF"]}, "unknown_wrt"),
    ("jacobian", {"outputs": ["REF"], "sparse": True}, "unknown_name"),
    ("hessian", {"target": "z", "wrt": ["REF"]}, "unknown_wrt"),
    ("jvp", {"tangents": {"REF": 1.0}}, "unknown_wrt"),
    ("vjp", {"cotangents": {"REF": 1.0}}, "unknown_name"),
    ("hvp", {"vectors": {"REF": 1.0}, "target": "z"}, "unknown_wrt"),
    ("diagnose", {"target": "REF"}, "unknown_name"),
    ("check", {"target": "z", "wrt": ["REF"]}, "unknown_wrt"),
]


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize(("kind", "fields", "code"), ASKED)
async def test_an_output_that_a_node_does_not_have(
    client: httpx.AsyncClient, kind: str, fields: dict[str, Any], code: str, reference: str
) -> None:
    body = program("y = top_k(x, 2)\nz = sum(y[0])", **fields)
    body = json.loads(json.dumps(body).replace("REF", reference))
    told = problem(await client.post(f"/v1/{kind}", json=body), 422, code)
    assert reference in told["detail"]
    assert told["path"].startswith("$.")


async def test_the_last_output_that_a_node_has(client: httpx.AsyncClient) -> None:
    body = program("y = top_k(x, 2)\nz = sum(y[0])", outputs=["y:1", "y:0", "y"])
    answer = (await client.post("/v1/evaluate", json=body)).json()
    assert answer == {"outputs": {"y:1": [1, 0], "y:0": [2.0, 1.0], "y": [2.0, 1.0]}}


@pytest.mark.parametrize("reference", ["y:7", "y:", "y:a"])
async def test_an_output_that_a_node_of_a_job_does_not_have(
    client: httpx.AsyncClient, reference: str
) -> None:
    job = {
        "program": "y = top_k(w * x, 2)\nz = sum(y[0])",
        "parameters": {"w": {"value": 1.0}},
        "data": {"x": [[1.0, 2.0]]},
        "optimizer": "sgd",
    }
    for fields in ({"target": reference}, {"target": "z", "metrics": [reference]}):
        told = problem(await client.post("/v1/jobs", json={**job, **fields}), 422, "unknown_name")
        assert reference in told["detail"]
