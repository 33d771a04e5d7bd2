"""Input that is right, or wrong in an ordinary way, is answered 200 or with its own 4xx."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.ir.table import TABLE
from service.datasets import archives, arrays, tables
from service.jobs.runner import JobRunner
from service.queries.query_request import QueryRequest
from service.wire.problems import Problem

TWO = {"x": [1.0, 2.0]}
SQUARES = "def f(x): return sum(x * x)\n"


def ask(kind: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and document of one request."""
    runner = JobRunner(max_peak_bytes=2**31, graph_cache=4, program_cache=4)
    reply: Any = runner.answer(QueryRequest(kind, json.dumps(body).encode()))
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize("x", [2.0, [2.0], [[2.0]]])
def test_a_target_of_one_element_is_checked(x: Any) -> None:
    status, answer = ask("check", {"program": "x * x * x", "inputs": {"x": x}})
    assert (status, answer["passed"]) == (200, True)
    status, answer = ask("gradient", {"program": "x * x", "inputs": {"x": x}, "receipt": True})
    assert (status, answer["receipt"]["tests"]["passed"]) == (200, True)


@pytest.mark.parametrize("wrt", ["0", "[0]", "(0,)"])
@pytest.mark.parametrize("op", ["gradient", "vjp", "jacobian", "hessian"])
def test_one_position_is_as_good_as_a_list_of_one(op: str, wrt: str) -> None:
    cotangent = ", 1.5 * 2 / 3" if op == "vjp" else ""
    program = f"{SQUARES}y = sum({op}(f, x{cotangent}, wrt={wrt}))"
    expected = {"gradient": 6.0, "vjp": 6.0, "jacobian": 6.0, "hessian": 4.0}[op]
    assert ask("evaluate", {"program": program, "inputs": TWO}) == (200, {"outputs": {"y": expected}})
    status, answer = ask("evaluate", {"program": program.replace(wrt, wrt.replace("0", "7")), "inputs": TWO})
    assert (status, answer["code"]) == (422, "index_out_of_range")


@pytest.mark.parametrize("name", sorted(op.name for op in TABLE.values() if op.rules.functions))
@pytest.mark.parametrize("arguments", ["", "x", "x, x", "function=x", "1.0", "f", "f, f, f"])
def test_an_op_that_takes_functions_is_refused_without_one(name: str, arguments: str) -> None:
    status, answer = ask(
        "evaluate", {"program": f"{SQUARES}y = f(x)\nz = {name}({arguments})", "inputs": TWO}
    )
    assert status in (200, 422), answer


@pytest.mark.parametrize(
    "program",
    [
        "arange(0, 1e308, 1, dtype=float32)",
        "arange(0, 1e308, 1e300)",
        "zeros((" + "1000000000000000000, " * 20 + "))",
        "broadcast_to(1.0, (" + "1000000000000000000, " * 64 + "))",
    ],
)
def test_more_numbers_than_a_float_can_count_are_over_the_limit(program: str) -> None:
    status, answer = ask("evaluate", {"program": program, "inputs": {}})
    assert (status, answer["code"]) == (422, "over_limit")


def test_an_estimate_of_more_numbers_than_a_float_can_count() -> None:
    for shape, status in (([10**18] * 40, 422), ([10**8, 10**8], 200)):
        assert ask("estimate", {"program": "sum(x + x)", "inputs": {"x": {"shape": shape}}})[0] == status


@pytest.mark.parametrize("unused", ["x[i + 5]", "take(x, i + 9)"])
@pytest.mark.parametrize("kind", ["diagnose", "gradient"])
def test_a_line_that_nothing_needs_fails_no_diagnosis(kind: str, unused: str) -> None:
    program = f"i = astype(x, int64)\na = {unused}\ny = sum(round(x))"
    status, answer = ask(kind, {"program": program, "inputs": TWO, "target": "y"})
    assert status == 200
    assert answer["variables" if kind == "diagnose" else "diagnosis"]["x"]["reason"] == "nondifferentiable"


# -- many axes -----------------------------------------------------------------------------------------


def test_too_many_axes_in_safetensors() -> None:
    request = json.dumps({"program": "x", "inputs": {"x": {"tensor": "x"}}})
    entry = {"dtype": "F64", "shape": [1] * 65, "data_offsets": [0, 8]}
    head = json.dumps({"__metadata__": {"request": request}, "x": entry}).encode()
    runner = JobRunner(max_peak_bytes=2**31, graph_cache=4, program_cache=4)
    body = len(head).to_bytes(8, "little") + head + bytes(8)
    reply: Any = runner.answer(QueryRequest("evaluate", body, "safetensors"))
    assert (reply.status, json.loads(reply.body)["code"]) == (422, "invalid_tensor")


