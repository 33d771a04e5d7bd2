"""A child process has its folders, and nothing else: no other file, no network, no process, no key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from service import interpreter
from service.processes.sandbox import Isolation
from tests.engine.graphs import REGRESSION
from tests.service.world import INPUTS, world

#: Each is tried in a process that has entered a sandbox.
TRIED = {
    "a secret": "open(f'{base}/secret').read()",
    "a folder": "os.listdir(base)",
    "/etc/passwd": "open('/etc/passwd').read()",
    "another's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "writing beside": "open(f'{base}/read/x', 'w')",
    "running": "subprocess.run(['true'])",
    "forking": "os.fork()",
    "killing": "os.kill(os.getppid(), 0)",
    "connecting": "socket.create_connection(('127.0.0.1', 9))",
    "a socket": "socket.socket(socket.AF_UNIX)",
}
ALLOWED = {
    "reading": "open(f'{base}/read/y').read()",
    "writing": "open(f'{base}/write/x', 'w').write('a')",
    "renaming": "os.rename(f'{base}/write/x', f'{base}/write/z')",
    "a thread": "threading.Thread(target=int).start()",
    "memory": "os.write(os.memfd_create('a'), b'x')",
    "importing": "__import__('numpy.polynomial')",
}
CODE = """
import os, socket, subprocess, sys, threading, json
from pathlib import Path
import numpy
from service.processes import sandbox
base = sys.argv[1]
write = [Path(base, "write"), Path(base, "missing")]
sandbox.enter(hidden=Path(base), read=[Path(base, "read")], write=write)
done = []
for name, code in json.loads(sys.argv[2]).items():
    try:
        eval(code)
        done.append(name)
    except PermissionError:
        pass
print(json.dumps(done))
"""


@pytest.mark.skipif(not all(Isolation.probe().as_dict().values()), reason="the kernel has no Landlock")
def test_a_sandbox_lets_through_what_it_says(tmp_path: Path) -> None:
    for folder in ("read", "write"):
        (tmp_path / folder).mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "read" / "y").write_text("y")
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path), json.dumps({**TRIED, **ALLOWED})],
        env=interpreter.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == list(ALLOWED)


@pytest.mark.anyio
async def test_a_child_has_neither_key_nor_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRADWIRE_API_KEY", "GRADWIRE_DATA", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "not for children")
    async with world(tmp_path, inline_limit_s=0, thread_limit_s=0) as here:
        answer = await here.post(
            "/v1/gradient",
            {"graph": REGRESSION, "inputs": INPUTS},
            headers={"Authorization": "Bearer not for children"},
        )
        assert answer.json()["value"] == 10.5
        [pid] = here.services.pool.pids
        assert b"not for children" not in Path(f"/proc/{pid}/environ").read_bytes()
        status = Path(f"/proc/{pid}/status").read_text()
        if here.services.isolation.network:
            assert "Seccomp:\t2" in status
        ready = (await here.client.get("/readyz")).json()
        assert ready["isolation"] == here.services.isolation.as_dict()
    data = tmp_path / "data"
    assert data.stat().st_mode & 0o777 == 0o700
