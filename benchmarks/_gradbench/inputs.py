"""Inputs like those of GradBench's evals: the same fields, sizes from their lists, numbers of our own."""

from __future__ import annotations

from typing import Any

import numpy as np

Case = tuple[str, str, str, Any]  # the module, the function, what it is called, its input


def cases(small: bool) -> list[Case]:
    """What is asked: the gradient of each eval, for one size or two."""
    rng = np.random.default_rng(31337)
    sizes = _SMALL if small else _LARGE
    found: list[Case] = [("hello", "double", "", 3.0)]
    for d, k in sizes["gmm"]:
        found.append(("gmm", "jacobian", f"{d}_{k}", mixture(rng, d, k, 50 if small else 1000)))
    found += [("lse", "gradient", f"n={n}", {"x": rng.random(n).tolist()}) for n in sizes["lse"]]
    found += [("llsq", "gradient", f"n={n}", {"x": rng.random(128).tolist(), "n": n}) for n in sizes["llsq"]]
    for k, n, d in sizes["kmeans"]:
        points = rng.random((n, d)).tolist()
        found.append(("kmeans", "dir", f"k={k},n={n}", {"points": points, "centroids": points[-k:]}))
    for n, s in sizes["ode"]:
        found.append(("ode", "gradient", f"n={n},s={s}", {"x": rng.random(n).tolist(), "s": s}))
    for layers, steps in sizes["lstm"]:
        found.append(("lstm", "jacobian", f"l={layers},c={steps}", recurrent(rng, layers, steps)))
    for size in sizes["det"]:
        given = {"A": rng.random(size * size).tolist(), "ell": size}
        found.append(("det", "gradient", f"{size}", given))
    for n, m, p in sizes["ba"]:
        found.append(("ba", "jacobian", f"p={p}", bundle(rng, n, m, p)))
    for count in sizes["ht"]:
        found.append(("ht", "jacobian", f"c={count}", hand(rng, count, inside=False)))
        found.append(("ht", "jacobian", f"c={count}, inside", hand(rng, count, inside=True)))
    return found


_LARGE: dict[str, Any] = {
    "gmm": [(10, 25), (64, 25)],
    "lse": [80_000],
    "llsq": [1024],
    "kmeans": [(100, 1000, 8)],
    "ode": [(1000, 100)],
    "lstm": [(2, 1024)],
    "det": [7],
    "ba": [(49, 776, 3184)],
    "ht": [100],
}
_SMALL: dict[str, Any] = {
    "gmm": [(3, 4)],
    "lse": [50],
    "llsq": [16],
    "kmeans": [(3, 20, 2)],
    "ode": [(5, 3)],
    "lstm": [(2, 5)],
    "det": [3],
    "ba": [(2, 3, 6)],
    "ht": [4],
}


def mixture(rng: np.random.Generator, d: int, k: int, n: int) -> dict[str, Any]:
    """A mixture of k Gaussians in d dimensions, and n points."""
    return {
        "d": d,
        "k": k,
        "n": n,
        "x": rng.normal(size=(n, d)).tolist(),
        "m": 0,
        "gamma": 1.0,
        "alpha": rng.normal(size=k).tolist(),
        "mu": rng.random((k, d)).tolist(),
        "q": rng.normal(size=(k, d)).tolist(),
        "l": rng.normal(size=(k, d * (d - 1) // 2)).tolist(),
    }


def recurrent(rng: np.random.Generator, layers: int, steps: int) -> dict[str, Any]:
    """Random parameters, and random bits for the characters."""
    bits = 14
    return {
        "main_params": rng.random((2 * layers, 4 * bits)).tolist(),
        "extra_params": rng.random((3, bits)).tolist(),
        "state": rng.random((2 * layers, bits)).tolist(),
        "sequence": rng.integers(0, 2, (steps, bits)).astype(float).tolist(),
    }


def bundle(rng: np.random.Generator, n: int, m: int, p: int) -> dict[str, Any]:
    """One camera, point and feature, of which there are n, m and p."""
    camera = [*rng.normal(size=6) * 0.1, 1.5, *rng.normal(size=2), *rng.normal(size=2) * 0.01]
    point = [*rng.normal(size=2), 4.0]
    return {"n": n, "m": m, "p": p, "cam": camera, "x": point, "w": 0.7, "feat": rng.normal(size=2).tolist()}


def hand(rng: np.random.Generator, count: int, *, inside: bool) -> dict[str, Any]:
    """A skeleton of 22 bones with random transforms and a skin of 50 vertices; `inside` of its triangles."""
    parents = [
        -1,
        0,
        *(0 if joint == 0 else 1 + 4 * finger + joint for finger in range(5) for joint in range(4)),
    ]
    bones, vertices = len(parents), 50
    relatives = np.tile(np.eye(4), (bones, 1, 1)) + 0.1 * rng.normal(size=(bones, 4, 4))
    relatives[:, 3] = [0.0, 0.0, 0.0, 1.0]
    weights = rng.random((vertices, bones))
    model = {
        "bone_count": bones,
        "bone_names": [f"bone {k}" for k in range(bones)],
        "parents": parents,
        "base_relatives": relatives.tolist(),
        "inverse_base_absolutes": np.linalg.inv(relatives).tolist(),
        "base_positions": np.c_[rng.normal(size=(vertices, 3)), np.ones(vertices)].tolist(),
        "weights": (weights / weights.sum(axis=1, keepdims=True)).tolist(),
        "triangles": rng.integers(0, vertices, (30, 3)).tolist(),
        "is_mirrored": False,
    }
    within = rng.integers(0, 30 if inside else vertices, count).tolist()
    data = {"model": model, "correspondences": within, "points": rng.normal(size=(count, 3)).tolist()}
    us = rng.random((count, 2)).ravel().tolist() if inside else []
    return {"theta": rng.normal(size=26).tolist(), "data": data, "us": us}
