"""What happens to a source's batches before sealing: nothing, or a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from sealift.owner.sources import Part, Source


class Transform(Protocol):
    """Turns a source's batches into what is sealed. A context manager.

    Attributes:
        schema: the schema of its output.
    """

    schema: pa.Schema

    def __enter__(self) -> Self:
        """Begins."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release what it holds."""

    def check_whole(self, source: Source, begin: Callable[[Part], str | None]) -> bool:
        """Check a source as a whole, before any of it is sealed.

        Args:
            source: the source that will be read.
            begin: returns the mark from which a part will be read; None if it will not be.

        Returns:
            Whether the source had to be read for the check.

        Raises:
            PolicyViolation: the records do not meet the policy.
        """

    def count_failed(self, failed: Mapping[str, int]) -> None:
        """Count values of the next batch that the source could not read, by column."""

    @property
    def waits(self) -> bool:
        """Whether records that are read once wait until all are collected."""

    def collect(self, batch: pa.RecordBatch) -> None:
        """Remember what records tell of the people in texts of others."""

    def apply(self, batch: pa.RecordBatch, *, early: bool = False) -> pa.RecordBatch:
        """Turn a batch into another one with the same number of records.

        Args:
            batch: the records.
            early: whether they are sent before all records were collected.
        """

    def take_report(self) -> str:
        """Return what was done since the last call, as JSON; empty if there is no report.

        Raises:
            PolicyViolation: more was lost than the policy allows.
        """

    def take_own_report(self) -> str:
        """Return the same for the owner alone, with every column's name, and check nothing."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What the owner should know of all that was reported, with names of columns."""


class Unchanged:
    """A transform that leaves records unchanged."""

    def __init__(self, source: Source) -> None:
        self.schema: pa.Schema = source.schema

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def check_whole(self, source: Source, begin: Callable[[Part], str | None]) -> bool:  # noqa: ARG002
        """Accept every source without reading it."""
        return False

    def count_failed(self, failed: Mapping[str, int]) -> None:
        """Do nothing: the source's own counts say it."""

    @property
    def waits(self) -> bool:
        """Never: records are not compared."""
        return False

    def collect(self, batch: pa.RecordBatch) -> None:
        """Do nothing: records are not compared."""

    def apply(self, batch: pa.RecordBatch, *, early: bool = False) -> pa.RecordBatch:  # noqa: ARG002
        """Return the same batch."""
        return batch

    def take_report(self) -> str:
        """Return no report."""
        return ""

    def take_own_report(self) -> str:
        """Return no report."""
        return ""

    @property
    def notices(self) -> tuple[str, ...]:
        """Return nothing: nothing was changed."""
        return ()
