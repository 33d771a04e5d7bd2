"""Names of devices, which of them are present, and which one `auto` chooses."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import DeviceUnavailable, InvalidDocument
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler, plan_of
from engine.runtime import devices


@pytest.fixture
def looked_up_anew() -> Any:
    devices.inventory.cache_clear()
    yield
    devices.inventory.cache_clear()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, "auto"),
        ("auto", "auto"),
        ("cpu", "cpu"),
        ("cuda", "cuda:0"),
        ("cuda:0", "cuda:0"),
        ("cuda:17", "cuda:17"),
    ],
)
def test_what_names_mean(given: Any, meant: str) -> None:
    assert devices.parse(given) == meant


@pytest.mark.parametrize(
    "given", ["", "gpu", "cuda:", "cuda:-1", "cuda:01", "cuda:x", "CUDA:0", "cuda:99999", 0, True, [], {}]
)
def test_what_is_no_device(given: Any) -> None:
    with pytest.raises(
        InvalidDocument, match=r"expected cpu, cuda, cuda:n or auto, got .* at \$\.device"
    ) as caught:
        devices.parse(given)
    assert caught.value.path == "$.device"
    assert caught.value.hint


def test_without_cupy_there_is_the_cpu(monkeypatch: Any, looked_up_anew: Any) -> None:
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    assert devices.inventory().names == ("cpu",)
    assert devices.here("auto") == devices.here("cpu") == "cpu"
    with pytest.raises(DeviceUnavailable, match=r"\(cpu\), got 'cuda:0'") as caught:
        devices.here("cuda:0")
    assert "gradwire-server[cuda12]" in str(caught.value.hint)


def test_without_a_driver_there_is_the_cpu(monkeypatch: Any, looked_up_anew: Any) -> None:
    def no_driver() -> int:
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")

    library = ModuleType("cupy")
    library.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=no_driver))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", library)
    monkeypatch.setattr(devices, "find_spec", lambda name: True)
    with pytest.raises(DeviceUnavailable) as caught:
        devices.here("cuda:0")
    assert "CUDA does not answer: cudaErrorInsufficientDriver" in str(caught.value.hint)
    assert devices.here("auto") == "cpu"


def test_without_a_device_it_is_said_so(monkeypatch: Any, looked_up_anew: Any) -> None:
    library = ModuleType("cupy")
    library.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 0))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", library)
    monkeypatch.setattr(devices, "find_spec", lambda name: True)
    assert "CUDA_VISIBLE_DEVICES" in devices.inventory().missing


def test_devices_are_listed_with_their_memory(device: dict[str, int]) -> None:
    assert devices.inventory().names == ("cpu", "cuda:0", "cuda:1")
    gpu = devices.gpu("cuda:1")
    assert (gpu.model, gpu.memory) == ("Fake", 8 << 30)
    assert gpu.allowed(None) == 4 << 30
    assert gpu.allowed(1 << 20) == 1 << 20
    assert gpu.allowed(1 << 40) == 8 << 30
    with pytest.raises(DeviceUnavailable, match="cuda:0, cuda:1") as caught:
        devices.here("cuda:2")
    assert "numbered from 0 to 1" in str(caught.value.hint)


def query(program: str, device: str = "auto", **shapes: tuple[int, ...]) -> Query:
    inputs = {name: TensorType(shape, "float64") for name, shape in shapes.items()}
    return Query(graph=parse_program(program, declared=inputs), kind="gradient", inputs=inputs, device=device)


@pytest.mark.parametrize(
    ("program", "shapes", "chosen"),
    [
        ("sum(x * x)", {"x": (10,)}, "cpu"),  # too small
        ("sum(x)", {"x": (20_000_000,)}, "cpu"),  # the way there and back costs as much
        ("sum(a @ b)", {"a": (2000, 2000), "b": (2000, 2000)}, "cuda:0"),
        (
            "def f(c, r):\n    return tanh(c @ c) * r, r\ns, t = scan(f, a, r)\nsum(s)",
            {"a": (300, 300), "r": (100,)},
            "cpu",
        ),
    ],
)
def test_auto_takes_a_gpu_where_it_pays(
    program: str, shapes: dict[str, Any], chosen: str, device: dict[str, int]
) -> None:
    made = Compiler().compile(query(program, **shapes))
    assert made.device == chosen
    assert Compiler().compile(query(program, "cpu", **shapes)).device == "cpu"
    assert device == {"uploads": 0, "downloads": 0}  # choosing and binding ask nothing of a device


def test_auto_keeps_to_the_memory_that_it_may_hold(device: dict[str, int]) -> None:
    asked = query("sum(a @ b)", a=(2000, 2000), b=(2000, 2000))
    assert Compiler(device_memory=1 << 20).compile(asked).device == "cpu"
    _, plan = plan_of(asked)
    assert plan.estimate.peak_bytes > 1 << 20


def test_the_same_question_on_two_devices_is_two_programs(device: dict[str, int]) -> None:
    compiler = Compiler()
    programs = {
        name: compiler.compile(query("sum(x * x)", name, x=(3,))) for name in ("cpu", "cuda:0", "cuda:1")
    }
    assert len({id(program) for program in programs.values()}) == 3
    for name, program in programs.items():
        assert program.device == name
        assert program.run({"x": np.arange(3.0)})["gradients"]["x"].tolist() == [0.0, 2.0, 4.0]
