"""The loop: batches, epochs, validation, early stopping, as events that a consumer takes one by one.

Everything that a step depends on is in the memory, the position and the job: a run may stop between any
two events and go on from its snapshot, in another process, with the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any, NoReturn

from engine.arrays import Namespace
from engine.arrays.philox import Stream
from engine.arrays.types import Array
from engine.errors import EngineError, IndexOutOfRange, UserError
from engine.runtime import devices
from engine.runtime.executors.executor import Native, executor_for
from engine.runtime.executors.scratch_pool import ScratchPool
from engine.training.job.spec import VALIDATION_DATA, TrainingSpec
from engine.training.loop import plateau
from engine.training.loop.batch_order import Order, Rows
from engine.training.loop.checkpoint import Snapshot
from engine.training.loop.constant_answer import constant_loss
from engine.training.loop.device_rows import DeviceRows
from engine.training.loop.drift import Drift
from engine.training.loop.events import EpochDone, Event, Finished, Stalled, StepDone
from engine.training.loop.failure import explain, locate
from engine.training.loop.memory import Memory
from engine.training.loop.plans import BatchPlan, Sums, evaluation_plan, set_rates, training_plan
from engine.training.loop.plateau import PlateauWatch
from engine.training.loop.progress import Progress
from engine.training.loop.reports import HOPELESS, implied, listed, means, whole_hint
from engine.training.loop.suspicions import id_range, label_range, mean_for_sum, scale_of, suspicions

REWIND = 64  # steps between copies of the memory, from which a failing step is done again
LOOK = 8  # steps between looks at all parameters; at the loss the run looks after each
BEST = "best/"
DATA_SHARE = 4  # of the memory of a GPU that a job may hold: the part that data brought whole may take, twice


class TrainingRun(Iterator[Event]):
    """A job being run: iterating does one step, one end of an epoch, or the end, and tells what it did.

    `data` and `validation` are arrays by name, mapped or in memory. `device` is one of this machine;
    `device_memory` is how many bytes of a GPU this process may hold, `native` where native code is kept.
    Raises TrainingFailure for a step that is not finite, a few steps later at most; the run stands before it.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        data: Mapping[str, Array],
        *,
        validation: Mapping[str, Array] | None = None,
        resume: Snapshot | None = None,
        device: str = devices.CPU,
        device_memory: int | None = None,
        native: Native | None = None,
    ) -> None:
        self.spec = spec
        self.device = device
        native = (native or Native()) if spec.optimize == "compiled" else None
        self._executor = executor_for(device, device_memory, native)
        self.executor = self._executor.name
        objective = spec.objective
        self._position = Progress()
        self._best: dict[str, Any] = {}
        with self._there() as xp:
            self._xp = xp
            self._memory = Memory(objective, spec.method, spec.seed, xp)
            self._scratch = ScratchPool(xp)
            if resume is not None:
                self._memory.restore({n: a for n, a in resume.arrays.items() if not n.startswith(BEST)})
                best = {n.removeprefix(BEST): a for n, a in resume.arrays.items() if n.startswith(BEST)}
                self._best = {name: xp.from_host(array) for name, array in best.items()}
        if resume is not None:
            self._position = Progress.read(resume.position)
        self._rows = self._rows_of(data, 0, spec.rows)
        self._validation = self._validation_rows(data, validation)
        self._order = Order(spec.rows, spec.batch_size, shuffle=spec.shuffle, seed=spec.seed)
        self._masks = {
            name: (Stream(spec.seed, "dropout", draw.layer), draw) for name, draw in objective.draws.items()
        }
        self._plans: dict[int, BatchPlan] = {}
        self._evaluations: dict[int, BatchPlan] = {}
        self._rewind: tuple[int, dict[str, Array]] | None = None
        self._data, self._validation_data = data, validation
        self._suspected, self._looked = False, -1
        self._drift = Drift(
            spec.method.document(),
            self._position.losses,
            constant=constant_loss(spec, data),
            scale=scale_of(spec, data),
        )
        with self._there():
            self._stalls = PlateauWatch(spec, self._memory, self.step)
        self._sound, self._sums = self.step, self._position.sums()  # until where all parameters are finite

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, as copies. Raises TrainingFailure if they are not finite."""
        self._verify()
        return self._on_host(self._memory.parameters)

    @property
    def state(self) -> dict[str, Array]:
        """The layers' state by name, as copies. Raises TrainingFailure if the parameters are not finite."""
        self._verify()
        return self._on_host(self._memory.state)

    @property
    def step(self) -> int:
        """How many steps are done."""
        return self._position.epoch * self.spec.steps_per_epoch + self._position.batch

    def snapshot(self) -> Snapshot:
        """A copy of all that a run needs to go on. Raises TrainingFailure if parameters are not finite."""
        self._verify()
        best = {f"{BEST}{name}": array for name, array in self._best.items()}
        return Snapshot(self._on_host({**self._memory.arrays(), **best}), self._position.document())

    def __iter__(self) -> TrainingRun:
        return self

    def __next__(self) -> Event:
        with self._there():
            return self._next()

    def _next(self) -> Event:
        position = self._position
        if position.finished:
            raise StopIteration
        if position.reason is not None:
            self._memory.restore(self._best)
            position.finished = True
            return Finished(position.reason)
        if self.step == 1 and (suspected := self._suspect()) is not None:
            return suspected
        if position.batch < self.spec.steps_per_epoch:
            return self._step()
        return self._look() or self._end_epoch()

    # -- a step -----------------------------------------------------------------------------------------

    def _step(self) -> StepDone:
        position, step = self._position, self.step
        if self._rewind is None or step >= self._rewind[0] + REWIND:
            self._verify()
            self._rewind = (step, self._memory.copies())
        try:
            sums = self._move(step)
        except UserError as error:
            if self._sound < step:  # it may come of parameters that are not finite
                self._do_again(step)
            when = f"step {step + 1} (epoch {position.epoch + 1})"
            self._locate(error, when, self._rows, self._places(step))
            raise
        if not math.isfinite(sums["loss"][0]):
            self._fail(step)
        position.add(sums)
        position.batch += 1
        if step < LOOK or (step + 1) % LOOK == 0 or position.batch == self.spec.steps_per_epoch:
            self._verify()
        if position.losses.step is None:
            position.losses.step = sums["loss"][0] / max(1, sums["loss"][1])
        return StepDone(position.epoch + 1, step + 1, means(self.spec.objective, sums))

    def _move(self, step: int) -> Sums:
        """One update, a function of the memory and the number of the step."""
        return self._prepared(step)[0].run()

    def _prepared(self, step: int) -> tuple[BatchPlan, Array | slice]:
        """The plan for a step, its buffers filled, and which rows of the data they hold."""
        spec = self.spec
        places = self._places(step)
        rows = min(spec.batch_size, spec.rows - step % spec.steps_per_epoch * spec.batch_size)
        plan = self._plans.get(rows)
        if plan is None:
            plan = self._plans[rows] = training_plan(
                spec.objective, spec.method, rows, self._memory, self._executor, self._scratch
            )
        self._rows.fill(plan.buffers, places)
        for name, (stream, draw) in self._masks.items():
            mask = stream.at(step).mask((rows, *draw.shape), draw.rate, draw.dtype)
            plan.buffers[name][...] = self._xp.from_host(mask)
        set_rates(plan, spec.method.rates(step))
        return plan, places

    def _places(self, step: int) -> Array | slice:
        """Which rows of the data make the batch of a step."""
        return self._order.places(*divmod(step, self.spec.steps_per_epoch))

    def _locate(self, error: UserError, when: str, rows: Rows, places: Array | slice) -> None:
        """Complete what an error of a batch says, unless a batch of one cannot be evaluated."""
        with suppress(EngineError):
            plan = evaluation_plan(self.spec.objective, 1, self._memory, self._executor)
            locate(error, when, plan, rows, listed(places))
        if isinstance(error, IndexOutOfRange) and error.node == self.spec.objective.target:
            error.hint = label_range(self.spec, self._data) or error.hint
        elif isinstance(error, IndexOutOfRange):
            error.hint = id_range(self.spec, rows.data, error.path) or error.hint

    def _verify(self) -> None:
        """Raise TrainingFailure if some step since the last look made parameters that are not finite."""
        if self._sound == self.step:
            return
        with self._there():
            if not self._memory.is_finite():
                self._fail(self.step - 1)
        self._sound, self._sums = self.step, self._position.sums()

    def _fail(self, last: int) -> NoReturn:
        """Find the first step up to `last` after which something is not finite, and say what made it so."""
        self._do_again(last)
        self._explain(last)

    def _do_again(self, last: int) -> None:
        """Do the steps before `last` again from the last copy on. Raises TrainingFailure at a bad one."""
        assert self._rewind is not None
        first, arrays = self._rewind
        self._memory.restore(arrays)
        position = self._position
        position.totals = {name: [*entry] for name, entry in self._sums.items()}
        position.batch -= self.step - self._sound
        for step in range(first, last):
            sums = self._move(step)
            if step < self._sound:
                continue
            if not self._memory.is_finite():
                self._memory.restore(arrays)
                for earlier in range(first, step):
                    self._move(earlier)
                self._explain(step)
            position.add(sums)
            position.batch += 1
            self._sound, self._sums = self.step, position.sums()

    def _explain(self, step: int) -> NoReturn:
        """Raise TrainingFailure for a step before which the run stands."""
        plan, places = self._prepared(step)
        failure = explain(
            plan.made,
            self._on_host(plan.inputs),
            self._memory.parameters,
            places=listed(places),
            step=step + 1,
            epoch=self._position.epoch + 1,
            rate=self.spec.method.rates(step).get("rate"),
            data=[name for name in self.spec.objective.columns if name in plan.inputs],
        )
        at_once = step == 0 and failure.diagnosis.get("reason") != "nonfinite_input"
        findings = suspicions(self.spec, self._data, self._validation_data) if at_once else []
        failure.hint = whole_hint(failure, findings, mean_for_sum(self.spec))
        raise failure

    # -- parameters that do not learn ---------------------------------------------------------------------

    def _suspect(self) -> Stalled | None:
        """After the first step, what looks like a mistake in the job; no bit depends on it."""
        if self._suspected:
            return None
        self._suspected = True
        return self._report_new(suspicions(self.spec, self._data, self._validation_data))

    def _report_new(self, findings: Sequence[Mapping[str, Any]]) -> Stalled | None:
        """The findings that no event has reported yet, as an event; None if there are none."""
        position = self._position
        codes = {*position.codes, *(warning["code"] for warning in self.spec.warnings)}
        new = [finding for finding in findings if finding["code"] not in codes | implied(codes)]
        if not new:
            return None
        position.codes += dict.fromkeys(finding["code"] for finding in new)
        epoch, step = position.epoch + 1, self.step
        findings_of_step = [{**finding, "epoch": epoch, "step": step} for finding in new]
        return Stalled(
            epoch, step, "; ".join(finding["message"] for finding in findings_of_step), findings_of_step
        )

    def _look(self) -> Stalled | None:
        """At the end of an epoch, what became of the loss and of the parameters; one event of both."""
        if self._looked == self.step:
            return None
        self._looked = self.step
        loss, step = means(self.spec.objective, self._position.sums())["loss"], self.step
        stop = self.spec.early_stopping
        last = step == self.spec.steps or (
            stop is not None and self._position.watch.waited + 1 >= max(1, stop.patience)
        )
        drift = self._drift.see(loss, last=last, steps=step)
        if self._drift.stuck and (slot := self._memory.overflown_slot()) is not None:
            drift.append(self._drift.overflown(slot))
        stalled = self._stalled()
        if self._position.reported:  # they do not learn, which has been told with its reason
            drift = [finding for finding in drift if finding["code"] != "constant_answer"]
        drifted = self._report_new(drift)
        if drifted is None or stalled is None:
            return drifted or stalled
        message = f"{drifted.message}; {stalled.message}"
        return replace(stalled, message=message, findings=[*drifted.findings, *stalled.findings])

    def _stalled(self) -> Stalled | None:
        """At some ends of epochs, which parameters stood still and why; no bit depends on it."""
        position, step, parameters = self._position, self.step, self.spec.objective.parameters
        if len(position.reported) == len(parameters) or not self._stalls.due(step) or self._drift.settled:
            return None
        codes = {*position.codes, *(warning["code"] for warning in self.spec.warnings)}
        if codes & HOPELESS:
            return None
        names = [name for name in self._stalls.candidates(step) if name not in position.reported]
        if not names or not position.sums()["loss"][0]:  # a loss of zero leaves nothing to learn
            return None
        plan, places = self._prepared(step - 1)
        batch = self._on_host(plan.buffers)
        stalled = plateau.explain(
            self.spec,
            self._memory,
            names,
            batch,
            places=listed(places),
            epoch=position.epoch + 1,
            step=step,
            window=self._stalls.window,
        )
        if stalled is None:
            self._stalls.pause(step)
            return None
        position.reported += [finding["parameter"] for finding in stalled.findings]
        return stalled

    # -- the end of an epoch ----------------------------------------------------------------------------

    def _end_epoch(self) -> EpochDone:
        position, spec = self._position, self.spec
        step = self.step
        metrics = means(spec.objective, position.sums())
        if self._validation is not None:
            measured = means(spec.objective, self.evaluate(self._validation))
            metrics |= {f"val_{name}": value for name, value in measured.items()}
        position.epoch += 1
        position.start_epoch()
        stop = spec.early_stopping
        if stop is not None:
            best, over = position.watch.see(stop, position.epoch, metrics[stop.monitor])
            if best and stop.restore_best_weights:
                copies = self._memory.copies()
                self._best = {name: a for name, a in copies.items() if not name.startswith("slots/")}
            if over:
                position.reason = "early_stopping"
        if position.reason is None and position.epoch == spec.epochs:
            position.reason = "completed"
        return EpochDone(position.epoch, step, metrics)

    def evaluate(self, rows: Rows) -> Sums:
        """Sums and counts of loss and metrics over all `rows`, as predicting sees them."""
        totals = Progress()
        for start in range(0, rows.count, self.spec.batch_size):
            stop = min(start + self.spec.batch_size, rows.count)
            plan = self._evaluations.get(stop - start)
            if plan is None:
                plan = evaluation_plan(
                    self.spec.objective, stop - start, self._memory, self._executor, self._scratch
                )
                self._evaluations[stop - start] = plan
            places = slice(start, stop)
            try:
                rows.fill(plan.buffers, places)
                totals.add(plan.run())
            except UserError as error:
                self._locate(error, f"validation after epoch {self._position.epoch + 1}", rows, places)
                raise
        return totals.sums()

    # -- where it runs ----------------------------------------------------------------------------------

    def _there(self) -> AbstractContextManager[Namespace]:
        return self._executor.entered()

    def _on_host(self, arrays: Mapping[str, Any]) -> dict[str, Array]:
        with self._there() as xp:
            return {name: xp.to_host(array) for name, array in arrays.items()}

    def _rows_of(self, data: Mapping[str, Array], start: int, stop: int) -> Rows:
        columns = self.spec.objective.columns
        if (limit := self._executor.memory_limit) is None:
            return Rows(data, columns, start, stop)
        return DeviceRows(data, columns, start, stop, xp=self._xp, budget=limit // DATA_SHARE)

    def _validation_rows(
        self, data: Mapping[str, Array], validation: Mapping[str, Array] | None
    ) -> Rows | None:
        first, count = self.spec.rows, self.spec.validation_rows
        if self.spec.validation is None:
            return None
        if self.spec.validation == VALIDATION_DATA:
            assert validation is not None, "the job validates on data that were not given"
            return self._rows_of(validation, 0, count)
        return self._rows_of(data, first, first + count)
