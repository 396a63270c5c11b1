"""The bill of materials of a training run, as its trainer makes it (docs/spec/bill.md).

It states which commits of which datasets were used in a run, and in which order. It names no
person, file or column, and is signed, so that it can be kept with a checkpoint and the owners
can check it against the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sealift.crypto.signing import Identity
from sealift.history.opened import OpenedDataset
from sealift.process.clock import Clock, unix
from sealift.trainer.engine.order import ALGORITHM
from sealift.trainer.engine.plan import Run
from sealift_protocol import signed as envelope
from sealift_protocol.bill.format import (
    Bill,
    BilledDataset,
    BilledFile,
    BilledRun,
    columns_digest,
    filter_digest,
    shards_digest,
    verify_bill,
    write_envelope,
    write_payload,
)
from sealift_protocol.errors import InvalidArgument, MalformedObject


def bill_dataset(
    opened: OpenedDataset,
    *,
    weight: float | None = None,
    disclosures: Iterable[bytes] = (),
) -> BilledDataset:
    """Return what an opened dataset contributes to a run.

    Args:
        opened: the dataset, at the commit that was trained on.
        weight: its share in a weighted mix; None if each training epoch takes everything.
        disclosures: object digests (32 bytes) of the disclosures under which it was fetched.
    """
    history, head = opened.history, opened.history.head
    taken = {entry.shard_id for entry in opened.shards}
    left_out = (e.not_after for e in history.shards.values() if e.shard_id not in taken)
    return BilledDataset(
        dataset_id=opened.dataset_id,
        owner=history.owner,
        commit=head.number,
        commit_digest=head.digest,
        # An owner who checks later must leave out exactly what had expired by then.
        expired_by=max(left_out, default=0),
        shards=len(opened.shards),
        shards_digest=shards_digest(opened.dataset_id, opened.shards),
        records=sum(opened.record_counts[entry.shard_id] for entry in opened.shards),
        policies=tuple(sorted(opened.policies)),
        disclosures=tuple(dict.fromkeys(disclosures)),
        weight=weight,
    )


def make_bill(
    identity: Identity,
    now: Clock,
    parts: Sequence[BilledDataset],
    runs: Sequence[Run],
    *,
    checkpoint: Path | None = None,
    note: str = "",
) -> str:
    """Sign a bill of materials; return a JSON document.

    Args:
        identity: the trainer's identity.
        now: the clock.
        parts: what was trained on: one entry for each dataset, or for each commit of one.
        runs: training epochs in the order in which they were begun. Only digests of columns
            and filters go into the bill: more people read it than may know the columns.
        checkpoint: the resulting file; its SHA-256 and size go into the bill, not its name.
        note: a note by the trainer; every reader of the bill can read it.

    Raises:
        InvalidArgument: a value is not allowed in a bill, or the checkpoint cannot be read.
    """
    bill = Bill(
        time=unix(now),
        trainer=identity.fingerprint,
        datasets=tuple(parts),
        runs=tuple(_grouped(runs)),
        checkpoint=None if checkpoint is None else measure_file(checkpoint),
        note=note,
    )
    text = write_envelope(
        identity.sign(envelope.BILL_OF_MATERIALS, write_payload(bill))
    )
    try:
        # The format is defined once, in its parser.
        verify_bill(text)
    except MalformedObject as error:
        raise InvalidArgument(
            f"the bill of materials cannot be made: {error.what}",
            hint="see docs/spec/bill.md for what a bill may contain",
        ) from None
    return text


def measure_file(path: Path) -> BilledFile:
    """Return the SHA-256 and size of a file.

    Raises:
        InvalidArgument: it cannot be read, or is a folder.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            return BilledFile(digest, file.tell())
    except OSError:
        raise InvalidArgument(
            "the checkpoint is not a file that can be read",
            hint="for a checkpoint in several files, name an archive, or a list of their digests",
        ) from None


def _grouped(runs: Sequence[Run]) -> Iterator[BilledRun]:
    """Merge runs of equal settings, so that a bill stays small for long training runs."""
    epochs: dict[BilledRun, list[int]] = {}
    for run in runs:
        settings = BilledRun(
            order=ALGORITHM,
            **run.plan.order,
            epochs=(),
            batch_size=run.batch_size or 0,
            world=run.plan.world,
            columns_digest=None if run.columns is None else columns_digest(run.columns),
            filter_digest=filter_digest(run.filter),
        )
        epochs.setdefault(settings, []).append(run.plan.epoch)
    for settings, begun in epochs.items():
        yield replace(settings, epochs=tuple(_spans(begun)))


def _spans(epochs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield consecutive numbers as first and last: 0, 1, 2, 2, 3 are (0, 2) and (2, 3)."""
    first = last = epochs[0]
    for epoch in epochs[1:]:
        if epoch != last + 1:
            yield first, last
            first = epoch
        last = epoch
    yield first, last
