"""The database: opened with the right pragmas, migrated, and spoken to from its own threads."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy.orm  # noqa: F401  # at once: a statement that is made while a thread imports it fails
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from service.storage import failures
from service.storage.tables import migrate
from service.wire.problems import Problem

T = TypeVar("T")

FILE = "gradwire.sqlite"
_BUSY_MS = 10_000
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0
#: With less than this the disk counts as full.
_ROOM = 2**20


class DatabaseLost(Problem):
    """The file of the database is damaged, or was removed or replaced while the server ran."""

    def __init__(self, what: str) -> None:
        hint = "the operator has to stop the server, put the data folder right, and start it again"
        super().__init__(
            "internal", f"the server's database {what}, and nothing is stored any more", hint=hint
        )


class Database:
    """One database; `read` and `write` run a function of a connection in a thread.

    Both raise DatabaseLost if its file is damaged or gone.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(PermissionError):  # of somebody else's folder its owner decides
            folder.chmod(0o700)
        self._folder = folder
        self._file = folder / FILE
        self._identity: tuple[int, int] | None = None
        self.engine = create_engine(f"sqlite:///{self._file}")
        event.listen(self.engine, "do_connect", self._before_connecting)
        event.listen(self.engine, "connect", _set_pragmas)
        try:
            with self.engine.begin() as connection:
                migrate(connection)
        except SQLAlchemyError as error:
            raise failures.why_not_opened(error, FILE) from error
        self._identity = self._look()
        # Apart, since who writes may wait for another process for seconds.
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="storage-read")
        self._writers = ThreadPoolExecutor(2, thread_name_prefix="storage-write")
        #: Long reads wait for one another, and nothing else waits for them.
        self._bulk = ThreadPoolExecutor(1, thread_name_prefix="storage-bulk")

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._folder

    async def read(
        self, statements: Callable[[Connection], T], *, patience_s: float = 0.0, bulk: bool = False
    ) -> T:
        """What `statements` returns; all of them see the database as it was at the first.

        Failures that pass, such as a database that is locked, are tried again for `patience_s`. `bulk` reads,
        such as pages of histories, have a thread of their own, so that short reads do not wait for them.
        """
        threads = self._bulk if bulk else self._readers
        return await self._patiently(threads, self._read, statements, patience_s)

    async def write(self, statements: Callable[[Connection], T], *, patience_s: float = 0.0) -> T:
        """What `statements` returns, after its transaction is committed and on disk.

        Nobody else writes from the first statement to the commit. Failures that pass are tried again for
        `patience_s`: what failed has left nothing behind.
        """
        return await self._patiently(self._writers, self._write, statements, patience_s)

    def is_full(self, error: SQLAlchemyError) -> bool:
        """Whether a statement failed because the disk of the data folder is full."""
        return failures.is_full(error, self._folder)

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
        self._readers.shutdown(wait=True)
        self._writers.shutdown(wait=True)
        self._bulk.shutdown(wait=True)
        self.engine.dispose()

    async def _patiently(
        self,
        threads: ThreadPoolExecutor,
        run: Callable[[Callable[[Connection], T]], T],
        arg: Callable[[Connection], T],
        seconds: float,
    ) -> T:
        """Run in one of the threads; what passes is tried again, ever more rarely, and then raised."""
        deadline, wait = time.monotonic() + seconds, _FIRST_WAIT_S
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(threads, run, arg)
            except SQLAlchemyError as error:
                if failures.is_damaged(error):
                    raise DatabaseLost("is damaged") from error
                if time.monotonic() + wait > deadline or not failures.is_passing(error):
                    raise
                if await asyncio.to_thread(self.is_full, error):
                    raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)

    def _read(self, statements: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            _begin(connection, "BEGIN")
            return statements(connection)

    def _write(self, statements: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            _begin(connection, "BEGIN IMMEDIATE")
            self._require_file()
            return statements(connection)

    def _look(self) -> tuple[int, int]:
        """Which file lies in the place of the database. Raises OSError."""
        status = self._file.stat()
        return status.st_dev, status.st_ino

    def _require_file(self) -> None:
        """Raise DatabaseLost if the file that is open is no longer in its place: a restart would not find it.

        An open file that was removed takes every write and loses it. A new connection would make a new file.
        """
        try:
            lost = self._identity is not None and self._look() != self._identity
        except FileNotFoundError:
            lost = True
        if lost:
            raise DatabaseLost("was removed or replaced while the server ran")

    def _before_connecting(self, *_: Any) -> None:
        self._require_file()


def _begin(connection: Connection, how: str) -> None:
    """Begin the transaction in the database too.

    Python's sqlite3 does so only before a statement that changes data: by itself each SELECT would see
    another state, and a lock that is taken after a SELECT may be refused at once.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(how)


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
