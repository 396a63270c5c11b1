"""Hooks that change camera frames before they are sealed, to hide number plates and faces.

Sealift itself detects neither. A hook comes from a package with the entry point group
`sealift.frame_hooks`, or from a function that a program registers.
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
    """A function that hides something in a frame.

    It gets an array that it may change, rows x columns or rows x columns x samples, with one more
    dimension in front if the column holds several frames, and returns an array of the same shape
    and type.
    """

    def __call__(self, frame: Frame, /) -> Frame:
        """Return the frame with its identifying content hidden."""


_registered: dict[str, FrameHook] = {}


def register_frame_hook(name: str, hook: FrameHook) -> None:
    """Register a hook under a name; it takes precedence over installed hooks."""
    _registered[name] = hook


def find_frame_hook(name: str) -> FrameHook:
    """Return the hook of a name.

    Raises:
        PolicyViolation: no such hook is registered or installed, or it cannot be loaded.
    """
    if name in _registered:
        return _registered[name]
    for point in entry_points(group=GROUP, name=name):
        try:
            hook: FrameHook = point.load()
        except Exception:  # noqa: BLE001  (a package may raise anything on import)
            raise PolicyViolation(
                "a frame hook that the policy names is installed, but cannot be loaded",
                hint="import the hook's module in Python to see the error",
            ) from None
        return hook
    raise PolicyViolation(
        "a frame hook that the policy names is not installed",
        hint=f'install a package with the entry point group "{GROUP}", or call '
        "sealift.owner.deidentify.frames.register_frame_hook",
    )


class FrameHooks:
    """Runs a policy's hooks on one column, in order."""

    def __init__(self, names: tuple[str, ...], column: str, schema: pa.Schema) -> None:
        """Find the hooks, and how the column holds frames.

        Args:
            names: names of the hooks.
            column: a tensor of fixed shape; raw bytes whose shape and type are in columns named
                after it; or PNG and JPEG files.
            schema: schema of the batches.

        Raises:
            PolicyViolation: a hook is missing, or the column does not hold frames.
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
                "[frames] of the policy names a column that does not hold frames",
                columns=(column,),
                hint="frames are tensors of fixed shape, raw bytes with shape and type, "
                "or PNG and JPEG files",
            )

    def apply(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the column after all hooks; nulls stay null.

        Raises:
            PolicyViolation: a hook failed, or a frame cannot be read.
        """
        return self._change(batch, batch.column(self._column))

    def _run(self, frame: Frame) -> Frame:
        for hook in self._hooks:
            shape, kind = frame.shape, frame.dtype
            try:
                frame = np.ascontiguousarray(hook(frame))
            except Exception:  # noqa: BLE001  (a hook may raise anything)
                raise PolicyViolation(
                    "a frame hook failed",
                    hint="call the hook on such a frame in Python to see the error",
                ) from None
            if frame.shape != shape or frame.dtype != kind:
                raise PolicyViolation(
                    "a frame hook returned a frame of another shape or type",
                    hint="a hook must return an array of the shape and type that it got",
                )
        return frame

    def _tensors(self, _: pa.RecordBatch, column: pa.Array) -> pa.Array:
        if column.null_count:
            raise PolicyViolation(
                "a frame is missing in a column of tensors",
                hint="remove the records without a frame from the source",
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
        """Return an image file after the hooks, without its metadata (EXIF can hold the place)."""
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
        "a frame cannot be decoded, so the hooks cannot run on it",
        hint="a frame is raw bytes that match their shape and type, or a PNG or JPEG file",
    )
