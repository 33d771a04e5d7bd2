"""From the body of a request to a job that can run: everything that can be refused is refused here."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self
from uuid import uuid4

from pydantic_core import from_json

from engine.dtypes import TensorType
from engine.errors import DatasetMismatch, InvalidDocument, OverLimit, UnknownField, did_you_mean
from engine.frontend.graph import Graph
from engine.frontend.tensors import decode_tensor, encode_tensor
from engine.runtime import devices
from engine.training.job.decode import decode_training
from engine.training.job.estimate import estimate_of
from engine.training.job.spec import TrainingSpec
from service.datasets.arrays import sync, write
from service.datasets.folder import DatasetFolder
from service.datasets.store import Dataset
from service.jobs.sources import Array
from service.storage.checksums import Checksum
from service.storage.failures import is_disk_full
from service.wire.body import Media
from service.wire.json_numbers import dumps
from service.wire.json_reader import child_path, parse_object
from service.wire.problems import Problem

_DATA = ("data", "validation_data")
_ABANDONED_S = 3600.0
#: Fields of a job's data, each a file; data sets that they name; columns of one that are put side by side.
_MOST_FIELDS, _MOST_DATASETS, _MOST_COLUMNS = 1_024, 64, 4_096
#: Called with a job's function before it is recorded; it may raise.
Admit = Callable[[Graph], None]


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
class SubmissionContext:
    """What a submission needs that is not in its body: the job's name, folders, the data sets that it names.

    Both folders lie in the data folder. The body is read by a process that has no database: `sets` is None
    until it has said which data sets to look up.
    """

    job_id: str
    jobs: Path
    datasets: Path
    sets: Mapping[str, Dataset] | None = None

    def below(self, file: Path) -> str:
        """A file as the ledger names it: below the data folder, which may be moved."""
        return file.relative_to(self.jobs.parent).as_posix()

    def pack(self) -> bytes:
        """As a call's document."""
        sets = None
        if self.sets is not None:
            sets = {name: dataset.record() for name, dataset in self.sets.items()}
        return dumps({"job_id": self.job_id, "jobs": self.jobs, "datasets": self.datasets, "sets": sets})

    @classmethod
    def unpack(cls, document: bytes) -> Self:
        """What `pack` packed."""
        fields = from_json(document)
        sets = None
        if fields["sets"] is not None:
            sets = {name: Dataset.from_record(record) for name, record in fields["sets"].items()}
        return cls(fields["job_id"], Path(fields["jobs"]), Path(fields["datasets"]), sets)


def new_id() -> str:
    """A name for a job."""
    return f"job_{uuid4().hex}"


def parse_submission(text: bytes, attachments: Mapping[str, Array] | None) -> Submission:
    """The document and the data in a body. Raises Problem and UserError."""
    document = parse_object(text)
    document = {name: value for name, value in document.items() if value is not None}
    data: dict[str, Mapping[str, Any]] = {}
    for name in _DATA:
        value = document.pop(name, None)
        if value is None:
            continue
        if not isinstance(value, dict) or not value:
            raise InvalidDocument(f"expected an object of fields at $.{name}", path=f"$.{name}")
        if len(value) > _MOST_FIELDS:
            raise InvalidDocument(
                f"expected at most {_MOST_FIELDS:,} fields at $.{name}, got {len(value):,}",
                path=f"$.{name}",
                hint="put columns side by side in one array, or name them as 'fields' of a data set",
            )
        data[name] = value
    if "data" not in data:
        raise InvalidDocument(
            "expected 'data' at $",
            path="$.data",
            hint='for example "data": {"x": [[1], [2]], "y": [[2], [4]]}',
        )
    parsed = Submission(document, data, attachments)
    if len(parsed.datasets) > _MOST_DATASETS:
        raise InvalidDocument(
            f"expected at most {_MOST_DATASETS} data sets at $.data, got {len(parsed.datasets):,}",
            path="$.data",
            hint="one data set has many fields: upload what belongs together as one npz",
        )
    return parsed


def digest(body: bytes, media: Media) -> str:
    """What tells one request from another under the same Idempotency-Key."""
    return hashlib.sha256(media.encode() + b"\0" + body).hexdigest()


