"""What a job has learned so far: parameters of a checkpoint, and predictions from them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic_core import from_json
from safetensors.numpy import save

from engine.compiler import Compiler
from engine.tensors import decode_tensor
from engine.training.predict import predict
from engine.training.spec import TrainingSpec
from service.encoding import json_reply
from service.jobs import checkpoints
from service.jobs.checkpoints import Array, Parameters
from service.jobs.submission import decode_stored
from service.lru import Lru
from service.problems import Problem, Reply
from service.safetensors_io import MEDIA_TYPE
from service.strict_json import child_path

Format = Literal["json", "npz", "safetensors"]
_ENTRIES = 64


class Results:
    """Reads checkpoints; keeps those asked for lately, and the jobs that they belong to."""

    def __init__(self, jobs: Path, compiler: Compiler) -> None:
        self._jobs = jobs
        self._compiler = compiler
        self._parameters: Lru[tuple[str, str], Parameters] = Lru(_ENTRIES)
        self._specs: Lru[str, TrainingSpec] = Lru(_ENTRIES)

    def parameters(self, job_id: str, checkpoint: str) -> Parameters:
        """Parameters and state. Raises Problem checkpoint_not_found where they were dropped meanwhile."""
        key = (job_id, checkpoint)
        found = self._parameters.get(key)
        if found is None:
            try:
                found = checkpoints.read_parameters(self._jobs / job_id / "checkpoints", checkpoint)
            except FileNotFoundError:
                raise Problem(
                    "checkpoint_not_found",
                    f"expected a checkpoint that is kept, got '{checkpoint[:100]}'",
                    path="$query.checkpoint",
                ) from None
            self._parameters.put(key, found)
        return found

    def predict(
        self,
        job_id: str,
        checkpoint: str,
        order: tuple[str, Mapping[str, Any]],
        given: Mapping[str, Any],
        attachments: Mapping[str, Array] | None,
        outputs: Sequence[str] | None,
    ) -> dict[str, Array]:
        """The outputs for given inputs. Raises UserError as an evaluation does."""
        spec = self._specs.get(job_id)
        if spec is None:
            document, data = order
            spec = decode_stored(from_json(document), data)
            self._specs.put(job_id, spec)
        learned = self.parameters(job_id, checkpoint)
        columns = spec.objective.columns
        inputs = {}
        for name, value in given.items():
            declared = columns[name].dtype if name in columns and not isinstance(value, dict) else None
            path = child_path("$.inputs", name)
            inputs[name] = decode_tensor(value, path=path, dtype=declared, attachments=attachments).array
        return predict(spec, learned.parameters, learned.state, inputs, outputs, compiler=self._compiler)

    def forget(self, job_id: str) -> None:
        """Drop what is kept of a job; parameters leave with time."""
        self._specs.discard(job_id)


def encode(learned: Parameters, form: Format) -> Reply:
    """The parameters in one of the three formats; state goes with the bulk ones under its own names."""
    if form == "json":
        return json_reply(
            {"parameters": {name: _listed(array) for name, array in learned.parameters.items()}}
        )
    arrays = {name: np.array(a, order="C") for name, a in {**learned.parameters, **learned.state}.items()}
    if form == "safetensors":
        return Reply(200, save(arrays), MEDIA_TYPE)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return Reply(200, buffer.getvalue(), "application/octet-stream")


def _listed(array: Array) -> Any:
    return array.tolist()
