"""How long tests wait: until something happens, not until a clock says so.

What hangs is ended after PATIENCE; a machine that does other things too makes no test fail.
"""

from __future__ import annotations

import os

PATIENCE = 1800
"""Seconds until a test gives up on what never comes; no measure of speed."""


def within(seconds: float) -> float:
    """A limit that shows that nothing waits in vain, longer where the machine is busy."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * max(1.0, 2 * load)
