"""The metrics of several processes as one: snapshots as plain data, and their sums.

A counter that sank would look like a restart to Prometheus. Whoever sums keeps the last snapshot of a process
that ended, so that what was once shown stays counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

#: Families of a registry: name, type, documentation, and samples of name, labels and value.
Snapshot = list[list[Any]]

#: Gauges that every process sees alike: the first snapshot's value counts, or the largest.
_OF_ALL = frozenset({"gradwire_jobs", "gradwire_workers"})
_LARGEST = frozenset({"gradwire_device_memory_limit_bytes"})


def snapshot(registry: CollectorRegistry) -> Snapshot:
    """All samples of a registry."""
    return [
        [
            family.name,
            family.type,
            family.documentation,
            [[sample.name, dict(sample.labels), sample.value] for sample in family.samples],
        ]
        for family in registry.collect()
    ]


def counts(one: Snapshot) -> Snapshot:
    """What stays of a process that has ended: its counters and histograms, no gauges."""
    return [family for family in one if family[1] != "gauge"]


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The sum; of gauges that all processes see alike, the first snapshot's value."""
    families: dict[str, list[Any]] = {}
    values: dict[str, dict[tuple[Any, ...], list[Any]]] = {}
    for one in snapshots:
        for name, kind, documentation, samples in one:
            families.setdefault(name, [name, kind, documentation, []])
            series = values.setdefault(name, {})
            for sample, labels, value in samples:
                key = (sample, *sorted(labels.items()))
                entry = series.get(key)
                if entry is None:
                    series[key] = [sample, labels, value]
                elif sample.endswith("_created"):
                    entry[2] = min(entry[2], value)
                elif name in _LARGEST:
                    entry[2] = max(entry[2], value)
                elif name not in _OF_ALL:
                    entry[2] += value
    return [[*family[:3], list(values[name].values())] for name, family in families.items()]


def exposition(one: Snapshot) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(one))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: Sequence[list[Any]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """The families, as the registry wants them."""
        for name, kind, documentation, samples in self._families:
            metric = Metric(name, documentation, kind)
            metric.samples = [Sample(*sample) for sample in samples]
            yield metric
