"""The import contracts of pyproject.toml hold, inside `engine` and `service` too."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_contracts_hold() -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'clients/python/src'}"}
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_has_its_place_in_a_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        for package in contract.get("containers", []):
            named = {name.strip("() ") for layer in contract["layers"] for name in _members(layer)}
            assert modules(ROOT / package) <= named, f"{package}: not in any layer of '{contract['name']}'"


def modules(package: Path) -> set[str]:
    """Names of the modules and packages directly inside a package."""
    files = {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    return files | folders


def _members(layer: str) -> list[str]:
    return layer.replace("|", ":").split(":")
