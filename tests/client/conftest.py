"""A real server for the tests that need one: the app behind uvicorn, in a thread, on a free port."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

import gradwire as gw


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server."""
    from service.app import create_app  # only where a test asks for it
    from service.settings import Settings

    settings = Settings(data=tmp_path_factory.mktemp("data"), workers=1)
    app = create_app(settings, log_stream=io.StringIO(), warm=True)  # with a worker, for jobs
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, "the server did not start"
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    listener.close()


@pytest.fixture
def client(url: str) -> Iterator[gw.Client]:
    """A client of it, the default one for the time of a test."""
    with gw.Client(url) as made:
        gw.set_default_client(made)
        yield made


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
