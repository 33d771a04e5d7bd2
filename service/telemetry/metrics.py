"""Prometheus metrics, in a registry of the app's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from service.wire.problems import Reply


class Counted(Protocol):
    """A cache that counts its lookups."""

    hits: int
    misses: int


class _Lookups(Collector):
    """Reads the caches' own counts when asked, so that a lookup costs no metric."""

    def __init__(self, caches: Mapping[str, Counted]) -> None:
        self._caches = caches

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("gradwire_cache_lookups", "Cache lookups.", labels=("cache", "outcome"))
        for name, cache in self._caches.items():
            family.add_metric((name, "hit"), cache.hits)
            family.add_metric((name, "miss"), cache.misses)
        yield family


_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """What /metrics answers; label values come from our own tables, never from callers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._queries: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "gradwire_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.latency = Histogram(
            "gradwire_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "gradwire_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self.queries = Histogram(
            "gradwire_query_seconds",
            "Seconds of a query by kind and by where it ran (inline, thread, child, device).",
            ("kind", "tier"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.by_device = Counter(
            "gradwire_device_queries",
            "Queries by the device they ran on.",
            ("device",),
            registry=self.registry,
        )
        self.device_memory = Gauge(
            "gradwire_device_memory_bytes",
            "Bytes of a GPU that the process for queries held when it last answered.",
            ("device",),
            registry=self.registry,
        )
        self.device_limit = Gauge(
            "gradwire_device_memory_limit_bytes",
            "Bytes of a GPU that one process may hold.",
            ("device",),
            registry=self.registry,
        )
        self.failures = Counter(
            "gradwire_child_failures",
            "Children that died, ran out of memory or failed.",
            registry=self.registry,
        )
        self.jobs = Gauge("gradwire_jobs", "Jobs by status.", ("status",), registry=self.registry)
        self.followed = Gauge(
            "gradwire_jobs_followed", "Jobs whose events somebody follows here.", registry=self.registry
        )
        self.workers = Gauge(
            "gradwire_workers", "Workers that gave a sign of life lately.", registry=self.registry
        )
        self.children = Gauge("gradwire_children", "Child processes alive.", registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered. Looking labels up takes longer than counting: they are kept."""
        key = (method, route, status)
        series = self._requests.get(key)
        if series is None:
            counter = self.requests.labels(method, route, str(status))
            series = self._requests[key] = counter, self.latency.labels(route)
        counter, histogram = series
        counter.inc()
        histogram.observe(seconds)

    def query(self, kind: str, tier: str, device: str, seconds: float) -> None:
        """Count a query that was answered."""
        key = (kind, tier, device)
        series = self._queries.get(key)
        if series is None:
            counter = self.by_device.labels(device)
            series = self._queries[key] = counter, self.queries.labels(kind, tier)
        counter, histogram = series
        counter.inc()
        histogram.observe(seconds)

    def watch(self, caches: Mapping[str, Counted]) -> None:
        """Report the lookups of these caches from now on."""
        self.registry.register(_Lookups(caches))

    def render(self) -> Reply:
        """The exposition text."""
        return exposition_reply(generate_latest(self.registry))


def exposition_reply(text: bytes) -> Reply:
    """The reply that Prometheus reads."""
    return Reply(200, text, "text/plain; version=0.0.4; charset=utf-8")
