"""One app on sockets that are open, until a signal ends it gracefully."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.api.connection import protocol
from service.settings import Settings
from service.telemetry.logs import Forwarder

#: How long a thread may keep the interpreter when the event loop wants it. Python's own 5 ms, for each
#: thread, are more than most requests take.
_SWITCH_S = 0.0005


def run(
    app: FastAPI,
    settings: Settings,
    sockets: Sequence[socket.socket],
    *,
    starting: Callable[[], None] = lambda: None,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve `app` until SIGTERM or SIGINT, then finish what runs.

    `starting` is called when everything is loaded, `started` when requests are accepted.
    """
    logging.basicConfig(level=logging.WARNING, handlers=[Forwarder(app.state.services.logger)])
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol(settings),
        ws="none",
        timeout_keep_alive=settings.idle_timeout_s,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(settings.time_limit_s) + 1,
    )
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # what is here now stays: no collection need look at it again
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _already_handled)
    starting()

    class Server(uvicorn.Server):
        """Ends the streams of events, before it waits for every connection to end."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                started()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            app.state.services.streams.close()
            super().handle_exit(sig, frame)

    Server(config).run(sockets=list(sockets))


def _already_handled(number: int, frame: object) -> None:
    """Uvicorn stops gracefully and then raises the signal again; by then all is done."""