@pytest.mark.parametrize("index", [", ".join(["None"] * 70), ", ".join(["0"] * 70), "..., " * 2 + "0"])
def test_too_many_axes_in_an_index(index: str) -> None:
    assert ask("evaluate", {"program": f"x[{index}]", "inputs": TWO})[0] == 422


# -- data sets -----------------------------------------------------------------------------------------


def npy(head: str, data: bytes = bytes(8), version: bytes = b"\x01\x00") -> bytes:
    text = head.encode("latin-1") + b"\n"
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + text + data


def shaped(shape: str) -> bytes:
    return npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}")


@pytest.mark.parametrize(
    "content",
    [
        *map(
            shaped,
            [
                "(-1,)",
                "(True,)",
                "(1, -1, -1)",
                "(0, 1000000000000000000000000000000)",
                "(10**30,)",
                "(1.0,)",
                "[1]",
                "1",
                "()",
                str((1,) * 65),
                "((1,),)",
                "(99999999999999999999999999,)",
            ],
        ),
        npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}"),
        npy("{'descr': '<f8', 'fortran_order': 3, 'shape': (1,)}"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"),
        npy("{'descr': '(2,)<f8', 'fortran_order': False, 'shape': (1,)}"),
        npy("{" * 3000),
        npy("(" * 300),
        npy("{1: 2, []: 3}"),
        npy("\x00\x01"),
        npy("'''"),
        npy(""),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", version=b"\x03\x00"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", version=b"\x09\x00"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
        b"\x93NUMPY",
        b"",
    ],
)
def test_a_malformed_npy_is_no_data_set(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(Problem) as caught:
        arrays.check(tmp_path / "x.npy", "$")
    assert caught.value.code == "invalid_dataset"


def archive(compression: int, members: dict[str, np.ndarray[Any, Any]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as file:
        for name, value in members.items():
            one = io.BytesIO()
            np.save(one, value)
            file.writestr(name, one.getvalue())
    return target.getvalue()


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_archive_is_no_data_set(tmp_path: Path, compression: int) -> None:
    whole = archive(compression, {"x.npy": np.arange(400.0), "y.npy": np.arange(400.0)})
    rng = np.random.default_rng(compression)
    refused = 0
    for k in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), size=int(rng.integers(1, 4))):
            damaged[place] ^= int(rng.integers(1, 256))
        cut = damaged[: int(rng.integers(0, len(whole)))] if k % 5 == 0 else damaged
        (tmp_path / f"{k}.npz").write_bytes(cut)
        folder = tmp_path / str(k)
        folder.mkdir()
        try:
            archives.unpack(tmp_path / f"{k}.npz", folder, limit=2**24)
        except Problem as problem:
            refused += problem.code == "invalid_dataset"
    assert refused > 75


@pytest.mark.parametrize(
    "name", ["a\x00b.npy", "a\nb.npy", "../x.npy", "x", ".npy", "n" * 200 + ".npy", "/x.npy"]
)
def test_a_member_has_a_plain_name(tmp_path: Path, name: str) -> None:
    content = archive(zipfile.ZIP_STORED, {name.replace("\x00", "?"): np.arange(3.0)})
    (tmp_path / "a.npz").write_bytes(content.replace(b"a?b", b"a\x00b"))
    with pytest.raises(Problem):
        archives.unpack(tmp_path / "a.npz", tmp_path, limit=2**20)


def test_an_archive_of_very_many_members_is_refused_at_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        for k in range(5000):
            file.writestr(f"x{k}.npy", b"")
    with pytest.raises(Problem, match="at most 4,096 arrays"):
        archives.unpack(tmp_path / "a.npz", tmp_path, limit=2**20)


def test_a_table_may_have_more_columns_than_there_are_descriptors(tmp_path: Path) -> None:
    names = ",".join(f"c{k}" for k in range(2000))
    (tmp_path / "t.csv").write_text(names + "\n" + (",".join(["1.5"] * 2000) + "\n") * 1100)
    code = (
        "import resource, sys; from pathlib import Path; from service.datasets.tables import parse\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))\n"
        "rows, fields = parse(Path(sys.argv[1]), Path(sys.argv[2])); print(rows, len(fields))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "t.csv"), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1100 2000\n"
    assert np.load(tmp_path / "1999.npy").tolist() == [1.5] * 1100


def test_columns_are_told_apart_quickly(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(Problem, match="'a' twice"):
        tables.parse(tmp_path / "t.csv", tmp_path)
