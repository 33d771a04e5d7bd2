"""The examples that train: networks by a loop and by a job, a job by curl, a job on a CSV file."""

from __future__ import annotations

import json
import re

import pytest

from tests.end_to_end.conftest import Server


def number(text: str, name: str) -> float:
    found = re.search(rf"{re.escape(name)} = (-?[0-9.]+)", text)
    assert found is not None, text
    return float(found[1])


@pytest.mark.parametrize("example", ["keras_regression.py", "keras_fit.py"])
def test_a_network_learns_the_parabola(server: Server, example: str) -> None:
    printed = server.example(example)
    assert number(printed, "final loss") < 0.005
    assert number(printed, "f(0.5)") == pytest.approx(0.25, abs=0.1)


def test_linear_regression_as_one_job_by_curl(server: Server) -> None:
    printed = server.run(["bash", "examples/curl_job.sh"])
    submitted, learned, predicted = (
        json.loads(line) for line in printed.splitlines() if line.startswith("{")
    )
    assert submitted["progress"]["steps"] == 1000
    assert "event: end" in printed
    assert learned["parameters"]["W"][0] == pytest.approx(2.0, abs=0.05)
    assert predicted["outputs"]["pred"][0][0] == pytest.approx(8.0, abs=0.2)


def test_a_csv_file_is_trained_on(server: Server) -> None:
    printed = server.example("csv_dataset.py")
    assert printed.startswith("400 rows of rooms, age, price")
    assert number(printed, "price per room") == pytest.approx(30.0, abs=1.0)
    assert number(printed, "per year") == pytest.approx(-0.8, abs=0.1)
