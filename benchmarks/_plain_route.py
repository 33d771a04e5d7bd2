"""A server that computes nothing: it parses the JSON body and returns a file. Run by `_server`."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path


def main(file: str) -> None:
    """Serve until SIGTERM, with the event loop and the parser that `gradwire-server` has."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    answer = Path(file).read_bytes()

    async def plain(request: Request) -> Response:
        json.loads(await request.body())
        return Response(answer, media_type="application/json")

    async def copied(request: Request) -> Response:
        return Response(await request.body(), media_type="application/octet-stream")

    app = Starlette(routes=[Route("/", plain, methods=["POST"]), Route("/copy", copied, methods=["POST"])])
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
