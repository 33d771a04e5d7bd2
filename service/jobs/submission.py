"""From the body of a request to a job that can run: everything that can be refused is refused here."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import numpy as np
from pydantic_core import to_json

from engine.dtypes import TensorType
from engine.errors import DatasetMismatch, InvalidDocument, OverLimit, UnknownField, did_you_mean
from engine.tensors import decode_tensor, encode_tensor
from engine.training.decode import decode_training
from engine.training.spec import TrainingSpec
from service import safetensors_io
from service.body import Media
from service.datasets.arrays import sync
from service.datasets.folder import DatasetFolder
from service.datasets.store import Dataset
from service.jobs.sources import Array, open_sources, types_of
from service.problems import Problem
from service.strict_json import child_path, parse_object

_DATA = ("data", "validation_data")
Find = Callable[[str], Dataset | None]


@dataclass(frozen=True, slots=True)
class Submission:
    """A request's document without its data, the data's places in it, and what came beside the JSON."""

    document: Mapping[str, Any]
    data: Mapping[str, Mapping[str, Any]]
    attachments: Mapping[str, Array] | None

    @property
    def datasets(self) -> set[str]:
        """The ids of the data sets that it names."""
        values = [value for fields in self.data.values() for value in fields.values()]
        return {str(value["dataset"]) for value in values if _names_dataset(value)}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked job, laid down: its row for the ledger."""

    job_id: str
    row: Mapping[str, Any]


def read(body: bytes, media: Media) -> Submission:
    """The document and the data in a body. Raises Problem and UserError."""
    text, attachments = (body, None) if media == "json" else safetensors_io.unpack(body)
    document = parse_object(text)
    document = {name: value for name, value in document.items() if value is not None}
    data: dict[str, Mapping[str, Any]] = {}
    for name in _DATA:
        value = document.pop(name, None)
        if value is None:
            continue
        if not isinstance(value, dict) or not value:
            raise InvalidDocument(f"expected an object of fields at $.{name}", path=f"$.{name}")
        data[name] = value
    if "data" not in data:
        raise InvalidDocument(
            "expected 'data' at $",
            path="$.data",
            hint='for example "data": {"x": [[1], [2]], "y": [[2], [4]]}',
        )
    return Submission(document, data, attachments)


def digest(body: bytes, media: Media) -> str:
    """What tells one request from another under the same Idempotency-Key."""
    return hashlib.sha256(media.encode() + b"\0" + body).hexdigest()


def prepare(
    submission: Submission, find: Find, sets: DatasetFolder, jobs: Path, *, max_peak_bytes: int
) -> Prepared:
    """Check the job and lay its own data down in its folder. Raises Problem and UserError.

    Afterwards either the row is committed or `discard` is called.
    """
    job_id = f"job_{uuid4().hex}"
    inline: dict[str, Array] = {}
    sources = {
        part: {
            name: _source(value, f"$.{part}", name, find, sets, submission.attachments, inline)
            for name, value in fields.items()
        }
        for part, fields in submission.data.items()
    }
    document = _without_attachments(submission.document, submission.attachments or {})
    arrays = {
        part: {
            name: inline[files[0]] if files[0] in inline else open_sources({name: files})[name]
            for name, files in fields.items()
        }
        for part, fields in sources.items()
    }
    types = {part: types_of(fields) for part, fields in arrays.items()}
    spec = decode(document, types["data"], types.get("validation_data"))
    estimate = spec.estimate()
    if estimate.peak_bytes > max_peak_bytes:
        raise OverLimit(
            f"the job needs {estimate.peak_bytes:,} bytes at once, and the limit is {max_peak_bytes:,}",
            estimate=estimate.as_dict(),
            hint="use a smaller batch_size or model; the operator may raise GRADWIRE_MAX_PEAK_BYTES",
        )
    folder = jobs / job_id
    try:
        _lay_down(folder, inline)
    except BaseException:
        discard(jobs, job_id)
        raise
    placed = {
        part: {
            name: [str(folder / "data" / f) if f in inline else f for f in files]
            for name, files in fields.items()
        }
        for part, fields in sources.items()
    }
    row = {
        "id": job_id,
        "document": to_json(document, inf_nan_mode="strings").decode(),
        "data": to_json(
            {**placed, "types": _types_record(types), "datasets": sorted(submission.datasets)}
        ).decode(),
        "epochs": spec.epochs,
        "steps": spec.steps,
    }
    return Prepared(job_id, row)


