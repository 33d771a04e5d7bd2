"""Random calls of random ops: matrices by few products, sparse and dense, are those of the ordinary path."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine.derivatives import sparse as drafts
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import UserError
from engine.frontend.decode import decode_graph
from engine.ir.table import TABLE
from engine.queries.compiler import Compiler
from tests.engine.fuzzing import IDENTITY, Call, random_call
from tests.engine.sparse_asking import dense

Answer = dict[str, Any]
NARROW = {"float16": 1e-2, "float32": 1e-4, "complex64": 1e-4}


def question(rng: random.Random, call: Call) -> dict[str, Any] | None:
    """A Jacobian of the op, or a Hessian of a sum of sines of it; None where the graph is refused."""
    nodes = [
        {"name": "y", "op": call.op, "inputs": call.operands, "attributes": call.attributes},
        {"name": "z", "op": "sin", "inputs": ["y"]},
        {"name": "total", "op": "sum", "inputs": ["z"]},
    ]
    document = {"inputs": dict.fromkeys(call.arrays, {}), "nodes": nodes, "outputs": ["total"]}
    try:
        graph = decode_graph({**document, "functions": {"f": IDENTITY}})
    except UserError:
        return None
    types = {name: TensorType(a.shape, a.dtype.name) for name, a in call.arrays.items()}
    asked: dict[str, Any] = {"graph": graph, "inputs": types}
    if rng.random() < 0.5:
        return {**asked, "kind": "hessian"}
    return {
        **asked,
        "kind": "jacobian",
        "outputs": ("y",),
        "method": rng.choice(["forward", "reverse", "auto"]),
    }


def ask(call: Call, **asked: Any) -> Answer | UserError:
    try:
        compiled = Compiler().compile(Query(**asked), peak_bytes_limit=100_000_000, values=call.arrays)
        return compiled.run(call.arrays)
    except UserError as error:
        return error


def agree(call: Call, asked: dict[str, Any]) -> bool:
    """Whether the call was answered; demands that all three answers, or refusals, are the same."""
    plain, sparse, few = (
        ask(call, **asked, **way) for way in ({"optimize": False}, {"sparse": True}, {"optimize": True})
    )
    if isinstance(plain, UserError) or isinstance(sparse, UserError) or isinstance(few, UserError):
        assert type(plain) is type(sparse) is type(few), str(call)
        return False
    kind = asked["kind"]
    dtypes = {a.dtype.name for a in call.arrays.values()}
    for row, blocks in plain[kind].items():
        for column, block in blocks.items():
            close = max(NARROW.get(name, 1e-8) for name in (*dtypes, block.dtype.name))
            entries = dense(sparse[kind][row][column], block.shape)
            for answer, got in ((sparse, entries), (few, few[kind][row][column])):
                if answer.get("method") == plain.get("method"):  # either has the dtype of its own side
                    assert got.dtype == block.dtype, str(call)
                finite = np.isfinite(block) & np.isfinite(got)
                np.testing.assert_allclose(got[finite], block[finite], close, close, err_msg=str(call))
    return True


def fuzz(seed: int, count: int) -> None:
    rng, ops = random.Random(seed), TABLE.public()
    answered = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafts, "FEWEST_PRODUCTS", 1)
        patch.setattr(drafts, "WORTH", 1)
        for _ in range(count):
            call = random_call(rng, ops)
            asked = question(rng, call)
            answered += asked is not None and agree(call, asked)
    assert answered > count / 3  # else it tests refusals only


def test_random_calls() -> None:
    fuzz(0, 200)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_many_random_calls(seed: int) -> None:
    fuzz(seed, 4_000)
