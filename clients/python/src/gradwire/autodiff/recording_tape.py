"""The recording half of a tape: its `with` block, and what it watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType
from typing import Any, Self

from gradwire._tracing.node import Op, Recorder, recorder
from gradwire._tracing.reads import ReadingRecorder, Reads
from gradwire._tracing.structure import leaves
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.trail import Trail
from gradwire._tracing.variable import Variable
from gradwire.autodiff.sources import identity_of
from gradwire.errors import TapeError


class RecordingTape:
    """Records the ops on what `watch` was called with and, if `automatic`, on every trainable variable."""

    def __init__(self, automatic: bool) -> None:
        self._automatic = automatic
        self._active: Token[Recorder | None] | None = None
        self._watched: set[object] = set()
        self._recorder = self._new_recorder()

    def _new_recorder(self) -> ReadingRecorder:
        fresh = ReadingRecorder(Reads(self._watched, self._automatic))
        fresh.trail = Trail()
        return fresh

    def __enter__(self) -> Self:
        outer = recorder.get()
        if self._active is not None:
            raise TapeError("this tape is recording already; it can be entered again after its block ended")
        if outer is not None and not self._recorder.holds(outer):
            self._recorder.within = outer
        self._active = recorder.set(self._recorder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        """Nobody asks about what was recorded so far any more."""
        self._recorder.open, self._recorder.trail = False, None
        if self._recorder.reads is not None:
            self._recorder.reads.forget()

    def _stop(self) -> None:
        if self._active is not None:
            recorder.reset(self._active)
            self._active = None

    def watch(self, tensor: Any) -> None:
        """Watch tensors: constants, results from outside, variables that are not watched automatically."""
        for leaf in leaves(tensor):
            if not isinstance(leaf, Tensor | Variable):
                raise TapeError(
                    f"expected a tensor or a variable to watch, got {type(leaf).__name__}; an array has no "
                    "identity on the tape, so make a tensor of it first: gradwire.convert_to_tensor(array)"
                )
            self._watched.add(identity_of(leaf))
        if self._recorder.reads is not None:
            self._recorder.reads.rewatch()

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Return a context in which what is computed is a constant to the tape."""
        if self._active is None:
            raise TapeError("expected to be inside the tape's `with` block to stop recording")
        token = recorder.set(None)
        try:
            yield
        finally:
            recorder.reset(token)

    def reset(self) -> None:
        """Discard all that was recorded and watched so far."""
        self._close()
        self._watched.clear()
        self._recorder = self._new_recorder()
        if self._active is not None:
            recorder.set(self._recorder)

    def _is_watched(self, leaf: Tensor | Variable) -> bool:
        if identity_of(leaf) in self._watched:
            return True
        if isinstance(leaf, Variable):
            return self._automatic and leaf.trainable
        node = leaf._edge().node
        return isinstance(node, Op) and self._recorder.holds(node.recorder)
