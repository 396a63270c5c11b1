"""Records that cannot be read, sealed to their owner in a dataset of their own."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from sealift.owner.push.appending import Appender, Author, PushTerms, find_opened
from sealift_protocol.errors import SourceError

SUFFIX = ".quarantine"
_SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("s", "UTC")),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column", pa.int64()),
        ("problem", pa.string()),
        ("content", pa.large_binary()),
    ]
)
_MAX_HELD = 8 << 20


class Quarantine:
    """Takes records that cannot be read, and appends them to the owner's dataset NAME.quarantine.

    Nobody else is granted access to it, and no policy is applied: it holds what the source held. A
    push that dies and goes on may put a record there twice.

    Attributes:
        stops: never.
        count: how many so far.
    """

    stops = False

    def __init__(self, author: Author) -> None:
        """Begins with nothing; `author.dataset` is the quarantine's name."""
        self.count = 0
        self._author = author
        self._held: list[dict[str, object]] = []
        self._held_size = 0

    def reject(self, error: SourceError, content: bytes) -> None:
        """Takes one record."""
        self.count += 1
        self._held.append(
            {
                "time": datetime.now(UTC),
                "file": None if error.path is None else str(error.path),
                "line": error.line,
                "column": error.column,
                "problem": error.what,
                "content": content,
            }
        )
        self._held_size += len(content)
        if self._held_size > _MAX_HELD:
            self.flush()

    def forget(self) -> None:
        """Forgets what is not committed yet."""
        self.count = 0
        self._held, self._held_size = [], 0

    def flush(self) -> None:
        """Commits what was taken since the last time.

        Raises:
            SealiftError: it cannot be stored; the push must not go on without it.
        """
        if not self._held:
            return
        batch = pa.RecordBatch.from_pylist(self._held, schema=_SCHEMA)
        author = self._author
        with author.member.together():
            opened = find_opened(author)
        with Appender(author, opened, _SCHEMA, PushTerms(), jobs=1) as appender:
            appender.add(batch)
            appender.commit()
        self._held, self._held_size = [], 0
