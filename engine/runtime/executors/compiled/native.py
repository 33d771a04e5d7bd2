"""Whether this process may compile, where machine code is kept, and what happens if compiling fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import OverLimit
from engine.runtime.executors.compiled.cache import ObjectCache
from engine.runtime.executors.compiled.jit import NotCompiled, is_available
from engine.runtime.executors.compiled.module import EMITTER
from engine.runtime.executors.compiled.plans import CompiledPlan, CompiledResidentPlan
from engine.runtime.executors.scratch_pool import ScratchPool
from engine.runtime.plan import Plan

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Native:
    """How native code is made. `folder` is where machine code is kept, None for nowhere.

    A compilation cannot be stopped, and a fault of LLVM ends its process. So a server has `compiles` False:
    it links what a child process has compiled and put into the folder, and nothing else.
    """

    folder: Path | None = None
    compiles: bool = True

    @property
    def name(self) -> str:
        """The emitter's version and llvmlite's, of which bits may depend; empty if that is not installed."""
        return f"compiled {EMITTER}, llvmlite {metadata.version('llvmlite')}" if is_available() else ""

    def bind(self, plan: Plan) -> CompiledPlan | None:
        """The plan of a query as native code; None if it cannot be made, so that NumPy has to run the plan.

        Raises NotCompiled if there is none yet and this process must not compile.
        """
        return self._attempt(lambda objects: CompiledPlan(plan, objects, compiles=self.compiles))

    def bind_in_place(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        donated: Mapping[int, int],
        scratch: ScratchPool | None = None,
    ) -> CompiledResidentPlan | None:
        """The same over arrays that stay in place."""
        return self._attempt(
            lambda objects: CompiledResidentPlan(
                plan, inputs, donated, scratch, objects, compiles=self.compiles
            )
        )

    def _attempt(self, make: Callable[[ObjectCache | None], T]) -> T | None:
        if not is_available():
            return None
        try:
            return make(None if self.folder is None else ObjectCache(self.folder))
        except (NotCompiled, OverLimit):
            raise
        except Exception:  # whatever is wrong with the compiler, the plan runs without it
            return None


__all__ = ["Native", "NotCompiled"]
