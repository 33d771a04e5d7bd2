"""The type of arrays on the host."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
