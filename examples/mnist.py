"""The MNIST digits: the full set where GRADWIRE_MNIST_DIR names its folder, else the shipped sample.

The folder holds the four original IDX files, gzipped or not. The sample has 2,000 training and 500
test images, as many of each digit; NOTICE names its authors and licence.
"""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

SAMPLE = Path(__file__).parent / "data" / "mnist_sample.npz"


@dataclass(frozen=True)
class Digits:
    """Images as float32 rows of 784 between 0 and 1; labels as int64 between 0 and 9."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load(folder: str | os.PathLike[str] | None = None) -> Digits:
    """Load from `folder`, else from GRADWIRE_MNIST_DIR, else the sample.

    Raises FileNotFoundError where a folder is named that lacks one of the four files.
    """
    folder = folder or os.environ.get("GRADWIRE_MNIST_DIR")
    if folder:
        raw = {
            "x_train": read_idx(Path(folder), "train-images-idx3-ubyte"),
            "y_train": read_idx(Path(folder), "train-labels-idx1-ubyte"),
            "x_test": read_idx(Path(folder), "t10k-images-idx3-ubyte"),
            "y_test": read_idx(Path(folder), "t10k-labels-idx1-ubyte"),
        }
    else:
        with np.load(SAMPLE) as sample:
            raw = {name: sample[name] for name in sample.files}
    return Digits(
        x_train=_pixels(raw["x_train"]),
        y_train=raw["y_train"].astype(np.int64),
        x_test=_pixels(raw["x_test"]),
        y_test=raw["y_test"].astype(np.int64),
    )


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Read the IDX file `name` or `name`.gz: a magic number that ends in the count of axes, sizes, bytes.

    Raises FileNotFoundError, and ValueError where the header and the length do not agree.
    """
    plain, zipped = folder / name, folder / f"{name}.gz"
    content = plain.read_bytes() if plain.exists() else gzip.decompress(zipped.read_bytes())
    zeros, kind, ndim = struct.unpack_from(">HBB", content)
    shape = struct.unpack_from(f">{ndim}I", content, 4)
    start = 4 + 4 * ndim
    if zeros != 0 or kind != 0x08 or len(content) != start + prod(shape):
        raise ValueError(f"{folder / name}: not an IDX file of unsigned bytes with shape {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Labels of shape (n,) as float32 rows of ten with a single 1."""
    return np.eye(10, dtype=np.float32)[labels]


def _pixels(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
