"""Whatever file is uploaded is a data set whose fields can be read, or is refused as `invalid_dataset`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from engine.errors import UserError
from service.datasets import arrays, folder, tables
from service.datasets.folder import DatasetFolder
from service.wire import safetensors
from service.wire.encoding import encode_answer
from service.wire.problems import Problem, render
from tests.service.fuzz.archives import Files
from tests.service.fuzz.campaign import cases, run_cases


def test_every_file_is_a_data_set_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (arrays, folder, tables):
        monkeypatch.setattr(module, "sync", lambda path: None)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as root:
        run_cases(cases(1_500), lambda seed: outcome(Path(root), seed))


def outcome(root: Path, seed: int) -> str | None:
    form, content = Files(seed).any()
    try:
        if form == "safetensors":
            text, tensors = safetensors.unpack(content)
            return (
                None
                if isinstance(text, bytes) and all(t.size >= 0 for t in tensors.values())
                else "no tensors"
            )
        return _uploaded(root, form, content)
    except Problem as problem:
        return None if problem.code in ("invalid_dataset", "malformed_json") else f"{problem.code}: {problem}"
    except UserError as error:
        return None if render(error).status == 422 else f"{error}"


def _uploaded(root: Path, form: str, content: bytes) -> str | None:
    sets = DatasetFolder(root)
    place = sets.staging_dir()
    try:
        (place / "body").write_bytes(content)
        rows, fields = sets.prepare(place / "body", form, limit=2**20)  # type: ignore[arg-type]
        sets.place(f"sha256:{place.name}", place / "body")
        shown = sets.preview(f"sha256:{place.name}", fields, 5)
        encode_answer({"preview": shown}, "json").whole()
        if not all(
            len(sets.open(f"sha256:{place.name}", field)) == rows for field in fields.values() if rows
        ):
            return "the rows of a field are not those of the set"
    finally:
        sets.discard(place)
        shutil.rmtree(root / f"sha256-{place.name}", ignore_errors=True)
    return None
