"""The relay's log: JSON lines on stderr, without names, tokens or anything that a member sent."""

from __future__ import annotations

import sys

import structlog

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def configure_log() -> None:
    """Sends events to stderr, one JSON object a line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
