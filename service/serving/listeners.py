"""The sockets of a server: a port, a Unix socket, or both; opened once, before anything else."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.settings import Settings

_BACKLOG = 2048
#: What fits into the address of a Unix socket, less the zero at its end.
_LONGEST_PATH = 107


class CannotListen(Exception):
    """The address cannot be taken; the message says why and what else to choose."""


@dataclass(slots=True)
class Listeners:
    """`shared` is for every process; `own` has one more for each, if several serve a Unix socket."""

    shared: list[socket.socket]
    own: list[socket.socket]
    address: str
    _paths: list[tuple[Path, int]] = field(default_factory=list)

    @classmethod
    def open(cls, settings: Settings) -> Listeners:
        """Listen on the Unix socket if there is one, and on the port if there is none or it was asked for.

        Raises CannotListen.
        """
        listeners = cls([], [], "")
        try:
            if settings.listens_on_port:
                listener, address = _on_port(settings.host, settings.port)
                listeners.shared.append(listener)
                listeners.address = address
            if settings.uds is not None:
                path = settings.uds.absolute()
                listeners.shared.append(listeners._on_path(path, settings.uds_permissions))
                also = f" and unix://{path}"
                listeners.address = listeners.address + also if listeners.address else f"unix://{path}"
                if settings.processes > 1:
                    for index in range(settings.processes):
                        one = path.with_name(f"{path.name}.{index}")
                        listeners.own.append(listeners._on_path(one, settings.uds_permissions))
        except CannotListen:
            listeners.close()
            raise
        return listeners

    def of_process(self, index: int) -> list[socket.socket]:
        """The sockets of the process at `index`, counted from 0."""
        return [*self.shared, *self.own[index : index + 1]]

    def close(self) -> None:
        """Close all, and remove the files of the Unix sockets unless another server has taken their place."""
        for listener in (*self.shared, *self.own):
            listener.close()
        for path, inode in self._paths:
            with suppress(OSError), _folder_lock(path):
                if path.stat().st_ino == inode:
                    path.unlink()

    def _on_path(self, path: Path, permissions: int) -> socket.socket:
        listener = _on_path(path, permissions)
        self._paths.append((path, path.stat().st_ino))
        return listener


def from_descriptors(descriptors: Sequence[int]) -> list[socket.socket]:
    """The sockets that another process opened."""
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _on_port(host: str, port: int) -> tuple[socket.socket, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {host}:{port}: {error.strerror or error}; "
            "choose another with --port (make run PORT=…), or 0 for any free one"
        ) from error
    host, port = listener.getsockname()[:2]
    return listener, f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _on_path(path: Path, permissions: int) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise CannotListen(
            f"cannot listen on {path}: a Unix socket's path has at most {_LONGEST_PATH} bytes; "
            "choose a shorter one with --uds"
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _folder_lock(path):
            _remove_stale(path)
            before = os.umask(0o777 & ~permissions)  # so that the file never has other permissions
            try:
                listener.bind(str(path))
            finally:
                os.umask(before)
            os.chmod(path, permissions)
            listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {path}: {error.strerror or error}; choose another with --uds"
        ) from error
    except CannotListen:
        listener.close()
        raise
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket that a killed server left. Raises CannotListen if it is in use, or no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListen(
            f"cannot listen on {path}: the file exists and is no socket; choose another with --uds"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        code = probe.connect_ex(str(path))
    if code != errno.ECONNREFUSED:  # a full backlog (EAGAIN) is a server too
        why = "another server listens there" if code in (0, errno.EAGAIN) else os.strerror(code)
        raise CannotListen(f"cannot listen on {path}: {why}; choose another with --uds")
    path.unlink()


@contextmanager
def _folder_lock(path: Path) -> Iterator[None]:
    """Only one server at a time looks whether a socket is stale and takes its place."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
