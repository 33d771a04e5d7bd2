"""Metrics of several processes as one, and their log lines on one stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service.telemetry.sums import Snapshot, counts, exposition, snapshot, total
from service.telemetry.whole_lines import WholeLines

ROOT = Path(__file__).parents[2]


def registry(count: int, seconds: list[float], jobs: int, limit: int) -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("c", "Counts.", ("of",), registry=made).labels("a").inc(count)
    latency = Histogram("h", "Times.", buckets=(0.1, 1.0), registry=made)
    for one in seconds:
        latency.observe(one)
    Gauge("g", "Now.", registry=made).set(count)
    Gauge("gradwire_jobs", "Jobs.", registry=made).set(jobs)
    Gauge("gradwire_device_memory_limit_bytes", "Limit.", registry=made).set(limit)
    return made


def values(text: bytes) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_one_snapshot_is_what_prometheus_would_show() -> None:
    one = registry(3, [0.05, 0.5, 5.0], 7, 100)
    assert exposition(snapshot(one)) == generate_latest(one)


def test_counts_are_summed_and_gauges_are_right() -> None:
    first, second = registry(3, [0.05, 0.5], 7, 100), registry(4, [0.5, 5.0], 9, 200)
    found = values(exposition(total([snapshot(first), snapshot(second)])))
    assert found["c_total", "a"] == 7
    assert [found["h_bucket", bound] for bound in ("0.1", "1.0", "+Inf")] == [1, 3, 4]
    assert (found["h_count",], found["h_sum",]) == (4, 0.05 + 0.5 + 0.5 + 5.0)
    assert found["g",] == 7, "of each process, summed"
    assert found["gradwire_jobs",] == 7, "all see the same jobs: the first says how many"
    assert found["gradwire_device_memory_limit_bytes",] == 200


def test_an_ended_process_leaves_its_counts_and_no_gauges() -> None:
    alive, ended = snapshot(registry(3, [0.5], 7, 100)), snapshot(registry(4, [0.5], 9, 200))
    found = values(exposition(total([alive, counts(ended)])))
    assert (found["c_total", "a"], found["h_count",], found["g",]) == (7, 2, 3)


def test_a_counter_began_when_the_first_process_did() -> None:
    def made(at: float) -> Snapshot:
        return [["c", "counter", "", [["c_total", {}, 1.0], ["c_created", {}, at]]]]

    assert total([made(5.0), made(3.0)])[0][3] == [["c_total", {}, 2.0], ["c_created", {}, 3.0]]


_WRITER = """
import json, sys, random
from pathlib import Path
from service.telemetry.whole_lines import WholeLines
lines = WholeLines(2, Path(sys.argv[1]))
draw = random.Random(int(sys.argv[2]))
for n in range(60):
    lines.write(json.dumps({"n": n, "of": sys.argv[2], "text": "x" * draw.choice([10, 3000, 9000, 80_000])}))
    lines.write("\\n")
"""


def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    read, write = os.pipe()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "lock"), str(k)], stderr=write, cwd=ROOT
        )
        for k in range(4)
    ]
    os.close(write)
    with os.fdopen(read) as came:
        parsed = [json.loads(line) for line in came]
    assert all(writer.wait() == 0 for writer in writers)
    assert sorted((line["of"], line["n"]) for line in parsed) == [
        (str(k), n) for k in range(4) for n in range(60)
    ]


def test_threads_do_not_mix_halves_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        lines = WholeLines(file.fileno(), tmp_path / "lock")

        def write(word: str) -> None:
            for _ in range(300):
                lines.write(word)
                lines.write(word + "\n")

        threads = [threading.Thread(target=write, args=(word * 20,)) for word in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(path.read_text().splitlines()) == ["a" * 40] * 300 + ["b" * 40] * 300


def test_lines_that_cannot_be_written_are_lost(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    lines = WholeLines(write, tmp_path / "lock")
    assert lines.write("lost\n") == 5
    os.close(write)


@pytest.mark.parametrize("text", ["", "no end"])
def test_a_line_without_an_end_waits_for_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out"
    with path.open("wb") as file:
        lines = WholeLines(file.fileno(), tmp_path / "lock")
        lines.write(text)
        assert path.read_text() == ""
        lines.write("\n")
    assert path.read_text() == f"{text}\n"
