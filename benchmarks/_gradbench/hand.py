"""ht: hand tracking. A skeleton is posed, its skin follows, and points are compared with places on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._gradbench.functions import Arrays, Json, Prepared, compiled, floats

#: `theta` has the global rotation and translation first; `angles` says which element of it, with a zero
#: before, is which of a bone's three angles. Bones come after their parents.
POSE = """
a = concat([zeros([1]), theta])[angles]
x, z, y = a[:, 0], a[:, 1], a[:, 2]
cx, sx, cy, sy, cz, sz = cos(x), sin(x), cos(y), sin(y), cos(z), sin(z)
o, i = zeros_like(x), ones_like(x)
Rx = stack([stack([i, o, o], axis=1), stack([o, cx, -sx], axis=1), stack([o, sx, cx], axis=1)], axis=1)
Ry = stack([stack([cy, o, -sy], axis=1), stack([o, i, o], axis=1), stack([sy, o, cy], axis=1)], axis=1)
Rz = stack([stack([cz, -sz, o], axis=1), stack([sz, cz, o], axis=1), stack([o, o, i], axis=1)], axis=1)
R = Rz @ Ry @ Rx
own = concat([base_relatives[:, :, :3] @ R, base_relatives[:, :, 3:]], axis=2)
{bones}
absolute = stack([{names}])
transforms = (absolute @ inverse_base_absolutes)[:, :3]
positions = sum((transforms @ base_positions.T) * weights.T[:, None, :], axis=0)
g = theta[:3]
n = sqrt(sum(g ** 2) + 1e-300)
k = g / n
p = positions.T
turned = p * cos(n) + cross(k, p) * sin(n) + k * ((p @ k)[:, None] * (1 - cos(n)))
skin = turned + theta[3:6]
"""
SIMPLE = "error = points - skin[corners[:, 0]]"
#: `shift` moves all u at once, so that two derivatives by it are all blocks of those by u.
COMPLICATED = """
v = us + shift
place = v[:, :1] * skin[corners[:, 0]] + v[:, 1:] * skin[corners[:, 1]]
error = points - (place + (1 - v[:, :1] - v[:, 1:]) * skin[corners[:, 2]])
"""


def angles_of(bones: int) -> np.ndarray[Any, Any]:
    """Which element of theta, counted from 1, each bone's angles are; 0 for none.

    Five fingers have three bones that bend, the first of which turns sideways too; each has a tip.
    """
    found = np.zeros((bones, 3), np.int64)
    element = 7
    for finger in range(5):
        for joint in range(3):
            bone = 2 + 4 * finger + joint
            found[bone, 0] = element
            element += 1
            if joint == 0:
                found[bone, 1] = element
                element += 1
    return found


def prepare(given: Json) -> tuple[str, Arrays, bool]:
    """The program for a skeleton, its inputs, and whether points lie inside of triangles."""
    data, model = given["data"], given["data"]["model"]
    parents = [int(parent) for parent in model["parents"]]
    bones = "\n".join(
        f"b{k} = own[{k}]" if parent < 0 else f"b{k} = b{parent} @ own[{k}]"
        for k, parent in enumerate(parents)
    )
    values: Arrays = {
        name: floats(model[name])
        for name in ("base_relatives", "inverse_base_absolutes", "base_positions", "weights")
    }
    values |= {"theta": floats(given["theta"]), "points": floats(data["points"])}
    values["angles"] = angles_of(len(parents))
    within = np.asarray(data["correspondences"], np.int64)
    complicated = len(given["us"]) > 0
    if complicated:
        values |= {"us": floats(given["us"]).reshape(-1, 2), "shift": np.zeros(2)}
        values["corners"] = np.asarray(model["triangles"], np.int64)[within]
    else:
        values["corners"] = within[:, None]
    pose = POSE.format(bones=bones, names=", ".join(f"b{k}" for k in range(len(parents))))
    return pose + (COMPLICATED if complicated else SIMPLE), values, complicated


def objective(given: Json) -> Prepared:
    """The differences of all points, one after the other."""
    program, values, _ = prepare(given)
    call = compiled("evaluate", program, values, outputs=("error",))
    return Prepared(call, lambda found: found["outputs"]["error"].ravel().tolist())


def jacobian(given: Json) -> Prepared:
    """Their derivatives by a point's own u, if there are any, and by theta."""
    program, values, complicated = prepare(given)
    by = ("shift", "theta") if complicated else ("theta",)
    call = compiled("jacobian", program, values, outputs=("error",), wrt=by)

    def run() -> Any:
        blocks = call()["jacobian"]["error"]
        parts = [blocks[name].reshape(values["points"].size, -1) for name in by]
        return np.concatenate(parts, axis=1)

    return Prepared(run, lambda found: found.tolist())


FUNCTIONS = {"objective": objective, "jacobian": jacobian}
