"""Readers for PyTorch: a loader of batches, an iterable dataset, a map-style dataset.

The order does not depend on the number of ranks or workers: each worker takes every n-th batch,
so the loop sees the same batches. Each worker process makes its own connection. Workers help if a
transform is slow (decoding images); opening shards does not need them, since threads do it here.
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

import torch  # noqa: E402 - imported after the check that it is installed
import torch.utils.data  # noqa: E402

_STATE_VERSION = 1
_RUN = ("seed", "shuffle", "shuffle_block", "epoch", "batch_size", "world")


class TorchBatches(torch.utils.data.IterableDataset[Any]):
    """Batches of successive training epochs, for a `DataLoader(..., batch_size=None)`.

    In a worker process it yields every n-th batch. `state_dict` gives the position of this process,
    so that a torchdata `StatefulDataLoader` with the same number of workers continues there. To
    continue with other numbers of workers or ranks, use `TorchLoader`.
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
        # What was opened lives as long as its reader, in the process that opened it.
        self._source: Records | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_source": None}

    def set_epoch(self, epoch: int) -> None:
        """Set the training epoch that the next iteration reads."""
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
        """Return the position of this process in the training epoch."""
        return {
            "version": _STATE_VERSION,
            "epoch": self.plan.epoch,
            "start": self.plan.start,
            "given": self._given,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state.

        Raises:
            InvalidArgument: it has another version.
        """
        _check_version(state)
        self.plan = replace(self.plan, epoch=state["epoch"], start=state["start"])
        self._resumed = state["given"]


class TorchLoader(torch.utils.data.DataLoader[Any]):
    """Batches of one rank, for successive training epochs.

    Each full iteration advances the training epoch. `state_dict` is small and gives the position of
    all ranks together, so that any number of ranks and workers can continue there at once, with no
    record lost or seen twice.
    """

    def __init__(
        self,
        dataset: Records,
        batch_size: int,
        **options: Unpack[LoaderOptions],
    ) -> None:
        """Open nothing yet.

        Args:
            dataset: the dataset to read.
            batch_size: number of records in a batch, on each rank.
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
            # torch's own collation would treat a view of bytes as a list of numbers.
            collate_fn=_as_it_is,
            num_workers=num_workers,
            multiprocessing_context=context if num_workers else None,
            prefetch_factor=prefetch_factor if num_workers else None,
        )

    @property
    def epoch(self) -> int:
        """The training epoch that the next iteration reads or continues."""
        return self._plan.epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the training epoch of the next iteration, which starts at its first batch."""
        if epoch != self._plan.epoch:
            self._plan, self._position, self._resumed = (
                replace(self._plan, epoch=epoch),
                0,
                False,
            )

    def __len__(self) -> int:
        """Return the number of batches in a whole training epoch."""
        return len(replace(self._plan, start=0).steps(self._source.feed.records()))

    @property
    def steps_left(self) -> int:
        """Batches in the next iteration; fewer than a whole epoch after loading a state."""
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
                # A caller that counts batches, as Lightning does, does not ask for one more.
                self._end_epoch()
            yield batch
            del batch
        if not len(steps):
            self._end_epoch()

    def _end_epoch(self) -> None:
        self._plan, self._position = replace(self._plan, epoch=self._plan.epoch + 1), 0

    def state_dict(self) -> dict[str, Any]:
        """Return the position of all ranks, once each has had as many batches as this one."""
        return {
            "version": _STATE_VERSION,
            "epoch": self._plan.epoch,
            "position": self._position,
            # So that the bill of materials of a resumed run covers the whole run.
            "runs": [_saved(run) for run in self._source.runs],
            **self._identity(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state, with any number of ranks and workers.

        Raises:
            InvalidArgument: its version, dataset, commit or order differs.
        """
        _check_version(state)
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise InvalidArgument(
                    f"the state was saved with another {name.replace('_', ' ')}",
                    hint=_HINTS.get(
                        name, "create the loader as it was, then load the state"
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
        """Return where the next iteration begins: at a loaded state, or at the start."""
        return replace(self._plan, start=self._position if self._resumed else 0)

    def _identity(self) -> dict[str, Any]:
        """Return what an order depends on."""
        return {
            "datasets": parts_of(self._source.feed),
            "commits": commits_of(self._source.feed),
            # A checkpoint travels, and the text may contain a patient's number.
            "filter": filter_digest(self._source.filtered).hex(),
            **self._plan.order,
        }

    def _declare(self, feed: Feed) -> None:
        """Log one disclosure for all workers; this process makes the bill of materials."""
        try:
            feed.declare()
        except RelayUnavailable:
            # Everything may be in the cache; a worker that needs the relay declares what it lacks.
            return


_HINTS = {
    "commits": "open the dataset at the commit of the state: dataset.pin_commit(n)",
    "datasets": "open the same datasets, with the same weights, in the same order",
}


class RecordsByNumber(torch.utils.data.Dataset[Any]):
    """Records by number, for samplers; fetches only the segments that hold them.

    `records[7]` is one record, `records[[7, 3]]` a batch of two. So with a `BatchSampler` as the
    sampler, a `DataLoader(..., batch_size=None)` yields whole batches without splitting them.
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
        """Return several records at once, as torch's fetcher requests them."""
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
    """Return batches as an iterable dataset; see `IterableOptions`."""
    plan, columns = _plan(batch_size, options), options.get("columns")
    feed = dataset.begin(plan, columns)
    batches = TorchBatches(feed, plan, columns, options.get("transform"))
    batches._source = dataset
    return batches


def _plan(batch_size: int, options: IterableOptions) -> Plan:
    """Return the training epoch that the options select; shuffled by default."""
    rank, world = _ranks(options.get("rank"), options.get("world"))
    settings = keywords_of(options, Settings)
    settings.setdefault("shuffle", True)
    settings["rank"], settings["world"] = rank, world
    return Plan(batch_size, **settings)


def _saved(run: Run) -> list[Any]:
    """Return a run in the form that a loader's state stores."""
    return [
        run.batch_size if name == "batch_size" else getattr(run.plan, name)
        for name in _RUN
    ]


def _loaded(values: Sequence[Any]) -> Plan | None:
    """Return the plan of a saved run; None for records in stored order."""
    settings = dict(zip(_RUN, values, strict=True))
    return None if settings["batch_size"] is None else Plan(**settings)


def _ranks(rank: int | None, world: int | None) -> tuple[int, int]:
    if (rank is None) != (world is None):
        raise InvalidArgument("rank and world must be given together, or not at all")
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
            hint="use the release that saved it",
        )


def _as_it_is(batch: Any) -> Any:
    """Return the batch unchanged; a spawned worker finds this function by name."""
    return batch


def _own_bytes(batch: Any) -> Any:
    """Return a batch that can leave its process: views of bytes become bytes."""
    if not isinstance(batch, dict):
        return batch
    return {
        name: [bytes(v) if isinstance(v, memoryview) else v for v in values]
        if isinstance(values, list)
        else values
        for name, values in batch.items()
    }
