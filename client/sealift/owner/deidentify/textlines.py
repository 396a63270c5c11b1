"""Lines of text in an image, found by their shape with NumPy only, in any language.

Glyphs are small connected regions that differ from their surroundings, or whose pixels all have
one value. A line of text is several glyphs of one height and brightness on one baseline, read in
any of four directions. Large letters are found in smaller copies of the image. Local contrast is
as in Bernsen's and Niblack's binarisation; regions are unions of runs. docs/policies/dicom-basic.md
has the measured recall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Pixels = np.ndarray[Any, Any]

_CONTRAST = 32.0
"""Contrast of a stroke with its surroundings, of 255, that counts in any image."""
_STRONG = 96.0
"""Contrast of the middle of strokes: small letters touch at their edges."""
_FAINT = 5.0
"""The least contrast that counts where the surroundings are smooth."""
_NOISES = 6.0
"""A stroke differs from its surroundings by this many times their median difference."""
_BLOCK = 64
"""Side of the squares whose noise is measured, in pixels."""
_RADII = (6, 16)
"""Sizes of the surroundings in pixels, for small and for large letters."""
_SAME_INK = 28.0
_HEIGHTS = (5, 64)
"""Heights of letters in pixels."""
_LARGE = 24
"""The least height in a smaller copy: lower letters were found in the larger one."""
_LIKE = 1.7
"""The taller of two letters in a row is at most this many times the other."""
_GAP = 1.3
"""The widest gap between two letters, in heights of the taller."""
_GLYPHS = 4
_PERHAPS = 3
"""Glyphs in a row that may be text, and are read."""
# In an image full of specks, some form a row by chance, so longer rows are required.
_CROWDED = (150, 300, 600, 1200)
_MOST_GLYPHS = 20_000
_TILE = 1024
_OVERLAP = 128
_SMALLEST_COPY = 40
_SCALES = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of glyphs.

    Attributes:
        top, bottom, left, right: its box in the image's pixels, ends exclusive.
        upright: whether it is read along a row of the image; otherwise along a column.
        sure: whether it is text by its shape alone.
    """

    top: int
    bottom: int
    left: int
    right: int
    upright: bool
    sure: bool

    @property
    def size(self) -> int:
        """Height of its letters in pixels."""
        return self.bottom - self.top if self.upright else self.right - self.left


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

    def turned(self) -> _Glyphs:
        """Exchange rows and columns."""
        return _Glyphs(
            self.left, self.right, self.top, self.bottom, self.area, self.ink
        )


def find_lines(image: Pixels) -> Iterator[Line]:
    """Find what looks like a line of letters or digits, and what may be one.

    A line is found once for each contrast setting, so often several times.

    Args:
        image: rows x columns of numbers of any type.

    Returns:
        Lines of at least four glyphs, which are sure, and of three, which may be text.
    """
    windows = list(_windows(image))
    for scale in _SCALES:
        small = smaller(image, scale)
        if scale > 1 and min(small.shape) < _SMALLEST_COPY:
            return
        for top, left, tile in _tiles(small):
            for line in _lines_of_tile(tile, windows, scale):
                yield Line(
                    scale * (line.top + top),
                    scale * (line.bottom + top),
                    scale * (line.left + left),
                    scale * (line.right + left),
                    line.upright,
                    line.sure,
                )


def _lines_of_tile(
    tile: Pixels, windows: list[tuple[float, float]], scale: int
) -> Iterator[Line]:
    first = scale == 1
    lowest = _HEIGHTS[0] if first else _LARGE
    for low, high in windows:
        shown = np.clip(
            (tile.astype(np.float32) - low) * (255.0 / (high - low)), 0, 255
        )
        for radius in _RADII:
            above = shown - mean_around(shown, radius)
            levels = [_CONTRAST, _least_contrast(above)]
            if first and radius == _RADII[0]:
                levels.append(_STRONG)
            for least in levels:
                if least is None:
                    continue
                yield from _rows(_regions(above > least, shown), lowest)
                yield from _rows(_regions(above < -least, 255 - shown), lowest)
    if first:
        yield from _rows(_zones(tile), lowest, same_ink=0.0)


