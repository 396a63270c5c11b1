"""Options of the PyTorch readers, as keywords; usable without torch installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    import torch

Transform = Callable[[dict[str, Any]], Any]


class IterableOptions(TypedDict, total=False):
    """The options of `Dataset.torch_iterable`, except the batch size.

    Attributes:
        columns: names of the columns to read; all by default.
        shuffle: whether to shuffle; true by default.
        seed: seed of the order; 0 by default.
        epoch: the first training epoch; 0 by default.
        shuffle_block: number of shards mixed at a time: more memory, better mixing; 8 by
            default.
        drop_last: whether to leave out the records that do not fill a step of all ranks.
        rank: number of this process; by default that of torch.distributed, if initialised.
        world: number of ranks; by default that of torch.distributed, if initialised.
        transform: called with each batch, in the worker process if there is one.
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
    """The options of `Dataset.torch_loader`, except the batch size.

    Attributes:
        num_workers: number of worker processes; 0, the default, reads with threads of this
            process.
        device: a CUDA device; batches are copied there ahead of time, on a separate stream.
        multiprocessing_context: "fork", "spawn" or "forkserver".
        prefetch_factor: number of batches that each worker prepares ahead.
    """

    num_workers: int
    device: str | torch.device | None
    multiprocessing_context: Any
    prefetch_factor: int | None
