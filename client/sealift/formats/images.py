"""Reading images with Pillow: no value of theirs in a log line."""

from __future__ import annotations

from typing import Any

from sealift.process.extras import extra
from sealift.process.log import keep_debug_off


def import_pillow() -> Any:
    """The module PIL.Image.

    Raises:
        InvalidArgument: Pillow is not installed.
    """
    with extra("images", "reading images needs Pillow"):
        from PIL import Image
    # At DEBUG they write EXIF values, such as where a picture was taken, into the log.
    keep_debug_off("PIL.TiffImagePlugin", "PIL.PngImagePlugin")
    return Image
