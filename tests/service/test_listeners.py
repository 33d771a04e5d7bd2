"""The port and the Unix socket: which are opened, who may use them, what is refused, what is left."""

from __future__ import annotations

import gc
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import gradwire as gw
from gradwire.errors import ConfigurationError, NoAnswer
from service.serving.listeners import CannotListen, Listeners
from service.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: that of a Unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="gw") as made:
        yield Path(made)


@contextmanager
def opened(**settings: Any) -> Iterator[Listeners]:
    listeners = Listeners.open(Settings(**settings))
    try:
        yield listeners
    finally:
        listeners.close()


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def test_the_port_is_opened_without_a_unix_socket_or_beside_it(folder: Path) -> None:
    path = folder / "s"
    with opened(port=0) as one:
        assert [each.family for each in one.shared] == [socket.AF_INET]
        assert one.address.startswith("http://127.0.0.1:")
    with opened(uds=path) as one:
        assert [each.family for each in one.shared] == [socket.AF_UNIX]
        assert one.address == f"unix://{path}"
        assert answers(path)
    assert not path.exists()
    with opened(uds=path, port=0) as one:
        assert {each.family for each in one.shared} == {socket.AF_INET, socket.AF_UNIX}
        assert one.address.endswith(f" and unix://{path}")
        assert one.own == []


def test_each_of_several_processes_has_a_unix_socket_of_its_own_too(folder: Path) -> None:
    with opened(uds=folder / "s", processes=3) as one:
        assert sorted(path.name for path in folder.iterdir()) == ["s", "s.0", "s.1", "s.2"]
        for index in range(3):
            *shared, own = one.of_process(index)
            assert shared == one.shared
            assert own.getsockname() == str(folder / f"s.{index}")
    assert list(folder.iterdir()) == []
    with opened(port=0, processes=3) as one:
        assert one.of_process(2) == one.shared


@pytest.mark.parametrize("mode", ["600", "0660", "666"])
def test_the_file_has_the_permissions_that_were_asked_for(folder: Path, mode: str) -> None:
    before = os.umask(0o077)
    try:
        with opened(uds=folder / "s", uds_mode=mode):
            assert stat.S_IMODE((folder / "s").stat().st_mode) == int(mode, 8)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", ["rw", "888", "66", "77777"])
def test_permissions_are_three_octal_digits(mode: str) -> None:
    with pytest.raises(ValueError, match="uds_mode"):
        Settings(uds_mode=mode)


def test_a_stale_socket_is_removed_one_in_use_is_not(folder: Path) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    assert path.exists()
    assert not answers(path)
    with opened(uds=path):
        assert answers(path)
        with pytest.raises(CannotListen, match=r"another server listens there; choose another with --uds"):
            Listeners.open(Settings(uds=path))
        assert answers(path), "the refused one took nothing away"
    assert not path.exists()


def test_what_is_no_socket_stays(folder: Path) -> None:
    (folder / "s").write_text("precious")
    with pytest.raises(CannotListen, match="exists and is no socket"):
        Listeners.open(Settings(uds=folder / "s"))
    assert (folder / "s").read_text() == "precious"
    (folder / "link").symlink_to(folder / "s")
    with pytest.raises(CannotListen, match="exists and is no socket"):
        Listeners.open(Settings(uds=folder / "link"))


def test_what_cannot_be_is_refused_kindly(folder: Path) -> None:
    with pytest.raises(CannotListen, match="at most 107 bytes"):
        Listeners.open(Settings(uds=folder / ("s" * 120)))
    with pytest.raises(CannotListen, match="No such file or directory"):
        Listeners.open(Settings(uds=folder / "none" / "s"))


def test_of_many_that_start_at_once_one_listens(folder: Path) -> None:
    """Each finds the stale socket: who removed the winner's by mistake would listen too."""
    path = folder / "s"
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))

        def start(_: int) -> Listeners | None:
            try:
                return Listeners.open(Settings(uds=path))
            except CannotListen:
                return None

        with ThreadPoolExecutor(4) as pool:
            started = [one for one in pool.map(start, range(4)) if one is not None]
        assert len(started) == 1
        assert answers(path)
        started[0].close()
        assert not path.exists()


def test_the_socket_of_a_successor_stays(folder: Path) -> None:
    path = folder / "s"
    first = Listeners.open(Settings(uds=path))
    path.unlink()
    with opened(uds=path):
        first.close()
        assert answers(path)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "service.main", "serve", "--uds", str(folder / "s"), "--workers", "0"]
    with subprocess.Popen(
        [*command, "--data", str(folder / "data"), "--log-level", "warning", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_the_sdk_and_curl_reach_it_and_a_killed_one_is_replaced(folder: Path) -> None:
    with running(folder) as (process, line):
        assert f"listens on unix://{folder / 's'} (" in line
        with gw.Client(f"unix://{folder / 's'}") as client:
            assert client.gradient("x * x", {"x": 3.0})["x"] == 6.0
        body = '{"program": "x * x", "inputs": {"x": 3}}'
        asked = ["curl", "--silent", "--unix-socket", str(folder / "s"), "http://localhost/v1/gradient"]
        header = ["-H", "Content-Type: application/json", "-d", body]
        done = subprocess.run([*asked, *header], capture_output=True, text=True, check=True)
        assert done.stdout == '{"value":9.0,"gradients":{"x":6.0}}'
        process.kill()
        process.wait()
    assert (folder / "s").exists()
    with running(folder) as (process, _):
        with gw.Client(f"unix://{folder / 's'}") as client:
            assert client.evaluate("x * x", {"x": 3.0}) is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert not (folder / "s").exists()


@pytest.mark.anyio
async def test_the_async_client_reaches_it_whatever_the_proxies(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GRADWIRE_URL", f"unix://{folder / 's'}")
    with running(folder):
        async with gw.AsyncClient() as client:
            assert (await client.gradient("x * x", {"x": 3.0}))["x"] == 6.0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpcore closes it late
def test_a_socket_that_is_not_there_is_named(folder: Path) -> None:
    retry = gw.Retry(attempts=1)
    with gw.Client(f"unix://{folder / 's'}", retry=retry) as client, pytest.raises(NoAnswer) as caught:
        client.health()
    assert f"unix://{folder / 's'}/healthz" in str(caught.value)
    del caught
    gc.collect()


def test_an_address_that_is_none_is_refused_with_both_forms() -> None:
    with pytest.raises(ConfigurationError, match=r"http://127\.0\.0\.1:8000, or unix:///path"):
        gw.Client("unix://relative")
