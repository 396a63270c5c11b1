"""The clock, passed in so that tests can control it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def unix(now: Clock) -> int:
    """Return the clock's time in whole Unix seconds."""
    return int(now().timestamp())
