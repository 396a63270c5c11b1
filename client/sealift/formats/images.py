"""Reads images with Pillow, without any of their values in a log line."""

from __future__ import annotations

from typing import Any

from sealift.process.extras import extra
from sealift.process.log import keep_debug_off


def import_pillow() -> Any:
    """Import the module PIL.Image, and keep its loggers off DEBUG.

    Raises:
        InvalidArgument: Pillow is not installed.
    """
    with extra("images", "reading images needs Pillow"):
        from PIL import Image
    # At DEBUG they log EXIF values, such as the place where a picture was taken.
    keep_debug_off("PIL.TiffImagePlugin", "PIL.PngImagePlugin")
    return Image
