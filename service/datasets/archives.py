"""npz archives: every member becomes a plain npy file, stored or compressed, a chunk at a time."""

from __future__ import annotations

import errno
import shutil
import zipfile
from collections import Counter
from pathlib import Path

from service.datasets.arrays import Field, check, refuse
from service.wire.problems import Problem

_CHUNK = 2**20
_MOST_MEMBERS = 4096
_HINT = "write it with numpy.savez(file, x=x, y=y) from plain numeric arrays with the same number of rows"


def unpack(archive: Path, folder: Path, *, limit: int) -> tuple[int, dict[str, Field]]:
    """The rows and the fields of an npz archive, extracted into `folder`.

    `limit` bounds the bytes that come out. Raises Problem invalid_dataset.
    """
    rows: int | None = None
    fields: dict[str, Field] = {}
    try:
        with zipfile.ZipFile(archive) as members:
            infos = [info for info in members.infolist() if not info.is_dir()]
            _check_members(infos, limit)
            for number, info in enumerate(infos):
                name = info.filename.removesuffix(".npy")
                file = folder / f"{number}.npy"
                with members.open(info) as source, file.open("xb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
                came, shape, dtype = check(file, f"$.{name}")
                if rows is not None and came != rows:
                    refuse(f"$.{name}", f"expected {rows} rows as in the fields before, got {came}", _HINT)
                rows = came
                fields[name] = Field(file.name, shape, dtype)
    except Problem:
        raise
    except Exception as error:  # what is damaged fails in the way of its compression
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk's fault; of damaged data bzip2 says OSError without a number, a seek EINVAL
        refuse("$", f"expected an npz archive: {str(error)[:200] or type(error).__name__}", _HINT)
    assert rows is not None, "an empty archive is refused"
    return rows, fields


def _check_members(infos: list[zipfile.ZipInfo], limit: int) -> None:
    if not infos:
        refuse("$", "expected at least one array in the archive, got none", _HINT)
    if len(infos) > _MOST_MEMBERS:
        refuse("$", f"expected at most {_MOST_MEMBERS:,} arrays, got {len(infos):,}", "split the set")
    times = Counter(info.filename for info in infos)
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or "/" in name or not 0 < len(name) <= 128 or not name.isprintable():
            refuse("$", f"expected members called NAME.npy, got {info.filename[:100]!a}", _HINT)
        if times[info.filename] > 1:
            refuse("$", f"expected every member once, got '{info.filename[:100]}' twice", _HINT)
        if info.flag_bits & 1:
            refuse(f"$.{name}", "expected an archive without a password, got an encrypted member", _HINT)
    total = sum(info.file_size for info in infos)
    if total > limit:
        refuse("$", f"expected at most {limit} bytes of arrays, got {total}", "split the set")
