"""evaluate, gradient, vjp and diagnose: defaults, options, and answers in their documented shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.queries.kinds.check import CheckAnswer
from service.queries.kinds.diagnose import DiagnoseAnswer
from service.queries.kinds.evaluate import EvaluateAnswer
from service.queries.kinds.gradient import GradientAnswer
from service.queries.kinds.vjp import VjpAnswer
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, problem, world

pytestmark = pytest.mark.anyio

SQUARES = {"program": "y = x ** 2\nz = sum(y)\nw = sum(y) * 2", "inputs": {"x": [1.0, 2.0]}}


async def answer(folder: Path, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    async with world(folder) as here:
        response = await here.post(f"/v1/{kind}", body)
        assert response.status_code == 200, response.text
        model = {
            "evaluate": EvaluateAnswer,
            "gradient": GradientAnswer,
            "vjp": VjpAnswer,
            "diagnose": DiagnoseAnswer,
        }
        model[kind].model_validate(response.json())
        return dict(response.json())


async def test_gradient_of_a_graph(tmp_path: Path) -> None:
    body = {"graph": REGRESSION, "inputs": INPUTS, "wrt": ["W", "b"]}
    assert await answer(tmp_path, "gradient", body) == {
        "value": 10.5,
        "gradients": {"W": [-14.0], "b": [-6.0]},
    }


async def test_wrt_is_by_default_every_floating_input(tmp_path: Path) -> None:
    typed = {**INPUTS, "x": {"dtype": "int64", "data": INPUTS["x"]}}
    got = await answer(tmp_path, "gradient", {"graph": REGRESSION, "inputs": typed})
    assert set(got["gradients"]) == {"W", "b", "y"}


async def test_several_targets_key_everything(tmp_path: Path) -> None:
    got = await answer(tmp_path, "gradient", {**SQUARES, "target": ["z", "w"]})
    assert got["value"] == {"z": 5.0, "w": 10.0}
    assert got["gradients"] == {"z": {"x": [2.0, 4.0]}, "w": {"x": [4.0, 8.0]}}
    one = await answer(tmp_path, "gradient", {**SQUARES, "target": ["z"]})
    assert one["gradients"] == {"z": {"x": [2.0, 4.0]}}


async def test_nodes_may_be_named(tmp_path: Path) -> None:
    got = await answer(tmp_path, "gradient", {**SQUARES, "target": "z", "wrt": ["y", "x"]})
    assert got["gradients"] == {"y": [1.0, 1.0], "x": [2.0, 4.0]}
    values = await answer(tmp_path, "evaluate", {**SQUARES, "outputs": ["y", "z"]})
    assert values == {"outputs": {"y": [1.0, 4.0], "z": 5.0}}


async def test_a_missing_gradient_is_null_zero_or_an_error(tmp_path: Path) -> None:
    body = {"program": "sum(stop_gradient(x) * w)", "inputs": {"x": [1.0], "w": [2.0]}}
    null = await answer(tmp_path, "gradient", body)
    assert null["gradients"] == {"x": None, "w": [1.0]}
    assert null["diagnosis"]["x"]["status"] == "stopped"
    assert "w" not in null["diagnosis"]
    zero = await answer(tmp_path, "gradient", {**body, "unconnected": "zero", "diagnose": "off"})
    assert zero == {"value": 2.0, "gradients": {"x": [0.0], "w": [1.0]}}
    full = await answer(tmp_path, "gradient", {**body, "diagnose": "full"})
    assert full["diagnosis"]["w"]["status"] == "ok"


async def test_diagnose_answers_for_every_target_that_exists(tmp_path: Path) -> None:
    got = await answer(tmp_path, "diagnose", {"program": "y = x * 2", "inputs": {"x": [1.0, 2.0]}})
    assert got["value"] == [2.0, 4.0]
    assert got["variables"]["x"]["status"] == "invalid_target"


async def test_vjp_defaults(tmp_path: Path) -> None:
    got = await answer(tmp_path, "vjp", {**SQUARES, "cotangents": {"y": [1, 10]}})
    assert got == {"outputs": {"y": [1.0, 4.0]}, "vjp": {"x": [2.0, 40.0]}}
    chosen = await answer(
        tmp_path, "vjp", {**SQUARES, "cotangents": {"y": [1, 10]}, "outputs": ["z"], "wrt": ["x"]}
    )
    assert chosen == {"outputs": {"z": 5.0}, "vjp": {"x": [2.0, 40.0]}}


async def test_options_are_honoured(tmp_path: Path) -> None:
    body = {"program": "y = x / 3", "inputs": {"x": 1.0}}
    half = await answer(tmp_path, "evaluate", {**body, "dtype": "float32", "encoding": "typed"})
    assert half["outputs"]["y"]["dtype"] == "float32"
    for device in (None, "cpu", "auto"):
        assert await answer(tmp_path, "evaluate", {**body, "device": device}) == {"outputs": {"y": 1 / 3}}
    plain = await answer(tmp_path, "evaluate", {**body, "optimize": False})
    assert plain == {"outputs": {"y": 1 / 3}}


async def test_an_unused_input_of_a_program_is_declared_not_wrong(tmp_path: Path) -> None:
    got = await answer(tmp_path, "gradient", {"program": "sum(x)", "inputs": {"x": [1.0], "spare": [1.0]}})
    assert got["gradients"] == {"x": [1.0], "spare": None}
    assert got["diagnosis"]["spare"]["status"] == "disconnected"


async def test_non_finite_numbers_travel_both_ways(tmp_path: Path) -> None:
    got = await answer(
        tmp_path, "evaluate", {"program": "y = x * 1", "inputs": {"x": ["NaN", "-Infinity", 1]}}
    )
    assert got == {"outputs": {"y": ["NaN", "-Infinity", 1.0]}}


async def test_errors_of_a_program_mark_the_text(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        body = {"program": "a = x\nb = a @ w", "inputs": {"x": [[1, 2]], "w": [[1, 2]]}}
        document = problem(await here.post("/v1/evaluate", body), 422, "shape_mismatch")
        assert document["source"] == {"line": 2, "column": 4, "text": "a @ w"}
        assert document["op"] == "matmul"


async def test_stable_forms_on_request(tmp_path: Path) -> None:
    body = {"program": "loss = -log(sigmoid(x))", "inputs": {"x": -1000.0}}
    plain = await answer(tmp_path, "gradient", body)
    assert plain["gradients"] == {"x": "NaN"}
    assert "log_sigmoid(x)" in plain["diagnosis"]["x"]["fix"]
    stable = await answer(tmp_path, "gradient", {**body, "stabilize": True})
    assert (stable["value"], stable["gradients"]) == (1000.0, {"x": -1.0})
    assert "diagnosis" not in stable
    assert [(one["rewrite"], one["source"]["line"]) for one in stable["rewrites"]] == [("log_sigmoid", 1)]
    for kind in ("evaluate", "diagnose"):
        assert (await answer(tmp_path, kind, {**body, "stabilize": True}))["rewrites"] == stable["rewrites"]


@pytest.mark.parametrize(
    ("kind", "extra", "key", "expected"),
    [
        ("vjp", {"cotangents": {"loss": 1.0}}, "vjp", {"x": -1.0}),
        ("jvp", {"tangents": {"x": 1.0}}, "jvp", {"loss": -1.0}),
        ("jacobian", {}, "jacobian", {"loss": {"x": -1.0}}),
        ("hessian", {}, "hessian", {"x": {"x": 0.0}}),
        ("hvp", {"vectors": {"x": 1.0}}, "hvp", {"x": 0.0}),
        ("gnvp", {"vectors": {"x": 1.0}}, "gnvp", {"x": 1.0}),
    ],
)
async def test_stable_forms_in_every_kind(
    tmp_path: Path, kind: str, extra: dict[str, Any], key: str, expected: Any
) -> None:
    body = {"program": "loss = -log(sigmoid(x))", "inputs": {"x": -1000.0}, "stabilize": True, **extra}
    async with world(tmp_path) as here:
        told = (await here.post(f"/v1/{kind}", body)).json()
        assert told[key] == expected
        assert [one["rewrite"] for one in told["rewrites"]] == ["log_sigmoid"]


async def test_a_check_and_a_receipt_are_of_the_stable_form(tmp_path: Path) -> None:
    body = {"program": "sum(log(1 + exp(x)))", "inputs": {"x": [800.0, 1.0]}, "stabilize": True}
    async with world(tmp_path) as here:
        assert (await here.post("/v1/check", body)).json()["passed"]
        assert (await here.post("/v1/gradient", {**body, "receipt": True})).json()["receipt"]["tests"][
            "passed"
        ]
        shapes = {"inputs": {"x": {"shape": [2]}}}
        assert (await here.post("/v1/estimate", {**body, **shapes})).status_code == 200


async def test_a_check_reads_every_option_that_it_takes(tmp_path: Path) -> None:
    body = {"program": "sum(exp(x))", "inputs": {"x": [200.0, 1.0]}}
    async with world(tmp_path) as here:
        assert (await here.post("/v1/check", body)).json()["passed"]
        told = (await here.post("/v1/check", {**body, "dtype": "float32"})).json()
        CheckAnswer.model_validate(told)
        assert (told["passed"], told["taylor_order"]) == (False, {"x": "NaN"})
        many = problem(await here.post("/v1/check", {**body, "batch": ["x"]}), 422, "invalid_document")
        assert (many["path"], many["hint"]) == ("$.batch", "check one row, without `batch`")
        seed = problem(await here.post("/v1/check", {**body, "seed": -1}), 422, "invalid_document")
        assert seed["detail"] == "expected 0 or more, got -1 at $.seed"
        wrong = problem(await here.post("/v1/check", {**body, "dtype": "int64"}), 422, "invalid_document")
        assert wrong["path"] == "$.dtype"


async def test_masked_backward(tmp_path: Path) -> None:
    body = {"program": "sum(where(x > 0, sqrt(x), 0))", "inputs": {"x": [0.0, 4.0]}}
    plain = await answer(tmp_path, "gradient", body)
    assert plain["gradients"] == {"x": ["NaN", 0.25]}
    assert "masked_backward" in plain["diagnosis"]["x"]["fix"]
    masked = await answer(tmp_path, "gradient", {**body, "masked_backward": True})
    assert masked["gradients"] == {"x": [0.0, 0.25]}
    assert [warning["node"] for warning in masked["warnings"]] == ["sqrt_1"]
    by_target = await answer(tmp_path, "gradient", {**body, "masked_backward": True, "target": ["result"]})
    assert by_target["warnings"] == {"result": masked["warnings"]}
    told = await answer(tmp_path, "diagnose", {**body, "masked_backward": True})
    assert "masked" in [warning["code"] for warning in told["variables"]["x"]["warnings"]]
