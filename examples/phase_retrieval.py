"""Phase retrieval: a complex signal from magnitudes alone, by gradient descent on complex numbers.

Of 10 complex numbers only |A z|² is known, for 80 random rows of A. The loss is real, and its gradient by z
is dL/dRe z + i dL/dIm z, so a step against it descends (the Wirtinger flow of Candès, Li and Soltanolkotabi,
2015). What is found is z up to one common phase, which magnitudes cannot tell.
"""

import numpy as np

import gradwire as gw

rng = np.random.default_rng(0)


def noise(*shape):
    """Complex normal numbers of variance 1."""
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


signal, A = noise(10), noise(80, 10)
seen = np.abs(A @ signal) ** 2

# The leading eigenvector of Σ seen a aᴴ points roughly along the signal.
values, vectors = np.linalg.eigh((A.conj().T * seen) @ A)
z = gw.Variable(vectors[:, -1] * np.sqrt(seen.mean()), name="z")
optimizer = gw.optimizers.SGD(0.2 / seen.mean())

for step in range(301):
    with gw.GradientTape() as tape:
        loss = gw.mean((gw.abs(A @ z) ** 2 - seen) ** 2) / 4
    optimizer.apply_gradients([(tape.gradient(loss, z), z)])
    if step % 100 == 0:
        print(f"step {step}: loss {float(loss):.1e}")

found = z.numpy()
phase = np.vdot(found, signal) / abs(np.vdot(found, signal))
print(f"relative error = {np.linalg.norm(found * phase - signal) / np.linalg.norm(signal):.1e}")
