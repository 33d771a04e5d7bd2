"""A server started in a folder whose files are called like its modules, or like Python's, imports its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service import interpreter
from tests.engine.graphs import REGRESSION
from tests.service.jobs.world import LINE
from tests.service.readiness import until
from tests.service.test_main import wait_until_gone
from tests.service.test_tiers import products
from tests.service.world import INPUTS

SCRIPT = [str(Path(sys.executable).with_name("gradwire-server"))]
MODULE = [sys.executable, "-m", "service.main"]
#: Of Python, of NumPy, of a dependency: each is imported by the server and by every kind of its processes.
MODULES = ("struct", "numpy", "sqlalchemy", "selectors", "logging")
PACKAGES = ("service", "engine")
HOSTILE = "raise RuntimeError('imported from the folder that the server was started in')\n"


@contextmanager
def started(
    command: Sequence[str], folder: Path, data: Path, *arguments: str, **variables: str
) -> Iterator[httpx.Client]:
    """A client of the server that `command` starts in `folder`; its log is beside its data folder."""
    with data.with_name("log").open("w") as log:
        process = subprocess.Popen(
            [*command, "serve", "--port", "0", "--data", str(data), *arguments],
            cwd=folder,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            url = re.search(r"http://\S+", process.stdout.readline())
            assert url, data.with_name("log").read_text()
            with httpx.Client(base_url=url[0], timeout=60) as client:
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            process.stdout.close()


@pytest.mark.parametrize(
    ("command", "packages", "python_path"),
    [(SCRIPT, PACKAGES, ""), (MODULE, (), None), (SCRIPT, (), os.pathsep)],
    ids=["script", "module", "empty-entries"],
)
def test_it_answers_and_trains_in_a_hostile_folder(
    tmp_path: Path, command: list[str], packages: tuple[str, ...], python_path: str | None
) -> None:
    hostile = tmp_path / "a folder"
    hostile.mkdir()
    for name in MODULES:
        (hostile / f"{name}.py").write_text(HOSTILE)
    for name in packages:
        (hostile / name).mkdir()
        (hostile / name / "__init__.py").write_text(HOSTILE)
    variables = {} if python_path is None else {"PYTHONPATH": python_path}
    with started(command, hostile, tmp_path / "data", **variables) as client:
        question = {"graph": REGRESSION, "inputs": INPUTS, "wrt": ["W"]}
        assert client.post("/v1/gradient", json=question).json()["gradients"] == {"W": [-14.0]}
        assert client.post("/v1/evaluate", json=products(1000, 3)).status_code == 200, "by a child process"
        assert until(client, 200, alive=1)["checks"]["workers"] == "ok"
        job_id = client.post("/v1/jobs", json=LINE).json()["id"]
        deadline = time.monotonic() + 120
        while (status := client.get(f"/v1/jobs/{job_id}").json()["status"]) in ("queued", "running"):
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        assert status == "succeeded"
    assert "RuntimeError" not in (tmp_path / "log").read_text()


def test_workers_that_die_at_once_are_told_with_the_reason(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "workers").write_text("a file, where workers expect a folder")
    with started(SCRIPT, tmp_path, data) as client:
        starting = client.get("/readyz")
        assert starting.status_code == 503, "nothing runs jobs yet"
        told = until(client, 503, failing=1)
        assert told["workers"]["alive"] == 0
        assert told["workers"]["reason"].startswith("status 1: gradwire-server: cannot use the data folder")
        assert "again and again" in told["checks"]["workers"]
        assert told["workers"]["reason"] in told["checks"]["workers"]
        assert {told["checks"]["storage"], told["checks"]["children"]} == {"ok"}
        lines = (tmp_path / "log").read_text()
        waits = [float(found) for found in re.findall(r'"again_in_s":([0-9.]+)', lines)]
        assert waits[:3] == [1, 2, 4], "each start waits longer than the one before"
        (data / "workers").unlink()
        until(client, 200, alive=1, failing=0)


@pytest.mark.slow
def test_a_worker_that_hangs_is_no_worker(tmp_path: Path) -> None:
    with started(SCRIPT, tmp_path, tmp_path / "data") as client:
        until(client, 200, alive=1)
        [path] = (tmp_path / "data" / "workers").glob("*.alive")
        pid = int(re.findall(r'"pid":(\d+)', path.read_text())[0])
        os.kill(pid, signal.SIGSTOP)
        try:
            assert "no sign of life" in until(client, 503, alive=0)["checks"]["workers"]
        finally:
            os.kill(pid, signal.SIGCONT)
        until(client, 200, alive=1)
    wait_until_gone([pid])
    assert not path.exists(), "it takes its sign away when it ends"


def test_workers_elsewhere_are_counted_by_a_server_without_any(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(SCRIPT, tmp_path, data, "--workers", "0") as client:
        assert client.get("/readyz").json()["workers"]["alive"] == 0
        worker = subprocess.Popen([*SCRIPT, "worker", "--data", str(data)], stderr=subprocess.DEVNULL)
        try:
            told = until(client, 200, alive=1)
            assert "workers" not in told["checks"], "queries are answered with and without one"
            assert told["workers"]["expected"] == 0
            assert "gradwire_workers 1.0" in client.get("/metrics").text
        finally:
            worker.terminate()
            worker.wait(timeout=60)
        until(client, 200, alive=0)


@pytest.mark.parametrize("entry", ["", "here"], ids=["empty", "absolute"])
def test_the_current_folder_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = [entry and str(tmp_path), "elsewhere", str(tmp_path / "below")]
    monkeypatch.setattr(sys, "path", found)
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    assert interpreter.search_path() == found[1:]


def test_a_current_folder_that_somebody_named_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["", "/usr"])
    monkeypatch.setenv("PYTHONPATH", f"/nowhere{os.pathsep}.")
    monkeypatch.chdir(tmp_path)
    assert interpreter.search_path() == [str(tmp_path), "/usr"]
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.chdir(interpreter.ROOT)
    assert interpreter.search_path() == [interpreter.ROOT, "/usr"], "our own modules are here"


def test_processes_find_the_packages_that_this_one_has(tmp_path: Path) -> None:
    code = "import engine, service, sys; print(engine.__file__, service.__file__, sys.path[0], sep=chr(10))"
    [python, *flags, _] = interpreter.command("module")[:-1]
    done = subprocess.run(
        [python, *flags, "-c", code],
        cwd=tmp_path,
        env=interpreter.environment({"A": "1"}, {"A": "2"}),
        capture_output=True,
        text=True,
        check=True,
    )
    engine, service, first = done.stdout.splitlines()
    assert Path(engine).parents[1] == Path(service).parents[1] == Path(interpreter.ROOT)
    assert Path(first) != tmp_path
    assert interpreter.environment({"A": "1"}, {"A": "2"})["A"] == "2"


def test_nothing_starts_python_in_another_way() -> None:
    """Who starts an interpreter in the product does it by `interpreter.command`."""
    root = Path(interpreter.ROOT)
    starters = [
        str(path.relative_to(root))
        for folder in ("engine", "service")
        for path in (root / folder).rglob("*.py")
        if "sys.executable" in path.read_text()
    ]
    assert starters == ["service/interpreter.py"]
