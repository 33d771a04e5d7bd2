"""A disk that has only so many pages left, for every number: what is stored is whole, or it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.jobs import submission
from service.jobs.submission import Submission, SubmissionContext
from service.wire.problems import Problem
from tests.service.jobs.ballast import PAGE, Ballast
from tests.service.jobs.test_datasets import CSV, NPY, NPZ, npy, npz
from tests.service.jobs.world import LINE
from tests.service.test_main import running

ROWS = 20_000
VALUES = np.random.default_rng(0).normal(size=(ROWS, 2)).round(1)
UPLOADS = {
    "csv": (b"a,b\n" + b"".join(b"%.1f,%.1f\n" % (a, b) for a, b in VALUES), CSV),
    "by columns": (npy(np.asfortranarray(VALUES)), NPY),
    "big-endian": (npy(VALUES.astype(">f8")), NPY),
    "npz": (npz(a=VALUES), NPZ),
}


def inline(rows: int) -> Submission:
    """A job that brings its data along."""
    column = [[float(row)] for row in range(rows)]
    document = {name: value for name, value in LINE.items() if name != "data"}
    return Submission(document, {"data": {"x": column, "y": column}}, None)


@pytest.mark.parametrize("rows", [3, 505, 1100])
def test_a_job_s_data_are_whole_or_refused(small: Path, rows: int) -> None:
    """Of 505 numbers nine are alone on their page: NumPy's own writer loses them and says nothing."""
    jobs, ballast = small / "jobs", Ballast(small)
    room = SubmissionContext("job", jobs, small / "datasets", {})
    refused, stored = [], []
    for pages in range(30):
        jobs.mkdir()
        ballast.leave(pages)
        try:
            submission.prepare(inline(rows), room, max_peak_bytes=2**30)
        except Problem as problem:
            refused.append((problem.code, problem.detail.rpartition(": ")[2]))
        else:
            folder = jobs / "job" / "data"
            for file in ("0.npy", "1.npy"):
                np.testing.assert_array_equal(np.load(folder / file)[:, 0], np.arange(rows))
            stored.append(pages)
        ballast.drop()
        shutil.rmtree(jobs)
    assert set(refused) == {("disk_full", "No space left on device")}
    assert stored == list(range(len(refused), 30)), "enough is enough"
    assert len(refused) > 2 * rows * 4 // PAGE


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_is_whole_or_refused(small: Path, name: str) -> None:
    """The body may fit where what is made of it does not: then too the server lives, and keeps nothing."""
    body, headers = UPLOADS[name]
    datasets, ballast = small / "data" / "datasets", Ballast(small)
    refused, stored = [], []

    def upload() -> Any:
        return server.client.post("/v1/datasets", content=body, headers=headers)

    with running(small, "--workers", "0") as server:
        assert server.client.delete(f"/v1/datasets/{upload().json()['id']}").status_code == 204
        for pages in range(0, 6 * VALUES.nbytes // PAGE, 8):
            ballast.leave(pages)
            answer = upload()
            assert server.client.get("/healthz").status_code == 200
            if answer.status_code == 507:
                assert answer.json()["code"] == "disk_full"
                assert "None" not in answer.json()["detail"]
                assert [place.name for place in datasets.iterdir()] == ["tmp"]
                assert not list((datasets / "tmp").iterdir())
                refused.append(pages)
                ballast.drop()
                answer = upload()
            else:
                stored.append(pages)
                ballast.drop()
            assert answer.status_code == 201
            [folder] = datasets.glob("sha256-*")
            fields = [np.load(file) for file in sorted(folder.iterdir())]
            np.testing.assert_array_equal(np.column_stack(fields), VALUES)
            assert server.client.delete(f"/v1/datasets/{answer.json()['id']}").status_code == 204
            if len(stored) == 3:
                break
    assert refused[-1] > len(body) // PAGE + 8, "the body fitted, and what is made of it did not"
    assert refused[-1] < stored[0]
