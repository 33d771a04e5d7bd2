"""CuPy's Fourier transforms; other names that array_api_compat looks for are used by no kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cupy._array import wrap


def _transform(name: str) -> Callable[..., Any]:
    return lambda a, *args, **settings: wrap(getattr(np.fft, name)(a._host, *args, **settings))


def _absent(*_: object, **__: object) -> object:
    raise NotImplementedError


fftn, ifftn, rfft, irfft = map(_transform, ("fftn", "ifftn", "rfft", "irfft"))
fft = ifft = rfftn = irfftn = hfft = ihfft = _absent
fftfreq = rfftfreq = fftshift = ifftshift = _absent
