"""The client's log: structlog events through the standard library, silent by default.

Events are snake_case verbs; no field holds plaintext, a key, a token or a name. structlog takes
a tenth of a second to import, so the modules that help and completion load must not import this.
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
    """Raise library loggers to at least INFO, because they quote values at DEBUG."""
    for name in names:
        logger = logging.getLogger(name)
        if logger.level < logging.INFO:
            logger.setLevel(logging.INFO)
