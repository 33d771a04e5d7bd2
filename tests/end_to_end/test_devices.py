"""A server on a machine with GPUs, which are stand-ins: queries, jobs, readiness, metrics, refusals."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

import gradwire as gw
from tests.devices.conftest import FAKE
from tests.end_to_end.conftest import serving

GRADIENT = {"program": "mean(tanh(x @ w) ** 2)", "inputs": {"x": [[1.0, 2.0]], "w": [[0.5], [0.25]]}}
JOB: dict[str, Any] = {
    "program": "loss = mean((W * x + b - y) ** 2)",
    "target": "loss",
    "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
    "data": {"x": [[1], [2], [3]], "y": [[2], [4], [6]]},
    "optimizer": {"name": "sgd", "learning_rate": 0.01},
    "batch_size": 3,
    "epochs": 200,
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(
        tmp_path_factory.mktemp("gpus"), PYTHONPATH=str(FAKE), GRADWIRE_DEVICE_MEMORY_BYTES=str(64 << 20)
    ) as url:
        yield url


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def metric(http: httpx.Client, name: str, **labels: str) -> float:
    shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
    found = re.search(rf"^{name}{{{shown}}} (\S+)$", http.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def finished(http: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    wait_for(http, job, lambda found: found["status"] in ("succeeded", "failed", "cancelled"))
    found: dict[str, Any] = http.get(f"/v1/jobs/{job['id']}").json()
    return found


def logged(http: httpx.Client, job: dict[str, Any]) -> list[str]:
    """The messages of a job's log."""
    with http.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        text = "\n".join(stream.iter_lines())
    return re.findall(r'"message":"([^"]*)"', text)


def test_readiness_lists_the_devices(http: httpx.Client) -> None:
    assert http.get("/readyz").json()["devices"] == ["cpu", "cuda:0", "cuda:1"]


def test_a_gradient_on_a_gpu_is_that_of_the_cpu(http: httpx.Client) -> None:
    here = http.post("/v1/gradient", json=GRADIENT | {"device": "cpu"}).json()
    before = metric(http, "gradwire_device_queries_total", device="cuda:0")
    for device in ("cuda", "cuda:0", "cuda:1"):
        there = http.post("/v1/gradient", json=GRADIENT | {"device": device})
        assert there.status_code == 200, there.text
        assert there.json() == here
    assert metric(http, "gradwire_device_queries_total", device="cuda:0") == before + 2
    assert metric(http, "gradwire_device_queries_total", device="cuda:1") == 1
    assert metric(http, "gradwire_device_memory_limit_bytes", device="cuda:0") == 64 << 20
    assert 0 < metric(http, "gradwire_device_memory_bytes", device="cuda:0") <= 64 << 20
    assert metric(http, "gradwire_query_seconds_count", kind="gradient", tier="device") == 3


def test_a_published_graph_and_a_large_body_find_their_way(http: httpx.Client) -> None:
    graph = http.post("/v1/graphs", json={"program": "sum(x * x)"}).json()["id"]
    answer = http.post(
        f"/v1/graphs/{graph}/gradient", json={"inputs": {"x": [1, 2]}, "device": "cuda"}
    ).json()
    assert answer["gradients"]["x"] == [2.0, 4.0]
    large = {"program": "sum(x * x)", "inputs": {"x": [0.5] * 200_000}, "device": "cuda:1"}
    before = metric(http, "gradwire_device_queries_total", device="cuda:1")
    assert http.post("/v1/gradient", json=large).json()["value"] == 50_000.0
    assert metric(http, "gradwire_device_queries_total", device="cuda:1") == before + 1


def test_small_questions_of_auto_stay_on_the_cpu(http: httpx.Client) -> None:
    before = metric(http, "gradwire_device_queries_total", device="cpu")
    for device in ({}, {"device": "auto"}, {"device": None}):
        assert http.post("/v1/gradient", json=GRADIENT | device).status_code == 200
    assert metric(http, "gradwire_device_queries_total", device="cpu") == before + 3


@pytest.mark.parametrize("call", ["evaluate", "gradient", "jacobian", "hessian", "check", "diagnose"])
def test_a_gpu_that_is_not_here_is_refused(http: httpx.Client, call: str) -> None:
    body = {"program": "sum(x * x)", "inputs": {"x": [1, 2]}}
    refused = http.post(f"/v1/{call}", json=body | {"device": "cuda:2"})
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["path"]) == (422, "device_unavailable", "$.device")
    assert "cpu, cuda:0, cuda:1" in problem["detail"]
    assert "0 to 1" in problem["hint"]
    wrong = http.post(f"/v1/{call}", json=body | {"device": "gpu"}).json()
    assert (wrong["status"], wrong["code"], wrong["path"]) == (422, "invalid_document", "$.device")


def test_the_users_faults_come_back_from_a_gpu(http: httpx.Client) -> None:
    body = {"program": "y = x[i]\nsum(y)", "inputs": {"x": [1, 2], "i": {"dtype": "int64", "data": [0, 5]}}}
    problem = http.post("/v1/gradient", json=body | {"device": "cuda"}).json()
    assert (problem["code"], problem["op"]) == ("index_out_of_range", "getitem")
    text = {"program": "sum(exp(full(shape=[4000000], fill_value=0.5) * x) * x)", "inputs": {"x": 1.0}}
    problem = http.post("/v1/gradient", json=text | {"device": "cuda"}).json()
    assert (problem["status"], problem["code"]) == (422, "over_limit")
    assert "cuda:0" in problem["detail"]
    assert problem["estimate"]["peak_bytes"] > 64 << 20


