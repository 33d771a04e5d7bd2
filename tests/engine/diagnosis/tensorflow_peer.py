"""What TensorFlow's GradientTape returns for the cases of the catalogue: python -m … prints it as JSON.

Every floating input is a tf.Variable, and what is asked about is watched, as its owner would try. NumPy
behaviour is switched on, so that dtypes mix and tensors index as in the programs.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from tests.engine.diagnosis.asking import arrays_of
from tests.engine.diagnosis.case import Case
from tests.engine.diagnosis.catalogue import CASES
from tests.engine.diagnosis.peers import python_scan, python_while, run, word


def answer(tf: Any, case: Case) -> str:
    """`None`, `error`, or a word for the numbers."""
    arrays = arrays_of(case.inputs, case.dtype)
    inputs = {n: tf.Variable(a) if a.dtype.kind == "f" else tf.constant(a) for n, a in arrays.items()}
    try:
        with tf.GradientTape() as tape:
            tape.watch(inputs[case.name])
            target = run(case, names(tf), {n: tf.convert_to_tensor(x) for n, x in inputs.items()})
        gradient = tape.gradient(target, inputs[case.name])
    except Exception:  # whatever TensorFlow raises
        return "error"
    return "None" if gradient is None else word(np.asarray(tf.convert_to_tensor(gradient)))


def names(tf: Any) -> dict[str, Any]:
    """The functions of the programs."""
    tnp = tf.experimental.numpy

    def where(condition: Any, a: Any, b: Any) -> Any:
        dtype = next(x.dtype for x in (a, b) if hasattr(x, "dtype"))
        return tf.where(condition, tf.cast(a, dtype), tf.cast(b, dtype))

    direct = "round floor sign sqrt exp sigmoid maximum tanh cos sin acos abs zeros_like equal stop_gradient"
    return {name: getattr(tf, name) for name in direct.split()} | {
        "sum": tf.reduce_sum,
        "mean": tf.reduce_mean,
        "max": tf.reduce_max,
        "any": tf.reduce_any,
        "prod": tf.reduce_prod,
        "log": tf.math.log,
        "erf": tf.math.erf,
        "isfinite": tf.math.is_finite,
        "relu": tf.nn.relu,
        "softmax": tf.nn.softmax,
        "clip": lambda x, low, high: tf.clip_by_value(x, tf.cast(low, x.dtype), tf.cast(high, x.dtype)),
        "where": where,
        "argmax": tf.argmax,
        "argsort": tf.argsort,
        "inv": tf.linalg.inv,
        "silu": tf.nn.silu,
        "astype": tf.cast,
        "size": tf.size,
        "cbrt": lambda x: tf.sign(x) * tf.abs(x) ** (1 / 3),
        "concat": lambda *xs: tf.concat(xs, 0),
        "triu": tnp.triu,
        "norm": tf.norm,
        "std": tf.math.reduce_std,
        "nan": float("nan"),
        "scan": python_scan(tf.stack),
        "while_loop": python_while,
        "cond": lambda f, g, choice, *xs: tf.cond(choice, lambda: f(*xs), lambda: g(*xs)),
        "checkpoint": lambda f, *xs: tf.recompute_grad(f)(*xs),
    }


def main() -> None:
    """Print every answer by title."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    tf.experimental.numpy.experimental_enable_numpy_behavior()
    print(json.dumps({case.title: answer(tf, case) for case in CASES}, ensure_ascii=False))


if __name__ == "__main__":
    main()
