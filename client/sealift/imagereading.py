"""Reading images with Pillow: no value of theirs in a log line."""

from __future__ import annotations

import logging
from typing import Any

from sealift_protocol.errors import InvalidArgument

# At DEBUG they write EXIF values, such as where a picture was taken, into the log.
_TALKATIVE = ("PIL.TiffImagePlugin", "PIL.PngImagePlugin")


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
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level < logging.INFO:
            logger.setLevel(logging.INFO)
    return Image
