"""What every source of records is: parts that yield Arrow batches and can be continued."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import pyarrow as pa

from sealift_protocol.errors import SourceError

BEGINNING = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What is read from beginning to end: a file, a query's result.

    Attributes:
        name: identifies it among all parts that its owner pushes; it never leaves the machine
            unsealed.
        size: bytes, for progress; 0 if not known.
        modified: when it changed last, in nanoseconds; 0 if not known.
        path: the file, if it is one.
        endless: whether it is never complete, since more may always follow.
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
        end: mark of the record after the last; the source can be asked to begin there.
        position: bytes of the part read so far.
    """

    batch: pa.RecordBatch = field(repr=False)
    begin: str = field(repr=False)
    end: str = field(repr=False)
    position: int = 0


class Source(Protocol):
    """A source of records.

    Attributes:
        kind: as `sealift sources` lists it.
        schema: of every batch.
        size: bytes of all parts, for progress; None if not known.
        resumable: whether a part can be read from a mark on; otherwise a push is one commit.
        rereadable: whether it can be read twice; standard input cannot.
    """

    kind: str
    schema: pa.Schema
    size: int | None
    resumable: bool
    rereadable: bool

    def parts(self) -> Iterator[Part]:
        """The parts, in an order that stays."""

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """A part's records from a mark on; `BEGINNING` for all of them."""

    def digest(self, part: Part, mark: str) -> bytes:
        """16 bytes that change if what stands before a mark changes."""

    def continues(self, part: Part) -> bool:
        """Whether more may have been written behind what was read of the part before."""


@runtime_checkable
class Selective(Protocol):
    """A source whose records have more than its columns hold.

    Attributes:
        left_out: how often what was left out, by its name in the source's own terms.
    """

    left_out: Counter[str]


class Rejects(Protocol):
    """What happens to records that cannot be read.

    Attributes:
        stops: whether the first one ends the push.
        count: how many were left out so far.
    """

    stops: bool
    count: int

    def reject(self, error: SourceError, content: bytes) -> None:
        """Takes one record that cannot be read, or raises the error."""

    def forget(self) -> None:
        """Forgets what was taken: the source is read again from its beginning."""


class StopAtRejects:
    """Ends the push at the first record that cannot be read."""

    stops = True
    count = 0

    def reject(self, error: SourceError, content: bytes) -> None:
        """Raises the error."""
        raise error

    def forget(self) -> None:
        """Nothing was taken."""


class SkipRejects:
    """Leaves out records that cannot be read, and counts them.

    Attributes:
        count: how many so far.
    """

    stops = False

    def __init__(self) -> None:
        self.count = 0

    def reject(self, error: SourceError, content: bytes) -> None:
        """Counts."""
        self.count += 1

    def forget(self) -> None:
        """Counts anew."""
        self.count = 0
