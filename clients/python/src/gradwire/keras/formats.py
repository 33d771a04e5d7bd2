"""Files of weights: safetensors and npz, by what their names end in, and nothing under other endings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from gradwire._tracing.node import Array
from gradwire.errors import ConfigurationError

MODEL = (".safetensors", "")
WEIGHTS = (".safetensors", ".npz")

_OTHERS = {
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".keras": "Keras's archive",
    ".tf": "a SavedModel",
    ".pb": "a SavedModel",
    ".ckpt": "a TensorFlow checkpoint",
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
    ".pkl": "a pickle",
    ".onnx": "ONNX",
}


def path_of(path: str | Path, endings: Sequence[str], what: str) -> Path:
    """The path to write to, if it ends in one of `endings`; raises ConfigurationError for another format."""
    place = Path(path)
    ending = place.suffix.lower()
    if ending in endings:
        return place
    kind = f", which would be {_OTHERS[ending]}" if ending in _OTHERS else ""
    stem = place.stem if ending in _OTHERS else place.name
    cures = " or ".join(f"'{stem}{each}'" for each in endings if each)
    listed = " or ".join(each for each in endings if each)
    raise ConfigurationError(
        f"{what} goes into a file that ends in {listed}, got '{place.name}'{kind}; name it {cures}"
    )


def source_of(path: str | Path, what: str) -> Path:
    """The path to read from; raises ConfigurationError for the ending of another format."""
    place = Path(path)
    kind = _OTHERS.get(place.suffix.lower())
    if kind is None:
        return place
    raise ConfigurationError(
        f"expected {what} in a file of safetensors or npz, got '{place.name}', {kind}, which is not read "
        "here; load it with what wrote it, and give the arrays to model.set_weights([…])"
    )


def write_weights(path: Path, weights: Mapping[str, Array]) -> None:
    """Write arrays by name."""
    if path.suffix.lower() == ".npz":
        with path.open("wb") as file:
            np.savez(file, **cast(dict[str, Array], dict(weights)))  # type: ignore[arg-type]  # a name is no option
    else:
        save_file(dict(weights), str(path))


def read_weights(path: Path) -> dict[str, Array]:
    """Read arrays by name; raises ConfigurationError for a file that is none of its format."""
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        return load_file(str(path))
    except (SafetensorError, ValueError) as error:
        raise ConfigurationError(
            f"expected weights in '{path}', it is no {path.suffix} file: {error}"
        ) from error