def test_a_job_trains_on_a_gpu(http: httpx.Client) -> None:
    jobs = {name: http.post("/v1/jobs", json=JOB | {"device": name}).json() for name in ("cuda:1", "cpu")}
    learned = {}
    for name, job in jobs.items():
        assert finished(http, job)["status"] == "succeeded"
        learned[name] = http.get(f"/v1/jobs/{job['id']}/parameters").json()["parameters"]
    assert learned["cuda:1"]["W"] == pytest.approx(learned["cpu"]["W"], rel=1e-6)
    assert "training on cuda:1" in logged(http, jobs["cuda:1"])
    assert logged(http, jobs["cpu"]) == []
    asked = {"inputs": {"x": [[4]], "y": [[8]]}, "outputs": ["loss"]}
    assert http.post(f"/v1/jobs/{jobs['cuda:1']['id']}/predict", json=asked).status_code == 200
    refused = http.post("/v1/jobs", json=JOB | {"device": "cuda:7"}).json()
    assert (refused["status"], refused["code"], refused["path"]) == (422, "device_unavailable", "$.device")


def test_a_job_larger_than_its_share_of_a_gpu_fails_and_nothing_else(http: httpx.Client) -> None:
    wide = {"type": "Dense", "units": 2000}
    job = {
        "model": {"input_shape": [6], "layers": [wide, wide, {"type": "Dense", "units": 3}]},
        "loss": "mse",
        "data": {"x": [[0.5] * 6] * 8, "y": [[1, 0, 0]] * 8},
        "optimizer": "adam",
        "device": "cuda",
    }
    failed = finished(http, http.post("/v1/jobs", json=job).json())
    assert (failed["status"], failed["error"]["code"]) == ("failed", "over_limit")
    assert "GRADWIRE_DEVICE_MEMORY_BYTES" in failed["error"]["hint"] or failed["error"]["estimate"]
    assert (
        finished(http, http.post("/v1/jobs", json=JOB | {"device": "cuda"}).json())["status"] == "succeeded"
    )


def test_a_small_job_of_auto_stays_on_the_cpu(http: httpx.Client) -> None:
    job = http.post("/v1/jobs", json=JOB | {"device": "auto", "epochs": 50}).json()
    assert finished(http, job)["status"] == "succeeded"
    assert logged(http, job) == []


def test_a_job_whose_gpu_is_gone_fails_and_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("moving")
    with serving(folder, PYTHONPATH=str(FAKE)) as url, httpx.Client(base_url=url) as http:
        job = http.post("/v1/jobs", json=JOB | {"device": "cuda", "epochs": 1_000_000}).json()
        wait_for(http, job, lambda found: found["progress"]["step"] > 0)
        http.post(f"/v1/jobs/{job['id']}/pause")
        wait_for(http, job, lambda found: found["status"] == "paused")
    gone = {"PYTHONPATH": str(FAKE), "FAKE_CUDA_DEVICES": "0"}
    with serving(folder, **gone) as url, httpx.Client(base_url=url) as http:
        assert http.get("/readyz").json()["devices"] == ["cpu"]
        http.post(f"/v1/jobs/{job['id']}/resume")
        failed = finished(http, job)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "device_unavailable")
        assert "CUDA does not answer" in failed["error"]["hint"]
        learned = http.get(f"/v1/jobs/{job['id']}/parameters").json()["parameters"]
        assert learned["W"] != JOB["parameters"]["W"]["value"]  # its last checkpoint is there


def wait_for(http: httpx.Client, job: dict[str, Any], holds: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds(found := http.get(f"/v1/jobs/{job['id']}").json()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_the_sdk_chooses_a_device(address: str) -> None:
    with gw.Client(address, device="cuda") as client:
        value, gradients = client.gradient("sum(x ** 2)", {"x": np.arange(3.0)})
        assert value == 5.0
        np.testing.assert_array_equal(gradients["x"], [0.0, 2.0, 4.0])
        _, again = client.gradient("sum(x ** 2)", {"x": np.arange(3.0)}, device="cpu")
        np.testing.assert_array_equal(again["x"], gradients["x"])
        model = gw.Sequential([gw.layers.Dense(2)], client=client)
        model.compile("sgd", "mse")
        data = np.random.default_rng(0)
        history = model.fit(
            data.normal(size=(8, 3)), data.normal(size=(8, 2)), epochs=2, verbose=0, device="cuda:1"
        )
        assert len(history.history["loss"]) == 2
        with pytest.raises(gw.errors.DeviceUnavailable, match="cuda:5"):
            client.evaluate("x + 1", {"x": 1.0}, device="cuda:5")


def test_a_machine_without_gpus_says_how_to_get_one(server: Any) -> None:
    with httpx.Client(base_url=server.url) as http:
        assert http.get("/readyz").json()["devices"] == ["cpu"]
        problem = http.post("/v1/gradient", json=GRADIENT | {"device": "cuda"}).json()
    assert (problem["status"], problem["code"]) == (422, "device_unavailable")
    assert "CuPy is not installed" in problem["hint"] or "CUDA does not answer" in problem["hint"]
