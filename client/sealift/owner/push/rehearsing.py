"""Read and de-identify a source without sealing or sending anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from sealift.owner.push.admitting import admitted
from sealift.owner.push.packing import plain_schema
from sealift.owner.push.push import forget_left_out, left_out_of
from sealift.owner.push.transforming import Transform
from sealift.owner.push.waiting import in_turn
from sealift.owner.sources import BEGINNING, Rejects, Source
from sealift_protocol.errors import EmptySource


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a push would send.

    Attributes:
        schema: the schema that would be sealed.
        records: how many records were read.
        payload_bytes: their bytes, before sealing.
        parts: how many parts (files) the source has.
        rejected: how many records could not be read.
        whole: whether the source was read to its end.
        before: the first records, as the source has them.
        after: the same records, as they would be sealed.
        report: what de-identification did, as JSON; or empty.
        left_out: by name, how often the source had a value for which it has no column.
    """

    schema: pa.Schema = field(repr=False)
    records: int
    payload_bytes: int
    parts: int
    rejected: int
    whole: bool
    before: pa.RecordBatch = field(repr=False)
    after: pa.RecordBatch = field(repr=False)
    report: str = field(repr=False)
    left_out: Mapping[str, int] = field(default_factory=dict, repr=False)


def rehearse(
    source: Source,
    transform: Transform,
    rejects: Rejects,
    *,
    max_records: int = 0,
    sample: int = 5,
    progress: Callable[[int, int], None] = lambda _records, _position: None,
) -> Rehearsal:
    """Read a source from its beginning, as a push would.

    Args:
        source: the source to read.
        transform: turns its batches into what would be sealed.
        rejects: takes the records that cannot be read.
        max_records: stop after this many records; 0 to read to the end.
        sample: how many records to keep.
        progress: called with the records and bytes read so far.

    Raises:
        EmptySource: the source has no records.
        PolicyViolation: the records do not meet the policy.
        SourceError: a record cannot be read.
    """
    records = payload_bytes = parts = done = 0
    before: pa.RecordBatch | None = None
    after: pa.RecordBatch | None = None
    whole = True
    with transform:
        if transform.check_whole(source, lambda _: BEGINNING):
            rejects.forget()
            forget_left_out(source)
        for part in source.parts():
            parts += 1
            chunks = admitted(
                source.read(part, BEGINNING),
                part,
                BEGINNING,
                rejects,
                transform.schema.names,
            )
            for chunk, early in in_turn(chunks, transform, lambda: False):
                batch = chunk.batch
                if max_records and records + batch.num_rows > max_records:
                    batch = batch.slice(0, max_records - records)
                transform.count_failed(chunk.failed)
                changed = transform.apply(batch, early=early)
                if before is None and batch.num_rows:
                    before, after = batch.slice(0, sample), changed.slice(0, sample)
                records += batch.num_rows
                payload_bytes += changed.nbytes
                progress(records, done + chunk.position)
                if max_records and records >= max_records:
                    whole = False
                    break
            if not whole:
                break
            done += part.size
        report = transform.take_own_report()
    if before is None or after is None:
        raise EmptySource("the source has no records")
    return Rehearsal(
        schema=plain_schema(transform.schema),
        records=records,
        payload_bytes=payload_bytes,
        parts=parts,
        rejected=rejects.count,
        whole=whole,
        before=before,
        after=after,
        report=report,
        left_out=left_out_of(source),
    )
