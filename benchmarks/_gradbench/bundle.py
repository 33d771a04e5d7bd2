"""ba: bundle adjustment. Each observation has two residuals, of one camera, one point and one weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._gradbench.functions import Arrays, Json, Prepared, compiled, floats

#: One observation: rotation, centre, focal length, principal point and distortion of the camera.
REPROJECTION = """
r = cam[:3]
theta = sqrt(sum(r ** 2))
k = r / theta
v = x - cam[3:6]
turned = v * cos(theta) + cross(k, v) * sin(theta) + k * (sum(k * v) * (1 - cos(theta)))
p = turned[:2] / turned[2]
rr = sum(p ** 2)
seen = p * (1 + cam[9] * rr + cam[10] * rr ** 2) * cam[6] + cam[7:9]
error = w * (seen - feat)
"""
WEIGHT = "error = 1 - w ** 2"
BY = ("cam", "x", "w")


def observations(given: Json) -> tuple[Arrays, Arrays]:
    """Cameras, points and weights of the problem; and of each observation which it has."""
    n, m, p = (given[name] for name in ("n", "m", "p"))
    whole = {
        "cam": np.tile(floats(given["cam"]), (n, 1)),
        "x": np.tile(floats(given["x"]), (m, 1)),
        "w": np.full(p, float(given["w"])),
        "feat": np.tile(floats(given["feat"]), (p, 1)),
    }
    which = np.arange(p)
    return whole, {"cam": which % n, "x": which % m, "w": which, "feat": which}


def gathered(whole: Arrays, which: Arrays) -> Arrays:
    """The inputs, one row for each observation."""
    return {name: whole[name][which[name]] for name in whole}


def objective(given: Json) -> Prepared:
    """All residuals."""
    whole, which = observations(given)
    rows = gathered(whole, which)
    batch = ("cam", "x", "w", "feat")
    call = compiled("evaluate", REPROJECTION, rows, outputs=("error",), batch=batch)
    weights = compiled("evaluate", WEIGHT, {"w": rows["w"]}, outputs=("error",))

    def run() -> Any:
        np.copyto(rows["cam"], whole["cam"][which["cam"]])
        np.copyto(rows["x"], whole["x"][which["x"]])
        return call()["outputs"]["error"], weights()["outputs"]["error"]

    def write(found: Any) -> Any:
        errors, of_weights = found
        count = len(of_weights)
        return {
            "reproj_error": {"elements": errors[0].tolist(), "repeated": count},
            "w_err": {"element": float(of_weights[0]), "repeated": count},
        }

    return Prepared(run, write)


def jacobian(given: Json) -> Prepared:
    """The derivatives of all residuals, as a sparse matrix with compressed rows."""
    whole, which = observations(given)
    rows = gathered(whole, which)
    batch = ("cam", "x", "w", "feat")
    call = compiled("jacobian", REPROJECTION, rows, outputs=("error",), wrt=BY, batch=batch)
    weights = compiled("gradient", WEIGHT, {"w": rows["w"]}, targets=("error",), wrt=("w",), batch=("w",))
    n, m, count = given["n"], given["m"], given["p"]

    def run() -> Any:
        np.copyto(rows["cam"], whole["cam"][which["cam"]])
        np.copyto(rows["x"], whole["x"][which["x"]])
        blocks = call()["jacobian"]["error"]
        dense = np.concatenate([blocks["cam"], blocks["x"], blocks["w"].reshape(count, 2, 1)], axis=2)
        of_weights = weights()["gradients"]["w"]
        own = (11 * n + 3 * m + which["w"])[:, None]
        columns = np.concatenate(
            [
                11 * which["cam"][:, None] + np.arange(11),
                11 * n + 3 * which["x"][:, None] + np.arange(3),
                own,
            ],
            axis=1,
        )
        return {
            "rows": np.concatenate([15 * np.arange(2 * count + 1), 30 * count + 1 + np.arange(count)]),
            "cols": np.concatenate([np.repeat(columns, 2, axis=0).ravel(), own.ravel()]),
            "vals": np.concatenate([dense.ravel(), of_weights]),
        }

    def write(found: Any) -> Any:
        return {name: [*values[:30].tolist(), values[-1].item()] for name, values in found.items()}

    return Prepared(run, write)


FUNCTIONS = {"objective": objective, "jacobian": jacobian}
