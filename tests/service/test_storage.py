"""The database: migrations, durability settings, and the store of graphs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text

from service.storage.database import Database
from service.storage.graphs import GraphStore, PublishedGraph
from service.storage.tables import DATASETS, JOB_DATASETS, JOBS, STEPS, NewerSchema

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    database = Database(folder)
    try:
        yield database
    finally:
        database.close()


def graph(name: str) -> PublishedGraph:
    return PublishedGraph(f"sha256:{name}", b'{"version":1}', f'{{"id":"sha256:{name}"}}', 1)


async def test_commits_reach_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        pragmas = [
            await database.read(lambda c, p=pragma: c.execute(text(f"PRAGMA {p}")).scalar_one())
            for pragma in ("journal_mode", "synchronous", "foreign_keys")
        ]
        assert pragmas == ["wal", 2, 1]


async def test_a_second_start_finds_everything(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        assert await GraphStore(database, entries=4, most_bytes=2**20).put(graph("a"))
    async with opened(tmp_path) as database:
        store = GraphStore(database, entries=4, most_bytes=2**20)
        assert store.peek("sha256:a") is None
        assert await store.get("sha256:a") == graph("a")
        assert store.peek("sha256:a") == graph("a")
        version = await database.read(
            lambda c: c.execute(text("SELECT version FROM schema_version")).scalar_one()
        )
        assert version == len(STEPS)


async def test_a_folder_of_a_newer_server_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await database.write(lambda c: c.execute(text("UPDATE schema_version SET version = 99")) and None)
    with pytest.raises(NewerSchema, match="99"):
        Database(tmp_path)


async def test_the_same_graph_is_stored_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        store = GraphStore(database, entries=4, most_bytes=2**20)
        assert await store.put(graph("a"))
        assert not await store.put(graph("a"))
        assert await store.delete("sha256:a")
        assert not await store.delete("sha256:a")
        assert await store.get("sha256:a") is None
        assert await store.put(graph("a"))


async def test_pages_hold_every_graph_once_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        store = GraphStore(database, entries=2, most_bytes=2**20)
        for name in "abcde":
            await store.put(graph(name))
        seen, after = [], 0
        while True:
            page, following = await store.page(after=after, limit=2)
            seen += page
            if following is None:
                break
            after = following
            await store.delete("sha256:a")  # what is gone does not shift the pages
        assert seen == [graph(name).summary for name in "abcde"]


async def test_memory_holds_only_the_newest(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        store = GraphStore(database, entries=2, most_bytes=2**20)
        for name in "abc":
            await store.put(graph(name))
        assert [store.peek(f"sha256:{name}") is not None for name in "abc"] == [False, True, True]
        assert await store.get("sha256:a") == graph("a")


async def test_unfinished_jobs_of_an_older_server_hold_on_to_their_sets(tmp_path: Path) -> None:
    kept, gone = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    job = {"request_hash": "h", "document": "{}", "created_at": 0.0, "epochs": 1, "steps": 1}
    async with opened(tmp_path) as database:

        def as_version_two(connection: Connection) -> None:
            connection.execute(text("DROP TABLE job_datasets"))
            connection.execute(text("UPDATE schema_version SET version = 2"))
            row = {"id": kept, "rows": 1, "bytes": 1, "fields": "{}", "created_at": 0.0}
            connection.execute(DATASETS.insert().values(**row))
            for status in ("running", "failed"):
                data = json.dumps({"datasets": [kept, gone]})
                connection.execute(JOBS.insert().values(id=f"job_{status}", status=status, data=data, **job))

        await database.write(as_version_two)
    async with opened(tmp_path) as database:
        held = await database.read(lambda c: c.execute(select(JOB_DATASETS)).all())
    assert [tuple(row) for row in held] == [("job_running", kept)]
