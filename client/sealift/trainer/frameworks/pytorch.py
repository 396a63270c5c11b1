"""torch's ways to read: a loader of batches, an iterable dataset, a map-style one.

The order does not depend on the number of ranks or workers: a worker takes every n-th batch, so
what the loop sees is the same. Worker processes make their own connection; they are worth it where
a transform is slow (decoding images), not for opening shards, which threads do here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Unpack

from sealift.process.keywords import keywords_of
from sealift.trainer.engine.feed import Feed
from sealift.trainer.engine.plan import Plan, Run, Settings
from sealift.trainer.forms.columns import import_torch, pick_columns
from sealift.trainer.frameworks.device import onto_device
from sealift.trainer.frameworks.source import Records, commits_of, parts_of
from sealift.trainer.frameworks.torchoptions import (
    IterableOptions,
    LoaderOptions,
    Transform,
)
from sealift.trainer.metrics.metering import metered
from sealift_protocol.bill.format import filter_digest
from sealift_protocol.errors import InvalidArgument, RelayUnavailable

import_torch()

import torch  # noqa: E402 - after it is known to be there
import torch.utils.data  # noqa: E402

_STATE_VERSION = 1
_RUN = ("seed", "shuffle", "shuffle_block", "epoch", "batch_size", "world")


class TorchBatches(torch.utils.data.IterableDataset[Any]):
    """Batches of one training epoch after another, for a `DataLoader(..., batch_size=None)`.

    In a worker process it yields every n-th batch. `state_dict` says where this process stands, so
    that a torchdata `StatefulDataLoader` with as many workers as before goes on there; to go on
    with other numbers of workers or ranks, use `TorchLoader`.
    """

    def __init__(
        self,
        feed: Feed,
        plan: Plan,
        columns: Sequence[str] | None,
        transform: Transform | None,
    ) -> None:
        super().__init__()
        self.plan = plan
        self._feed = feed
        self._columns = columns
        self._transform = transform
        self._given = 0
        self._resumed = 0
        # What was opened lives as long as what reads it, in the process that opened it.
        self._source: Records | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_source": None}

    def set_epoch(self, epoch: int) -> None:
        """The training epoch that the next iteration goes through."""
        self.plan = replace(self.plan, epoch=epoch, start=0)

    def __len__(self) -> int:
        return len(self.plan.steps(self._feed.records()))

    def __iter__(self) -> Iterator[Any]:
        worker = torch.utils.data.get_worker_info()
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        self._feed = self._feed.here()
        skipped, self._resumed = self._resumed, 0
        self._given = skipped
        batches = self._feed.batches(
            self.plan,
            "torch",
            columns=self._columns,
            worker=number + skipped * count,
            workers=count,
        )
        for batch in batches:
            self._given += 1
            shown = batch if self._transform is None else self._transform(batch)
            yield shown if worker is None else _own_bytes(shown)
            del batch, shown
        self._given = 0

    def state_dict(self) -> dict[str, Any]:
        """Where this process stands in the training epoch."""
        return {
            "version": _STATE_VERSION,
            "epoch": self.plan.epoch,
            "start": self.plan.start,
            "given": self._given,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where a state was taken.

        Raises:
            InvalidArgument: it is of another version.
        """
        _check_version(state)
        self.plan = replace(self.plan, epoch=state["epoch"], start=state["start"])
        self._resumed = state["given"]


