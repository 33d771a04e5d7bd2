"""The tool itself: `python -m benchmarks._gradbench`, as GradBench's CLI or any of its evals runs it."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from benchmarks._gradbench import bundle, hand, mixture, recurrent, vectors
from benchmarks._gradbench.functions import Function

EVALS: Mapping[str, Mapping[str, Function]] = {
    **vectors.EVALS,
    "gmm": mixture.FUNCTIONS,
    "lstm": recurrent.FUNCTIONS,
    "ba": bundle.FUNCTIONS,
    "ht": hand.FUNCTIONS,
}


def answer(message: Mapping[str, Any]) -> dict[str, Any]:
    """The response to one message, but for its id."""
    if message["kind"] == "start":
        return {"tool": "gradwire"}
    if message["kind"] == "define":
        known = message["module"] in EVALS
        return {"success": known, **({} if known else {"error": f"no module {message['module']!r}"})}
    if message["kind"] == "evaluate":
        try:
            return evaluate(message)
        except Exception:
            return {"success": False, "error": traceback.format_exc()}
    return {}


def evaluate(message: Mapping[str, Any]) -> dict[str, Any]:
    """Prepare the inputs, then run the function as often and as long as the message asks."""
    given = message["input"]
    repeated = given if isinstance(given, dict) else {}
    runs, seconds = repeated.get("min_runs", 1), repeated.get("min_seconds", 0.0)
    prepared = EVALS[message["module"]][message["function"]](given)
    timings: list[dict[str, Any]] = []
    elapsed = 0
    while True:
        start = time.perf_counter_ns()
        found = prepared.run()
        taken = time.perf_counter_ns() - start
        timings.append({"name": "evaluate", "nanoseconds": taken})
        elapsed += taken
        if len(timings) >= runs and elapsed >= seconds * 1e9:
            return {"success": True, "output": prepared.write(found), "timings": timings}


def main() -> None:
    """Answer every line of standard input."""
    for line in sys.stdin:
        message = json.loads(line)
        print(json.dumps({"id": message["id"], **answer(message)}), flush=True)


if __name__ == "__main__":
    main()
