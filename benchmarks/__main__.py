"""Run the benchmarks: python -m benchmarks [--small] [--write] [NAME …].

Each runs in a process of its own, on one core and with one thread. PyTorch, JAX and Keras take part if they
are installed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import subprocess
import sys
import time

import benchmarks
from benchmarks import _pinned


def main() -> int:
    """Run the named benchmarks, or all, one after the other; how many failed."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name[0] != "_"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--small", action="store_true", help="a few seconds each, to see that they run")
    parser.add_argument("--write", action="store_true", help="keep the figures in benchmarks/README.md")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if options.write and (options.names or options.small):
        parser.error("README.md keeps whole runs at full size: leave out the names and --small")
    if options.here:
        _run(options.names[0], small=options.small)
        return 0
    failed = 0
    kept = ""
    for name in options.names or known:
        code, text = _in_a_process(name, small=options.small)
        failed += code != 0
        kept += text
    if options.write and not failed:
        _write(kept)
    return failed


def _in_a_process(name: str, *, small: bool) -> tuple[int, str]:
    """The exit status, and what was printed on the way."""
    command = [sys.executable, "-m", "benchmarks", "--here", name, *(["--small"] if small else [])]
    environment = {**os.environ, **_pinned.threads()}
    kept = ""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            kept += line
    return process.returncode, kept


def _run(name: str, *, small: bool) -> None:
    _pinned.pin()
    from benchmarks._report import Report

    module = importlib.import_module(f"benchmarks.{name}")
    print(f"\n## {name}\n\n{(module.__doc__ or '').strip()}")
    start = time.perf_counter()
    module.main(Report(), small=small)
    print(f"\n{time.perf_counter() - start:.0f} s in all.", flush=True)


def _write(text: str) -> None:
    _pinned.pin()
    from benchmarks._report import machine, write

    write(f"{machine()}\n{text}")


if __name__ == "__main__":
    sys.exit(main())
