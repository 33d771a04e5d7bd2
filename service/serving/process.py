"""One of several processes that answer requests; `group` starts it with the sockets and a channel."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import TextIO, cast

from service.processes.limits import die_with
from service.settings import Settings


def main() -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    parser = argparse.ArgumentParser()
    for name in ("parent", "channel", "generation", "index"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    os.umask(0o077)
    die_with(options.parent)  # before the imports, which take a second
    descriptors = [int(one) for one in options.listen.split(",")]
    for descriptor in (*descriptors, options.channel):
        os.set_inheritable(descriptor, False)
    settings = Settings().of_process(options.index)
    os.environ.update(settings.blas_environment)
    from service.app import create_app  # noqa: PLC0415
    from service.processes.channel import Channel  # noqa: PLC0415
    from service.processes.membership import Membership  # noqa: PLC0415
    from service.serving import server  # noqa: PLC0415
    from service.serving.group import LOG_LOCK  # noqa: PLC0415
    from service.serving.listeners import from_descriptors  # noqa: PLC0415
    from service.storage.failures import CannotOpen  # noqa: PLC0415
    from service.telemetry.whole_lines import WholeLines  # noqa: PLC0415

    end = socket.socket(fileno=options.channel)
    end.setblocking(False)
    meeting = options.folder / str(options.generation)
    membership = Membership(Channel(end), options.index, settings.processes, meeting)
    lines = WholeLines(2, options.folder / LOG_LOCK)
    try:
        app = create_app(settings, log_stream=cast(TextIO, lines), warm=True, membership=membership)
    except (OSError, CannotOpen) as error:
        lines.write(f"gradwire-server: cannot use the data folder '{settings.data}': {error}\n")
        return 1
    server.run(
        app,
        settings,
        from_descriptors(descriptors),
        started=lambda: membership.channel.tell("serving"),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
