"""Data sets: three formats in, fields out, refusals that name the place, and jobs that train on them."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.api.responses import jobs as job_responses
from tests.service.jobs.world import LINE, ended, job_world, long, submit, until
from tests.service.test_main import running
from tests.service.world import World, problem

pytestmark = pytest.mark.anyio

NPY, NPZ, CSV = ({"Content-Type": kind} for kind in ("application/x-npy", "application/x-npz", "text/csv"))


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(compressed: bool = False, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


async def upload(here: World, content: bytes, headers: dict[str, str]) -> dict[str, Any]:
    response = await here.client.post("/v1/datasets", content=content, headers=headers)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    job_responses.DatasetSummary.model_validate(found)
    assert response.headers["location"] == f"/v1/datasets/{found['id']}"
    return found


async def test_three_formats(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        x, y = np.arange(12, dtype="f4").reshape(4, 3), np.array([0, 1, 0, 1], "u1")
        plain = await upload(here, npy(x), NPY)
        assert (plain["rows"], plain["fields"]) == (4, {"data": {"shape": [3], "dtype": "float32"}})
        fields = {"x": {"shape": [3], "dtype": "float32"}, "y": {"shape": [], "dtype": "uint8"}}
        for compressed in (False, True):
            archive = await upload(here, npz(compressed, x=x, y=y), NPZ)
            assert (archive["rows"], archive["fields"]) == (4, fields)
            shown = (await here.client.get(f"/v1/datasets/{archive['id']}")).json()
            job_responses.DatasetAnswer.model_validate(shown)
            assert shown["preview"] == {"x": x.tolist(), "y": y.tolist()}
        table = await upload(here, b"a, b ,c\n1,0.5,true\n-2,nan,false\n\n3,1e3,TRUE\n", CSV)
        dtypes = {name: field["dtype"] for name, field in table["fields"].items()}
        assert (table["rows"], dtypes) == (3, {"a": "int64", "b": "float64", "c": "bool"})
        shown = (await here.client.get(f"/v1/datasets/{table['id']}?preview=2")).json()
        assert shown["preview"] == {"a": [1, -2], "b": [0.5, "NaN"], "c": [True, False]}
        listed = (await here.client.get("/v1/datasets?limit=3")).json()
        job_responses.DatasetPage.model_validate(listed)
        rest = (await here.client.get("/v1/datasets", params={"cursor": listed["next_cursor"]})).json()
        assert [len(page["datasets"]) for page in (listed, rest)] == [3, 1]
        assert not list((tmp_path / "data" / "datasets" / "tmp").iterdir())


async def test_the_same_content_is_stored_once(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        content = npy(np.ones((3, 2)))
        responses = await asyncio.gather(
            *(here.client.post("/v1/datasets", content=content, headers=NPY) for _ in range(5))
        )
        assert sorted(response.status_code for response in responses) == [200, 200, 200, 200, 201]
        assert len({response.json()["id"] for response in responses}) == 1
        again = await here.client.post("/v1/datasets", content=content)
        assert (again.status_code, again.json()) == (200, responses[0].json()), "told by its first bytes"


async def test_any_order_of_bytes_comes_out_native(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        x = np.arange(6.0).reshape(2, 3)
        for odd in (np.asfortranarray(x), x.astype(">f8"), x.astype(">i2")):
            found = await upload(here, npy(odd), NPY)
            shown = (await here.client.get(f"/v1/datasets/{found['id']}")).json()
            assert shown["preview"]["data"] == x.tolist()
            assert shown["fields"]["data"]["dtype"] == odd.dtype.newbyteorder("=").name


BAD: dict[str, tuple[bytes, dict[str, str], str]] = {
    "cut off": (npy(np.ones(9))[:-1], NPY, "expected 200 bytes"),
    "something after it": (npy(np.ones(9)) + b"x", NPY, "expected 200 bytes"),
    "no npy": (b"hello", NPY, "npy"),
    "empty": (b"", NPY, "npy"),
    "objects": (npy(np.array([{}, 1], object)), NPY, "dtype object"),
    "strings": (npy(np.array(["a"])), NPY, "dtype"),
    "one number": (npy(np.float64(3)), NPY, "rows"),
    "no archive": (b"PK\x03\x04hello", NPZ, "npz"),
    "nothing in it": (npz(), NPZ, "at least one"),
    "rows differ": (npz(x=np.ones(3), y=np.ones(4)), NPZ, "expected 3 rows"),
    "ragged": (b"a,b\n1,2\n3\n", CSV, "line 3"),
    "a word": (b"a,b\n1,2\n3,four\n", CSV, "line 3, column 'b'"),
    "true among numbers": (b"a\n1\ntrue\n", CSV, "line 3, column 'a'"),
    "underscores": (b"a\n1_0\n", CSV, "line 2"),
    "no rows": (b"a,b\n", CSV, "at least one line"),
    "no header": (b"1,2\n3,4\n", CSV, "header"),
    "a name twice": (b"a,a\n1,2\n", CSV, "twice"),
    "not UTF-8": (b"a\n\xff\n", CSV, "UTF-8"),
    "an endless line": (b"a\n" + b"1" * (2**20 + 5), CSV, "line 2"),
}


@pytest.mark.parametrize(("content", "headers", "expected"), BAD.values(), ids=BAD)
async def test_what_is_malformed_is_refused_with_its_place(
    tmp_path: Path, content: bytes, headers: dict[str, str], expected: str
) -> None:
    async with job_world(tmp_path, work=False) as here:
        response = await here.client.post("/v1/datasets", content=content, headers=headers)
        assert expected in problem(response, 422, "invalid_dataset")["detail"]
        folder = tmp_path / "data" / "datasets"
        assert [path.name for path in folder.iterdir()] == ["tmp"]
        assert not list((folder / "tmp").iterdir())


async def test_limits_and_types(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False, max_dataset_bytes=10_000) as here:
        send = here.client.post
        problem(await send("/v1/datasets", content=b"x" * 10_001, headers=NPY), 413, "body_too_large")

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1000

        problem(await send("/v1/datasets", content=endless(), headers=NPY), 413, "body_too_large")
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", bytes(1_000_000))
        problem(await send("/v1/datasets", content=bomb.getvalue(), headers=NPZ), 422, "invalid_dataset")
        xml = {"Content-Type": "text/xml"}
        problem(await send("/v1/datasets", content=b"<a/>", headers=xml), 415, "unsupported_media_type")
        problem(await send("/v1/datasets", content=b"hello"), 415, "unsupported_media_type")


async def test_jobs_train_on_fields_and_on_stacked_columns(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        table = await upload(here, b"u,v,w\n1,10,2\n2,20,4\n3,30,6\n", CSV)
        named = {"dataset": table["id"]}
        body = {**LINE, "data": {"x": {**named, "field": "u"}, "y": {**named, "field": "w"}}}
        y = [2, 4, 6]
        same = {**LINE, "data": {"x": [1, 2, 3], "y": y}}
        done, expected = [await ended(here, await submit(here, job)) for job in (body, same)]
        assert done["status"] == "succeeded", done
        assert done["metrics"] == expected["metrics"]
        columns = {"x": {**named, "fields": ["u", "v"]}, "y": {**named, "fields": ["w", "w"]}}
        wide = {**LINE, "data": columns, "optimizer": {"name": "sgd", "learning_rate": 1e-4}}
        assert (await ended(here, await submit(here, wide)))["status"] == "succeeded"
        missing = {**LINE, "data": {"x": {**named, "field": "q"}, "y": y}}
        document = problem(await here.post("/v1/jobs", missing), 422, "dataset_mismatch")
        assert document["path"] == "$.data.x"


async def test_a_list_of_columns_is_a_matrix_be_it_of_one_or_with_truths(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        table = await upload(here, b"u,w,new\n1,2,true\n2,4,false\n3,6,true\n", CSV)
        named = {"dataset": table["id"]}
        layers = {"model": {"layers": [{"type": "Dense", "units": 1}]}, "loss": "mse"}
        values = {"u": [1, 2, 3], "w": [2, 4, 6], "new": [1, 0, 1]}
        for columns in (["u"], ["u", "new"], ["new"]):
            y = {**named, "field": "w"}
            data = {"x": {**named, "fields": columns}, "y": y}
            row = [list(each) for each in zip(*(values[name] for name in columns), strict=True)]
            typed = {"x": row, "y": values["w"]}
            mine, same = [
                await ended(here, await submit(here, {**layers, "data": each, "validation_data": each}))
                for each in (data, typed)
            ]
            assert (mine["status"], mine["metrics"]) == ("succeeded", same["metrics"])
        x = await upload(here, npz(x=np.ones((3, 2)), u=np.ones(3)), NPZ)
        wrong = {"x": {"dataset": x["id"], "fields": ["u", "x"]}, "y": {**named, "field": "w"}}
        refused = problem(await here.post("/v1/jobs", {**layers, "data": wrong}), 422, "dataset_mismatch")
        assert "'x' has rows of shape [2]" in refused["detail"]


async def test_the_target_among_the_features_is_told_by_its_name(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        table = await upload(here, b"u,v,w\n1,2,2\n2,3,4\n3,1,6\n", CSV)
        named = {"dataset": table["id"]}
        layers = {"model": {"layers": [{"type": "Dense", "units": 1}]}, "loss": "mse"}

        async def told(fields: list[str]) -> list[str]:
            data = {"x": {**named, "fields": fields}, "y": {**named, "field": "w"}}
            job = (await here.post("/v1/jobs", {**layers, "data": data})).json()
            return [each["message"] for each in job["warnings"] if each["code"] == "target_in_features"]

        (message,) = await told(["u", "v", "w"])
        assert "the field 'w' is 'y'" in message
        assert '"fields": ["u","v"]' in message
        assert await told(["u", "v"]) == []


async def test_a_set_that_a_job_needs_stays(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        table = await upload(here, b"x,y\n1,2\n2,4\n3,6\n", CSV)
        data = {name: {"dataset": table["id"], "field": name} for name in ("x", "y")}
        job_id = await submit(here, {**long(), "data": data})
        path = f"/v1/datasets/{table['id']}"
        problem(await here.client.delete(path), 409, "wrong_state")
        await here.client.post(f"/v1/jobs/{job_id}/cancel")
        await ended(here, job_id)
        assert (await here.client.delete(path)).status_code == 204
        for response in (await here.client.get(path), await here.client.delete(path)):
            problem(response, 404, "dataset_not_found")
        assert [p.name for p in (tmp_path / "data" / "datasets").iterdir()] == ["tmp"]


async def in_between(here: World, monkeypatch: pytest.MonkeyPatch, step: str, other: Any) -> None:
    """Have `other` happen right before the next transaction that is called `step`."""
    write, done = here.services.database.write, []

    async def interleaved(statements: Any, **options: Any) -> Any:
        function = getattr(statements, "func", statements)
        if function.__name__ == step and not done:
            done.append(True)
            await other()
        return await write(statements, **options)

    monkeypatch.setattr(here.services.database, "write", interleaved)


async def test_a_set_deleted_while_a_job_is_checked_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with job_world(tmp_path) as here:
        table = await upload(here, b"x,y\n1,2\n2,4\n3,6\n", CSV)
        body = {**LINE, "data": {name: {"dataset": table["id"], "field": name} for name in ("x", "y")}}

        async def delete() -> None:
            assert (await here.client.delete(f"/v1/datasets/{table['id']}")).status_code == 204

        await in_between(here, monkeypatch, "submit", delete)
        document = problem(await here.post("/v1/jobs", body), 404, "dataset_not_found")
        assert (document["path"], table["id"] in document["detail"]) == ("$.data", True)
        assert (await here.client.get("/v1/jobs")).json()["jobs"] == []
        assert list((tmp_path / "data" / "jobs").iterdir()) == []


async def test_a_set_that_a_job_takes_while_it_is_being_deleted_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with job_world(tmp_path) as here:
        table = await upload(here, b"x,y\n1,2\n2,4\n3,6\n", CSV)
        body = {**LINE, "data": {name: {"dataset": table["id"], "field": name} for name in ("x", "y")}}
        ids: list[str] = []

        async def take() -> None:
            ids.append(await submit(here, {**body, "epochs": 2_000_000}))

        await in_between(here, monkeypatch, "remove", take)
        problem(await here.client.delete(f"/v1/datasets/{table['id']}"), 409, "wrong_state")
        await until(here, ids[0], lambda found: found["progress"]["step"] > 0)
        await here.client.post(f"/v1/jobs/{ids[0]}/cancel")
        await ended(here, ids[0])
        assert (await here.client.delete(f"/v1/datasets/{table['id']}")).status_code == 204


async def test_a_set_uploaded_again_while_it_is_being_deleted_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with job_world(tmp_path, work=False) as here:
        content = b"x,y\n1,2\n2,4\n3,6\n"
        table = await upload(here, content, CSV)

        async def again() -> None:
            assert (await upload(here, content, CSV))["id"] == table["id"]

        await in_between(here, monkeypatch, "tombstone", again)
        assert (await here.client.delete(f"/v1/datasets/{table['id']}")).status_code == 204
        shown = (await here.client.get(f"/v1/datasets/{table['id']}")).json()
        assert shown["preview"] == {"x": [1, 2, 3], "y": [2, 4, 6]}


async def test_sets_come_and_go_under_the_jobs_that_name_them(tmp_path: Path) -> None:
    """What was acknowledged trains; what was not is missed; nothing in between."""
    async with job_world(tmp_path) as here:
        content = b"x,y\n1,2\n2,4\n3,6\n"
        dataset = (await upload(here, content, CSV))["id"]
        data = {name: {"dataset": dataset, "field": name} for name in ("x", "y")}
        statuses: dict[str, set[int]] = {"upload": set(), "delete": set(), "submit": set()}
        jobs: list[str] = []

        pick = random.Random(0)

        def mixed() -> bool:
            """Whether sets were deleted, and jobs taken as well as refused."""
            return 204 in statuses["delete"] and statuses["submit"] >= {202, 404}

        async def keep_on(name: str, act: Any, pause: float = 0.0) -> None:
            start = time.monotonic()
            while (passed := time.monotonic() - start) < 4.0 or (passed < 40.0 and not mixed()):
                await asyncio.sleep(pick.uniform(0, pause))
                response = await act()
                statuses[name].add(response.status_code)
                if name == "submit" and response.status_code == 202:
                    jobs.append(response.json()["id"])

        def delete() -> Any:
            return here.client.delete(f"/v1/datasets/{dataset}")

        def send() -> Any:
            return here.client.post("/v1/datasets", content=content, headers=CSV)

        def order() -> Any:
            return here.post("/v1/jobs", {**LINE, "data": data, "epochs": 2})

        others = [keep_on("upload", send), keep_on("delete", delete, 0.1)]
        await asyncio.gather(*others, *(keep_on("submit", order, 0.4) for _ in range(2)))
        assert statuses["upload"] <= {200, 201}
        assert statuses["delete"] <= {204, 404, 409}
        assert statuses["submit"] <= {202, 404}
        assert mixed(), statuses
        for job_id in jobs:
            assert (await ended(here, job_id))["status"] == "succeeded"
        await here.client.delete(f"/v1/datasets/{dataset}")
        assert [path.name for path in (tmp_path / "data" / "datasets").iterdir()] == ["tmp"]
        assert not list((tmp_path / "data" / "datasets" / "tmp").iterdir())


async def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with job_world(tmp_path, work=False) as here:

        def full(*arguments: Any) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            response = await here.client.post("/v1/datasets", content=npy(np.ones(9)), headers=NPY)
        assert "No space left" in problem(response, 507, "disk_full")["detail"]
        assert not list((tmp_path / "data" / "datasets" / "tmp").iterdir())
        await upload(here, npy(np.ones(9)), NPY)


def test_an_upload_is_never_held_in_memory(tmp_path: Path) -> None:
    rows, width = 400_000, 128  # 195 MiB
    header = npy(np.empty((0, width), "f4"))[:128].replace(b"(0, 128)", f"({rows}, {width})".encode())
    header = header[:127].rstrip().ljust(127) + b"\n"
    chunk = np.zeros((4000, width), "f4").tobytes()

    def content() -> Any:
        yield header[:128]
        for _ in range(rows // 4000):
            yield chunk

    def resident(pid: int) -> int:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    with running(tmp_path) as server:
        server.client.post("/v1/datasets", content=npy(np.ones(3)), headers=NPY).raise_for_status()
        before = resident(server.process.pid)
        response = server.client.post("/v1/datasets", content=content(), headers=NPY)
        assert response.status_code == 201, response.text
        assert json.loads(response.text)["rows"] == rows
        assert resident(server.process.pid) - before < 40 * 2**20
