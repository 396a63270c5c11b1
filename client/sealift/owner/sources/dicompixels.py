"""Decoded pixel data of DICOM instances as columns, in rows that fit into a shard."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from sealift.formats.dicom import DAMAGE, quiet
from sealift.owner.sources.dicomelements import PIXEL_ELEMENTS, is_big_endian
from sealift_protocol.errors import RecordTooLarge, SourceError

if TYPE_CHECKING:
    import numpy as np
    from pydicom import FileDataset

PIXEL_FIELDS = (
    pa.field(
        "pixels", pa.large_binary(), metadata={"description": "C order, little-endian"}
    ),
    pa.field(
        "pixel_shape", pa.list_(pa.int32()), metadata={"description": "of this row"}
    ),
    pa.field(
        "pixel_type",
        pa.string(),
        metadata={"description": "NumPy's name, such as int16"},
    ),
    pa.field(
        "first_frame", pa.int32(), metadata={"description": "of this row, from 0"}
    ),
    pa.field("frames", pa.int32(), metadata={"description": "in this row"}),
)

_MAX_PIXELS = 60 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of an instance's pixels.

    Attributes:
        frames: number of frames.
        frame_size: bytes of one decoded frame.
    """

    frames: int
    frame_size: int


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of one row.

    Attributes:
        array: one or more frames.
        first: index of the first frame, from 0.
        frames: number of frames.
    """

    array: np.ndarray[Any, Any] = field(repr=False)
    first: int
    frames: int

    def columns(self) -> dict[str, pa.Array]:
        """Return the values of PIXEL_FIELDS, without a copy."""
        import numpy as np

        little = self.array.astype(
            self.array.dtype.newbyteorder("<"), order="C", copy=False
        )
        content = pa.py_buffer(little.reshape(-1).view(np.uint8))
        ends = pa.py_buffer(struct.pack("=qq", 0, content.size))
        values: dict[str, object] = {
            "pixel_shape": list(self.array.shape),
            "pixel_type": self.array.dtype.name,
            "first_frame": self.first,
            "frames": self.frames,
        }
        columns = {f.name: pa.array([values[f.name]], f.type) for f in PIXEL_FIELDS[1:]}
        bytes_ = pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, content])
        return {"pixels": bytes_, **columns}


def has_pixels(stream: BinaryIO, header: FileDataset) -> bool:
    """Return whether there is pixel data, read with the header or next in the stream."""
    if _holds_pixels(header):
        return True
    position = stream.tell()
    head = stream.read(4)
    stream.seek(position)
    group, element = struct.unpack(
        ">HH" if is_big_endian(header) else "<HH", head.ljust(4, b"\0")
    )
    return group << 16 | element in PIXEL_ELEMENTS


def _holds_pixels(header: FileDataset) -> bool:
    return any(tag in header for tag in PIXEL_ELEMENTS)


def layout_of(header: FileDataset, path: Path) -> Layout:
    """Return the size of an instance's pixels, from its header.

    Raises:
        RecordTooLarge: one frame is larger than a shard.
        SourceError: the header does not say.
    """
    try:
        with quiet():
            frames = int(header.get("NumberOfFrames") or 1)
            samples = int(header.get("SamplesPerPixel") or 1)
            pixels = int(header.Rows) * int(header.Columns) * samples
            size = pixels * max(1, int(header.BitsAllocated) // 8)
    except DAMAGE:
        raise _undecodable(path) from None
    if frames < 1 or size < 1:
        raise _undecodable(path)
    if size > _MAX_PIXELS:
        raise RecordTooLarge(
            "a single frame is larger than a shard",
            path=path,
            hint="leave the pixel data out with `pixels=False`, or send the file "
            'with `kind="files"`',
        )
    return Layout(frames, size)


def decode(
    stream: BinaryIO, header: FileDataset, layout: Layout, first: int, path: Path
) -> Iterator[Pixels]:
    """Decode an instance's pixels from a frame on: all, or as many frames as fill a row.

    Raises:
        SourceError: they are damaged, or no installed decoder reads them.
    """
    from pydicom.pixels.utils import iter_pixels, pixel_array

    source = header if _holds_pixels(header) else stream
    if first == 0 and layout.frames * layout.frame_size <= _MAX_PIXELS:
        try:
            with quiet():
                array = pixel_array(source, allow_excess_frames=False)
        except DAMAGE:
            raise _undecodable(path) from None
        yield Pixels(array, 0, layout.frames)
        return
    frames = iter_pixels(source, indices=range(first, layout.frames) if first else None)
    while first < layout.frames:
        count = min(_MAX_PIXELS // layout.frame_size, layout.frames - first)
        yield Pixels(_take(frames, count, path), first, count)
        first += count


def _take(
    frames: Iterator[np.ndarray[Any, Any]], count: int, path: Path
) -> np.ndarray[Any, Any]:
    """Return the next frames as one array."""
    import numpy as np

    try:
        with quiet():
            frame = next(frames)
            row = np.empty((count, *frame.shape), frame.dtype)
            row[0] = frame
            for place in range(1, count):
                row[place] = next(frames)
    except (*DAMAGE, StopIteration):
        raise _undecodable(path) from None
    return row


def _undecodable(path: Path) -> SourceError:
    return SourceError(
        "the pixel data cannot be decoded: it is damaged, or its decoder is not installed",
        path=path,
        hint="JPEG needs Pillow (extra images), lossless JPEG python-gdcm (extra dicom-jpeg); or "
        "use `pixels=False`",
    )
