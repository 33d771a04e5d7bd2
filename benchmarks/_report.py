"""Tables in Markdown, on standard output; and README.md, which keeps the last full run."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks._contest import Timing
from benchmarks._pinned import cores

README = Path(__file__).with_name("README.md")
_MARK = "<!-- what stands below is written by `make bench` -->\n"
_UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6}


class Report:
    """Prints the tables of one benchmark."""

    def text(self, text: str) -> None:
        """A paragraph."""
        print(f"\n{text}", flush=True)

    def table(self, *columns: str) -> None:
        """Begin a table. The first column is text, the others are figures."""
        print(f"\n| {' | '.join(columns)} |")
        print(f"| --- |{' ---: |' * (len(columns) - 1)}", flush=True)

    def row(self, *cells: object) -> None:
        """A row; numbers are shown with three digits."""
        print(f"| {' | '.join(_shown(cell) for cell in cells)} |", flush=True)

    def contest_table(self, unit: str, *more: str) -> None:
        """Begin a table whose rows `contest` writes."""
        columns = (f"{unit}, median", "best", "CPU", "ours ÷ theirs", *more)
        self.table("work", "contestant", *columns)

    def contest(
        self, work: str, timings: Mapping[str, Timing], unit: str, more: Mapping[str, tuple[object, ...]] = {}
    ) -> None:
        """A row for each contestant; the first is ours, and is what the others' ratios are for."""
        ours = next(iter(timings.values()))
        for name, timing in timings.items():
            figures = [seconds * _UNITS[unit] for seconds in (timing.wall, timing.best, timing.cpu)]
            ratio: object = "" if timing is ours else ours.wall / timing.wall
            self.row(work, name, *figures, ratio, *more.get(name, ()))


def _shown(cell: object) -> str:
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:#.3g}".rstrip(".")


def machine() -> str:
    """The date, the machine and what runs on it, in a few lines of Markdown."""
    measured, clients = cores()
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = models[0].split(":", 1)[1].strip() if models else processor
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    packages = ("numpy", "scipy", "uvicorn", "starlette", "fastapi", "torch", "jax", "keras")
    found = ", ".join(f"{name} {_version(name)}" for name in packages if _version(name))
    now = datetime.datetime.now(datetime.UTC)
    return "\n".join(
        [
            f"{now:%Y-%m-%d %H:%M} UTC, {processor}, {os.cpu_count()} cores, load {load} at the start.",
            f"Measured on core {measured}, clients on core {clients}, one thread for each library.",
            f"Python {platform.python_version()}, {found}; BLAS {_blas()}.",
        ]
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _blas() -> str:
    from service.blas import in_use

    found = in_use()
    return " ".join(filter(None, [found.library, found.kernel]))


def write(body: str) -> None:
    """Put a full run's figures below the mark in README.md."""
    head, _, _ = README.read_text().partition(_MARK)
    README.write_text(f"{head}{_MARK}\n{body.strip()}\n")
