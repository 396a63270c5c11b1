"""Write a stream of records to a dataset, without a file in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from sealift.history.opened import OpenedDataset
from sealift.owner.push.admitting import check_batch
from sealift.owner.push.appending import (
    Appender,
    Author,
    PushTerms,
    check_policy,
    find_opened,
)
from sealift.owner.push.pacing import Pace
from sealift.owner.push.push import PushLimits, PushProgress
from sealift.owner.push.transforming import Transform
from sealift.owner.push.waiting import Waiting, as_chunk
from sealift.owner.sources import Source
from sealift.owner.sources.memory import MemorySource
from sealift.policy.reading import Reading
from sealift_protocol.errors import InvalidArgument, SchemaMismatch

# Records are converted to Arrow this many at a time.
_BATCH = 1024


class Writer:
    """Append records to a dataset. A context manager; a normal exit commits.

    Everything before a `flush` that returned is committed and stays, whatever happens.
    Later records are held in memory only, in no file, and are lost if the process dies. If
    the block ends with an exception, they are not committed.

    Attributes:
        commits: numbers of the commits so far.
    """

    def __init__(
        self,
        author: Author,
        terms: PushTerms,
        schema: pa.Schema | None,
        *,
        transform: Callable[[Source, Reading], Transform],
        reading: Callable[[OpenedDataset | None, pa.Schema | None], Reading],
        limits: PushLimits,
        progress: Callable[[PushProgress], None] = lambda _: None,
    ) -> None:
        """Start with no records.

        Args:
            author: the member who appends, and the dataset.
            terms: recipients, purpose, retention, policy.
            schema: the schema of the records; None to infer it from the first ones.
            transform: turns them into what is sealed.
            reading: decides how identifiers are read.
            limits: concurrent uploads, bytes per second, when to commit automatically.
            progress: called when the relay acknowledges shards.

        Raises:
            PolicyUnmet: the dataset requires another policy.
        """
        self._author = author
        self._terms = terms
        self._schema = schema
        self._make_transform = transform
        self._limits = limits
        self._progress = progress
        self._opened = find_opened(author)
        check_policy(self._opened, author, terms)
        self._reading = reading(self._opened, None)
        self._appender: Appender | None = None
        self._transform: Transform | None = None
        self._waiting: Waiting | None = None
        self._held: list[Mapping[str, Any]] = []
        self._written = 0
        self._flushed_at = time.monotonic()
        self.commits: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            if self._appender is not None:
                self._appender.__exit__(kind, error, trace)
            if self._transform is not None:
                self._transform.__exit__(kind, error, trace)

    def write(self, record: Mapping[str, Any]) -> None:
        """Add one record: a value for each column; a missing column is null.

        Raises:
            SchemaMismatch: it does not fit the schema; raised by `flush` at the latest.
            SealiftError: an upload failed.
        """
        self._held.append(record)
        if len(self._held) >= _BATCH:
            self._add_held()
        self._flush_if_due()

    def write_batch(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Add an Arrow batch or table of the schema.

        Raises:
            SchemaMismatch: its schema differs.
            InvalidValue: a record holds a value that no reader could open.
            SealiftError: an upload failed.
        """
        self._add_held()
        parts = batch.to_batches() if isinstance(batch, pa.Table) else [batch]
        for part in parts:
            self._add(part)
        self._flush_if_due()

    def flush(self) -> int | None:
        """Commit everything written so far; return the commit's number, None if there is none.

        Raises:
            KeyEpochMoved: the dataset was rotated in the meantime: write the records since
                the last commit again, with a new writer.
            SealiftError: an upload or the commit failed.
        """
        self._add_held()
        self._flushed_at = time.monotonic()
        if self._appender is None or self._transform is None:
            return None
        if self._waiting is not None:
            # What is written later is another push.
            for chunk in self._waiting.release():
                self._appender.add(self._transform.apply(chunk.batch))
        committed = self._appender.commit(policy_report=self._transform.take_report)
        if committed is None:
            return None
        self.commits.append(committed.commit.number)
        self._report()
        return committed.commit.number

    def _flush_if_due(self) -> None:
        limits = self._limits
        added = 0 if self._appender is None else self._appender.added_bytes
        added += 0 if self._waiting is None else self._waiting.size
        late = time.monotonic() - self._flushed_at >= limits.commit_seconds
        if (limits.commit_bytes and added >= limits.commit_bytes) or late:
            self.flush()

    def _add_held(self) -> None:
        if not self._held:
            return
        held, self._held = self._held, []
        if self._schema is None:
            self._schema = _inferred(held)
        self._add(_as_batch(held, self._schema, self._written))

    def _add(self, batch: pa.RecordBatch) -> None:
        if self._schema is None:
            self._schema = batch.schema
        if not batch.schema.equals(self._schema):
            raise SchemaMismatch(
                "the batch's schema differs from that of the earlier records"
            )
        appender, transform = self._begin(self._schema)
        check_batch(batch, transform.schema.names, before=self._written)
        if self._waiting is None:
            appender.add(transform.apply(batch))
        else:
            for chunk in self._waiting.add(as_chunk(batch)):
                appender.add(transform.apply(chunk.batch, early=True))
        self._written += batch.num_rows

    def _begin(self, schema: pa.Schema) -> tuple[Appender, Transform]:
        if self._appender is None or self._transform is None:
            source = MemorySource(pa.RecordBatchReader.from_batches(schema, []))
            self._transform = self._make_transform(source, self._reading)
            self._transform.check_whole(source, lambda _: None)
            if self._transform.waits:
                self._waiting = Waiting(self._transform)
            self._appender = Appender(
                self._author,
                self._opened,
                self._transform.schema,
                self._terms,
                jobs=self._limits.jobs,
                pace=Pace(self._limits.bytes_per_second),
                acknowledged=self._report,
            )
        return self._appender, self._transform

    def _report(self) -> None:
        if self._appender is not None:
            totals = self._appender.totals
            self._progress(
                PushProgress(
                    totals.acknowledged_records,
                    totals.acknowledged_bytes,
                    totals.records,
                )
            )


def _inferred(records: list[Mapping[str, Any]]) -> pa.Schema:
    try:
        schema = pa.Table.from_pylist(records).schema
    except (pa.ArrowException, TypeError):
        raise SchemaMismatch(
            "the types of the records are ambiguous", hint="give the writer a schema"
        ) from None
    for place, field in enumerate(schema, start=1):
        if pa.types.is_null(field.type):
            raise SchemaMismatch(
                f"the type of column {place} is unknown: all of its first values are null",
                hint="give the writer a schema",
            )
    return schema


def _as_batch(
    records: list[Mapping[str, Any]], schema: pa.Schema, before: int
) -> pa.RecordBatch:
    names = set(schema.names)
    for place, record in enumerate(records, start=before + 1):
        if not record.keys() <= names:
            raise SchemaMismatch(
                f"record {place} has a column that is not in the schema"
            )
    try:
        return pa.RecordBatch.from_pylist(records, schema=schema)
    except (pa.ArrowException, TypeError, OverflowError):
        pass
    # Arrow's own message quotes the value.
    for place, record in enumerate(records, start=before + 1):
        for column, field in enumerate(schema, start=1):
            try:
                pa.array([record.get(field.name)], field.type)
            except (pa.ArrowException, TypeError, OverflowError):
                raise SchemaMismatch(
                    f"record {place}, column {column}: the value is not of the column's type"
                ) from None
    raise InvalidArgument("the records cannot be converted to Arrow")
