"""Records that cannot be read, sealed to their owner in a separate dataset."""

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
    """Append records that cannot be read to the owner's dataset NAME.quarantine.

    No other member is granted access to it, and no policy is applied: it holds what the
    source held. A push that is interrupted and run again may store a record there twice.

    Attributes:
        stops: always false.
        count: number of records so far.
    """

    stops = False

    def __init__(self, author: Author) -> None:
        """Start empty; `author.dataset` is the quarantine's name."""
        self.count = 0
        self._author = author
        self._held: list[dict[str, object]] = []
        self._held_size = 0

    def reject(self, error: SourceError, content: bytes) -> None:
        """Add one record."""
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
        """Discard what is not committed yet."""
        self.count = 0
        self._held, self._held_size = [], 0

    def flush(self) -> None:
        """Commit the records added since the last flush.

        Raises:
            SealiftError: they cannot be stored; the push must not continue without them.
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