def _least_contrast(above: Pixels) -> Pixels | None:
    """Return the contrast that a stroke has at each pixel, by the noise around it.

    None where that is `_CONTRAST` everywhere.
    """
    rows, columns = above.shape
    high, wide = -(-rows // _BLOCK), -(-columns // _BLOCK)
    padded = np.pad(
        np.abs(above),
        ((0, high * _BLOCK - rows), (0, wide * _BLOCK - columns)),
        mode="reflect" if min(rows, columns) > _BLOCK else "edge",
    )[::2, ::2]
    half = _BLOCK // 2
    blocks = padded.reshape(high, half, wide, half).swapaxes(1, 2)
    noise = np.median(blocks.reshape(high, wide, -1), axis=2)
    least = np.clip(_NOISES * noise, _FAINT, _CONTRAST)
    if (least == _CONTRAST).all():
        return None
    spread: Pixels = least.repeat(_BLOCK, 0).repeat(_BLOCK, 1)[:rows, :columns]
    return spread


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


def smaller(image: Pixels, scale: int) -> Pixels:
    """Return the means of squares of that side."""
    if scale == 1:
        return image
    rows, columns = (side // scale * scale for side in image.shape)
    cut = image[:rows, :columns].astype(np.float32)
    means: Pixels = cut.reshape(rows // scale, scale, columns // scale, scale).mean(
        (1, 3)
    )
    return means


def _tiles(image: Pixels) -> Iterator[tuple[int, int, Pixels]]:
    """Cut an image into overlapping tiles, so that memory does not grow with it."""
    step = _TILE - _OVERLAP
    for top in range(0, max(1, image.shape[0] - _OVERLAP), step):
        for left in range(0, max(1, image.shape[1] - _OVERLAP), step):
            yield top, left, image[top : top + _TILE, left : left + _TILE]


def mean_around(image: Pixels, radius: int) -> Pixels:
    """Return the mean of the square around each pixel, by an integral image."""
    wide = np.pad(image, ((radius + 1, radius), (radius + 1, radius)), mode="edge")
    total = wide.cumsum(0, dtype=np.float64).cumsum(1)
    side = 2 * radius + 1
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    inside += total[:-side, :-side]
    mean: Pixels = (inside / side**2).astype(np.float32)
    return mean


def _rows(
    glyphs: _Glyphs, lowest: int, *, same_ink: float = _SAME_INK
) -> Iterator[Line]:
    """Find rows of glyphs in four directions."""
    for upright in (True, False):
        letters = _letters(glyphs if upright else glyphs.turned(), lowest)
        if len(letters) < _PERHAPS:
            continue
        crowd = sum(len(letters) > crowd for crowd in _CROWDED)
        letters = letters.take(np.argsort(letters.left, kind="stable")[:_MOST_GLYPHS])
        near = _near(letters, same_ink)
        height = letters.bottom - letters.top
        tall = np.maximum(height[near[0]], height[near[1]])
        for here, there in (
            (letters.bottom, letters.top),
            (letters.top, letters.bottom),
        ):
            # On one baseline; upside down, that is the upper edge.
            level = (
                np.abs(here[near[1]] - here[near[0]]) <= np.maximum(1, 0.12 * tall)
            ) & (np.abs(there[near[1]] - there[near[0]]) <= 0.45 * tall)
            labels = _joined(len(letters), near[0][level], near[1][level])
            number, counts = np.unique(labels, return_counts=True)
            for label in number[counts >= _PERHAPS + crowd]:
                members = np.flatnonzero(labels == label)
                box = (
                    int(letters.top[members].min()),
                    int(letters.bottom[members].max()),
                    int(letters.left[members].min()),
                    int(letters.right[members].max()),
                )
                box = box if upright else (box[2], box[3], box[0], box[1])
                yield Line(*box, upright, len(members) >= _GLYPHS + crowd)


def _near(glyphs: _Glyphs, same_ink: float) -> tuple[Pixels, Pixels]:
    """Return pairs of glyphs of like height and ink of which one follows the other.

    Args:
        glyphs: in the order of their left edges.
        same_ink: the largest difference of ink.
    """
    height = glyphs.bottom - glyphs.top
    reach = glyphs.right + _GAP * _LIKE * height
    begin = np.searchsorted(glyphs.left, glyphs.left, "right")
    count = np.maximum(np.searchsorted(glyphs.left, reach, "right") - begin, 0)
    one = np.repeat(np.arange(len(glyphs)), count)
    other = np.arange(len(one)) - np.repeat(np.cumsum(count) - count - begin, count)
    tall = np.maximum(height[one], height[other])
    gap = glyphs.left[other] - glyphs.right[one]
    follows = (
        (gap >= -0.2 * tall)
        & (gap <= _GAP * tall)
        & (_LIKE * np.minimum(height[one], height[other]) >= tall)
        & (np.abs(glyphs.ink[one] - glyphs.ink[other]) <= same_ink)
    )
    return one[follows], other[follows]


def _letters(glyphs: _Glyphs, lowest: int) -> _Glyphs:
    """Keep boxes of a letter's size that are neither dots nor solid blocks."""
    height, width = glyphs.bottom - glyphs.top, glyphs.right - glyphs.left
    fits = (
        (height >= lowest)
        & (height <= _HEIGHTS[1])
        & (width <= 2 * height)
        & (glyphs.area >= 0.9 * height)
        & (glyphs.area <= 0.9 * height * np.maximum(width, 3))
    )
    return glyphs.take(np.flatnonzero(fits))


def _regions(mask: Pixels, ink: Pixels) -> _Glyphs:
    """Return the connected regions of a mask; corners connect."""
    columns = mask.shape[1]
    padded = np.zeros((mask.shape[0], columns + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1).ravel()
    begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    line = columns + 1
    # The runs of the next row that touch a run are consecutive.
    first = np.searchsorted(ends, begins + line, "left")
    count = np.maximum(np.searchsorted(begins, ends + line, "right") - first, 0)
    above = np.repeat(np.arange(len(begins)), count)
    below = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    below += np.repeat(first, count)
    row, left, right = begins // line, begins % line, ends % line
    if not len(begins):
        return _boxes(row, left, right, above, below, np.zeros(0, np.float32))
    values = np.append((ink * mask).ravel(), np.float32(0))
    borders = np.stack([row * columns + left, row * columns + right], axis=1).ravel()
    strongest = np.maximum.reduceat(values, borders)[::2]
    return _boxes(row, left, right, above, below, strongest)


def _zones(image: Pixels) -> _Glyphs:
    """Return the connected regions in which all pixels have one value, at any contrast.

    Programs write letters in one colour, however faint. Zones of the commonest value are left
    out: that is the background, as a rule.
    """
    rows, columns = image.shape
    if image.dtype.kind == "f":
        return _regions(np.zeros((1, 1), np.bool_), np.zeros((1, 1), np.float32))
    _, numbers = np.unique(image, return_inverse=True)
    numbers = numbers.reshape(rows, columns)
    common = int(np.bincount(numbers.ravel()).argmax())
    padded = np.full((rows, columns + 1), -1, np.int64)
    padded[:, :-1] = numbers
    flat = padded.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    ends = np.append(starts[1:], len(flat))
    inside = (flat[starts] >= 0) & (flat[starts] != common)
    starts, ends = starts[inside], ends[inside]
    line = columns + 1
    first = np.searchsorted(ends, starts + line, "right")
    count = np.maximum(np.searchsorted(starts, ends + line, "left") - first, 0)
    above = np.repeat(np.arange(len(starts)), count)
    below = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    below += np.repeat(first, count)
    same = flat[starts[above]] == flat[starts[below]]
    row, left = starts // line, starts % line
    ink = flat[starts].astype(np.float32)
    return _boxes(row, left, left + ends - starts, above[same], below[same], ink)


def _boxes(
    row: Pixels, left: Pixels, right: Pixels, above: Pixels, below: Pixels, ink: Pixels
) -> _Glyphs:
    """Return the boxes of runs that are joined in pairs."""
    if not len(row):
        nothing = np.zeros(0, np.int64)
        return _Glyphs(
            nothing, nothing, nothing, nothing, nothing, np.zeros(0, np.float32)
        )
    _, region = np.unique(_joined(len(row), above, below), return_inverse=True)
    number = int(region.max()) + 1
    glyphs = _Glyphs(
        top=np.full(number, int(row.max()) + 1),
        bottom=np.zeros(number, np.int64),
        left=np.full(number, int(right.max())),
        right=np.zeros(number, np.int64),
        area=np.bincount(region, right - left, number),
        ink=np.zeros(number, np.float32),
    )
    np.minimum.at(glyphs.top, region, row)
    np.maximum.at(glyphs.bottom, region, row + 1)
    np.minimum.at(glyphs.left, region, left)
    np.maximum.at(glyphs.right, region, right)
    np.maximum.at(glyphs.ink, region, ink)
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