def prepare(
    submission: Submission, context: SubmissionContext, *, max_peak_bytes: int, admit: Admit | None = None
) -> dict[str, Any]:
    """Check the job and write the data of its body to its folder: its row for the ledger.

    Afterwards either the row is committed or `discard` is called. Raises Problem (disk_full among them) and
    UserError, and whatever `admit` raises of the function.
    """
    inline: dict[str, Array] = {}
    checksums: dict[str, dict[str, Any]] = {}
    sources: dict[str, dict[str, list[str]]] = {}
    types: dict[str, dict[str, TensorType]] = {}
    for part, fields in submission.data.items():
        sources[part], types[part] = {}, {}
        for name, value in fields.items():
            place = child_path(f"$.{part}", name)
            source = _source(value, place, context, submission.attachments, inline, checksums)
            sources[part][name], types[part][name] = source
    document = _without_attachments(submission.document, submission.attachments or {})
    spec = decode(document, types["data"], types.get("validation_data"), admit)
    devices.here(spec.device)  # refuse a job that no worker of this machine could run
    estimate = estimate_of(spec)
    if estimate.peak_bytes > max_peak_bytes:
        raise OverLimit(
            f"the job needs {estimate.peak_bytes:,} bytes at once, and the limit is {max_peak_bytes:,}",
            estimate=estimate.as_dict(),
            hint="use a smaller batch_size or model; the operator may raise GRADWIRE_MAX_PEAK_BYTES",
        )
    try:
        checksums |= _write_arrays(context, inline)
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise Problem("disk_full", f"the job's data could not be stored: {error.strerror}") from error
    data = {
        **sources,
        "types": _types_record(types),
        "datasets": sorted(submission.datasets),
        "checksums": checksums,
    }
    return {
        "id": context.job_id,
        "document": dumps(document).decode(),
        "data": dumps(data).decode(),
        "warnings": dumps([*spec.warnings, *_shared_fields(submission.data["data"])]).decode(),
        "epochs": spec.epochs,
        "steps": spec.steps,
    }


def decode(
    document: Mapping[str, Any],
    data: Mapping[str, TensorType],
    validation: Mapping[str, TensorType] | None,
    admit: Admit | None = None,
) -> TrainingSpec:
    """The checked job that a stored document means. Raises UserError, and what `admit` raises."""
    return decode_training(document, data=data, validation=validation, admit=admit)


def decode_stored(
    document: Mapping[str, Any], data: Mapping[str, Any], admit: Admit | None = None
) -> TrainingSpec:
    """The same, from what the ledger keeps: data sets may have gone since."""
    types = {
        part: {name: TensorType(tuple(t["shape"]), t["dtype"]) for name, t in fields.items()}
        for part, fields in data["types"].items()
    }
    return decode(document, types["data"], types.get("validation_data"), admit)


def discard(jobs: Path, job_id: str) -> None:
    """Remove what a job has on the disk."""
    shutil.rmtree(jobs / job_id, ignore_errors=True)


def sweep(jobs: Path, is_job: Callable[[str], bool]) -> None:
    """Remove what interrupted submissions left, if it is older than any that can still run."""
    for place in jobs.iterdir() if jobs.is_dir() else ():
        if time.time() - place.stat().st_mtime > _ABANDONED_S and not is_job(place.name):
            discard(jobs, place.name)


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
    context: SubmissionContext,
    attachments: Mapping[str, Array] | None,
    inline: dict[str, Array],
    checksums: dict[str, dict[str, Any]],
) -> tuple[list[str], TensorType]:
    """The files of one field, and their type.

    An array in the body itself goes to `inline`, the checksums of files that are there to `checksums`.
    """
    if not _names_dataset(value):
        array = decode_tensor(value, path=path, attachments=attachments).array
        file = f"{len(inline)}.npy"
        inline[file] = array
        place = context.below(context.jobs / context.job_id / "data" / file)
        return [place], TensorType(array.shape, array.dtype.name)
    for key in value:
        if key not in ("dataset", "field", "fields"):
            raise UnknownField(
                f"expected only dataset and field or fields at {path}, got '{key}'",
                path=child_path(path, key),
                hint=did_you_mean(key, ("dataset", "field", "fields")),
            )
    dataset = (context.sets or {}).get(str(value["dataset"]))
    if dataset is None:
        raise dataset_gone(str(value["dataset"]), f"{path}.dataset")
    chosen_fields = _fields(value, path, dataset)
    names = [chosen_fields] if isinstance(chosen_fields, str) else chosen_fields
    sets = DatasetFolder(context.datasets)
    files = [context.below(sets.path(dataset.id, dataset.fields[name])) for name in names]
    recorded = [(file, dataset.fields[name].checksum) for file, name in zip(files, names, strict=True)]
    checksums |= {file: checksum.record() for file, checksum in recorded if checksum is not None}
    return files, dataset.type_of(chosen_fields)


