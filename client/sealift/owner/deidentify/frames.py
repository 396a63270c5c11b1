"""Hooks that change camera frames before they are sealed: number plates, faces.

Sealift finds neither by itself; what does is a package with the entry point group
`sealift.frame_hooks`, or a function that a program registers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sealift.formats.images import import_pillow
from sealift.owner.deidentify.pixels import PIXELS, SHAPE, TYPE, as_image
from sealift_protocol.errors import PolicyViolation

GROUP = "sealift.frame_hooks"

Frame = np.ndarray[Any, Any]


class FrameHook(Protocol):
    """Hides something in a frame.

    It is given an array that it may change, rows x columns or rows x columns x samples, or several
    such in one where the column holds several frames, and returns one of the same shape and type.
    """

    def __call__(self, frame: Frame, /) -> Frame:
        """The frame without what the hook hides."""


_registered: dict[str, FrameHook] = {}


def register_frame_hook(name: str, hook: FrameHook) -> None:
    """Makes a hook known to policies by a name, before those that are installed."""
    _registered[name] = hook


def find_frame_hook(name: str) -> FrameHook:
    """The hook of a name.

    Raises:
        PolicyViolation: none is registered or installed, or it cannot be loaded.
    """
    if name in _registered:
        return _registered[name]
    for point in entry_points(group=GROUP, name=name):
        try:
            hook: FrameHook = point.load()
        except Exception:  # noqa: BLE001  (whatever a package does when it is imported)
            raise PolicyViolation(
                "a frame hook that the policy names is installed but cannot be loaded",
                hint="import its module in Python to see why",
            ) from None
        return hook
    raise PolicyViolation(
        "a frame hook that the policy names is not installed",
        hint=f'install a package with the entry point group "{GROUP}", or call '
        "sealift.owner.deidentify.frames.register_frame_hook",
    )


class FrameHooks:
    """A policy's hooks on one column, in their order."""

    def __init__(self, names: tuple[str, ...], column: str, schema: pa.Schema) -> None:
        """Finds the hooks and how the column holds frames.

        Args:
            names: of the hooks.
            column: a tensor of fixed shape; raw bytes whose shape and type stand in columns named
                after it; or PNG and JPEG files.
            schema: of the batches.

        Raises:
            PolicyViolation: a hook is not there, or the column holds no frames.
        """
        self._hooks = [find_frame_hook(name) for name in names]
        self._column = column
        kind = schema.field(column).type
        raw = (
            (SHAPE, TYPE) if column == PIXELS else (f"{column}_shape", f"{column}_type")
        )
        is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        self._change: Callable[[pa.RecordBatch, pa.Array], pa.Array]
        if isinstance(kind, pa.FixedShapeTensorType):
            self._change = self._tensors
        elif is_bytes and all(schema.get_field_index(name) >= 0 for name in raw):
            self._change = lambda batch, column: self._raw(
                column, *map(batch.column, raw)
            )
        elif is_bytes:
            self._change = lambda _, column: self._encoded(column)
        else:
            raise PolicyViolation(
                "[frames] of the policy names a column that holds no frames",
                columns=(column,),
                hint="frames are tensors of fixed shape, raw bytes beside their shape and type, "
                "or PNG and JPEG files",
            )

    def apply(self, batch: pa.RecordBatch) -> pa.Array:
        """The column after all hooks; nulls stay.

        Raises:
            PolicyViolation: a hook failed, or a frame cannot be read.
        """
        return self._change(batch, batch.column(self._column))

    def _run(self, frame: Frame) -> Frame:
        for hook in self._hooks:
            shape, kind = frame.shape, frame.dtype
            try:
                frame = np.ascontiguousarray(hook(frame))
            except Exception:  # noqa: BLE001  (whatever others' code does)
                raise PolicyViolation(
                    "a frame hook failed",
                    hint="call it on such a frame in Python to see why",
                ) from None
            if frame.shape != shape or frame.dtype != kind:
                raise PolicyViolation(
                    "a frame hook returned a frame of another shape or type",
                    hint="it has to return an array like the one that it was given",
                )
        return frame

    def _tensors(self, _: pa.RecordBatch, column: pa.Array) -> pa.Array:
        if column.null_count:
            raise PolicyViolation(
                "a frame is missing in a column of tensors",
                hint="leave such records out",
            )
        if not len(column):
            return column
        frames = [self._run(frame.copy()) for frame in column.to_numpy_ndarray()]
        storage = pa.array(np.stack(frames).reshape(-1))
        stored = pa.FixedSizeListArray.from_arrays(
            storage, type=column.type.storage_type
        )
        return pa.ExtensionArray.from_storage(column.type, stored)

    def _raw(self, column: pa.Array, shapes: pa.Array, kinds: pa.Array) -> pa.Array:
        def changed() -> Iterator[bytes | None]:
            for content, shape, kind in zip(column, shapes, kinds, strict=True):
                if not content.is_valid:
                    yield None
                    continue
                frame = as_image(content.as_buffer(), shape.as_py(), kind.as_py())
                if frame is None:
                    raise _unreadable()
                yield self._run(frame.copy()).tobytes()

        return pa.array(changed(), column.type, size=len(column))

    def _encoded(self, column: pa.Array) -> pa.Array:
        def changed() -> Iterator[bytes | None]:
            for content in column:
                yield self._reencoded(content.as_buffer()) if content.is_valid else None

        return pa.array(changed(), column.type, size=len(column))

    def _reencoded(self, content: pa.Buffer) -> bytes:
        """An image file after the hooks, without its metadata (EXIF says where it was taken)."""
        images = import_pillow()
        try:
            with images.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
                form = image.format
                frame = np.array(
                    image if image.mode in ("L", "RGB", "RGBA") else image.convert()
                )
        except (OSError, ValueError, SyntaxError, images.DecompressionBombError):
            raise _unreadable() from None
        written = io.BytesIO()
        images.fromarray(self._run(frame)).save(
            written, form, **({"quality": 95} if form == "JPEG" else {})
        )
        return written.getvalue()


def _unreadable() -> PolicyViolation:
    return PolicyViolation(
        "a frame cannot be read, so no hook could change it",
        hint="frames are raw bytes that fit their shape and type, or PNG and JPEG files",
    )
