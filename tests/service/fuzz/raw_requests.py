"""Random bytes for a connection: requests that are right, nearly right, cut off, and several at once."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import Final

from backports import zstd

from tests.service.fuzz.archives import Files
from tests.service.fuzz.campaign import damaged
from tests.service.fuzz.job_documents import Jobs
from tests.service.grammar import Grammar

_METHODS: Final = (
    "GET",
    "POST",
    "DELETE",
    "HEAD",
    "PUT",
    "OPTIONS",
    "PATCH",
    "get",
    "CONNECT",
    "TRACE",
    "",
    "G" * 300,
)
_JOB: Final = "job_" + "0" * 32
_SET: Final = "sha256:" + "0" * 64
_TARGETS: Final = (
    "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/v1/ops", "/v1/jobs", "/v1/datasets",
    "/v1/graphs", "/v1/gradient", "/v1/evaluate", "/v1/models/expand", "/v1/estimate", f"/v1/jobs/{_JOB}",
    f"/v1/jobs/{_JOB}/events", f"/v1/jobs/{_JOB}/metrics", f"/v1/jobs/{_JOB}/cancel",
    f"/v1/jobs/{_JOB}/predict", f"/v1/datasets/{_SET}", f"/v1/graphs/{_SET}", f"/v1/graphs/{_SET}/gradient",
    "/", "*", "http://x/v1/jobs", "//x", "/%00", "/%", "/..%2f..", "/v1/jobs/%ff", "/" + "a" * 5_000,
    "/" + "%41" * 20_000, "/v1/jobs/\u0000", "?", "", "/problems/internal",
)  # fmt: skip
_QUERIES: Final = (
    "", "", "", "?limit=3", "?limit=0", "?limit=x", "?cursor=x", "?cursor=%00", "?status=queued",
    "?status=", "?a=b", "?preview=1e9", "?by=step", "?format=npz", "?limit=1&limit=2", "?" + "a=1&" * 3_000,
    "?%", "?limit=%ff", "?&&&=",
)  # fmt: skip
_HEADERS: Final = (
    "Host: x", "Host:", "Host: x\r\nHost: y", "Accept: application/x-safetensors", "Accept: */*;q=x",
    "Accept-Encoding: gzip", "Connection: keep-alive", "Connection: upgrade\r\nUpgrade: websocket",
    "Expect: 100-continue", "Expect: x", "TE: trailers", "Authorization: Bearer x",
    "Last-Event-ID: 99999999999999999", "Last-Event-ID: -1", "Last-Event-ID: 9e9", "Idempotency-Key: a",
    "Idempotency-Key: " + "k" * 300, "Idempotency-Key: \u00ff", "X-Request-ID: " + "x" * 5_000,
    "Range: bytes=0-", "Content-Type: text/plain", "Content-Type: " + ";" * 900, "X: " + "y" * 40_000,
    "no colon", ": empty", "A B: c", "Folded: a\r\n b", "Null: \u0000", "Content-Length: 5",
    "Content-Length: -1", "Content-Length: 1e3", "Content-Length: 99999999999999999999",
    "Content-Length: +3", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity", "Content-Encoding: gzip", "Content-Encoding: zstd",
    "Content-Encoding: br, gzip", "X-Forwarded-For: 1.2.3.4", "Origin: http://evil",
    "Access-Control-Request-Method: POST",
)  # fmt: skip
_TYPES: Final = (
    "application/json", "application/json", "application/x-npy", "application/x-npz", "text/csv",
    "application/octet-stream", "application/x-safetensors", "application/json; charset=utf-16", "text/xml",
    "",
)  # fmt: skip
_CODINGS: Final = ("gzip", "zstd", "deflate", "gzip, zstd", "identity", "x", "GZIP", "")


class Connections:
    """What is sent over a connection, from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.seed = seed

    def bytes(self) -> bytes:
        """A few requests in a row, whole or not."""
        rng = self.rng
        content = b"".join(self.request() for _ in range(rng.choice((1, 1, 1, 2, 5))))
        if rng.random() < 0.1:
            content = damaged(rng, content[:300]) + content[300:]
        if rng.random() < 0.1:
            content = content[: rng.randrange(len(content))]
        return (
            content
            if rng.random() < 0.97
            else rng.choice((b"\0" * 99, b"\x16\x03\x01" + bytes(200), b"\r\n" * 50, b""))
        )

    def request(self) -> bytes:
        """One request, mostly well formed."""
        rng = self.rng
        target, body, kind = rng.choice(_TARGETS), b"", ""
        method = rng.choice(_METHODS[:4] if rng.random() < 0.9 else _METHODS)
        if rng.random() < 0.5:
            method = "POST"
            target, body, kind = self.sent()
        headers = ["Host: x"] if rng.random() < 0.95 else []
        if kind and rng.random() < 0.95:
            headers.append(f"Content-Type: {kind if rng.random() < 0.9 else rng.choice(_TYPES)}")
        body, coding = self.encoded(body) if body and rng.random() < 0.3 else (body, "")
        if coding:
            headers.append(f"Content-Encoding: {coding}")
        headers += [rng.choice(_HEADERS) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
        if body and rng.random() < 0.3:
            headers.append("Transfer-Encoding: chunked")
            body = self.chunked(body)
        elif body or rng.random() < 0.1:
            off = 0 if rng.random() < 0.93 else rng.choice((-1, 1, 7, -len(body)))
            headers.append(f"Content-Length: {len(body) + off}")
        version = (
            "HTTP/1.1"
            if rng.random() < 0.95
            else rng.choice(("HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP", "", "x"))
        )
        end = "\r\n" if rng.random() < 0.97 else "\n"
        head = end.join([f"{method} {target}{rng.choice(_QUERIES)} {version}", *headers, "", ""])
        return head.encode("latin-1", "replace") + body

    def sent(self) -> tuple[str, bytes, str]:
        """A target that takes a body, a body, and its type."""
        rng = self.rng
        how = rng.random()
        if how < 0.3:
            form, content = Files(self.seed).any()
            if form == "safetensors":
                return (
                    rng.choice(("/v1/evaluate", "/v1/gradient", "/v1/jobs")),
                    content,
                    "application/x-safetensors",
                )
            return "/v1/datasets", content, {"csv": "text/csv"}.get(form, f"application/x-{form}")
        if how < 0.5:
            return "/v1/jobs", Jobs(self.seed).body(), "application/json"
        kind, body = Grammar(self.seed).request()
        return ("/v1/graphs" if kind == "publish" else f"/v1/{kind}"), body, "application/json"

    def encoded(self, body: bytes) -> tuple[bytes, str]:
        """A body in a content coding, which may be another than the one that is named, and cut off."""
        rng = self.rng
        coding = rng.choice(_CODINGS)
        packed = {"gzip": gzip.compress, "zstd": zstd.compress, "deflate": zlib.compress}.get(
            coding, lambda data: data
        )(body)
        if rng.random() < 0.05:
            packed = gzip.compress(bytes(2**24))
        if rng.random() < 0.2:
            packed = damaged(rng, packed)
        return packed, coding

    def chunked(self, body: bytes) -> bytes:
        """The body in chunks, some of which are odd."""
        rng = self.rng
        pieces = []
        while body:
            size = rng.choice((1, 7, 100, len(body)))
            piece, body = body[:size], body[size:]
            head = f"{len(piece):x}"
            if rng.random() < 0.03:
                head = rng.choice(
                    ("g", "-1", "ffffffffffffffffffff", f"{head};a=b", f"0x{head}", "", " 1", head + " ")
                )
            pieces.append(head.encode() + b"\r\n" + piece + (b"\r\n" if rng.random() < 0.98 else b""))
            if len(pieces) > 200:
                break
        last = rng.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"", b"0"))
        return b"".join(pieces) + last


def is_problem(body: bytes) -> bool:
    """Whether a body is a problem document."""
    try:
        return {"code", "detail", "status", "hint"} <= set(json.loads(body))
    except ValueError:
        return False
