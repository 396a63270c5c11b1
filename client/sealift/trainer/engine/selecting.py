"""Which records pass a filter: one bit each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sealift.trainer.engine.feed import Feed
from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    import pyarrow.compute as pc


def select(feed: Feed, expression: pc.Expression) -> list[tuple[bytes, ...]]:
    """Return, for each dataset and shard, the records for which an expression is true.

    Raises:
        InvalidArgument: the expression does not fit the columns.
        SealiftError: the records could not be read.
    """
    chosen: list[list[bytes]] = [
        [bytes(-(-int(count) // 8)) for count in supply.records]
        for supply in feed.supplies
    ]
    places = {
        entry.shard_id: (number, place)
        for number, supply in enumerate(feed.supplies)
        for place, entry in enumerate(supply.sealed.shards)
    }
    for opening in feed.shards():
        number, place = places[opening.entry.shard_id]
        mask = np.concatenate(
            [matching(batch, expression) for batch in opening.batches]
        )
        if opening.selected is not None:
            before = np.zeros(len(mask), bool)
            before[opening.selected] = True
            mask &= before
        chosen[number][place] = np.packbits(mask).tobytes()
        del opening
    return [tuple(shards) for shards in chosen]


def matching(batch: pa.RecordBatch, expression: pc.Expression) -> npt.NDArray[np.bool_]:
    """Return, for each record, whether an expression is true, (rows,).

    Raises:
        InvalidArgument: the expression does not fit the columns.
    """
    number = _free_name(batch.schema.names)
    rows = pa.array(np.arange(batch.num_rows))
    numbered = pa.table([*batch.columns, rows], names=[*batch.schema.names, number])
    try:
        left = numbered.filter(expression)
    except (pa.ArrowException, TypeError):
        raise InvalidArgument(
            "the filter does not fit the dataset's columns",
            hint="see dataset.schema for its columns and their types",
        ) from None
    mask = np.zeros(batch.num_rows, np.bool_)
    mask[left.column(number).to_numpy()] = True
    return mask


def _free_name(names: Sequence[str]) -> str:
    return max(names, key=len, default="") + "_row"
