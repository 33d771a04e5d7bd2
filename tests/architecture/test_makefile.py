"""`make run` on a machine that lacks something: it says what, and leaves nothing half made."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def checkout(folder: Path) -> Path:
    """The files that make looks at, in a folder whose name has a space."""
    made = folder / "a clone"
    (made / "clients" / "python").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "clients/python/pyproject.toml"):
        shutil.copy(ROOT / name, made / name)
    return made


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-C", str(folder), *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("python", "said"),
    [
        (None, "needs Python 3.11 or later, and there is no"),
        ('case "$*" in *version_info*) exit 1;; esac', "needs Python 3.11 or later, and"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "apt install python3-venv"),
    ],
    ids=["missing", "old", "without-ensurepip"],
)
def test_a_python_that_does_not_do_is_named(tmp_path: Path, python: str | None, said: str) -> None:
    folder = checkout(tmp_path)
    path = tmp_path / "a python"
    if python is not None:
        script(path, python)
    done = make(folder, "run", f"PYTHON={path}")
    assert done.returncode != 0
    assert said in done.stderr
    assert str(path) in done.stderr
    assert not (folder / ".venv").exists(), "the next try begins anew"


def test_a_half_made_environment_is_made_whole(tmp_path: Path) -> None:
    """As `python3 -m venv` leaves it where ensurepip is missing: a Python without pip."""
    folder = checkout(tmp_path)
    script(folder / ".venv" / "bin" / "python", "exit 1")
    whole = "printf '#!/bin/sh\\necho \"$@\" >> calls\\n' > .venv/bin/python"
    python = script(tmp_path / "python", f'case "$*" in "-m venv .venv") {whole};; esac')
    script(folder / ".venv" / "bin" / "gradwire-server", 'echo "started with $@"')
    done = make(folder, "run", f"PYTHON={python}", "PORT=8123")
    assert done.returncode == 0, done.stderr
    assert "started with serve --host 127.0.0.1 --port 8123" in done.stdout
    assert "pip --disable-pip-version-check install --quiet --editable ." in (folder / "calls").read_text()
    again = make(folder, "run", f"PYTHON={python}")
    assert "installing" not in again.stdout, "what is installed stays"
