"""`GradientTape`: records operations on variables, and requests their gradients from a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradwire._client.answer_warnings import advise_answer
from gradwire._client.client import Client, default_client
from gradwire._locations import here
from gradwire._tracing.node import Array, Edge, Leaf, Owner, known, recorder
from gradwire._tracing.structure import leaves, rebuild
from gradwire._tracing.tensor import Tensor, record
from gradwire._tracing.variable import Variable
from gradwire.autodiff.curvature import of_second_slope
from gradwire.autodiff.diverging_loops import follow
from gradwire.autodiff.gradient_requests import Question, Source, ask_gradients, ask_jacobian, ask_reasons
from gradwire.autodiff.gradient_warnings import MISSING, advise, advise_target, flaw
from gradwire.autodiff.misuse import of_target, warn_of_mixing
from gradwire.autodiff.nested import gradient_nodes, jacobian_nodes
from gradwire.autodiff.recording_tape import RecordingTape
from gradwire.autodiff.sources import source_of, unwatched, with_reads
from gradwire.autodiff.stale import Asked
from gradwire.autodiff.targets import target_edge
from gradwire.autodiff.views import of_view
from gradwire.errors import TapeError
from gradwire.results import Finding, Report, Sparse


class GradientTape(RecordingTape):
    """Record the ops on variables inside its `with` block; one request then computes all gradients.

    Trainable variables are watched automatically, unless `watch_accessed_variables` is False; other tensors
    after `watch`. What was computed outside the block is a constant, as in TensorFlow. `gradient` can be
    called once, or any number of times if the tape is `persistent`. Errors have the server's message and the
    line of the user's code that they are about.

    Tapes nest: a tape inside another records for both. A gradient that is computed while another tape
    records, or while a function is being traced, is recorded itself, so that it can be differentiated again;
    it is requested only when it is read.

    With `stabilize`, expressions that overflow or are undefined, such as log(softmax(x)), are computed and
    differentiated in a stable form. With `masked_backward`, elements that nothing selects get no gradient,
    where 0 · inf would be NaN. `explain` still says what is wrong, and where the mask changed a number.
    """

    def __init__(
        self,
        persistent: bool = False,
        watch_accessed_variables: bool = True,
        *,
        stabilize: bool = False,
        masked_backward: bool = False,
        client: Client | None = None,
    ) -> None:
        super().__init__(watch_accessed_variables)
        self._options = {"stabilize": True} if stabilize else {}
        self._masked = {"masked_backward": True} if masked_backward else {}
        self._persistent = persistent
        self._client = client
        self._answered: tuple[Any, Question] | None = None
        self._asked_before = Asked()
        self._used = False

    def reset(self) -> None:
        """Discard all that was recorded and watched so far."""
        super().reset()
        self._answered, self._asked_before, self._used = None, Asked(), False

    def _finish(self) -> None:
        """A question was answered: if it may not be the last, what was recorded is kept."""
        self._used = True
        if not self._persistent:
            self._recorder.open, self._recorder.trail = False, None

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """Return gradients of `target` by `sources`, in the structure of `sources`.

        `sources` is a variable, a tensor, or a list, tuple or dict of them. Each gradient is a tensor of its
        source's shape whose value is known, or None if there is no gradient ("zero": zeros); `explain` says
        why. A target of several elements is summed, and several targets are added, as in TensorFlow;
        `output_gradients` weigh their elements. A gradient that is None, zero everywhere or not finite comes
        with a GradientWarning that says why. Raises TapeError on a second call of a tape that is not
        persistent. If `gradient` is called inside the tape's own block, such a tape stops recording, and a
        persistent one records the gradient.
        """
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(
                f"expected 'none' or 'zero' for unconnected_gradients, got {unconnected_gradients!r}"
            )
        zero = unconnected_gradients == "zero"
        points = list(leaves(sources))
        gradients = self._differentiate(target, points, output_gradients, zero=zero, sums=True)
        self._advise(target, points, gradients, zero=zero)
        return rebuild(sources, iter(gradients))

    def jacobian(
        self, target: Any, sources: Any, unconnected_gradients: str = "none", *, sparse: bool = False
    ) -> Any:
        """Return the derivative of every element of `target` by every element of `sources`.

        The result has the structure of `sources`. Each entry is a tensor of shape target.shape +
        source.shape, or None if the target does not depend on the source ("zero": zeros); with `sparse`, a
        `Sparse`. While another tape or a traced function records, it is a node, and not sparse. Raises
        TapeError as `gradient` does.
        """
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(
                f"expected 'none' or 'zero' for unconnected_gradients, got {unconnected_gradients!r}"
            )
        edge, described, watched = self._asked(target, list(leaves(sources)), None)
        zero = unconnected_gradients == "zero"
        if recorder.get() is not None:
            if sparse:
                raise TapeError(
                    "a sparse Jacobian is asked for while a tape or a traced function records, and graphs "
                    "hold whole arrays; leave `sparse` out there, or ask outside of it"
                )
            nodes = jacobian_nodes(edge, described, watched, self._recorder, zero=zero)
            self._finish()
            return rebuild(sources, iter(nodes))
        client = self._client or default_client()
        flow = ask_jacobian(
            client._session,
            self._recorder,
            edge,
            described,
            watched,
            self._options,
            zero=zero,
            sparse=sparse,
        )
        blocks = client._driver.run(flow)
        tensors = [block if block is None or isinstance(block, Sparse) else _known(block) for block in blocks]
        self._finish()
        return rebuild(sources, iter(tensors))

    def explain(self, target: Any, sources: Any) -> Report:
        """Return a report on why each gradient of `target` by `sources` is what it is; print it.

        It has for each source the status and reason, the nodes that cause it with the lines of your code that
        made them, and a fix. What the last `gradient` call returned about it needs no request.
        """
        points = list(leaves(sources))
        described = [source_of(leaf, k) for k, leaf in enumerate(points)]
        watched = [s for s, leaf in zip(described, points, strict=True) if self._is_watched(leaf)]
        query = self._remembered(target, watched)
        if watched and query is None:
            client = self._client or default_client()
            edge = target_edge(target, None, self._recorder)
            query = client._driver.run(
                ask_reasons(client._session, self._recorder, edge, watched, self._options | self._masked)
            )
            self._answered = (target, query)
        findings = tuple(self._finding(query, target, source) for source in described)
        return Report(query and query.value, findings)

    def _finding(self, query: Question | None, target: Any, source: Source) -> Finding:
        finding = (query and query.finding(source)) or unwatched(source)
        finding = of_target(finding, target, source, self._recorder)
        finding = of_second_slope(of_view(finding, source, target), source, target)
        return with_reads(finding, source, target, self._recorder.reads)

    def _advise(
        self, target: Any, points: Sequence[Any], gradients: Sequence[Tensor | None], *, zero: bool
    ) -> None:
        """Warn of gradients that are None, zero everywhere or not finite; `zero` asked for zeros for None."""
        arrays = [None if gradient is None else known(gradient._edge()) for gradient in gradients]
        if recorder.get() is not None:
            return  # what is recorded has no values yet
        query = self._answered[1] if self._answered is not None and self._answered[0] is target else None
        if not any(flaw(array) for array in arrays):
            if query is not None and query.value is not None and not np.isfinite(query.value).all():
                advise_target(
                    [self._finding(query, target, source_of(leaf, k)) for k, leaf in enumerate(points)]
                )
            return
        findings = [self._finding(query, target, source_of(leaf, k)) for k, leaf in enumerate(points)]
        pairs = zip(findings, arrays, strict=True)
        advise(pair for pair in pairs if not (zero and pair[0].status in MISSING))

    def _remembered(self, target: Any, sources: Sequence[Source]) -> Question | None:
        """The last answer, where it tells about this target and gives a reason for all of the sources."""
        if self._answered is None or self._answered[0] is not target:
            return None
        query = self._answered[1]
        findings = [query.finding(source) for source in sources]
        return query if all(finding and finding.message for finding in findings) else None

    def _differentiate(
        self, target: Any, points: Sequence[Any], weights: Any, *, zero: bool, sums: bool
    ) -> list[Tensor | None]:
        edge, described, watched = self._asked(target, points, weights)
        gradients: dict[int, Tensor | None] = {}
        nested = recorder.get() is not None
        if watched and nested:
            nodes = gradient_nodes(edge, watched, self._recorder, zero=zero, sums=sums)
            gradients = {id(s): node for s, node in zip(watched, nodes, strict=True)}
        elif watched:
            client = self._client or default_client()
            flow = ask_gradients(
                client._session,
                self._recorder,
                edge,
                watched,
                self._options | self._masked,
                zero=zero,
                sums=sums,
            )
            query, arrays = client._driver.run(flow)
            self._answered = (target, query)
            warn_of_mixing(query)
            follow(query, arrays)
            if self._persistent:
                self._asked_before.note(query, edge)
            advise_answer(query.warned(), query.locate)
            gradients = {
                id(s): None if g is None else _known(g, s) for s, g in zip(watched, arrays, strict=True)
            }
        self._finish()
        answers = [gradients.get(id(s)) for s in described]
        if not zero:
            return answers
        make = _recorded_zeros if nested else _zeros
        return [make(leaf) if g is None else g for g, leaf in zip(answers, points, strict=True)]

    def _asked(
        self, target: Any, points: Sequence[Any], weights: Any
    ) -> tuple[Edge, list[Source], list[Source]]:
        """The target as an edge, the sources, and those of them that are watched."""
        if self._used and not self._persistent:
            raise TapeError(
                "this tape has answered its one call; for more of them, make it "
                "gradwire.GradientTape(persistent=True)"
            )
        if not self._persistent and recorder.get() is self._recorder:
            self._stop()
        edge = target_edge(target, weights, self._recorder)
        described = [source_of(leaf, k) for k, leaf in enumerate(points)]
        return (
            edge,
            described,
            [s for s, leaf in zip(described, points, strict=True) if self._is_watched(leaf)],
        )


def _known(array: Array, source: Source | None = None) -> Tensor:
    owner = source.owner if source is not None else None
    return Tensor(Edge(Leaf(array, place=here(), gradient_of=owner if isinstance(owner, Owner) else None)))


def _zeros(leaf: Tensor | Variable) -> Tensor:
    return _known(np.zeros_like(leaf._value()))


def _recorded_zeros(leaf: Tensor | Variable) -> Tensor:
    return record("zeros_like", (leaf,))
