"""The relay's clock."""

from __future__ import annotations

import time


def unix_now() -> int:
    """Unix seconds."""
    return int(time.time())
