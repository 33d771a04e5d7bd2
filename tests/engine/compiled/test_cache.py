"""Machine code on disk is used only if it is what this user wrote; whatever else lies there is harmless."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine.dtypes import TensorType
from engine.ir.table import F
from engine.ir.tape import Tape
from engine.passes import lower
from engine.runtime.executors.compiled.cache import ObjectCache
from engine.runtime.executors.compiled.jit import NotCompiled, is_available
from engine.runtime.executors.compiled.native import Native
from engine.runtime.executors.compiled.plans import CompiledPlan
from engine.runtime.plan import Plan, make_plan

pytestmark = pytest.mark.skipif(not is_available(), reason="the extra `compiled` is not installed")


def plan() -> Plan:
    tape = Tape()
    x = tape.input("x", TensorType((9,)))
    tape.outputs = [(F.exp(x) * 2.0).slot]
    return make_plan(lower(tape))


def run(bound: CompiledPlan | None) -> None:
    assert bound is not None
    x = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(bound.run({"x": x})[0], np.exp(x) * 2, rtol=1e-15)


def compiled_once(folder: Path) -> Path:
    """The one file in the folder, after a program has been compiled into it."""
    run(Native(folder).bind(plan()))
    (file,) = folder.iterdir()
    return file


def test_another_process_links_what_one_has_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "native"
    with pytest.raises(NotCompiled):
        Native(folder, compiles=False).bind(plan())
    file = compiled_once(folder)
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    run(Native(folder, compiles=False).bind(plan()))


def test_without_a_folder_a_process_compiles_for_itself() -> None:
    run(Native(None).bind(plan()))
    with pytest.raises(NotCompiled):
        Native(None, compiles=False).bind(plan())


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "empty": lambda path: path.write_bytes(b""),
    "another byte": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x90"),
    "no object": lambda path: path.write_bytes(b"\x7fELF" * 100),
    "open to others": lambda path: path.chmod(0o666),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link": lambda path: (path.rename(path.with_suffix(".x")), path.symlink_to(path.with_suffix(".x"))),
    "a folder open to others": lambda path: path.parent.chmod(0o777),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_or_open_is_not_run_and_not_fatal(tmp_path: Path, damage: str) -> None:
    file = compiled_once(tmp_path / "native")
    DAMAGES[damage](file)
    with pytest.raises(NotCompiled):
        Native(tmp_path / "native", compiles=False).bind(plan())
    run(Native(tmp_path / "native").bind(plan()))


def test_a_file_of_another_owner_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled_once(tmp_path / "native")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(NotCompiled):
        Native(tmp_path / "native", compiles=False).bind(plan())


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    run(Native(tmp_path / "file").bind(plan()))
    run(Native(tmp_path / "file" / "below").bind(plan()))


def test_the_oldest_go_when_there_is_no_room(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path / "native", max_bytes=3500)
    for place, key in enumerate("abc"):
        cache.put(key, bytes([place]) * 1000)
        for file in (tmp_path / "native").iterdir():
            os.utime(file, (file.stat().st_mtime - 10, file.stat().st_mtime - 10))
    assert cache.get("a") == bytes([0]) * 1000  # used now, so the next to go is b
    cache.put("d", bytes(1000))
    assert [cache.get(key) is None for key in "abcd"] == [False, True, False, False]


def test_a_fault_of_the_compiler_leaves_the_plan_to_numpy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> bytes:
        raise RuntimeError("LLVM cannot do this")

    monkeypatch.setattr("engine.runtime.executors.compiled.jit.Toolchain.compile", fails)
    assert Native(tmp_path / "native").bind(plan()) is None
