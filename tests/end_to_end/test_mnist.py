"""The loader of the digits: the shipped sample, and IDX files plain and gzipped."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from examples.mnist import load, one_hot, read_idx


def idx(array: np.ndarray) -> bytes:
    """An array of unsigned bytes as an IDX file."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_the_sample_is_balanced_and_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADWIRE_MNIST_DIR", raising=False)
    digits = load()
    assert digits.x_train.shape == (2000, 784)
    assert digits.x_test.shape == (500, 784)
    assert digits.x_train.dtype == np.float32
    assert (digits.x_train.min(), digits.x_train.max()) == (0.0, 1.0)
    assert np.bincount(digits.y_train).tolist() == [200] * 10
    assert np.bincount(digits.y_test).tolist() == [50] * 10


def test_idx_files_plain_and_gzipped(tmp_path: Path) -> None:
    images = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    labels = np.array([3, 7], np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images[:1])))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(labels[:1]))
    digits = load(tmp_path)
    np.testing.assert_array_equal(digits.x_train * 255, images.reshape(2, 784))
    assert digits.y_train.tolist() == [3, 7]
    assert digits.x_test.shape == (1, 784)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(5, dtype=np.uint8))[:-1])
    with pytest.raises(ValueError, match="not an IDX file"):
        read_idx(tmp_path, "train-labels-idx1-ubyte")


def test_one_hot_rows() -> None:
    assert one_hot(np.array([2, 0])).tolist() == [[0, 0, 1] + [0] * 7, [1] + [0] * 9]
