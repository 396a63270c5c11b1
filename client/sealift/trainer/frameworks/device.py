"""Copy batches to a CUDA device ahead of the loop, on a separate stream.

Source: CUDA C++ programming guide, "Asynchronous concurrent execution"; torch.cuda semantics,
"Use pinned memory buffers" and `Tensor.record_stream`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from sealift.trainer.forms.columns import Ragged, import_torch
from sealift_protocol.errors import InvalidArgument

# One batch is in use, one is being copied.
_AHEAD = 2


def onto_device(batches: Iterator[Any], device: Any) -> Iterator[Any]:
    """Yield the same batches, tensors on a device; copies the next one while the loop works.

    A batch's host memory is kept until its copy is complete; other values are unchanged.

    Raises:
        InvalidArgument: the device does not exist on this machine.
    """
    torch = import_torch()
    target = torch.device(device)
    if target.type == "cpu":
        yield from batches
        return
    if target.type != "cuda" or not torch.cuda.is_available():
        raise InvalidArgument(
            "torch cannot find that device on this machine",
            hint="leave out device, or check CUDA",
        )
    side = torch.cuda.Stream(target)
    ahead: deque[tuple[Any, Any, Any]] = deque()
    for batch in batches:
        with torch.cuda.stream(side):
            pinned = _each_tensor(batch, lambda tensor: tensor.pin_memory())
            moved = _each_tensor(
                pinned, lambda tensor: tensor.to(target, non_blocking=True)
            )
            copied = torch.cuda.Event()
            copied.record(side)
        ahead.append((moved, copied, pinned))
        del batch, pinned, moved
        if len(ahead) == _AHEAD:
            yield _ready(ahead.popleft(), target, torch)
    while ahead:
        yield _ready(ahead.popleft(), target, torch)


def _ready(entry: tuple[Any, Any, Any], target: Any, torch: Any) -> Any:
    moved, copied, _pinned = entry
    loop = torch.cuda.current_stream(target)
    loop.wait_event(copied)
    # Otherwise the allocator would reuse the memory while the loop's stream still reads it.
    _each_tensor(moved, lambda tensor: tensor.record_stream(loop))
    copied.synchronize()
    return moved


def _each_tensor(batch: Any, change: Any) -> Any:
    torch = import_torch()
    if isinstance(batch, torch.Tensor):
        return change(batch)
    if isinstance(batch, Ragged):
        return Ragged(change(batch.values), change(batch.offsets))
    if isinstance(batch, dict):
        return {name: _each_tensor(value, change) for name, value in batch.items()}
    return batch
