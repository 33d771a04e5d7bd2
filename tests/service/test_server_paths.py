"""No response to a client contains a path of the server's disk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from service.jobs.worker.supervisor import Workers
from service.wire.server_paths import without_server_paths
from tests.service.world import world

DATA = Path("/srv/our data/gradwire")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"cannot use the data folder '{DATA}': no room", "cannot use the data folder …: no room"),
        (f"cannot use the data folder {DATA}: no room", "cannot use the data folder …: no room"),
        (f"[Errno 13] Permission denied: '{DATA}/workers'", "[Errno 13] Permission denied: …"),
        (
            "FileNotFoundError: [Errno 2] No such file: '/home/a b/x.py'",
            "FileNotFoundError: [Errno 2] No such file: …",
        ),
        ("File /usr/lib/python3.11/struct.py, line 3", "File …, line 3"),
        ("no room in /data: try again", "no room in …: try again"),
        ("status 1: ended and/or killed", "status 1: ended and/or killed"),
        ("signal 9", "signal 9"),
    ],
)
def test_paths_are_left_out(text: str, shown: str) -> None:
    assert without_server_paths(text, DATA) == shown


def test_a_relative_data_folder_is_left_out() -> None:
    text = "cannot use the data folder 'secret/place': no room"
    assert without_server_paths(text, Path("secret/place")) == "cannot use the data folder …: no room"


@pytest.mark.anyio
async def test_readiness_shows_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as here:
        error = OSError(errno.EACCES, "Permission denied", str(tmp_path / "data" / "workers"))
        reason = f"status 1: gradwire-server: cannot use the data folder '{tmp_path / 'data'}': {error}"

        async def workers() -> Workers:
            return Workers(1, 0, 1, reason)

        async def down(timeout_s: float) -> None:
            raise error

        monkeypatch.setattr(type(here.services.supervisor), "workers", lambda self: workers())
        monkeypatch.setattr(here.services.pool, "wait_until_up", down)
        response = await here.client.get("/readyz")
        assert response.status_code == 503
        assert "Permission denied" in response.json()["checks"]["children"]
        assert "cannot use the data folder" in response.json()["workers"]["reason"]
        assert str(tmp_path) not in response.text
