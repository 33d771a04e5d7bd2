"""What a failed statement means: a full disk, a failure that may pass, or neither."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

#: `errno`s of a disk that has no room, or none for this user.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: SQLite's codes behind which there may be a full disk or an exhausted quota: it keeps no `errno`.
_PERHAPS_FULL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
#: Written to find out whether there is room.
_PROBE = 2**16


class CannotOpen(RuntimeError):
    """The data folder's database cannot be used by this server; the message says why, and what to do."""


def why_not_opened(error: SQLAlchemyError, name: str) -> CannotOpen:
    """The reason in a line why the database file `name` could not be opened or brought up to date."""
    cause = getattr(error, "orig", None) or error
    code = _code(error)
    if code is not None and code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        cure = "the file is damaged or no database: put a backup in its place, or start with another --data"
    elif is_busy(error):
        cure = "another process holds it: end that process, or wait until it has finished"
    else:
        cure = "see that this user may read and write it, and that its disk has room"
    return CannotOpen(f"{name}: {cause}; {cure}")


def is_disk_full(error: BaseException) -> bool:
    """Whether an OSError says that there is no room to write."""
    return isinstance(error, OSError) and error.errno in FULL


def is_full(error: SQLAlchemyError, folder: Path) -> bool:
    """Whether a statement failed because the disk of the data folder is full.

    SQLite says so itself, but for some places where it only tells of an I/O error: then the disk is tried.
    """
    code = _code(error)
    if code is None:
        return False
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return True
    return code & 0xFF in _PERHAPS_FULL and not _has_room(folder)


def is_busy(error: SQLAlchemyError) -> bool:
    """Whether others held the database, or every connection to it, for too long."""
    code = _code(error)
    locked = code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return locked or isinstance(error, PoolTimeout)


def is_passing(error: SQLAlchemyError) -> bool:
    """Whether the same statement may succeed later: it was busy, unreachable, or met an I/O error.

    Not so for what contradicts the tables, nor for what SQLite calls an error without another word, such as
    a table that does not exist.
    """
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError) and _code(error) != sqlite3.SQLITE_ERROR


def is_damaged(error: SQLAlchemyError) -> bool:
    """Whether the file of the database is no longer one: a page was overwritten, or all of it."""
    code = _code(error)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _code(error: SQLAlchemyError) -> int | None:
    """SQLite's extended code, None if there is none."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return None if code is None else int(code)


def _has_room(folder: Path) -> bool:
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return not is_disk_full(error)
    return True
