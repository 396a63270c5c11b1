"""What happens to a source's batches before they are sealed: nothing, or a policy."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from sealift.owner.sources import Part, Source


class Transform(Protocol):
    """Makes of a source's batches what is sealed. A context manager.

    Attributes:
        schema: of what comes out.
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
        """Frees what it holds."""

    def check_whole(self, source: Source, begin: Callable[[Part], str | None]) -> bool:
        """Refuses a source as a whole, before anything of it is sealed.

        Args:
            source: to be read.
            begin: the mark from which a part will be read; None if it will not.

        Returns:
            Whether the source was read for that.

        Raises:
            PolicyViolation: its records do not meet the policy.
        """

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Makes one batch of another with as many records."""

    def take_report(self) -> str:
        """What was done since the last call, as JSON; or nothing."""


class Unchanged:
    """Leaves records as they are."""

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
        """Nothing is asked of the source."""
        return False

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The same batch."""
        return batch

    def take_report(self) -> str:
        """No report."""
        return ""
