"""The client's log: structlog events through the standard library, silent unless asked for.

Events are snake_case verbs; no field holds plaintext, a key, a token or a name.
"""

from __future__ import annotations

import logging

import structlog

log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
    logging.getLogger("sealift"),
    wrapper_class=structlog.stdlib.BoundLogger,
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.render_to_log_kwargs,
    ],
)
logging.getLogger("sealift").addHandler(logging.NullHandler())


def keep_debug_off(*names: str) -> None:
    """Keeps loggers of a library, which quote values at DEBUG, at INFO or above."""
    for name in names:
        logger = logging.getLogger(name)
        if logger.level < logging.INFO:
            logger.setLevel(logging.INFO)
