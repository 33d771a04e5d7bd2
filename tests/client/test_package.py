"""The package itself: what it imports, what it exports, what is generated."""

from __future__ import annotations

import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gradwire as gw
from engine.ir.table import TABLE
from gradwire._tracing import extra_ops
from gradwire._tracing import ops as _ops

CLIENT = Path(__file__).parents[2] / "clients" / "python"


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(CLIENT / "src")},
    )
    return done.stdout


def test_importing_it_imports_no_server() -> None:
    names = run("import sys, gradwire; print(*sys.modules)").split()
    servers = {"engine", "service", "fastapi", "pydantic", "starlette", "scipy", "torch", "jax"}
    assert servers.isdisjoint(name.partition(".")[0] for name in names)


@pytest.mark.parametrize(
    "code",
    [
        "from gradwire.keras.layers import Dense",
        "from gradwire.layers import Dense",
        "import gradwire.keras as keras; Dense = keras.layers.Dense",
        "import gradwire as gw; Dense = gw.layers.Dense",
        "from gradwire.optimizers import Adam; import gradwire as gw; Dense = gw.layers.Dense",
    ],
)
def test_layers_are_imported_as_from_keras(code: str) -> None:
    assert run(f"{code}; print(Dense.__module__)") == "gradwire.keras.layers\n"


def test_every_public_name_is_there_and_documented() -> None:
    readme = (CLIENT / "README.md").read_text()
    written = set(re.findall(r"[A-Za-z_]\w*", "".join(re.findall(r"`[^`]+`|```.*?```", readme, re.DOTALL))))
    own = set(gw.__all__) - set(_ops.__all__) - set(extra_ops.__all__)
    assert len(gw.__all__) == len(set(gw.__all__))
    for name in gw.__all__:
        assert getattr(gw, name) is not None
    assert own - written == set()
    for module in (gw.optimizers, gw.losses, gw.layers, gw.callbacks, gw.initializers):
        classes = {
            n
            for n, v in vars(module).items()
            if isinstance(v, type) and v.__module__ == module.__name__ and not n.startswith("_")
        }
        assert classes - {"Optimizer", "Loss", "Layer", "InputLayer", "Initializer"} <= written


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_the_code_of_the_readme_runs(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    with gw.Client(url) as client:
        gw.set_default_client(client)
        code = "\n".join(blocks).replace("http://localhost:8000", url).replace("range(1000)", "range(20)")
        exec(code, {})
    printed = capsys.readouterr().out
    assert "None\n" in printed
    assert "w: blocked (nondifferentiable)" in printed


def test_public_things_have_docstrings() -> None:
    for name in gw.__all__:
        value: Any = getattr(gw, name)
        if callable(value) and getattr(value, "__module__", "").startswith("gradwire"):
            assert value.__doc__, name


def test_the_ops_are_those_of_the_table() -> None:
    importlib.import_module("engine.ops")
    plain = [op for op in TABLE.public() if all(a.kind.name != "function" for a in op.attributes)]
    known = {name for op in plain for name in (op.name, *op.aliases)}
    written_elsewhere = {"getitem", "slice", "zeros", "ones"}
    assert known - written_elsewhere <= {*_ops.__all__, *extra_ops.__all__}


def test_the_generated_file_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(CLIENT / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_generator_writes_signatures_as_numpy_has_them() -> None:
    importlib.import_module("engine.ops")
    render = runpy.run_path(str(CLIENT / "generate.py"))["render"]
    text = render([TABLE[name] for name in ("sum", "where", "concat", "astype")])
    assert "def sum(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False" in text
    assert "def where(condition: Any, x1: Any, x2: Any) -> Tensor:" in text
    assert "def concat(*xs: Any, axis: int | None = 0) -> Tensor:" in text
    assert "cast = astype" in text
    assert "reduce_sum = sum" in text
