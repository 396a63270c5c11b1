"""The client's log: events through the standard library, silent unless asked for.

Events are snake_case verbs; no field holds plaintext, a key, a token or a name. A field is an
attribute of the log record, as with structlog, which takes a tenth of a second to import.
"""

from __future__ import annotations

import logging


class EventLog:
    """Logs events with fields."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        """Logs at DEBUG."""
        self._logger.debug(event, extra=fields, stacklevel=2)

    def info(self, event: str, **fields: object) -> None:
        """Logs at INFO."""
        self._logger.info(event, extra=fields, stacklevel=2)

    def warning(self, event: str, **fields: object) -> None:
        """Logs at WARNING."""
        self._logger.warning(event, extra=fields, stacklevel=2)

    def error(self, event: str, **fields: object) -> None:
        """Logs at ERROR."""
        self._logger.error(event, extra=fields, stacklevel=2)


log = EventLog(logging.getLogger("sealift"))
logging.getLogger("sealift").addHandler(logging.NullHandler())


def keep_debug_off(*names: str) -> None:
    """Keeps loggers of a library, which quote values at DEBUG, at INFO or above."""
    for name in names:
        logger = logging.getLogger(name)
        if logger.level < logging.INFO:
            logger.setLevel(logging.INFO)
