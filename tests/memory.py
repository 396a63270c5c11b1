"""Where in memory things are."""

from __future__ import annotations

import numpy as np


def addresses(view: memoryview) -> range:
    """The addresses of a view's bytes."""
    start = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return range(start, start + len(view))
