"""Calls a tesseract as told on standard input: `elements calls` a line, `wall cpu` seconds a call back."""

from __future__ import annotations

import sys
import time

import numpy as np
from tesseract_core import Tesseract

served = Tesseract.from_url(sys.argv[1])
for line in sys.stdin:
    elements, count = map(int, line.split())
    x, cotangent = np.linspace(0.0, 1.0, elements), np.ones(elements)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        answer = served.vector_jacobian_product({"x": x}, ["x"], ["y"], {"y": cotangent})
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert np.allclose(answer["x"], np.sin(x) + x * np.cos(x))
    print(wall / count, cpu / count, flush=True)
