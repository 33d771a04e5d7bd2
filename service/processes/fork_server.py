"""The template process: it imports NumPy and the engine once, then forks a child for each request.

The server talks to it over one SOCK_SEQPACKET socket, a JSON message a packet:

    server → template   {"start": ChildConfig} with the child's socket attached;  {"kill": pid}
    template → server   {"up": true} once;  {"started": pid};  {"exited": pid, "status": wait status}

It runs one thread and never computes, so forking it is safe. Kills go through it because only the
parent of a child knows that a pid is still that child's. It ends when the server's end closes, after
its children; should it be killed itself, they die with it (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

from pydantic_core import from_json, to_json

_MESSAGE = 4096


def main() -> None:
    """`template FD MODULE`: on requests from the socket FD, fork children that run `MODULE.run_child`."""
    control = socket.socket(fileno=int(sys.argv[1]))
    run_child: Callable[..., NoReturn] = import_module(sys.argv[2]).run_child
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's business
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wake_read, wake_write = socket.socketpair()
    for end in (wake_read, wake_write):
        end.setblocking(False)
    signal.set_wakeup_fd(wake_write.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)

    try:
        control.send(to_json({"up": True}))
    except ConnectionError:  # the server has ended already
        return
    alive: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            try:
                if wake_read in ready:
                    wake_read.recv(_MESSAGE)
                    _reap(control, alive)
                if control in ready and not _obey(control, run_child, alive, [wake_read, wake_write]):
                    break
            except ConnectionError:  # the server has ended, in the middle of a message
                break
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _obey(
    control: socket.socket, run_child: Callable[..., NoReturn], alive: set[int], private: list[socket.socket]
) -> bool:
    """Carry out one request; False if the server has ended."""
    message, descriptors, _, _ = socket.recv_fds(control, _MESSAGE, 1)
    if not message:
        return False
    order = from_json(message)
    if "kill" in order:
        if order["kill"] in alive:
            os.kill(order["kill"], signal.SIGKILL)
        return True
    [descriptor] = descriptors
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for inherited in (control, *private):
            inherited.close()
        run_child(socket.socket(fileno=descriptor), parent, **order["start"])
    os.close(descriptor)
    alive.add(pid)
    control.send(to_json({"started": pid}))
    return True


def _reap(control: socket.socket, alive: set[int]) -> None:
    while alive:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        alive.discard(pid)
        control.send(to_json({"exited": pid, "status": status}))


if __name__ == "__main__":
    main()
