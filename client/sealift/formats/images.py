"""Reading images with Pillow: no value of theirs in a log line."""

from __future__ import annotations

from typing import Any

from sealift.process.log import keep_debug_off
from sealift_protocol.errors import InvalidArgument


def import_pillow() -> Any:
    """The module PIL.Image.

    Raises:
        InvalidArgument: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise InvalidArgument(
            "Pillow, which reads images, is not installed",
            hint="install it with: pip install 'sealift[images]'",
        ) from None
    # At DEBUG they write EXIF values, such as where a picture was taken, into the log.
    keep_debug_off("PIL.TiffImagePlugin", "PIL.PngImagePlugin")
    return Image
