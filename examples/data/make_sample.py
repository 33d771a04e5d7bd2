"""How mnist_sample.npz was made: python examples/data/make_sample.py FOLDER_WITH_THE_IDX_FILES.

Deterministic: the first 200 training and the first 50 test images of each digit, in their original order.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from mnist import SAMPLE, read_idx


def first_of_each(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of the first `count` labels of each digit, ascending."""
    return np.sort(np.concatenate([np.flatnonzero(labels == digit)[:count] for digit in range(10)]))


def main(folder: Path) -> None:
    """Write the sample beside this script."""
    parts = {}
    for part, prefix, count in (("train", "train", 200), ("test", "t10k", 50)):
        labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte")
        chosen = first_of_each(labels, count)
        parts[f"x_{part}"] = read_idx(folder, f"{prefix}-images-idx3-ubyte")[chosen]
        parts[f"y_{part}"] = labels[chosen]
    np.savez_compressed(SAMPLE, **parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
