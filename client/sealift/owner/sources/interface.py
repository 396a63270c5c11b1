"""The interface of all sources of records: parts that yield Arrow batches and can be resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import pyarrow as pa

from sealift_protocol.errors import SourceError

BEGINNING = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A unit that is read from beginning to end: a file, or a query's result.

    Attributes:
        name: identifies the part among all parts that its owner pushes; it never leaves the
            machine unsealed.
        size: bytes, for progress; 0 if unknown.
        modified: time of the last change in nanoseconds; 0 if unknown.
        path: the file, if the part is one.
        endless: whether the part is never complete, since more may always follow.
    """

    name: str = field(repr=False)
    size: int = 0
    modified: int = 0
    path: Path | None = field(default=None, repr=False)
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some records of a part.

    Attributes:
        batch: the records.
        begin: mark of the first record.
        end: mark of the record after the last, from which the source can read on.
        position: bytes of the part read so far.
        failed: by column, how many values could not be read, and are null.
    """

    batch: pa.RecordBatch = field(repr=False)
    begin: str = field(repr=False)
    end: str = field(repr=False)
    position: int = 0
    failed: Mapping[str, int] = field(default_factory=dict, repr=False)


class Source(Protocol):
    """A source of records.

    Attributes:
        kind: kind of source, as `sealift sources` lists it.
        schema: schema of every batch.
        size: bytes of all parts, for progress; None if unknown.
        resumable: whether a part can be read from a mark on; if not, a push is one commit.
        rereadable: whether the source can be read twice; standard input cannot.
    """

    kind: str
    schema: pa.Schema
    size: int | None
    resumable: bool
    rereadable: bool

    def parts(self) -> Iterator[Part]:
        """Return the parts, in a stable order."""

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read a part's records from a mark on; from `BEGINNING` for all of them."""

    def digest(self, part: Part, mark: str) -> bytes:
        """Return 16 bytes that change if anything before a mark changes."""

    def continues(self, part: Part) -> bool:
        """Return whether the part may have grown after the records that were read."""


@runtime_checkable
class Selective(Protocol):
    """A source whose records hold more than its columns.

    Attributes:
        left_out: number of items left out, by their name in the source's own terms.
    """

    left_out: Counter[str]


@dataclass(frozen=True, slots=True)
class Written:
    """How a text is read, for its owner's eyes.

    Attributes:
        examples: by column, a few values as they are written and as they are read.
        notes: what was recognised, as phrases.
    """

    examples: Mapping[str, Sequence[tuple[str, str]]] = field(repr=False)
    notes: Sequence[str]


@runtime_checkable
class Accompanied(Protocol):
    """A source whose files may hold records of other types, about the people in its texts."""

    def beside(self) -> Source | None:
        """Return the source of those records, which are read and not sent; None without any."""


class LeftOut(Counter[str]):
    """Counts what is left out; what was known when the source was opened is never reset."""

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        """Begin with what is known."""
        super().__init__(known)
        self._known = dict(known or {})

    def clear(self) -> None:
        """Reset to what was known."""
        super().clear()
        self.update(self._known)


class Rejects(Protocol):
    """Receives records that cannot be read.

    Attributes:
        stops: whether the first such record ends the push.
        count: number of records left out so far.
    """

    stops: bool
    count: int

    def reject(self, error: SourceError, content: bytes) -> None:
        """Take one record that cannot be read, or raise the error."""

    def forget(self) -> None:
        """Forget all records taken, since the source is read again from its beginning."""


class StopAtRejects:
    """Ends the push at the first record that cannot be read."""

    stops = True
    count = 0

    def reject(self, error: SourceError, content: bytes) -> None:
        """Raise the error."""
        raise error

    def forget(self) -> None:
        """Do nothing: no record was taken."""


class SkipRejects:
    """Skips records that cannot be read, and counts them.

    Attributes:
        count: number of records left out so far.
    """

    stops = False

    def __init__(self) -> None:
        self.count = 0

    def reject(self, error: SourceError, content: bytes) -> None:
        """Counts."""
        self.count += 1

    def forget(self) -> None:
        """Reset the count."""
        self.count = 0
