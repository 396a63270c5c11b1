"""Transforms for loaders: from the bytes in a column to pixels.

A transform is a callable that takes a batch, as `dataset.torch()` and `dataset.numpy()` yield
it, and returns one; those here replace one column. They can be pickled for worker processes.
The result is a copy in ordinary memory: it is neither locked nor wiped.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sealift.formats.images import import_pillow
from sealift.trainer.decode.dicom import DicomDecoder, decode_dicom
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
from sealift_protocol.errors import InvalidArgument, MalformedObject

__all__ = [
    "DicomDecoder",
    "ImageDecoder",
    "PixelDecoder",
    "decode_dicom",
    "decode_images",
    "decode_pixels",
]

Mode = Literal["RGB", "L", "RGBA"]
Backend = Literal["auto", "pillow", "torchvision"]

# Formats that start a program (EPS) or need more than 8 bits (TIFF) are left out.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_TORCHVISION_FORMATS = ("JPEG", "MPO", "PNG")
_PNG_DEPTH = 24
# What Pillow raises for bytes that are not a valid image.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
)
_PIXEL_TYPES = frozenset(np.dtype(code).name for code in "?bhiqBHIQefd")


def decode_images(
    column: str,
    *,
    size: tuple[int, int] | None = None,
    mode: Mode = "RGB",
    backend: Backend = "auto",
    max_pixels: int = 1 << 26,
    output: Output = "tensor",
) -> ImageDecoder:
    """Decode the JPEG, PNG, WebP, GIF and BMP files in a column; for animations, the first frame.

    Pixels are as stored in the file: neither an EXIF orientation nor a colour profile is applied.
    Images with more than 8 bits a sample are refused, not reduced.

    Args:
        column: name of the column that holds the files.
        size: height and width that every image is resized to (bilinear, antialiased).
        mode: the samples of a pixel: three for "RGB", one for "L" (grey), four for "RGBA".
        backend: "torchvision" decodes JPEG and PNG faster than "pillow", where it works; the
            pixels of the two may differ slightly. "auto" uses it if it works: name a backend
            if runs on several machines must agree.
        max_pixels: an image whose header declares more is refused before decoding. Pillow's
            own limit (twice `PIL.Image.MAX_IMAGE_PIXELS`) applies too.
        output: "tensor" or "array" (NumPy).

    Returns:
        A transform. The column becomes uint8, (N, height, width, samples), if all images of the
        batch have the same size, else a list of (height, width, samples); for a single record,
        the image itself.

    Raises:
        InvalidArgument: an argument is invalid, or a package is not installed.
        MalformedObject: (raised by the transform) an image is broken, too large or too deep.
    """
    if backend == "auto":
        backend = "torchvision" if mode != "RGBA" and _find_torchvision() else "pillow"
    return ImageDecoder(column, size, mode, backend, max_pixels, output)


@dataclass(frozen=True, slots=True)
class ImageDecoder:
    """See `decode_images`."""

    column: str
    size: tuple[int, int] | None
    mode: Mode
    backend: Backend
    max_pixels: int
    output: Output

    def __post_init__(self) -> None:
        check_output(self.output)
        if self.mode not in ("RGB", "L", "RGBA"):
            raise InvalidArgument('mode must be "RGB", "L" or "RGBA"')
        if self.backend not in ("pillow", "torchvision"):
            raise InvalidArgument('backend must be "auto", "pillow" or "torchvision"')
        if self.max_pixels < 1 or (self.size is not None and min(self.size) < 1):
            raise InvalidArgument("image sizes must be at least 1")
        import_pillow()
        if self.output == "tensor":
            import_torch()
        if self.backend == "torchvision":
            if self.mode == "RGBA":
                raise InvalidArgument(
                    "torchvision does not decode JPEG to RGBA: use Pillow"
                )
            if _find_torchvision() is None:
                raise InvalidArgument(
                    "torchvision is not installed, or does not match the installed torch",
                    hint="install both from the same index, or use backend='pillow'",
                )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the batch with pixels instead of files."""
        values, single = values_of(batch, self.column)
        arrays = decode_each(values, self._decode)
        if not arrays and self.size is not None:
            arrays = [np.empty((0, *self.size, len(self.mode)), np.uint8)]
            single = True
        return {**batch, self.column: together(arrays, self.output, single=single)}

    def _decode(self, content: memoryview) -> Array:
        image_module = import_pillow()
        data = bytes(content)
        try:
            # This reads only the header.
            with image_module.open(io.BytesIO(data), formats=_FORMATS) as image:
                width, height = image.size
                if width * height > self.max_pixels:
                    raise MalformedObject(
                        f"an image declares more than {self.max_pixels} pixels",
                        hint="raise max_pixels if the owner confirms the size",
                    )
                if image.mode.startswith(("I", "F")) or _is_deep(image.format, data):
                    raise MalformedObject(
                        "an image has more than 8 bits a sample",
                        hint="decode it with your own transform",
                    )
                if (
                    self.backend == "torchvision"
                    and image.format in _TORCHVISION_FORMATS
                ):
                    return self._by_torchvision(data, (height, width))
                return self._by_pillow(image)
        except (image_module.DecompressionBombError, *_DAMAGE):
            raise MalformedObject(
                "an image is broken, or its format is not supported",
                hint=BROKEN_HINT,
            ) from None

    def _by_pillow(self, image: Any) -> Array:
        if image.mode != self.mode:
            image = image.convert(self.mode)
        if self.size is not None:
            height, width = self.size
            image = image.resize((width, height), import_pillow().Resampling.BILINEAR)
        return np.array(image, np.uint8).reshape(
            image.height, image.width, len(self.mode)
        )

    def _by_torchvision(self, data: bytes, announced: tuple[int, int]) -> Array:
        torch, torchvision = import_torch(), _find_torchvision()
        modes = torchvision.io.ImageReadMode
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        image = torchvision.io.decode_image(
            encoded, modes.RGB if self.mode == "RGB" else modes.GRAY
        )
        if tuple(image.shape[-2:]) != announced:
            raise ValueError
        if self.size is not None:
            image = torch.nn.functional.interpolate(
                image[None], self.size, mode="bilinear", antialias=True
            )[0]
        pixels: Array = image.permute(1, 2, 0).contiguous().numpy()
        return pixels


