"""The clock, passed in so that tests can turn it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current time, UTC."""
    return datetime.now(UTC)


def unix(now: Clock) -> int:
    """Whole Unix seconds of a clock."""
    return int(now().timestamp())