def dataset_gone(dataset_id: str, path: str) -> Problem:
    """The problem of a data set that does not exist, or no longer."""
    return Problem(
        "dataset_not_found",
        f"expected the id of a data set, got '{dataset_id[:100]}' at {path}",
        path=path,
        hint="upload it with POST /v1/datasets; ids look like sha256:…",
    )


def _fields(value: Mapping[str, Any], path: str, dataset: Dataset) -> str | list[str]:
    """The name of a field, or those of columns to be put side by side."""
    chosen_fields = value.get("fields", value.get("field"))
    if chosen_fields is None and len(dataset.fields) == 1:
        chosen_fields = next(iter(dataset.fields))
    names = [chosen_fields] if isinstance(chosen_fields, str) else chosen_fields
    listed = ", ".join(list(dataset.fields)[:20])
    if not isinstance(names, list) or not names or ("field" in value and "fields" in value):
        raise InvalidDocument(
            f"expected 'field' (a name) or 'fields' (a list of names) at {path}",
            path=path,
            hint=f"the data set has {listed}",
        )
    if len(names) > _MOST_COLUMNS:
        _mismatch(
            f"expected at most {_MOST_COLUMNS:,} columns, got {len(names):,}", f"{path}.fields", "use fewer"
        )
    for name in names:
        if not isinstance(name, str) or name not in dataset.fields:
            _mismatch(
                f"the data set has no field '{str(name)[:60]}'",
                path,
                did_you_mean(str(name), dataset.fields) or f"it has {listed}",
            )
    if isinstance(chosen_fields, str):
        return chosen_fields
    for name in names:
        if dataset.fields[name].shape:
            _mismatch(
                f"only columns of single numbers are put side by side, '{name}' has rows of shape "
                f"{list(dataset.fields[name].shape)}",
                f"{path}.fields",
                f'name it alone: {{"dataset": …, "field": "{name}"}}',
            )
    return list(names)


def _shared_fields(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A warning of a column of a data set that is a feature and, by itself, other data: the target."""
    sets = {name: value for name, value in fields.items() if _names_dataset(value)}
    for name, value in sets.items():
        features = value.get("fields")
        if not isinstance(features, list) or len(features) < 2:
            continue
        for other, single in sets.items():
            field = single.get("field") or single.get("fields")
            field = field[0] if isinstance(field, list) and len(field) == 1 else field
            if other == name or single["dataset"] != value["dataset"] or field not in features:
                continue
            rest = [each for each in features if each != field]
            yield {
                "code": "target_in_features",
                "node": None,
                "message": f"the field '{field}' is '{other}' and one of the features '{name}' as well: the "
                "model copies its answer, and fails on data of which the answer is not known. Leave it out: "
                f'"fields": {dumps(rest).decode()}',
            }


def _mismatch(detail: str, path: str, hint: str) -> NoReturn:
    raise DatasetMismatch(f"{detail} at {path}", path=path, hint=hint)


def _write_arrays(context: SubmissionContext, inline: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """Write the arrays that came in the body, and sync them to the disk: the checksums of their files."""
    folder = context.jobs / context.job_id
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    for file, array in inline.items():
        write(data / file, array.dtype, array.shape, [array])
        sync(data / file)
    for place in (data, folder, folder.parent):
        sync(place)
    return {context.below(data / file): Checksum.of(data / file).record() for file in inline}


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
