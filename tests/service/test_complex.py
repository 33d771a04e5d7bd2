"""Complex tensors over HTTP: in and out in every form, in every kind of call, and what is refused."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.queries.kinds.check import CheckAnswer
from service.queries.kinds.diagnose import DiagnoseAnswer
from service.queries.kinds.gradient import GradientAnswer
from service.queries.kinds.jacobian import JacobianAnswer
from service.queries.kinds.vjp import VjpAnswer
from tests.service.world import World, problem, world

pytestmark = pytest.mark.anyio

Z = np.array([1 + 2j, 0.5 - 1j])
TYPED = {"dtype": "complex128", "data": [[1, 2], [0.5, -1]]}
ENERGY = "sum(abs(z) ** 2 * x)"
X = [2.0, 3.0]


async def ask(here: World, kind: str, body: dict[str, Any]) -> Any:
    response = await here.post(f"/v1/{kind}", body)
    assert response.status_code == 200, response.text
    return response.json()


def base64_of(array: np.ndarray) -> dict[str, Any]:
    octets = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    data = {"encoding": "base64", "buffer": octets}
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def array_of(tensor: Any) -> np.ndarray:
    data = tensor["data"]
    if isinstance(data, dict):
        return np.frombuffer(base64.b64decode(data["buffer"]), tensor["dtype"]).reshape(tensor["shape"])
    return np.array(data) @ [1, 1j]


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
async def test_a_gradient_in_every_form(tmp_path: Path, dtype: str) -> None:
    given = Z.astype(dtype)
    async with world(tmp_path) as here:
        for z in ({**TYPED, "dtype": dtype}, base64_of(given)):
            body = {"program": ENERGY, "inputs": {"z": z, "x": X}}
            plain = await ask(here, "gradient", body)
            assert plain["gradients"]["x"] == pytest.approx([5.0, 1.25])
            np.testing.assert_allclose(np.array(plain["gradients"]["z"]) @ [1, 1j], 2 * Z * X, rtol=1e-6)
            for encoding in ("typed", "base64"):
                answer = await ask(here, "gradient", {**body, "encoding": encoding})
                GradientAnswer.model_validate(answer)
                assert answer["gradients"]["z"]["dtype"] == dtype
                np.testing.assert_allclose(array_of(answer["gradients"]["z"]), 2 * Z * X, rtol=1e-6)


async def test_cotangents_tangents_and_vectors(tmp_path: Path) -> None:
    body = {"program": "y = exp(z)", "inputs": {"z": TYPED}}
    seed = {"dtype": "complex128", "data": [[0, 1], [2, 0]]}
    async with world(tmp_path) as here:
        pulled = await ask(here, "vjp", {**body, "cotangents": {"y": seed}})
        VjpAnswer.model_validate(pulled)
        np.testing.assert_allclose(np.array(pulled["vjp"]["z"]) @ [1, 1j], np.exp(Z).conj() * [1j, 2])
        many = {"dtype": "complex128", "data": [seed["data"]] * 3}
        whole = await ask(here, "vjp", {**body, "cotangents": {"y": many}, "cotangent_batch": True})
        assert whole["vjp"]["z"] == [pulled["vjp"]["z"]] * 3
        pushed = await ask(here, "jvp", {**body, "tangents": {"z": seed}})
        np.testing.assert_allclose(np.array(pushed["jvp"]["y"]) @ [1, 1j], np.exp(Z) * [1j, 2])
        energy = {"program": ENERGY, "inputs": {"z": TYPED, "x": X}, "vectors": {"z": seed}}
        moved = await ask(here, "hvp", energy)
        np.testing.assert_allclose(np.array(moved["hvp"]["z"]) @ [1, 1j], [4j, 12])
        gauss = await ask(here, "gnvp", {**body, "vectors": {"z": seed}})
        expected = np.abs(np.exp(Z)) ** 2 * [1j, 2]
        np.testing.assert_allclose(np.array(gauss["gnvp"]["z"]) @ [1, 1j], expected, atol=1e-12)


async def test_rows_of_complex_inputs(tmp_path: Path) -> None:
    rows = {"dtype": "complex128", "data": [TYPED["data"], [[0, 1], [1, 0]]]}
    async with world(tmp_path) as here:
        body = {"program": ENERGY, "inputs": {"z": rows, "x": X}, "batch": ["z"]}
        answer = await ask(here, "gradient", body)
    assert answer["value"] == pytest.approx([13.75, 5.0])
    assert answer["gradients"]["x"] == [pytest.approx([5.0, 1.25]), pytest.approx([1.0, 1.0])]
    np.testing.assert_allclose(np.array(answer["gradients"]["z"][1]) @ [1, 1j], [4j, 6])


async def test_jacobians_and_what_has_none(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        body = {"program": "y = z ** 2\nr = abs(z)", "inputs": {"z": TYPED}, "outputs": ["y", "r"]}
        answer = await ask(here, "jacobian", body)
        JacobianAnswer.model_validate(answer)
        np.testing.assert_allclose(np.array(answer["jacobian"]["y"]["z"]) @ [1, 1j], np.diag(2 * Z))
        np.testing.assert_allclose(np.array(answer["jacobian"]["r"]["z"]) @ [1, 1j], np.diag(Z / np.abs(Z)))
        refused = await here.post("/v1/jacobian", {"program": "y = z * conj(z)", "inputs": {"z": TYPED}})
        told = problem(refused, 422, "not_holomorphic")
        assert (told["op"], told["node"]) == ("conj", "conj_1")
        refused = await here.post("/v1/hessian", {"program": ENERGY, "inputs": {"z": TYPED, "x": X}})
        assert problem(refused, 422, "not_holomorphic")["path"] == "$.wrt"
        complex_target = await here.post("/v1/gradient", {"program": "sum(z)", "inputs": {"z": TYPED}})
        assert "real(result)" in problem(complex_target, 422, "invalid_target")["hint"]
        pairs = {"program": "y = z * z", "inputs": {"z": TYPED}, "cotangents": {"y": TYPED["data"]}}
        assert "complex128" in problem(await here.post("/v1/vjp", pairs), 422, "shape_mismatch")["hint"]
        wrong = {"program": "y = x * x", "inputs": {"x": X}, "cotangents": {"y": TYPED}}
        assert problem(await here.post("/v1/vjp", wrong), 422, "dtype_mismatch")["path"] == "$.cotangents.y"


async def test_reports_are_strict_json(tmp_path: Path) -> None:
    """A NaN part of a complex number is a string, as every NaN is."""
    zero = {"dtype": "complex128", "data": [[0, 0], [1, 2]]}
    async with world(tmp_path) as here:
        answer = await ask(here, "diagnose", {"program": "sum(abs(1 / z))", "inputs": {"z": zero}})
        DiagnoseAnswer.model_validate(answer)
        entry = answer["variables"]["z"]
        assert (entry["status"], entry["reason"]) == ("nan", "domain")
        assert entry["culprits"][0]["evidence"]["x2"] == [[0.0, 0.0]]
        assert "NaN" in entry["culprits"][0]["evidence"]["value"][0]
        body = {"program": ENERGY, "inputs": {"z": TYPED, "x": X}}
        checked = await ask(here, "check", body)
        CheckAnswer.model_validate(checked)
        assert checked["passed"]
        receipt = (await ask(here, "gradient", {**body, "receipt": True}))["receipt"]
        assert receipt["inputs"]["z"] == {"shape": [2], "dtype": "complex128"}
        assert receipt["tests"]["passed"]


async def test_the_gradient_as_a_graph_runs_again(tmp_path: Path) -> None:
    body = {"program": "sum(abs(z * (1 + 2j)) ** 2)", "inputs": {"z": TYPED}}
    async with world(tmp_path) as here:
        answer = await ask(here, "gradient", {**body, "return_graph": True})
        again = await ask(here, "evaluate", {"graph": answer["graph"], "inputs": {"z": TYPED}})
    assert again["outputs"]["gradients/z"] == answer["gradients"]["z"]


async def test_a_precision_is_that_of_complex_tensors_too(tmp_path: Path) -> None:
    body = {
        "program": "sum(abs(z * c) ** 2 * x)",
        "inputs": {"z": TYPED, "x": X, "c": TYPED},
        "encoding": "typed",
    }
    async with world(tmp_path) as here:
        answer = await ask(here, "gradient", {**body, "dtype": "float32"})
    dtypes = {name: gradient["dtype"] for name, gradient in answer["gradients"].items()}
    assert dtypes == {"z": "complex64", "x": "float32", "c": "complex64"}


async def test_an_estimate_of_complex_tensors(tmp_path: Path) -> None:
    shapes = {"z": {"shape": [10], "dtype": "complex128"}}
    async with world(tmp_path) as here:
        answer = await ask(here, "estimate", {"program": "sum(abs(z) ** 2)", "inputs": shapes})
        assert answer["gradient"]["peak_bytes"] >= 320
        assert answer["jacobian"]["cheaper"] == "reverse"
        assert answer["hessian"] is None
        answer = await ask(here, "estimate", {"program": "conj(z)", "inputs": shapes, "sparse": True})
        assert answer["jacobian"] is None
        assert answer["sparse"] == {"jacobian": None, "hessian": None}
