"""The files of deploy/ as they are, but for paths and ports, in real proxies before a real server."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from tests.service.jobs.world import long
from tests.service.several import ROOT, Several, several

pytestmark = pytest.mark.slow

KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def proxy(command: list[str], port: int, **options: Any) -> Iterator[httpx.Client]:
    """A proxy in the foreground, once it answers on `port`; ended at the end."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **options)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                deadline = time.monotonic() + 30
                while True:
                    try:
                        client.get("/healthz")
                        break
                    except httpx.TransportError:
                        log.seek(0)
                        if process.poll() is not None or time.monotonic() > deadline:
                            pytest.fail(log.read().decode())
                        time.sleep(0.1)
                yield client
        finally:
            process.terminate()
            process.wait()


def absent(message: str) -> NoReturn:
    """Skip the test; with GRADWIRE_REQUIRE_ORACLES=1, as in CI, fail it."""
    if os.environ.get("GRADWIRE_REQUIRE_ORACLES") == "1":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def nginx(server: Several, folder: Path) -> Iterator[httpx.Client]:
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        absent("nginx is not installed: apt-get install nginx-light")
    port = free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    text = text.replace("/run/gradwire/api.sock", str(server.uds))
    text = text.replace("listen 80", f"listen 127.0.0.1:{port}")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in KINDS)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; {user}\nevents {{}}\n"
        f"http {{ access_log off;\n{paths}{text}}}\n"
    )
    with proxy([binary, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", "stderr"], port) as client:
        yield client


@contextmanager
def caddy(server: Several, folder: Path) -> Iterator[httpx.Client]:
    binary = shutil.which("caddy")
    if binary is None:
        absent("caddy is not installed: apt-get install caddy")
    port = free_port()
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    text = text.replace("/run/gradwire/api.sock", str(server.uds))
    text = text.replace(":80 {", f"http://127.0.0.1:{port} {{")
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{text}")
    command = [binary, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with proxy(command, port, env=environment) as client:
        yield client


def process_of(answer: httpx.Response) -> str:
    """Which process answered: request ids begin with a number of its own."""
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"][:20]


@pytest.mark.parametrize("before", [nginx, caddy])
def test_a_graph_stays_on_the_process_that_has_its_program(before: Any, tmp_path: Path) -> None:
    with several(tmp_path) as server, before(server, tmp_path) as client:
        server.ready()
        found = {}
        for k in range(8):
            published = client.post("/v1/graphs", json={"program": f"sum(x * {k + 2})"})
            path = f"{published.headers['location']}/gradient"
            asked = [client.post(path, json={"inputs": {"x": [1.0, 2.0]}}) for _ in range(5)]
            hessian = f"{published.headers['location']}/hessian"
            other = client.post(hessian, json={"inputs": {"x": [1.0, 2.0]}})
            assert all(answer.json()["gradients"]["x"] == [k + 2.0] * 2 for answer in asked)
            found[path] = {process_of(answer) for answer in (*asked, other)}
        assert all(len(processes) == 1 for processes in found.values()), found
        assert len(set.union(*found.values())) == 2, "the graphs are spread over both"
        events_come_as_they_happen(client)
        if before is nginx:  # Caddy asks nobody else after a POST whose connection broke
            one_that_is_gone_is_not_missed(server, client, list(found))


def events_come_as_they_happen(client: httpx.Client) -> None:
    """The job runs until it is cancelled, so its first events are not held back until its end."""
    job = client.post("/v1/jobs", json=long()).json()["id"]
    ids = []
    with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("id:"):
                ids.append(int(line[3:]))
            if len(ids) == 2:
                client.post(f"/v1/jobs/{job}/cancel")
    assert ids == sorted(set(ids))
    assert client.get(f"/v1/jobs/{job}").json()["status"] == "cancelled"


def one_that_is_gone_is_not_missed(server: Several, client: httpx.Client, paths: list[str]) -> None:
    """Its socket stays open, and its successor answers what comes meanwhile."""
    os.kill(server.pids()[0], signal.SIGKILL)
    for path in paths:
        answer = client.post(path, json={"inputs": {"x": [1.0]}})
        assert answer.status_code == 200, answer.text
    server.process.send_signal(signal.SIGHUP)
    for _ in range(3):
        for path in paths:
            answer = client.post(path, json={"inputs": {"x": [1.0]}})
            assert answer.status_code == 200, answer.text


def test_the_files_name_what_the_server_opens() -> None:
    for name in ("nginx.conf", "Caddyfile"):
        text = (ROOT / "deploy" / name).read_text()
        [count] = {int(one) for one in re.findall(r"--processes (\d+)", text)}
        own = re.findall(r"api\.sock\.(\d+)", text)
        assert sorted(map(int, own)) == list(range(count))
