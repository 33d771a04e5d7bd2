"""Data sets: arrays on the server under the hash of their content, for jobs to train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gradwire._client.session import Session
from gradwire._client.uploads import body_of
from gradwire._transport.codec import read
from gradwire._transport.driver import D_co, Driven, call
from gradwire._transport.flow import Flow, Request
from gradwire.errors import DatasetNotFound


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a data set, or several columns side by side; `shape` begins with the rows."""

    dataset: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    stacked: bool = False

    def document(self) -> dict[str, Any]:
        """As the wire has it."""
        if self.stacked:
            return {"dataset": self.dataset, "fields": list(self.names)}
        return {"dataset": self.dataset, "field": self.names[0]}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set; `fields` has the shape of a row and the dtype of each field.

    `dataset["x"]` is a field, to be given to a job; `dataset[["a", "b"]]` are columns side by side.
    """

    id: str
    rows: int
    bytes: int
    fields: Mapping[str, Mapping[str, Any]]
    preview: Mapping[str, Any] | None = None

    def __getitem__(self, name: str | Sequence[str]) -> Column:
        names = (name,) if isinstance(name, str) else tuple(name)
        for each in names:
            if each not in self.fields:
                raise KeyError(f"the data set has no field '{each}'; it has {', '.join(self.fields)}")
        stacked = not isinstance(name, str)
        row = (len(names),) if stacked else tuple(self.fields[names[0]]["shape"])
        return Column(self.id, names, (self.rows, *row), stacked)


class Datasets(Driven[D_co]):
    """The data sets of a server: upload, get, list, delete."""

    def __init__(self, driver: D_co, session: Session) -> None:
        super().__init__(driver)
        self._session = session

    @call
    def upload(self, data: Any) -> Flow[Dataset]:
        """Upload an array (as the field `data`), a dict of arrays with the same number of rows, or a file.

        A file is given by its path: npy, npz or csv, whose columns are the fields. It is sent in pieces,
        without being held in memory, and is not sent if the server has the same content already. Raises
        TypeError for other data, and ValueError for other kinds of files.
        """
        return (yield from upload(self._session, data))

    @call
    def get(self, id: str) -> Flow[Dataset]:
        """Return a data set with its first rows as `preview`; raises DatasetNotFound."""
        return _dataset(read((yield from self._session.send(Request("GET", f"/v1/datasets/{id}")))))

    @call
    def list(self) -> Flow[list[Dataset]]:
        """Return every data set, oldest first."""
        datasets: list[Dataset] = []
        cursor = ""
        while True:
            page = read((yield from self._session.send(Request("GET", f"/v1/datasets{cursor}"))))
            datasets.extend(_dataset(each) for each in page["datasets"])
            if not page.get("next_cursor"):
                return datasets
            cursor = f"?cursor={quote(page['next_cursor'])}"

    @call
    def delete(self, id: str) -> Flow[None]:
        """Delete a data set; raises WrongState while a job needs it, DatasetNotFound."""
        yield from self._session.send(Request("DELETE", f"/v1/datasets/{id}"))


def upload(session: Session, data: Any) -> Flow[Dataset]:
    """Upload unless the server has it."""
    with body_of(data) as body:
        path = f"/v1/datasets/{body.id}?preview=1"
        try:
            return _dataset(read((yield from session.send(Request("GET", path)))))
        except DatasetNotFound:
            pass
        request = Request("POST", "/v1/datasets", headers={"Content-Type": body.media}, file=body.file)
        return _dataset(read((yield from session.send(request))))


def _dataset(described: Mapping[str, Any]) -> Dataset:
    return Dataset(
        described["id"], described["rows"], described["bytes"], described["fields"], described.get("preview")
    )
