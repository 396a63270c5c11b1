"""Lines of text in an image, found by their shape with NumPy only, in any language.

Glyphs are small connected regions that differ from their surroundings. A line of text is several
glyphs of one height and brightness on one baseline. Local contrast is as in Bernsen's and Niblack's
binarisation; regions are unions of runs. docs/policies/dicom-basic.md has the measured recall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Pixels = np.ndarray[Any, Any]

_CONTRAST = 32.0
"""Contrast of a stroke with its surroundings, of 255."""
_RADII = (6, 16)
"""Sizes of the surroundings in pixels, for small and for large letters."""
_SAME_INK = 28.0
_HEIGHTS = (5, 64)
_GLYPHS = 4
# In an image full of specks, some form a row by chance, so longer rows are required.
_CROWDED = (150, 300, 600, 1200)
_MOST_GLYPHS = 3000
_TILE = 1024
_OVERLAP = 128


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """Bounding boxes of regions, ends exclusive, with the strongest contrast in each."""

    top: Pixels
    bottom: Pixels
    left: Pixels
    right: Pixels
    area: Pixels
    ink: Pixels

    def __len__(self) -> int:
        return len(self.top)

    def take(self, places: Pixels) -> _Glyphs:
        return _Glyphs(
            self.top[places],
            self.bottom[places],
            self.left[places],
            self.right[places],
            self.area[places],
            self.ink[places],
        )


def count_lines(image: Pixels) -> int:
    """Count the pieces that look like a line of at least four letters or digits.

    A line is counted once for each contrast setting, so a person may see fewer lines.

    Args:
        image: rows x columns of numbers of any type.
    """
    found = 0
    for low, high in _windows(image):
        for tile in _tiles(image):
            shown = np.clip(
                (tile.astype(np.float32) - low) * (255.0 / (high - low)), 0, 255
            )
            for radius in _RADII:
                above = shown - mean_around(shown, radius)
                found += _lines(above > _CONTRAST, shown)
                found += _lines(above < -_CONTRAST, 255 - shown)
    return found


def _windows(image: Pixels) -> Iterator[tuple[float, float]]:
    """Return the full range of values, and the range of most of them if much smaller."""
    low, high = float(image.min()), float(image.max())
    if not high > low:
        return
    yield low, high
    step = max(1, image.shape[0] // 512), max(1, image.shape[1] // 512)
    first, last = map(float, np.percentile(image[:: step[0], :: step[1]], (1, 99.5)))
    if low <= first < last <= high and last - first < 0.8 * (high - low):
        yield first, last


def _tiles(image: Pixels) -> Iterator[Pixels]:
    """Cut an image into overlapping tiles, so that memory does not grow with it."""
    step = _TILE - _OVERLAP
    for top in range(0, max(1, image.shape[0] - _OVERLAP), step):
        for left in range(0, max(1, image.shape[1] - _OVERLAP), step):
            yield image[top : top + _TILE, left : left + _TILE]


def mean_around(image: Pixels, radius: int) -> Pixels:
    """Return the mean of the square around each pixel, by an integral image."""
    wide = np.pad(image, ((radius + 1, radius), (radius + 1, radius)), mode="edge")
    total = wide.cumsum(0, dtype=np.float64).cumsum(1)
    side = 2 * radius + 1
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    inside += total[:-side, :-side]
    mean: Pixels = (inside / side**2).astype(np.float32)
    return mean


def _lines(mask: Pixels, ink: Pixels) -> int:
    glyphs = _letters(_regions(mask, ink))
    least = _GLYPHS + sum(len(glyphs) > crowd for crowd in _CROWDED)
    if len(glyphs) < least:
        return 0
    glyphs = glyphs.take(np.argsort(glyphs.left, kind="stable")[:_MOST_GLYPHS])
    height = glyphs.bottom - glyphs.top
    tall = np.maximum(height[:, None], height)
    short = np.minimum(height[:, None], height)
    gap = glyphs.left[None, :] - glyphs.right[:, None]
    follows = (
        (glyphs.left[None, :] > glyphs.left[:, None])
        & (gap >= -0.2 * tall)
        & (gap <= 1.3 * tall)
        & (1.7 * short >= tall)
        & (np.abs(glyphs.bottom[:, None] - glyphs.bottom) <= np.maximum(1, 0.12 * tall))
        & (np.abs(glyphs.top[:, None] - glyphs.top) <= 0.45 * tall)
        & (np.abs(glyphs.ink[:, None] - glyphs.ink) <= _SAME_INK)
    )
    labels = _joined(len(glyphs), *np.nonzero(follows))
    _, counts = np.unique(labels, return_counts=True)
    return int(np.count_nonzero(counts >= least))


def _letters(glyphs: _Glyphs) -> _Glyphs:
    """Keep boxes of a letter's size that are neither dots nor solid blocks."""
    height, width = glyphs.bottom - glyphs.top, glyphs.right - glyphs.left
    fits = (
        (height >= _HEIGHTS[0])
        & (height <= _HEIGHTS[1])
        & (width <= 2 * height)
        & (glyphs.area >= 0.9 * height)
        & (glyphs.area <= 0.9 * height * np.maximum(width, 3))
    )
    return glyphs.take(np.flatnonzero(fits))


def _regions(mask: Pixels, ink: Pixels) -> _Glyphs:
    """Return the connected regions of a mask; corners connect."""
    rows, columns = mask.shape
    padded = np.zeros((rows, columns + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1).ravel()
    begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if not len(begins):
        nothing = np.zeros(0, np.int64)
        return _Glyphs(
            nothing, nothing, nothing, nothing, nothing, np.zeros(0, np.float32)
        )
    line = columns + 1
    row, left, right = begins // line, begins % line, ends % line
    # The runs of the next row that touch a run are consecutive.
    first = np.searchsorted(ends, begins + line, "left")
    count = np.maximum(np.searchsorted(begins, ends + line, "right") - first, 0)
    above = np.repeat(np.arange(len(begins)), count)
    below = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    below += np.repeat(first, count)
    _, region = np.unique(_joined(len(begins), above, below), return_inverse=True)
    number = int(region.max()) + 1
    glyphs = _Glyphs(
        top=np.full(number, rows),
        bottom=np.zeros(number, np.int64),
        left=np.full(number, columns),
        right=np.zeros(number, np.int64),
        area=np.bincount(region, right - left, number),
        ink=np.zeros(number, np.float32),
    )
    np.minimum.at(glyphs.top, region, row)
    np.maximum.at(glyphs.bottom, region, row + 1)
    np.minimum.at(glyphs.left, region, left)
    np.maximum.at(glyphs.right, region, right)
    values = np.append((ink * mask).ravel(), np.float32(0))
    borders = np.stack([row * columns + left, row * columns + right], axis=1).ravel()
    np.maximum.at(glyphs.ink, region, np.maximum.reduceat(values, borders)[::2])
    return glyphs


def _joined(count: int, ones: Pixels, others: Pixels) -> Pixels:
    """Label `count` items so that items joined by pairs, directly or not, share a label."""
    labels = np.arange(count)
    while True:
        least = np.minimum(labels[ones], labels[others])
        lower = labels.copy()
        np.minimum.at(lower, labels[ones], least)
        np.minimum.at(lower, labels[others], least)
        while not np.array_equal(lower[lower], lower):
            lower = lower[lower]
        if np.array_equal(lower, labels):
            return labels
        labels = lower
