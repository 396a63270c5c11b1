"""An opened dataset, or several read as one: batches, arrays and tensors."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
import pyarrow as pa

from sealift.history.disclosures import Fetch
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.history.schemas import follows
from sealift.process.clock import unix
from sealift.process.keywords import keywords_of, refuse_unknown
from sealift.trainer.bill import bill_dataset, make_bill
from sealift.trainer.engine.feed import Feed, Supply
from sealift.trainer.engine.plan import Plan, Run, Settings
from sealift.trainer.engine.reading import Opening
from sealift.trainer.engine.sealed import SealedDataset
from sealift.trainer.engine.selecting import matching, select
from sealift.trainer.forms.batches import as_numpy, as_torch
from sealift.trainer.forms.columns import pick_columns
from sealift.trainer.forms.gathering import Form, Gathered, Selection
from sealift.trainer.frameworks.torchoptions import IterableOptions, LoaderOptions
from sealift.trainer.metrics.metering import metered
from sealift.trainer.options import ReadOptions
from sealift_protocol.errors import GrantExpired, InvalidArgument, SchemaMismatch

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from sealift.trainer.frameworks.pytorch import (
        RecordsByNumber,
        TorchBatches,
        TorchLoader,
    )

_POLL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """One of the datasets that are read as one.

    Attributes:
        path: OWNER/DATASET, as requested.
        owner: the owner's name, as trusted on this machine.
        opened: the verified history and its opened contents.
        purpose: the purpose that disclosures declare.
        weight: its share of each training epoch; None if everything is taken.
    """

    path: str = field(repr=False)
    owner: str
    opened: OpenedDataset = field(repr=False)
    purpose: str = field(repr=False)
    weight: float | None = None


Reopen = Callable[[Part, int | None], OpenedDataset]


class Reading(Settings, total=False):
    """How records are read; see `Dataset.batches` for each option."""

    columns: Sequence[str] | None
    filter: pc.Expression | None
    watch: bool
    copy: bool


class Dataset:
    """Verified datasets, read as one. Nothing is fetched before iteration starts.

    Batches are views of pooled memory, which is reused once nothing refers to it. A batch that
    is kept is not overwritten; a loop that drops its batches runs in constant memory.

    Attributes:
        parts: the datasets.
        schema: Arrow schema of the records.
        options: how they are read.
        runs: the training epochs begun so far, for the bill of materials.
        on_close: called when the dataset is closed.
    """

    def __init__(
        self,
        member: Member,
        parts: Sequence[Part],
        options: ReadOptions,
        reopen: Reopen,
        *,
        feed: Feed | None = None,
        filtered: str = "",
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._member = member
        self._reopen = reopen
        self._filtered = filtered
        self.on_close = on_close
        self.parts = tuple(parts)
        self.options = options
        self.schema: pa.Schema = _common_schema([part.opened.schema for part in parts])
        self.runs: list[Run] = []
        self._feed = feed or Feed(
            member.relay,
            [_supply(member, part) for part in parts],
            self.schema,
            options,
        )
        self._free = weakref.finalize(self, self._feed.close)
        for part in parts:
            if self._feed.cache is not None and member.last_seen.purges(
                part.opened.dataset_id
            ):
                live = {entry.shard_id for entry in part.opened.shards}
                self._feed.cache.keep_only(part.opened.dataset_id, live)

    def __repr__(self) -> str:
        return f"<Dataset of {self.num_records} records in {self.num_shards} shards>"

    def __len__(self) -> int:
        return self.num_records

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wipe the memory that is no longer used, and close what was opened for the dataset."""
        self._free()
        if self.on_close is not None:
            self.on_close()

    # --- what it is --------------------------------------------------------------------------

    @property
    def num_records(self) -> int:
        """Number of records, without those that a filter leaves out."""
        return sum(int(supply.counts.sum()) for supply in self._feed.supplies)

    @property
    def num_shards(self) -> int:
        """Number of live shards."""
        return sum(len(part.opened.shards) for part in self.parts)

    @property
    def name(self) -> str:
        """The name that its owner gave it; for several datasets, that of the first."""
        return self._opened.name

    @property
    def owner(self) -> str:
        """The owner's name, as trusted on this machine; for several datasets, that of the first."""
        return self.parts[0].owner

    @property
    def description(self) -> str:
        """The owner's description; for several datasets, that of the first."""
        return self._opened.description

    @property
    def commit(self) -> int:
        """Number of the opened commit; for several datasets, that of the first."""
        return self._opened.history.head.number

    @property
    def policies(self) -> list[str]:
        """SHA-256, in hex, of the policies under which the records were de-identified.

        An empty string stands for records under no policy.
        """
        return sorted(
            {digest.hex() for part in self.parts for digest in part.opened.policies}
        )

    @property
    def policy_reports(self) -> tuple[str, ...]:
        """What de-identification did, as JSON (docs/spec/policy.md), by commit."""
        return tuple(text for part in self.parts for text in part.opened.policy_reports)

    @property
    def pending_purges(self) -> list[int]:
        """Commits that erased records this member may have fetched; see `confirm_purge`."""
        seen = self._member.last_seen
        return sorted(
            n for part in self.parts for n in seen.purges(part.opened.dataset_id)
        )

    @property
    def counters(self) -> dict[str, int]:
        """Totals of reading so far: bytes fetched and cached, shards refetched and skipped."""
        return self._feed.counters.snapshot()

    @property
    def _opened(self) -> OpenedDataset:
        return self.parts[0].opened

    # --- other views of it -------------------------------------------------------------------

    def filter(self, expression: pc.Expression) -> Dataset:
        """Return a dataset with only the records for which an expression is true.

        This reads everything once to find those records, so that batches are full, all ranks
        take the same number of steps, and a run can be resumed. It keeps one bit per record.

        Raises:
            InvalidArgument: the expression does not fit the columns.
        """
        chosen = select(self._feed, expression)
        filtered = self._filtered_by(expression)
        return self._with(
            self.parts, feed=self._feed.with_chosen(chosen), filtered=filtered
        )

    def _filtered_by(self, expression: pc.Expression | None) -> str:
        """Return this dataset's filter combined with another one, as text."""
        if expression is None:
            return self._filtered
        return (
            f"({self._filtered}) and ({expression})"
            if self._filtered
            else str(expression)
        )

    def pin_commit(self, number: int) -> Dataset:
        """Return the dataset as it was after commit `number`, for a reproducible run.

        Raises:
            InvalidArgument: there are several datasets, or there is no such commit.
            ShardsGone: its owner has since removed some of its records.
        """
        if len(self.parts) > 1:
            raise InvalidArgument(
                "a commit belongs to one dataset",
                hint="pin each dataset when opening it: pin={...}",
            )
        opened = self._reopen(self.parts[0], number)
        return self._with([replace(self.parts[0], opened=opened)])

    def refresh(self) -> Dataset:
        """Return the dataset with everything committed since it was opened."""
        return self._with(
            [replace(part, opened=self._reopen(part, None)) for part in self.parts]
        )

    def _with(
        self, parts: Sequence[Part], *, feed: Feed | None = None, filtered: str = ""
    ) -> Dataset:
        if self._filtered and feed is None:
            raise InvalidArgument(
                "a filtered dataset cannot be reopened",
                hint="apply the filter afterwards",
            )
        return Dataset(
            self._member,
            parts,
            self.options,
            self._reopen,
            feed=feed,
            filtered=filtered,
            on_close=self.on_close,
        )

    # --- records -----------------------------------------------------------------------------

    def batches(
        self, batch_size: int | None = None, **reading: Unpack[Reading]
    ) -> Iterator[pa.RecordBatch]:
        """Yield Arrow record batches.

        Iteration begins with a disclosure, signed by this member, that enters the relay's
        log before the first byte is sent, unless everything is in the cache.

        Args:
            batch_size: records per batch; by default, batches as stored in the shards, without
                a copy.
            columns: names of the columns to read; all by default.
            filter: only records for which this is true.
            shuffle: use the order that follows from seed, training epoch and commit.
            seed: seed of that order; 0 by default.
            epoch: the training epoch; 0 by default.
            shuffle_block: number of shards mixed at a time: more memory, better mixing; 8 by
                default.
            drop_last: leave out the records that do not fill a batch.
            rank: which slice of the order to read, of `world`.
            world: number of slices.
            start: position in the order at which to begin.
            watch: continue with later commits, forever; without shuffle.
            copy: give batches memory of their own, which is not wiped.

        Raises:
            VerificationError: what the relay sent is not what the owner sealed.
            GrantExpired: the grant has ended.
            SealiftError: the relay refused, or was unreachable.
        """
        return self._iterate("arrow", batch_size, reading, "batches")

    def numpy(
        self, batch_size: int | None = None, **reading: Unpack[Reading]
    ) -> Iterator[dict[str, Any]]:
        """Yield a dict for each batch: arrays of (rows,), (rows, size) or (rows, *shape).

        Lists of numbers are `Ragged`, bytes a list of memoryviews. Arguments as for `batches`.
        """
        return self._iterate("numpy", batch_size, reading, "numpy")

    def torch(
        self, batch_size: int | None = None, **reading: Unpack[Reading]
    ) -> Iterator[dict[str, Any]]:
        """Yield a dict for each batch: tensors of (rows,), (rows, size) or (rows, *shape).

        Lists of numbers are `Ragged`, bytes a list of memoryviews, strings a list. Arguments as for
        `batches`.

        Raises:
            InvalidArgument: torch is not installed, or a numeric column has nulls.
        """
        return self._iterate("torch", batch_size, reading, "torch")

    def to_table(
        self,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002
    ) -> pa.Table:
        """Return all records in one table, in memory."""
        batches = self.batches(columns=columns, filter=filter)
        return pa.Table.from_batches(batches, schema=pick_columns(self.schema, columns))

    def head(self, n: int = 5, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the first records; fetches only the segments that hold them."""
        batch = self.take(range(min(n, self.num_records)), columns)
        return pa.Table.from_batches([batch])

    def take(
        self,
        indices: Sequence[int] | np.ndarray[Any, Any],
        columns: Sequence[str] | None = None,
    ) -> pa.RecordBatch:
        """Return records by number, in the given order; fetches the segments that hold them.

        Args:
            indices: record numbers from 0, in the dataset's own order.
            columns: names of the columns to read; all by default.

        Raises:
            InvalidArgument: there is no record of that number.
        """
        self._check_grants()
        batch: pa.RecordBatch = self._feed.take(
            indices, columns, "arrow", declare_all=False
        )
        return batch

    def shards(
        self, columns: Sequence[str] | None = None
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        """Yield the record batches of each shard, as stored; see `batches`."""
        self._check_grants()
        return (_wanted_of(opening, None) for opening in self._feed.shards(columns))

    # --- torch -------------------------------------------------------------------------------

    def torch_loader(
        self, batch_size: int, **options: Unpack[LoaderOptions]
    ) -> TorchLoader:
        """Return a `torch.utils.data.DataLoader` of batches; see `TorchLoader`."""
        refuse_unknown(options, LoaderOptions.__annotations__, "torch_loader")
        from sealift.trainer.frameworks.pytorch import TorchLoader

        return TorchLoader(self, batch_size, **options)

    def torch_iterable(
        self, batch_size: int, **options: Unpack[IterableOptions]
    ) -> TorchBatches:
        """Return a `torch.utils.data.IterableDataset` of batches, for your own DataLoader.

        It takes the options of `torch_loader` that select what is read.
        """
        refuse_unknown(options, IterableOptions.__annotations__, "torch_iterable")
        from sealift.trainer.frameworks.pytorch import iterable

        return iterable(self, batch_size, **options)

    def torch_map(
        self,
        columns: Sequence[str] | None = None,
        transform: Callable[[dict[str, Any]], Any] | None = None,
    ) -> RecordsByNumber:
        """Return a map-style `torch.utils.data.Dataset` of single records, for samplers."""
        from sealift.trainer.frameworks.pytorch import RecordsByNumber

        return RecordsByNumber(self, columns, transform)

    # --- what was read -----------------------------------------------------------------------

    def bill_of_materials(
        self, *, checkpoint: Path | None = None, note: str = ""
    ) -> str:
        """Return a signed document of what the training epochs begun so far have read.

        It names commits, shards, orders, seeds and policies, and has digests of the columns and the
        filter; see docs/spec/bill.md.

        Args:
            checkpoint: a file whose digest is included.
            note: a line of text to include.
        """
        billed = [
            bill_dataset(
                part.opened, weight=part.weight, disclosures=declarations.digests
            )
            for part, declarations in zip(
                self.parts, self._feed.declarations, strict=True
            )
        ]
        return make_bill(
            self._member.identity,
            self._member.now,
            billed,
            self.runs,
            checkpoint=checkpoint,
            note=note,
        )

    def memory(
        self, *, shuffle_block: int = 8, shuffle: bool = True, world: int = 1
    ) -> int:
        """Bytes of shards that a training epoch has in use and read ahead; buffers take more."""
        plan = Plan(1, shuffle=shuffle, shuffle_block=shuffle_block, world=world)
        return self._feed.memory(plan)

    @property
    def feed(self) -> Feed:
        """The engine that reads the records."""
        return self._feed

    @property
    def filtered(self) -> str:
        """The filter as text; empty if there is none."""
        return self._filtered

    def read(
        self,
        form: Form,
        plan: Plan | None,
        columns: Sequence[str] | None = None,
        *,
        filter: pc.Expression | None = None,  # noqa: A002 - what pyarrow calls it
        watch: bool = False,
        copy: bool = False,
    ) -> Iterator[Any]:
        """Yield batches of one training epoch, or of records in stored order (None).

        Args:
            form: "arrow", "numpy" or "torch".
            plan: the training epoch's settings.
            columns: names of the columns, in this order; all by default.
            filter: only records for which this is true.
            watch: continue with later commits, forever; without shuffle.
            copy: give batches memory of their own.

        Raises:
            InvalidArgument: a column does not exist, or two settings exclude each other.
        """
        pick_columns(self.schema, columns)
        if watch:
            if plan is not None and plan.shuffle:
                raise InvalidArgument(
                    "watch and shuffle cannot be combined: future records cannot be shuffled"
                )
            return self._watch(form, plan, columns, filter, copy)
        if plan is None:
            found = self._as_they_lie(form, columns, filter, copy)
            return metered(found, self._feed.counters, self.options.metrics, epoch=0)
        if filter is not None:
            chosen = self.filter(filter)
            # The bill of this dataset must include what is read from it.
            chosen.runs = self.runs
            return chosen.read(form, plan, columns, copy=copy)
        feed = self.begin(plan, columns)
        found = feed.batches(plan, form, columns=columns, copy=copy)
        return metered(found, feed.counters, self.options.metrics, epoch=plan.epoch)

    def begin(
        self,
        plan: Plan | None,
        columns: Sequence[str] | None,
        wanted: pc.Expression | None = None,
    ) -> Feed:
        """Record that a training epoch begins, or a reading in stored order (None).

        Returns the feed that reads it. A filter for this reading alone is recorded, not applied.

        Raises:
            GrantExpired: a grant has ended.
        """
        self._check_grants()
        run = Run.of(plan, columns, self._filtered_by(wanted))
        if run not in self.runs:
            self.runs.append(run)
        return self._feed

    # -----------------------------------------------------------------------------------------

    def _iterate(
        self, form: Form, batch_size: int | None, reading: Reading, name: str
    ) -> Iterator[Any]:
        refuse_unknown(reading, Reading.__annotations__, name)
        settings = keywords_of(reading, Settings)
        plan = Plan(1 if batch_size is None else batch_size, **settings)
        in_order = not (plan.shuffle or plan.drop_last or plan.world > 1 or plan.start)
        if batch_size is None and not in_order:
            raise InvalidArgument(
                "shuffle, drop_last, rank and start need a batch_size",
                hint="give a batch_size",
            )
        return self.read(
            form,
            None if batch_size is None else plan,
            reading.get("columns"),
            filter=reading.get("filter"),
            watch=reading.get("watch", False),
            copy=reading.get("copy", False),
        )

    def _as_they_lie(
        self,
        form: Form,
        columns: Sequence[str] | None,
        wanted: pc.Expression | None,
        copy: bool,
    ) -> Iterator[Any]:
        self.begin(None, columns, wanted)
        # A filter may use columns that are not requested.
        read = columns if wanted is None else None
        for opening in self._feed.shards(read):
            for batch in _wanted_of(opening, wanted):
                if wanted is not None and columns is not None:
                    batch = batch.select(list(columns))
                own = copy or wanted is not None or opening.selected is not None
                yield _formed(opening, batch, form, own=own)
                del batch
            del opening

    def _watch(
        self,
        form: Form,
        plan: Plan | None,
        columns: Sequence[str] | None,
        wanted: pc.Expression | None,
        copy: bool,
    ) -> Iterator[Any]:
        dataset, seen = self, [frozenset[bytes]()] * len(self.parts)
        while True:
            parts = [
                replace(part, opened=_without(part.opened, known))
                for part, known in zip(dataset.parts, seen, strict=True)
            ]
            if any(part.opened.shards for part in parts):
                fresh = self._with(parts)
                fresh.runs = self.runs
                yield from fresh.read(form, plan, columns, filter=wanted, copy=copy)
            seen = [
                known | {entry.shard_id for entry in part.opened.shards}
                for part, known in zip(dataset.parts, seen, strict=True)
            ]
            time.sleep(_POLL_SECONDS)
            dataset = dataset.refresh()

    def _check_grants(self) -> None:
        now = unix(self._member.now)
        for part in self.parts:
            grants = [
                grant
                for identity in self._member.identities
                for grant in part.opened.history.grants_of(identity)
            ]
            if grants and not any(grant.live_at(now) for grant in grants):
                raise GrantExpired("the grant of the dataset has ended")


def _supply(member: Member, part: Part) -> Supply:
    opened = part.opened
    sealed = SealedDataset(
        Fetch.of(opened, part.purpose),
        opened.shards,
        opened.epoch_keys,
        member.identity,
        member.now,
    )
    counts = [opened.record_counts[entry.shard_id] for entry in opened.shards]
    return Supply(sealed, np.array(counts, np.int64), weight=part.weight)


def _common_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the widest of some schemas that follow each other.

    Raises:
        SchemaMismatch: they do not follow each other.
    """
    for widest in sorted(schemas, key=len, reverse=True):
        if all(follows(schema, widest) for schema in schemas):
            return widest
    raise SchemaMismatch(
        "the datasets do not have the same columns", hint="open them separately"
    )


def _without(opened: OpenedDataset, known: frozenset[bytes]) -> OpenedDataset:
    return replace(
        opened, shards=tuple(e for e in opened.shards if e.shard_id not in known)
    )


def _wanted_of(
    opening: Opening, wanted: pc.Expression | None
) -> Iterator[pa.RecordBatch]:
    rows = opening.selected
    begin = 0
    for batch in opening.batches:
        end = begin + batch.num_rows
        found = batch
        if rows is not None:
            here = rows[(rows >= begin) & (rows < end)] - begin
            found = batch.take(pa.array(here))
        if wanted is not None:
            found = found.filter(pa.array(matching(found, wanted)))
        begin = end
        if found.num_rows:
            yield found
        del found, batch


def _formed(opening: Opening, batch: pa.RecordBatch, form: Form, *, own: bool) -> Any:
    """Return a batch in its form; a view of the opened shard, or memory of its `own`."""
    if own:
        rows = np.arange(batch.num_rows)
        whole = Selection(opening.payload, batch, rows, rows)
        return Gathered([whole], batch.schema, form, None).batch(0, batch.num_rows)
    if form == "arrow":
        return batch
    return as_numpy(batch) if form == "numpy" else as_torch(opening.payload, batch)