def decode(
    document: Mapping[str, Any], data: Mapping[str, TensorType], validation: Mapping[str, TensorType] | None
) -> TrainingSpec:
    """The checked job that a stored document means. Raises UserError."""
    return decode_training(document, data=data, validation=validation)


def decode_stored(document: Mapping[str, Any], data: Mapping[str, Any]) -> TrainingSpec:
    """The same, from what the ledger keeps: data sets may have gone since."""
    types = {
        part: {name: TensorType(tuple(t["shape"]), t["dtype"]) for name, t in fields.items()}
        for part, fields in data["types"].items()
    }
    return decode(document, types["data"], types.get("validation_data"))


def discard(jobs: Path, job_id: str) -> None:
    """Remove what a job has on the disk."""
    shutil.rmtree(jobs / job_id, ignore_errors=True)


def _types_record(types: Mapping[str, Mapping[str, TensorType]]) -> dict[str, Any]:
    return {
        part: {name: {"shape": list(t.shape), "dtype": t.dtype} for name, t in fields.items()}
        for part, fields in types.items()
    }


def _names_dataset(value: Any) -> bool:
    return isinstance(value, dict) and "dataset" in value


def _source(
    value: Any,
    path: str,
    name: str,
    find: Find,
    sets: DatasetFolder,
    attachments: Mapping[str, Array] | None,
    inline: dict[str, Array],
) -> list[str]:
    """The files of one field; an array in the body itself goes to `inline` under the name of its file."""
    path = child_path(path, name)
    if not _names_dataset(value):
        array = decode_tensor(value, path=path, attachments=attachments).array
        file = f"{len(inline)}.npy"
        inline[file] = array
        return [file]
    for key in value:
        if key not in ("dataset", "field", "fields"):
            raise UnknownField(
                f"expected only dataset and field or fields at {path}, got '{key}'",
                path=child_path(path, key),
                hint=did_you_mean(key, ("dataset", "field", "fields")),
            )
    dataset = find(str(value["dataset"]))
    if dataset is None:
        raise Problem(
            "dataset_not_found",
            f"expected the id of a data set, got '{str(value['dataset'])[:100]}' at {path}.dataset",
            path=f"{path}.dataset",
            hint="upload it with POST /v1/datasets; ids look like sha256:…",
        )
    return [str(sets.path(dataset.id, dataset.fields[field])) for field in _fields(value, path, dataset)]


def _fields(value: Mapping[str, Any], path: str, dataset: Dataset) -> list[str]:
    given = value.get("fields", value.get("field"))
    if given is None and len(dataset.fields) == 1:
        given = next(iter(dataset.fields))
    names = [given] if isinstance(given, str) else given
    known = ", ".join(list(dataset.fields)[:20])
    if not isinstance(names, list) or not names or ("field" in value and "fields" in value):
        raise InvalidDocument(
            f"expected 'field' (a name) or 'fields' (a list of names) at {path}",
            path=path,
            hint=f"the data set has {known}",
        )
    for name in names:
        if name not in dataset.fields:
            _mismatch(
                f"the data set has no field '{str(name)[:60]}'",
                path,
                did_you_mean(str(name), dataset.fields) or f"it has {known}",
            )
    kinds = {(dataset.fields[name].shape, dataset.fields[name].dtype == "bool") for name in names}
    if len(kinds) > 1 or (len(names) > 1 and dataset.fields[names[0]].shape):
        _mismatch(
            "only columns of plain numbers are stacked", f"{path}.fields", "name one field with 'field'"
        )
    return list(names)


def _mismatch(detail: str, path: str, hint: str) -> NoReturn:
    raise DatasetMismatch(f"{detail} at {path}", path=path, hint=hint)


def _lay_down(folder: Path, inline: Mapping[str, Array]) -> None:
    """Write the arrays that came in the body, and have them on the disk."""
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    for file, array in inline.items():
        with (data / file).open("xb") as target:
            np.lib.format.write_array(target, np.ascontiguousarray(array) if array.ndim else array)
            target.flush()
            os.fsync(target.fileno())
    for place in (data, folder, folder.parent):
        sync(place)


def _without_attachments(value: Any, attachments: Mapping[str, Array]) -> Any:
    """The document with tensors that travelled beside it written into it, so that it stands alone."""
    if not attachments:
        return value
    if isinstance(value, dict):
        if set(value) == {"tensor"} and value["tensor"] in attachments:
            return encode_tensor(attachments[value["tensor"]], "base64")
        return {key: _without_attachments(item, attachments) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_attachments(item, attachments) for item in value]
    return value
