"""Options of torch's ways to read, as keywords; torch is not needed to know them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import torch

Transform = Callable[[dict[str, Any]], Any]


class IterableOptions(TypedDict, total=False):
    """What `Dataset.torch_iterable` takes, but for the size of a batch.

    Attributes:
        columns: which; all by default.
        shuffle: whether to; true by default.
        seed: of the order; 0 by default.
        epoch: the first training epoch; 0 by default.
        shuffle_block: shards that are mixed at a time, memory against quality; 8 by default.
        drop_last: leave out records that fill no step of all ranks.
        rank: this process; by default what torch.distributed says, where it is initialised.
        world: how many there are; likewise.
        transform: called with each batch, in the worker where there are some.
    """

    columns: Sequence[str] | None
    shuffle: bool
    seed: int
    epoch: int
    shuffle_block: int
    drop_last: bool
    rank: int | None
    world: int | None
    transform: Transform | None


class LoaderOptions(IterableOptions, total=False):
    """What `Dataset.torch_loader` takes, but for the size of a batch.

    Attributes:
        num_workers: processes; 0, the default, reads with threads of this one.
        device: a CUDA device: batches are copied there, ahead, on a stream of their own.
        multiprocessing_context: "fork", "spawn" or "forkserver".
        prefetch_factor: batches that each worker is ahead.
    """

    num_workers: int
    device: str | torch.device | None
    multiprocessing_context: Any
    prefetch_factor: int | None
