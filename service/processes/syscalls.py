"""A filter of system calls by libseccomp: no sockets, no new processes, nothing that computing does not need.

The calls of existing sockets and of threads stay. What is taken away fails with EPERM; `clone3`, whose flags
a filter cannot see, fails with ENOSYS, upon which the C library uses `clone`.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_MASKED_EQUAL = 7
_OPTIMIZE = 8
_CLONE_THREAD = 0x00010000
#: Not every kernel has every call: those that libseccomp does not know are left out.
_TAKEN = (
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4",
    "fork", "vfork", "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kcmp", "setns", "unshare",
    "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "pivot_root", "chroot",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd",
    "add_key", "request_key", "keyctl", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "syslog", "acct", "quotactl",
    "open_by_handle_at", "name_to_handle_at", "setuid", "setgid", "setreuid", "setregid", "setresuid",
    "setresgid", "setgroups", "mknod", "mknodat", "vmsplice", "personality", "iopl", "ioperm",
)  # fmt: skip


class _Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    ]
    library.seccomp_load.argtypes = library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    return library


def available() -> bool:
    """Whether the library is here and the kernel has filters."""
    return _library() is not None and os.path.exists("/proc/sys/kernel/seccomp/actions_avail")


def restrict() -> None:
    """Filter the calls of this process, for good. Raises OSError if the kernel refuses."""
    library = _library()
    assert library is not None, "restrict only if available"
    rules = library.seccomp_init(_ALLOW)
    if not rules:
        raise OSError(errno.ENOMEM, "no memory for a filter of system calls")
    try:
        library.seccomp_attr_set(rules, _OPTIMIZE, 2)  # a tree; older libraries know only the list
        for name in _TAKEN:
            _take(library, rules, name, errno.EPERM)
        _take(library, rules, "clone3", errno.ENOSYS)
        _take(library, rules, "clone", errno.EPERM, _Compare(0, _MASKED_EQUAL, _CLONE_THREAD, 0))
        _check(library.seccomp_load(rules))
    finally:
        library.seccomp_release(rules)


def _take(library: ctypes.CDLL, rules: int, name: str, error: int, *compares: _Compare) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:  # unknown here, or of another architecture
        return
    array = (_Compare * max(1, len(compares)))(*compares)
    _check(library.seccomp_rule_add_array(rules, _ERRNO | error, number, len(compares), array))


def _check(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
