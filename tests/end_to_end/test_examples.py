"""Every example runs against a real server and prints what its text promises."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, Server


def test_linear_regression_finds_the_slope(server: Server) -> None:
    printed = server.example("linear_regression.py")
    losses = [float(loss) for loss in re.findall(r"loss = ([0-9.]+)", printed)]
    assert losses[0] == 10.5
    assert losses == sorted(losses, reverse=True)
    found = re.search(r"W = ([0-9.]+), b = ([0-9.-]+)", printed)
    assert found is not None
    assert float(found[1]) == pytest.approx(2.0, abs=0.05)


def test_custom_gradient_replaces_the_derivative(server: Server) -> None:
    assert server.example("custom_gradient.py").split() == ["4.0", "6.0"]


def test_scipy_minimises_a_remote_function(server: Server) -> None:
    printed = server.example("scipy_minimize.py")
    assert "Optimization terminated successfully." in printed
    x = json.loads(printed.rpartition("x = ")[2])
    assert x == pytest.approx([1.0] * 10, abs=1e-4)


def test_sparse_least_squares_finds_the_sensors(server: Server) -> None:
    printed = server.example("sparse_least_squares.py")
    assert printed.count("8,000 of 1,600,000 entries") == 6
    assert float(printed.rpartition("misfit at the end = ")[2]) < 1e-6


def test_phases_are_found_from_magnitudes(server: Server) -> None:
    printed = server.example("phase_retrieval.py")
    losses = [float(loss) for loss in re.findall(r"loss ([0-9.e+-]+)", printed)]
    assert losses == sorted(losses, reverse=True)
    assert float(printed.rpartition("relative error = ")[2]) < 1e-3


def test_mnist_tape_learns_from_the_sample(server: Server) -> None:
    printed = server.example("mnist_tape.py", GRADWIRE_MNIST_DIR="")
    assert accuracy(printed) > 0.75


def test_mnist_fit_trains_one_job(server: Server) -> None:
    printed = server.example("mnist_fit.py", GRADWIRE_MNIST_DIR="")
    losses = json.loads(re.findall(r"losses: (.*)", printed)[0])
    assert len(losses) == 5
    assert losses == sorted(losses, reverse=True)
    assert accuracy(printed) > 0.83


@pytest.mark.slow
def test_mnist_fit_learns_from_the_full_set(server: Server) -> None:
    if not os.environ.get("GRADWIRE_MNIST_DIR"):
        pytest.skip("GRADWIRE_MNIST_DIR does not name the folder of the full set")
    assert accuracy(server.example("mnist_fit.py")) > 0.96


@pytest.mark.slow
def test_mnist_tape_learns_from_the_full_set(server: Server) -> None:
    if not os.environ.get("GRADWIRE_MNIST_DIR"):
        pytest.skip("GRADWIRE_MNIST_DIR does not name the folder of the full set")
    assert accuracy(server.example("mnist_tape.py")) > 0.93


def accuracy(printed: str) -> float:
    return float(printed.rpartition("test accuracy = ")[2])


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("the variable is not used", ["disconnected", "unused"]),
        ("a round trip through NumPy", ["disconnected"]),
        ("rounding on the way", ["blocked", "round"]),
        ("stopped on purpose, and forgotten", ["stopped", "stop_gradient"]),
        ("the variable was rebound", ["disconnected"]),
    ],
)
def test_every_missing_gradient_is_explained(
    explanations: dict[str, str], title: str, words: list[str]
) -> None:
    text = explanations[title]
    assert text.startswith("gradient: None")
    for word in words:
        assert word in text


@pytest.fixture(scope="module")
def explanations(server: Server) -> dict[str, str]:
    quiet = "error,ignore:the gradient by,ignore:a value that depends on"  # which is what it shows
    printed = server.example("why_is_my_gradient_none.py", PYTHONWARNINGS=quiet)
    parts = re.split(r"^--- (.*)\n", printed, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_explanations_point_at_the_users_line(explanations: dict[str, str]) -> None:
    lines = Path(ROOT, "examples", "why_is_my_gradient_none.py").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "gw.round(" in text)
    assert f"why_is_my_gradient_none.py:{line}" in explanations["rounding on the way"]


def test_curl_session(server: Server) -> None:
    printed = server.run(["bash", "examples/curl_session.sh"])
    evaluated, gradient, published, called, diagnosed = (
        json.loads(line) for line in printed.splitlines() if line.startswith("{")
    )
    assert evaluated == {"outputs": {"y": [1.0, 4.0]}}
    assert gradient == {"value": 10.5, "gradients": {"W": [-14.0], "b": [-6.0]}}
    assert published["outputs"] == ["loss"]
    assert published["nodes"] == 5
    assert called["value"] == 0.0
    assert called["gradients"] == {"W": [0.0], "b": [0.0]}
    assert diagnosed["variables"]["w"]["status"] == "blocked"
    assert diagnosed["variables"]["w"]["culprits"][0]["node"] == "round_1"
