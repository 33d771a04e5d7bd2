"""The MLP's training step planned by hand: preallocated buffers, flat parameters, in-place Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class ByHand:
    """784-hidden-10 with relu, softmax cross-entropy and Adam, float32."""

    def __init__(self, x: Array, y: Array, batch: int, hidden: int) -> None:
        rng = np.random.default_rng(0)
        self.x, self.y, self.batch = x, y, batch
        self.order = rng.permutation(len(x))
        size = 784 * hidden + hidden + hidden * 10 + 10
        self.w = rng.normal(0, 0.05, size).astype(np.float32)
        self.g, self.m, self.v = np.zeros((3, size), np.float32)
        self.scratch = np.zeros((2, size), np.float32)
        self.W1, self.b1, self.W2, self.b2 = self._parts(self.w, hidden)
        self.dW1, self.db1, self.dW2, self.db2 = self._parts(self.g, hidden)
        self.rows = np.empty((batch, 784), np.float32)
        self.labels = np.empty((batch, 10), np.float32)
        self.h, self.dh = np.empty((2, batch, hidden), np.float32)
        self.z = np.empty((batch, 10), np.float32)
        self.t = 0

    @staticmethod
    def _parts(flat: Array, hidden: int) -> tuple[Array, Array, Array, Array]:
        ends = np.cumsum([784 * hidden, hidden, hidden * 10, 10])
        a, b, c, d = np.split(flat, ends[:-1])
        return a.reshape(784, hidden), b, c.reshape(hidden, 10), d

    def step(self) -> float:
        """One step; answers the loss."""
        start = self.t * self.batch % len(self.x)
        rows = self.order[start : start + self.batch]
        self.x.take(rows, axis=0, out=self.rows, mode="clip")
        self.y.take(rows, axis=0, out=self.labels, mode="clip")
        self.t += 1
        h, z = self.h, self.z
        np.matmul(self.rows, self.W1, out=h)
        np.add(h, self.b1, out=h)
        np.maximum(h, 0, out=h)
        np.matmul(h, self.W2, out=z)
        np.add(z, self.b2, out=z)
        np.subtract(z, z.max(axis=1, keepdims=True), out=z)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - (z * self.labels).sum(axis=1)).mean())
        np.divide(e, total, out=e)
        np.subtract(e, self.labels, out=e)
        np.multiply(e, np.float32(1 / self.batch), out=e)
        np.matmul(h.T, e, out=self.dW2)
        np.add.reduce(e, axis=0, out=self.db2)
        np.matmul(e, self.W2.T, out=self.dh)
        np.multiply(self.dh, h > 0, out=self.dh)
        np.matmul(self.rows.T, self.dh, out=self.dW1)
        np.add.reduce(self.dh, axis=0, out=self.db1)
        self._adam()
        return loss

    def _adam(self) -> None:
        g, m, v, (s, u) = self.g, self.m, self.v, self.scratch
        np.subtract(g, m, out=s)
        np.multiply(s, np.float32(0.1), out=s)
        np.add(m, s, out=m)
        np.multiply(g, g, out=s)
        np.subtract(s, v, out=s)
        np.multiply(s, np.float32(0.001), out=s)
        np.add(v, s, out=v)
        scale = 0.001 * (1 - 0.999**self.t) ** 0.5 / (1 - 0.9**self.t)
        np.sqrt(v, out=s)
        np.add(s, np.float32(1e-7), out=s)
        np.multiply(m, np.float32(scale), out=u)
        np.divide(u, s, out=u)
        np.subtract(self.w, u, out=self.w)