def decode_pixels(
    column: str = "pixels",
    *,
    shape: str = "pixel_shape",
    dtype: str = "pixel_type",
    output: Output = "tensor",
) -> PixelDecoder:
    """Give raw pixels the shape and type in neighbouring columns, as DICOM sources push them.

    Args:
        column: name of the column of bytes, in C order, little-endian.
        shape: name of the column with their shapes.
        dtype: name of the column with their NumPy type names, such as int16.
        output: "tensor" or "array" (NumPy).

    Returns:
        A transform. The column becomes (N, *shape) if all pixels of the batch have one shape and
        type, else a list; for a single record, the pixels themselves.

    Raises:
        InvalidArgument: an argument is invalid, or torch is not installed.
        MalformedObject: (raised by the transform) shape and type do not fit the bytes.
    """
    return PixelDecoder(column, shape, dtype, output)


@dataclass(frozen=True, slots=True)
class PixelDecoder:
    """See `decode_pixels`."""

    column: str
    shape: str
    dtype: str
    output: Output

    def __post_init__(self) -> None:
        check_output(self.output)
        if self.output == "tensor":
            import_torch()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the batch with shaped pixels instead of bytes."""
        values, single = values_of(batch, self.column)
        kinds, _ = values_of(batch, self.dtype)
        shapes, _ = values_of(batch, self.shape)
        places = iter(
            [(shapes, kinds[0])] if single else zip(shapes, kinds, strict=True)
        )
        arrays = decode_each(values, lambda content: _shaped(content, *next(places)))
        return {**batch, self.column: together(arrays, self.output, single=single)}


def _shaped(content: memoryview, shape: Any, dtype: Any) -> Array:
    sizes = [] if shape is None else [int(size) for size in shape]
    if dtype not in _PIXEL_TYPES or any(size < 0 for size in sizes):
        raise MalformedObject(
            "pixels have no shape, or an unknown type", hint=BROKEN_HINT
        )
    kind = np.dtype(dtype).newbyteorder("<")
    count = 1
    for size in sizes:
        count *= size
    if count * kind.itemsize != len(content):
        raise MalformedObject(
            "pixels do not fit their shape and type", hint=BROKEN_HINT
        )
    # Copy: a view of one pixel would keep the whole shard's buffer.
    return np.frombuffer(content, kind).reshape(sizes).copy()


def _is_deep(form: str | None, data: bytes) -> bool:
    """Return whether a PNG has 16 bits a sample: Pillow keeps only eight for colours."""
    return form == "PNG" and data[_PNG_DEPTH] > 8


def _find_torchvision() -> Any:
    """Return torchvision, or None if it cannot be imported or was built for another torch."""
    try:
        import torchvision
        import torchvision.io
    except (ImportError, OSError, RuntimeError):
        return None
    return torchvision
