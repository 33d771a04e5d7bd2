"""Fixes are pasted into the user's file, and the file then has a finite gradient that is not zero."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradwire as gw

pytestmark = pytest.mark.usefixtures("client")

# The function to mend, its argument, how the fix is found in its text, and the text of the file it replaces.
HELPER = """\
def entropy(q):
    return gw.log(gw.softmax(q * 1000.0))


def f(logits):
    return entropy(logits - 0.5)[0]
"""
CASES = {
    "items of an argument": (
        "def f(p):\n    return -gw.sum(p[0] * gw.log(p[1] - 1.0))\n",
        [0.0, 1.0],
        r"Write (.*) for .*: it is 0 where",
        "p[0] * gw.log(p[1] - 1.0)",
        "nan",
    ),
    "names that were unpacked": (
        "def f(p):\n    u, v = p[0], p[1]\n    return gw.sqrt(u - v) * 2\n",
        [1.0, 1.0],
        r"Write (.*?) for `",
        "gw.sqrt(u - v)",
        None,
    ),
    "a variable without a name": (
        "def f(weights):\n    return gw.sqrt(gw.sum(weights**2))\n",
        [0.0, 0.0],
        r"Write (.*) for ",
        "gw.sqrt(gw.sum(weights**2))",
        "zero",
    ),
    "an array of the module": (
        "DATA = np.array([1.0, 2.0])\n\n\ndef f(w):\n    return gw.sum(gw.round(w * DATA))\n",
        [0.3, 1.2],
        r"Write (.*?) for `",
        "gw.round(w * DATA)",
        None,
    ),
    "a helper with names of its own": (
        HELPER,
        [0.0, 5.0],
        r"Write (.*) for ",
        "gw.log(gw.softmax(q * 1000.0))",
        None,
    ),
    "a guard": (
        "def f(w):\n    return gw.sum(gw.where(w > 0, gw.sqrt(w), 0.0)) + w[0]\n",
        [0.0, 2.0],
        r"Write (.*?) for `",
        "gw.where(w > 0, gw.sqrt(w), 0.0)",
        None,
    ),
    "a number that was rounded": (
        "def f(w):\n    return gw.sum((w - 1.0) ** (1 / 3))\n",
        [0.5, 2.0],
        r"Write (.*?) for `",
        "(w - 1.0) ** (1 / 3)",
        None,
    ),
    "another name for the package": (
        "def f(h):\n    return tf.reduce_sum(tf.nn.relu(h.T))\n",
        [-1.0, -2.0],
        r"Write (.*?) for `",
        "tf.nn.relu(h.T)",
        None,
    ),
    "a name assigned before": (
        "def f(w):\n    h = w @ w\n    return gw.sqrt(h)\n",
        [0.0, 0.0],
        r"place: (.*); or choose|Write (.*) for",
        "gw.sqrt(h)",
        "zero",
    ),
}


def written(folder: Path, name: str, text: str) -> Any:
    """A module of the user's, from a file of its own."""
    imports = "import gradwire as tf\n" if "tf." in text else "import gradwire as gw\nimport numpy as np\n"
    file = folder / f"{name}.py"
    file.write_text(f"{imports}\n\n{text}")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
@pytest.mark.parametrize(("text", "value", "pattern", "replaced", "after"), CASES.values(), ids=CASES)
def test_a_fix_can_be_pasted(
    tmp_path: Path, text: str, value: list[float], pattern: str, replaced: str, after: str | None
) -> None:
    w = gw.Variable(value)
    with gw.GradientTape() as tape:
        target = written(tmp_path, "before", text).f(w)
    (finding,) = tape.explain(target, w).findings
    assert finding.fix is not None
    found = re.search(pattern, finding.fix)
    assert found is not None, finding.fix
    fix = next(group for group in found.groups() if group)
    assert not re.search(r"\b[a-z]+_\d+\b", finding.fix), finding.fix
    assert replaced in text
    mended = written(tmp_path, "after", text.replace(replaced, f"({fix})"))
    with gw.GradientTape() as tape:
        target = mended.f(w)
    gradient = tape.gradient(target, w)
    assert gradient is not None, fix
    if after != "nan":
        assert np.isfinite(gradient).all(), fix
    if after is None:
        assert gradient.numpy().any(), fix


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_sources_without_a_name_are_called_by_the_users_own() -> None:
    scale = gw.constant(3.0)
    left, right = gw.Variable(1.0), gw.Variable(2.0)
    only = gw.Variable(2.0)
    with gw.GradientTape(persistent=True) as tape:
        tape.watch(scale)
        hidden = gw.round(scale * left * only)
        loss = hidden + right
    report = tape.explain(loss, [scale, hidden, only])
    assert [finding.name for finding in report.findings] == ["scale", "hidden", "only"]
    assert "scale * left * only" in str(report["scale"].fix)
    assert "_1" not in str(report["scale"].fix)


def test_builtins_that_record_other_ops_are_not_taken_for_them() -> None:
    def f(w: Any) -> Any:
        return gw.log(sum([w, w * 0.0]))

    w = gw.Variable(0.0, name="w")
    with gw.GradientTape() as tape:
        target = f(w)
    fix = str(tape.explain(target, w)["w"].fix)
    assert "sum([w, w * 0.0])" in fix or "w" in fix
    assert "log([" not in fix


def test_programs_keep_the_servers_words(client: gw.Client) -> None:
    report = client.diagnose("y = sum(sqrt(x))", {"x": [0.0]})
    assert "gradwire" not in str(report["x"].fix)
    assert "sqrt(x" in str(report["x"].fix)


def test_functions_of_the_client_have_the_users_words(client: gw.Client) -> None:
    report = client.diagnose(lambda u: gw.sum(gw.sqrt(u[0] - u[1])), {"u": [1.0, 1.0]})
    assert "gw.sqrt(u[0] - u[1]" in str(report["u"].fix)
