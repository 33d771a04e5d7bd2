"""Keep-alive clients on raw sockets that load a server, with little Python between two requests."""

from __future__ import annotations

import re
import selectors
import socket
import statistics
import time
from dataclasses import dataclass

from benchmarks._server import Server


def request(
    method: str, path: str, body: bytes = b"", kind: str = "application/json", accept: str = "*/*"
) -> bytes:
    """The bytes of an HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nAccept: {accept}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """One keep-alive connection."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = bytearray()
        self._body = self._end = 0  # where the body of the coming response begins and ends; 0 before its head

    def ask(self, message: bytes) -> bytes:
        """Send a request and wait for the body of its response."""
        self.socket.sendall(message)
        while (body := self.receive()) is None:
            pass
        return body

    def receive(self) -> bytes | None:
        """Read once; the body when it is complete. Raises RuntimeError if the status is not 200 or 201."""
        came = self.socket.recv(1 << 20)
        if not came:
            raise RuntimeError("the server closed the connection")
        self._came += came
        if not self._end:
            head = self._came.find(b"\r\n\r\n")
            if head < 0:
                return None
            found = re.search(rb"content-length: (\d+)", self._came[:head], re.IGNORECASE)
            if found is None or bytes(self._came[9:12]) not in (b"200", b"201"):
                raise RuntimeError(self._came.decode(errors="replace"))
            self._body, self._end = head + 4, head + 4 + int(found[1])
        if len(self._came) < self._end:
            return None
        body = bytes(self._came[self._body : self._end])
        self._came.clear()
        self._end = 0
        return body

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


@dataclass(frozen=True)
class Load:
    """Requests per second, latencies, and the server's processor time for each request, in seconds."""

    rate: float
    median: float
    p99: float
    cpu: float


def load(server: Server, message: bytes, *, connections: int, seconds: float) -> Load:
    """Send one request again and again over `connections` at once, each waiting for its response."""
    clients = [Connection(server) for _ in range(connections)]
    with selectors.DefaultSelector() as selector:
        sent = {}
        for client in clients:
            client.ask(message)
            selector.register(client.socket, selectors.EVENT_READ, client)
        latencies: list[float] = []
        cpu, start = server.cpu(), time.perf_counter()
        for client in clients:
            sent[client] = time.perf_counter()
            client.socket.sendall(message)
        while (now := time.perf_counter()) - start < seconds:
            for key, _ in selector.select():
                client = key.data
                if client.receive() is not None:
                    now = time.perf_counter()
                    latencies.append(now - sent[client])
                    sent[client] = now
                    client.socket.sendall(message)
        took, spent = now - start, server.cpu() - cpu
    for client in clients:
        client.close()
    p99 = statistics.quantiles(latencies, n=100)[-1]
    return Load(len(latencies) / took, statistics.median(latencies), p99, spent / len(latencies))
