"""The database: opened with the right pragmas, migrated, and spoken to from its own threads."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import OperationalError

from service.storage.tables import migrate

T = TypeVar("T")

FILE = "gradwire.sqlite"
_BUSY_MS = 10_000
#: With less than this the disk counts as full.
_ROOM = 2**20


class Database:
    """One database; `read` and `write` run a function of a connection in a thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.engine = create_engine(f"sqlite:///{folder / FILE}")
        event.listen(self.engine, "connect", _set_pragmas)
        with self.engine.begin() as connection:
            migrate(connection)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="storage")

    async def read(self, statements: Callable[[Connection], T]) -> T:
        """What `statements` returns, from a consistent snapshot."""
        return await self._in_thread(self._read, statements)

    async def write(self, statements: Callable[[Connection], T]) -> T:
        """What `statements` returns, after its transaction is committed and on disk."""
        return await self._in_thread(self._write, statements)

    async def ping(self) -> None:
        """Raise if the database cannot be written to, or its disk has no room for what comes next.

        The write-ahead log may hold a touch where it holds nothing else any more.
        """

        def touch(connection: Connection) -> None:
            connection.execute(text("UPDATE schema_version SET version = version"))
            disk = os.statvfs(self._folder)
            if (disk.f_bavail if os.geteuid() else disk.f_bfree) * disk.f_frsize < _ROOM:
                raise OSError(errno.ENOSPC, f"less than {_ROOM} bytes are free")

        await self.write(touch)

    def close(self) -> None:
        """Finish what runs and close every connection."""
        self._threads.shutdown(wait=True)
        self.engine.dispose()

    async def _in_thread(
        self, run: Callable[[Callable[[Connection], T]], T], arg: Callable[[Connection], T]
    ) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, run, arg)

    def _read(self, statements: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            return statements(connection)

    def _write(self, statements: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return statements(connection)


def is_full(error: OperationalError) -> bool:
    """Whether SQLite says that there is no room to write."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


__all__ = ["FILE", "Database", "is_full"]
