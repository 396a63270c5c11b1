"""Hugging Face datasets: a dataset as a `datasets.IterableDataset`.

::

    from sealift.trainer.frameworks.huggingface import as_hf_dataset

    records = as_hf_dataset(dataset, shuffle=True, seed=7)
    for batch in records.map(tokenise).with_format("torch").iter(batch_size=32):
        ...

Records go from Sealift's buffers to the loop: none is written to Hugging Face's cache, nothing is
hashed for a fingerprint, and only the relay is contacted. Later steps (`to_parquet`,
`push_to_hub`, `Dataset.from_generator`) do write plaintext.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
from blake3 import blake3

from sealift.process.extras import extra
from sealift.trainer.engine.feed import Feed
from sealift.trainer.engine.plan import Plan
from sealift.trainer.forms.columns import pick_columns
from sealift.trainer.frameworks.source import Records, commits_of, parts_of
from sealift_protocol.errors import InvalidArgument

with extra("huggingface", "a Hugging Face dataset needs the package datasets"):
    import datasets
    from datasets.formatting import PythonFormatter
    from datasets.iterable_dataset import _BaseExamplesIterable

from sealift.trainer.frameworks.huggingfacetypes import convert, feature_of

_MAX_EPOCH = 1 << 63


def as_hf_dataset(
    dataset: Records,
    *,
    batch_size: int = 1024,
    columns: Sequence[str] | None = None,
    shuffle: bool = False,
    seed: int = 0,
    shuffle_block: int = 8,
    num_shards: int = 1,
) -> datasets.IterableDataset:
    """Return a `datasets.IterableDataset` of the records, for use with `map`, `filter` and so on.

    With `shuffle`, `set_epoch(n)` selects the order of training epoch n, the same as that of
    `dataset.batches(shuffle=True, seed=seed, epoch=n)`. (Hugging Face's own `shuffle()` mixes
    neighbours in a buffer of decoded records, and is then not needed.) `state_dict` continues at
    the record, and opens only what follows it.

    Args:
        dataset: the dataset to read; it keeps what it needs open.
        batch_size: number of records gathered at a time.
        columns: names of the columns to read; all by default.
        shuffle: whether to shuffle; without it, the order is the dataset's own.
        seed: seed of that order.
        shuffle_block: number of shards mixed at a time: more memory, better mixing.
        num_shards: number of parts that it can be split into, such as the workers of a
            DataLoader times the nodes of `split_dataset_by_node`. A single process reads
            everything in one pass, whatever the number.

    Raises:
        InvalidArgument: there is no such column, or `datasets` lacks its type.
    """
    if num_shards < 1:
        raise InvalidArgument("num_shards must be at least 1")
    schema = pick_columns(dataset.schema, columns)
    features = datasets.Features(
        {field.name: feature_of(field.type) for field in schema}
    )
    for field, wanted in zip(schema, features.arrow_schema, strict=True):
        # Fail now, not in the middle of an epoch.
        convert(pa.nulls(0, field.type), wanted.type)
    plan = Plan(batch_size, shuffle=shuffle, seed=seed, shuffle_block=shuffle_block)
    records = _Records(dataset, plan, tuple(schema.names), features, num_shards)
    return datasets.IterableDataset(records, datasets.DatasetInfo(features=features))


class _Records(_BaseExamplesIterable):  # type: ignore[misc]
    """The start of Hugging Face's chain of iterables: one rank's records.

    Attributes:
        features: the features of the records.
        num_shards: number of parts that it can be split into.
    """

    is_typed = True
    features: datasets.Features | None = None
    num_shards = 1
    # The threads end with the iteration.
    sleep_on_threads_shutdown = False

    def __init__(
        self,
        dataset: Records,
        plan: Plan,
        columns: tuple[str, ...],
        features: datasets.Features,
        num_shards: int,
    ) -> None:
        super().__init__()
        self._dataset: Records | None = dataset
        self._feed: Feed = dataset.feed
        self._plan = plan
        self._columns = columns
        self._schema: pa.Schema = features.arrow_schema
        self._order = _order_of(dataset, plan)
        self.features = features
        self.num_shards = num_shards

    def __getstate__(self) -> dict[str, Any]:
        # For a child process only; the feed refuses to be pickled for any other use.
        return {**self.__dict__, "_dataset": None}

    def __copy__(self) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    # --- the interface that Hugging Face calls -----------------------------------------------

    @property
    def iter_arrow(self) -> Any:
        return self._iter_arrow

    def _iter_arrow(self) -> Iterator[tuple[int, pa.Table]]:
        for begin, end, table in self._tables():
            if self._state_dict:
                self._state_dict["position"] = end
            yield begin, table

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        formatter = PythonFormatter()
        for begin, end, table in self._tables():
            skipped = self._state_dict["row"] if self._state_dict else 0
            columns = formatter.format_batch(table)
            for row in range(skipped, len(table)):
                if self._state_dict:
                    self._state_dict["row"] = row + 1
                yield begin, {name: values[row] for name, values in columns.items()}
            if self._state_dict:
                self._state_dict.update(position=end, row=0)

    def _init_state_dict(self) -> dict[str, Any]:
        self._state_dict: dict[str, Any] = {
            "position": 0,
            "row": 0,
            "order": self._order,
            "type": type(self).__name__,
        }
        return self._state_dict

    def shuffle_data_sources(self, generator: np.random.Generator) -> Self:
        """Return the order of the training epoch that `set_epoch` made the generator from."""
        if not self._plan.shuffle:
            return self
        return self._with(
            replace(self._plan, epoch=_epoch_of(generator)), self.num_shards
        )

    def shard_data_sources(
        self, num_shards: int, index: int, contiguous: bool = True
    ) -> Self:
        """Return one of several parts of equal size, which together are everything."""
        del contiguous
        plan = self._plan
        rank, world = plan.rank + plan.world * index, plan.world * num_shards
        parts = max(1, self.num_shards // num_shards)
        return self._with(replace(plan, rank=rank, world=world), parts)

    def reshard_data_sources(self) -> Self:
        return self

    # -----------------------------------------------------------------------------------------

    def _with(self, plan: Plan, num_shards: int) -> Self:
        made = self.__copy__()
        made._plan, made.num_shards = plan, num_shards
        made._state_dict = {}
        return made

    def _tables(self) -> Iterator[tuple[int, int, pa.Table]]:
        """Yield from the position in the state: where each table begins and ends in the order."""
        state = self._state_dict or self._init_state_dict()
        if state["order"] != self._order:
            raise InvalidArgument(
                "the state was saved with another order, dataset or commit",
                hint="create the dataset as it was, pinned to that commit, then load the state",
            )
        plan = replace(self._plan, start=state["position"])
        steps = plan.steps(self._feed.records())
        for number, batch in enumerate(self._batches(plan)):
            columns = [
                convert(column, field.type)
                for column, field in zip(batch.columns, self._schema, strict=True)
            ]
            table = pa.Table.from_arrays(columns, schema=self._schema)
            yield steps.after(number), steps.after(number + 1), table
            del batch, columns, table

    def _batches(self, plan: Plan) -> Iterator[pa.RecordBatch]:
        feed = self._feed.here()
        if self._dataset is not None and feed is self._feed:
            return self._dataset.read("arrow", plan, self._columns)
        self._feed, self._dataset = feed, None
        return feed.batches(plan, "arrow", columns=self._columns)


def _order_of(dataset: Records, plan: Plan) -> str:
    """Return a digest that distinguishes orders and reveals nothing else about them."""
    commits, parts = commits_of(dataset.feed), parts_of(dataset.feed)
    what = [
        *([commit, weight] for commit, (_, weight) in zip(commits, parts, strict=True)),
        [
            dataset.filtered,
            *plan.order.values(),
            plan.batch_size,
        ],
    ]
    return str(blake3(json.dumps(what).encode()).hexdigest(length=16))


def _epoch_of(generator: np.random.Generator) -> int:
    """Return the number a generator was made from, or one derived from its state."""
    sequence = generator.bit_generator.seed_seq
    entropy = getattr(sequence, "entropy", None)
    if isinstance(entropy, int) and 0 <= entropy < _MAX_EPOCH:
        return entropy
    return int(deepcopy(generator).integers(_MAX_EPOCH))
