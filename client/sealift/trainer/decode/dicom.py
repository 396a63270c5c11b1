"""Decode the DICOM files in a column, within limits that their headers cannot raise.

A header may declare any size, and each compressed frame under it another one. The header is
compared with the limit, and each frame with the header, before a decoder allocates memory.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sealift.formats.dicom import quiet
from sealift.process.extras import extra
from sealift.trainer.forms.columns import import_torch
from sealift.trainer.forms.stacking import (
    BROKEN_HINT,
    Array,
    Output,
    check_output,
    decode_each,
    together,
    values_of,
)
from sealift_protocol.errors import InvalidArgument, MalformedObject, SealiftError

if TYPE_CHECKING:
    from pydicom import FileDataset

_DEFLATED = "1.2.840.10008.1.2.1.99"
_RLE = "1.2.840.10008.1.2.5"
_FIRST_OF_DATASET = 0x00030000
_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"
_J2K_SIZE = struct.Struct(">8x4I16xH")
# Start of frame: lossless, baseline and extended JPEG; JPEG-LS has its own marker.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_BARE_MARKERS = frozenset(range(0xD0, 0xD9)) | {0x01}
_SCAN = 0xDA


def decode_dicom(
    column: str,
    *,
    rescale: bool = False,
    max_pixels: int = 1 << 28,
    output: Output = "tensor",
) -> DicomDecoder:
    """Decode the DICOM files (PS3.10) in a column.

    Pixels are as stored: decompressed, with YBR converted to RGB. Window, palette and inversion
    (MONOCHROME1) are not applied, nor is the slope, unless `rescale` is set. The deflated transfer
    syntax is refused.

    Args:
        column: name of the column that holds the files.
        rescale: apply the modality's slope and intercept (or its table), which gives Hounsfield
            units for CT, as float32.
        max_pixels: rows x columns x frames; a file that declares more is refused before
            decoding.
        output: "tensor" or "array" (NumPy).

    Returns:
        A transform. The column becomes (N, rows, columns) or (N, rows, columns, samples), with
        the frames after N if there are several, if all files of the batch have one shape and
        type; else a list; for a single record, the pixels themselves.

    Raises:
        InvalidArgument: an argument is invalid, or a package is not installed.
        MalformedObject: (raised by the transform) a file is broken, too large, or no installed
            decoder reads it.
    """
    return DicomDecoder(column, rescale, max_pixels, output)


@dataclass(frozen=True, slots=True)
class DicomDecoder:
    """See `decode_dicom`."""

    column: str
    rescale: bool
    max_pixels: int
    output: Output

    def __post_init__(self) -> None:
        check_output(self.output)
        if self.max_pixels < 1:
            raise InvalidArgument("image sizes must be at least 1")
        _check_pydicom()
        if self.output == "tensor":
            import_torch()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the batch with pixels instead of files."""
        values, single = values_of(batch, self.column)
        # Once around all files: it changes the logging of the whole process, and takes longer than
        # decoding a file.
        with quiet():
            arrays = decode_each(values, self._decode)
        return {**batch, self.column: together(arrays, self.output, single=single)}

    def _decode(self, content: memoryview) -> Array:
        from pydicom import dcmread
        from pydicom.pixels.processing import apply_modality_lut
        from pydicom.pixels.utils import pixel_array

        data = bytes(content)
        try:
            if _transfer_syntax(data) == _DEFLATED:
                raise MalformedObject(
                    "a DICOM file is deflated, which is not supported",
                    hint="ask the owner to push it in another transfer syntax",
                )
            header = dcmread(io.BytesIO(data))
            self._check_size(header)
            array: Array = pixel_array(header, allow_excess_frames=False)
            if self.rescale:
                array = apply_modality_lut(array, header).astype(np.float32)
        except SealiftError:
            raise
        except Exception:  # noqa: BLE001  (pydicom raises anything, and quotes values)
            raise MalformedObject(
                "a DICOM file is broken or has no pixels, or no decoder for them is installed",
                hint=BROKEN_HINT,
            ) from None
        return array

    def _check_size(self, header: FileDataset) -> None:
        rows, columns = int(header.Rows), int(header.Columns)
        frames = int(header.get("NumberOfFrames") or 1)
        if min(rows, columns, frames) < 1:
            raise ValueError
        if rows * columns * frames > self.max_pixels:
            raise MalformedObject(
                f"a DICOM file declares more than {self.max_pixels} pixels",
                hint="raise max_pixels if the owner confirms the size",
            )
        syntax = header.file_meta.TransferSyntaxUID
        if syntax.is_encapsulated:
            samples = int(header.get("SamplesPerPixel") or 1)
            size = rows * columns * samples * max(1, int(header.BitsAllocated) // 8)
            for frame in _frames(header):
                if syntax == _RLE:
                    # At worst, the encoding adds one byte in 128, and its headers.
                    fits = len(frame) <= size + size // 64 + 1024
                else:
                    fits = all(
                        height * width <= rows * columns
                        and components <= max(samples, 4)
                        for height, width, components in _announced(frame)
                    )
                if not fits:
                    raise ValueError


def _transfer_syntax(data: bytes) -> str:
    """Return the transfer syntax in the file's own header, before anything is inflated."""
    from pydicom.filereader import read_dataset, read_preamble

    stream = io.BytesIO(data)
    read_preamble(stream, force=False)
    meta = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag >= _FIRST_OF_DATASET,
    )
    return str(meta.get("TransferSyntaxUID", ""))


def _frames(header: FileDataset) -> Iterator[bytes]:
    """Yield the compressed frames, located as pydicom's decoders locate them."""
    from pydicom.encaps import generate_frames

    offsets = (
        header.get("ExtendedOffsetTable"),
        header.get("ExtendedOffsetTableLengths"),
    )
    frames: Iterator[bytes] = generate_frames(
        header.PixelData,
        number_of_frames=int(header.get("NumberOfFrames") or 1),
        extended_offsets=offsets if None not in offsets else None,
    )
    return frames


def _announced(frame: bytes) -> list[tuple[int, int, int]]:
    """Return height, width and components declared by a compressed frame's own headers.

    Source: ITU-T T.81 B.2.2 and T.87 C.2.2 (frame header), T.800 A.5.1 (SIZ).

    Raises:
        ValueError: it is neither JPEG nor JPEG 2000.
    """
    if frame.startswith(_JPEG_START):
        return [_announced_by_jpeg(frame)]
    if frame.startswith(_J2K_START):
        places = [0]
    else:
        # In a JP2 file it may begin anywhere.
        places = [found.start() for found in re.finditer(re.escape(_J2K_START), frame)]
    if not places:
        raise ValueError
    sizes = [_J2K_SIZE.unpack_from(frame, place) for place in places]
    return [
        (bottom - top, right - left, count) for right, bottom, left, top, count in sizes
    ]


def _announced_by_jpeg(frame: bytes) -> tuple[int, int, int]:
    place, found = len(_JPEG_START), (0, 0, 0)
    while frame[place + 1] != _SCAN:
        if frame[place] != 0xFF:
            raise ValueError
        marker = frame[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in _FRAME_MARKERS:
            if found[0]:
                raise ValueError
            found = struct.unpack_from(">HHB", frame, place + 5)
        place += 2
        if marker not in _BARE_MARKERS:
            place += int.from_bytes(frame[place : place + 2], "big")
    if min(found) < 1:
        raise ValueError
    return found


def _check_pydicom() -> None:
    with extra("dicom", "decoding DICOM needs pydicom"):
        import pydicom  # noqa: F401
