"""Paints over text in images, and reads the result again (PS3.15 E.3.1, Clean Pixel Data)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sealift.owner.deidentify.ocr import widened
from sealift.owner.deidentify.pixels import (
    detect_text,
    find_text,
    frames_of,
    is_coloured,
)

_ROUNDS = 4
_ALONG = 1.5
"""How far beyond a line's ends is painted, in heights of its letters: the shape of a letter that
touches another is not always found."""
_ACROSS = 0.4


@dataclass(frozen=True, slots=True)
class Painted:
    """An image without the text that was found in it.

    Attributes:
        pixels: a copy with the text painted over.
        boxes: number of places that were painted, in every frame.
    """

    pixels: np.ndarray[Any, Any] = field(repr=False)
    boxes: int


def paint_text(pixels: np.ndarray[Any, Any], *, frames: int = 0) -> Painted | None:
    """Paint over all text that is found, in every frame, with the frame's darkest value.

    Args:
        pixels: [frames x] rows x columns [x samples]; it is not changed.
        frames: how many frames are examined; 0 for all.

    Returns:
        The copy, in which no text is found any more; None if some still is, or it cannot be
        read.
    """
    copy = np.array(pixels, order="C")
    boxes = 0
    for _ in range(_ROUNDS):
        lines = find_text(copy, frames=frames)
        if lines is None:
            return None
        if not lines:
            break
        every = frames_of(copy)
        axes = (1, 2)
        darkest = every.min(axis=axes, keepdims=True)
        shape = copy.shape[-3:-1] if is_coloured(copy) else copy.shape[-2:]
        for line in lines:
            box = widened(line, shape, along=_ALONG, across=_ACROSS)
            every[:, box.top : box.bottom, box.left : box.right] = darkest
        boxes += len(lines)
    if detect_text(copy, with_ocr=True, frames=frames).suspected:
        return None
    return Painted(copy, boxes)
