"""From text to machine code, through llvmlite, which is the extra `compiled`.

No optimising pass runs: the text is already vector code. Only the code generator works on it.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

_numbers = itertools.count()
_lock = threading.Lock()


def is_available() -> bool:
    """Whether the extra is installed."""
    return find_spec("llvmlite") is not None


class NotCompiled(Exception):
    """There is no machine code of a program yet, and this process must not make it."""


class Toolchain:
    """LLVM for this machine. `identity` is all that machine code depends on beside its text."""

    def __init__(self) -> None:
        llvm = import_module("llvmlite.binding")  # an extra, and 40 ms
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._llvm = llvm
        self._cpu, self._features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        self.has_wide_vectors = "+avx512f" in self._features
        version = ".".join(map(str, llvm.llvm_version_info))
        self.identity = "\n".join((metadata.version("llvmlite"), version, self._cpu, self._features))
        self._linker = llvm.create_lljit_compiler(self._machine())

    def _machine(self) -> Any:
        target = self._llvm.Target.from_default_triple()
        return target.create_target_machine(cpu=self._cpu, features=self._features, opt=2, jit=True)

    def compile(self, text: str, *, verify: bool = False) -> bytes:
        """The object file of a module; with `verify` LLVM checks the text first."""
        with _lock:
            module = self._llvm.parse_assembly(text)
            if verify:
                module.verify()
            machine = self._machine()
            module.triple, module.data_layout = machine.triple, str(machine.target_data)
            return bytes(machine.emit_object(module))

    def link(self, code: bytes, names: Sequence[str]) -> Code:
        """The functions `names` of an object file, each `void f(void *table)`, in this process."""
        builder = self._llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name in names:
            builder = builder.export_symbol(name)
        with _lock:
            library = builder.link(self._linker, f"program{next(_numbers)}")
        return Code(library, names)


class Code:
    """Functions in memory; their code is unloaded with `library`."""

    def __init__(self, library: Any, names: Sequence[str]) -> None:
        self.library = library
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p)  # a call lets other threads run
        self.functions: list[Callable[[int], None]] = [prototype(library[name]) for name in names]


@cache
def toolchain() -> Toolchain:
    """LLVM for this machine, made once."""
    return Toolchain()