class TorchLoader(torch.utils.data.DataLoader[Any]):
    """Batches of one rank, training epoch after training epoch.

    Each full iteration advances the training epoch. `state_dict` is small and says how far all
    ranks together are, so that any number of ranks and workers goes on there, at once, without a
    record lost or seen twice.
    """

    def __init__(
        self,
        dataset: Records,
        batch_size: int,
        **options: Unpack[LoaderOptions],
    ) -> None:
        """Opens nothing yet.

        Args:
            dataset: what is read.
            batch_size: records of a batch, on each rank.
            options: see `LoaderOptions`.

        Raises:
            InvalidArgument: there is no such column or rank.
        """
        columns = options.get("columns")
        num_workers = options.get("num_workers", 0)
        context = options.get("multiprocessing_context")
        prefetch_factor = options.get("prefetch_factor")
        pick_columns(dataset.schema, columns)
        self._source = dataset
        self._columns = columns
        self._device = options.get("device")
        self._plan = _plan(batch_size, options)
        self._position = 0
        self._resumed = False
        self._batches = TorchBatches(
            dataset.feed, self._plan, columns, options.get("transform")
        )
        super().__init__(
            self._batches,
            batch_size=None,
            # torch's own takes a view of bytes for a list of numbers.
            collate_fn=_as_it_is,
            num_workers=num_workers,
            multiprocessing_context=context if num_workers else None,
            prefetch_factor=prefetch_factor if num_workers else None,
        )

    @property
    def epoch(self) -> int:
        """The training epoch that the next iteration goes through, or goes on with."""
        return self._plan.epoch

    def set_epoch(self, epoch: int) -> None:
        """Chooses the training epoch of the next iteration, which begins at its beginning."""
        if epoch != self._plan.epoch:
            self._plan, self._position, self._resumed = (
                replace(self._plan, epoch=epoch),
                0,
                False,
            )

    def __len__(self) -> int:
        """Batches of a whole training epoch."""
        return len(replace(self._plan, start=0).steps(self._source.feed.records()))

    @property
    def steps_left(self) -> int:
        """Batches of the next iteration: fewer than a whole epoch's after a state was loaded."""
        return len(self._here().steps(self._source.feed.records()))

    def __iter__(self) -> Any:
        plan = self._here()
        self._resumed = False
        self._position = plan.start
        self._batches.plan = plan
        feed = self._source.begin(plan, self._columns)
        if self.num_workers:
            self._declare(feed)
        steps = plan.steps(self._source.feed.records())
        found = metered(
            iter(super().__iter__()),
            feed.counters,
            self._source.options.metrics,
            epoch=plan.epoch,
        )
        if self._device is not None:
            found = onto_device(found, self._device)
        for number, batch in enumerate(found, 1):
            self._position = steps.after(number)
            if number == len(steps):
                # Who counts batches, as Lightning does, does not ask for one more than there are.
                self._end_epoch()
            yield batch
            del batch
        if not len(steps):
            self._end_epoch()

    def _end_epoch(self) -> None:
        self._plan, self._position = replace(self._plan, epoch=self._plan.epoch + 1), 0

    def state_dict(self) -> dict[str, Any]:
        """Where all ranks stand, when each has had as many batches as this one."""
        return {
            "version": _STATE_VERSION,
            "epoch": self._plan.epoch,
            "position": self._position,
            # So that the bill of materials of a run that was resumed is that of the whole run.
            "runs": [_saved(run) for run in self._source.runs],
            **self._identity(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where a state was taken, with any number of ranks and workers.

        Raises:
            InvalidArgument: it is of another version, dataset, commit or order.
        """
        _check_version(state)
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise InvalidArgument(
                    f"the state was taken with another {name.replace('_', ' ')}",
                    hint=_HINTS.get(
                        name, "make the loader as it was, then load the state"
                    ),
                )
        before = [
            Run.of(_loaded(run), self._columns, self._source.filtered)
            for run in state["runs"]
        ]
        self._source.runs[:0] = [run for run in before if run not in self._source.runs]
        self._plan = replace(self._plan, epoch=state["epoch"])
        self._position = state["position"]
        self._resumed = True

    def _here(self) -> Plan:
        """Where the next iteration begins: where a state was loaded, or at the beginning."""
        return replace(self._plan, start=self._position if self._resumed else 0)

    def _identity(self) -> dict[str, Any]:
        """What an order depends on."""
        return {
            "datasets": parts_of(self._source.feed),
            "commits": commits_of(self._source.feed),
            # A checkpoint travels; the text may compare a patient's number.
            "filter": filter_digest(self._source.filtered).hex(),
            **self._plan.order,
        }

    def _declare(self, feed: Feed) -> None:
        """One disclosure for all workers, in this process, where the bill of materials is made."""
        try:
            feed.declare()
        except RelayUnavailable:
            # All of it may be in the cache; a worker that needs the relay says what it lacks.
            return


_HINTS = {
    "commits": "open the dataset at the commit of the state: dataset.pin_commit(n)",
    "datasets": "open the same datasets, with the same weights, in the same order",
}


class RecordsByNumber(torch.utils.data.Dataset[Any]):
    """Records by number, for samplers; fetches the segments that hold them.

    `records[7]` is one record, `records[[7, 3]]` a batch of two; so a `BatchSampler` as the sampler
    of a `DataLoader(..., batch_size=None)` gives whole batches without a record in between.
    """

    def __init__(
        self,
        dataset: Records,
        columns: Sequence[str] | None,
        transform: Transform | None,
    ) -> None:
        self._source: Records | None = dataset
        self._feed = dataset.feed
        self._columns = columns
        self._transform = transform

    def __len__(self) -> int:
        return sum(int(supply.counts.sum()) for supply in self._feed.supplies)

    def __getitem__(self, number: int | Sequence[int]) -> Any:
        if isinstance(number, Sequence):
            batch = self._take(number)
            return batch if self._transform is None else self._transform(batch)
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[Any]:
        """Several records in one go, as torch's fetcher asks for them."""
        batch = self._take(numbers)
        records = [
            {name: values[row] for name, values in batch.items()}
            for row in range(len(numbers))
        ]
        return (
            records
            if self._transform is None
            else [self._transform(r) for r in records]
        )

    def _take(self, numbers: Sequence[int]) -> dict[str, Any]:
        self._feed = self._feed.here()
        batch = self._feed.take(numbers, self._columns, "torch", declare_all=True)
        shown: dict[str, Any] = _own_bytes(batch)
        return shown

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_source": None}


def iterable(
    dataset: Records, batch_size: int, **options: Unpack[IterableOptions]
) -> TorchBatches:
    """Batches as an iterable dataset; see `IterableOptions`."""
    plan, columns = _plan(batch_size, options), options.get("columns")
    feed = dataset.begin(plan, columns)
    batches = TorchBatches(feed, plan, columns, options.get("transform"))
    batches._source = dataset
    return batches


def _plan(batch_size: int, options: IterableOptions) -> Plan:
    """The training epoch that options ask for; shuffled, unless they say otherwise."""
    rank, world = _ranks(options.get("rank"), options.get("world"))
    settings = keywords_of(options, Settings)
    settings.setdefault("shuffle", True)
    settings["rank"], settings["world"] = rank, world
    return Plan(batch_size, **settings)


def _saved(run: Run) -> list[Any]:
    """A run as the state of a loader has it."""
    return [
        run.batch_size if name == "batch_size" else getattr(run.plan, name)
        for name in _RUN
    ]


def _loaded(values: Sequence[Any]) -> Plan | None:
    """The plan of a saved run; None for records that were read as they lie."""
    settings = dict(zip(_RUN, values, strict=True))
    return None if settings["batch_size"] is None else Plan(**settings)


def _ranks(rank: int | None, world: int | None) -> tuple[int, int]:
    if (rank is None) != (world is None):
        raise InvalidArgument("rank and world are given together, or not at all")
    if rank is not None and world is not None:
        return rank, world
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _check_version(state: dict[str, Any]) -> None:
    if state.get("version") != _STATE_VERSION:
        raise InvalidArgument(
            "the state has a version that this release does not know",
            hint="use the release that took it",
        )


def _as_it_is(batch: Any) -> Any:
    """A batch, for a loader that would change it otherwise; a spawned worker finds it by name."""
    return batch


def _own_bytes(batch: Any) -> Any:
    """A batch that can leave its process: views of bytes become bytes."""
    if not isinstance(batch, dict):
        return batch
    return {
        name: [bytes(v) if isinstance(v, memoryview) else v for v in values]
        if isinstance(values, list)
        else values
        for name, values in batch.items()
    }
