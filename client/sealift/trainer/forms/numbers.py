"""Types of the arrays of numbers that the trainer passes around."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
