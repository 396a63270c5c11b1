"""Words in an image, read by Tesseract: the image goes through a pipe, never into a file.

The program is called directly, since the package pytesseract writes each image to disk. Only
pieces that may be text are read, in both directions, made as large as letters that it reads best.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sealift.owner.deidentify.textlines import Line, smaller

PROGRAM = "tesseract"
Pixels = np.ndarray[Any, Any]

_SECONDS = 120
_SURE = 65.0
"""Tesseract's confidence, of 100, from which on a word counts."""
_WORD = re.compile(r"[^\W_]{3,}")
_LETTER = 32
"""Height of letters in what is read, in pixels."""
_DARKEST = 64
_MOST_LINES = 48
_SHEET = 4000
"""Rows of what is read at once."""
_GAP = 16
_WHOLE = 1000


def is_installed() -> bool:
    """Return whether Tesseract is installed."""
    return shutil.which(PROGRAM) is not None


@dataclass(frozen=True, slots=True)
class _View:
    """A piece of an image as it is read.

    Attributes:
        piece: where it is in the image.
        shown: its shades, in the direction of reading.
        scale: pixels of the image for each of the view.
        flipped: whether it is upside down.
    """

    piece: Line
    shown: Pixels
    scale: float
    flipped: bool

    def in_image(self, word: _Word) -> Line:
        """Return a word's box in the image."""
        rows, columns = self.shown.shape
        left = columns - word.left - word.width if self.flipped else word.left
        top = rows - word.top - word.height if self.flipped else word.top
        along = round(self.scale * left), round(self.scale * (left + word.width))
        across = round(self.scale * top), round(self.scale * (top + word.height))
        piece = self.piece
        if piece.upright:
            return Line(
                max(piece.top, piece.top + across[0]),
                min(piece.bottom, piece.top + across[1]),
                max(piece.left, piece.left + along[0]),
                min(piece.right, piece.left + along[1]),
                upright=True,
                sure=True,
            )
        # A column is read upwards: the piece was turned by 90 degrees to the left.
        return Line(
            max(piece.top, piece.top + along[0]),
            min(piece.bottom, piece.top + along[1]),
            max(piece.left, piece.right - across[1]),
            min(piece.right, piece.right - across[0]),
            upright=False,
            sure=True,
        )


@dataclass(frozen=True, slots=True)
class _Word:
    """The box of a word that Tesseract read, in pixels."""

    left: int
    top: int
    width: int
    height: int


def read_lines(image: Pixels, lines: Sequence[Line]) -> list[Line] | None:
    """Read what may be lines of text, and return the words in them.

    A word has three or more letters or digits. An image with very many lines is read whole.

    Args:
        image: rows x columns of numbers.
        lines: pieces of it, from `find_lines`.

    Returns:
        The boxes of the words; None if they cannot be read.
    """
    pieces = _joined(lines, image.shape)
    views: Iterator[_View] = (view for piece in pieces for view in _views(image, piece))
    if len(pieces) > _MOST_LINES:
        views = _views_of_all(image)
    found: list[Line] = []
    sheet: list[_View] = []
    height = 0
    for view in (*views, None):
        if sheet and (view is None or height + len(view.shown) > _SHEET):
            read = _read_sheet(sheet)
            if read is None:
                return None
            found += read
            sheet, height = [], 0
        if view is not None:
            sheet.append(view)
            height += len(view.shown) + _GAP
    return found


def _joined(lines: Sequence[Line], shape: tuple[int, ...]) -> list[Line]:
    """Widen lines to what stands beside them, and join those that overlap."""
    pieces: list[Line] = []
    for line in sorted(set(lines), key=lambda line: -line.size):
        wide = widened(line, shape, along=3.0, across=0.5)
        for place, other in enumerate(pieces):
            if other.upright == wide.upright and _covers(other, wide):
                break
            if (
                other.upright == wide.upright
                and _covers(wide, other)
                and wide.size < 2 * other.size
            ):
                pieces[place] = wide
                break
        else:
            pieces.append(wide)
    return pieces


def _covers(one: Line, other: Line) -> bool:
    """Return whether a box holds most of another of letters not much smaller."""
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    wide = min(one.right, other.right) - max(one.left, other.left)
    area = (other.bottom - other.top) * (other.right - other.left)
    return (
        high > 0
        and wide > 0
        and high * wide >= 0.7 * area
        and one.size <= 2 * other.size
    )


def widened(line: Line, shape: tuple[int, ...], *, along: float, across: float) -> Line:
    """Return a line with a larger box, within an image.

    Args:
        line: the line.
        shape: rows and columns of the image.
        along: by how much it grows at both ends, in heights of its letters.
        across: by how much above and below.
    """
    rows = round((across if line.upright else along) * line.size) + 1
    columns = round((along if line.upright else across) * line.size) + 1
    return Line(
        max(0, line.top - rows),
        min(shape[0], line.bottom + rows),
        max(0, line.left - columns),
        min(shape[1], line.right + columns),
        line.upright,
        line.sure,
    )


def _views(image: Pixels, line: Line) -> Iterator[_View]:
    """Return a piece of an image as shades, upright in either direction."""
    piece = image[line.top : line.bottom, line.left : line.right].astype(np.float32)
    piece = piece if line.upright else np.rot90(piece)
    # The box has half a letter's height above and below.
    letter = max(1.0, len(piece) / 2)
    scale = 1.0
    if letter > _LETTER:
        step = int(letter // _LETTER)
        piece, scale = smaller(piece, step), float(step)
    elif letter < 0.75 * _LETTER:
        times = min(4, round(_LETTER / letter))
        piece, scale = _enlarged(piece, times), 1 / times
    shown = _shades(piece)
    views = [shown]
    if letter > _LETTER:
        # Large letters cover what would make them hard to read: only the darkest is left.
        views.append(np.where(shown < _DARKEST, np.uint8(0), np.uint8(255)))
    for view in views:
        yield _View(line, view, scale, flipped=False)
        yield _View(line, view[::-1, ::-1], scale, flipped=True)


def _views_of_all(image: Pixels) -> Iterator[_View]:
    """Return a whole image in four directions."""
    rows, columns = image.shape
    step = -(-max(image.shape) // _WHOLE)
    shown = _shades(image[::step, ::step])
    for upright in (True, False):
        whole = Line(0, rows, 0, columns, upright, sure=False)
        turned = shown if upright else np.rot90(shown)
        yield _View(whole, turned, step, flipped=False)
        yield _View(whole, turned[::-1, ::-1], step, flipped=True)


def _enlarged(piece: Pixels, times: int) -> Pixels:
    """Enlarge an image by linear interpolation."""
    for axis in (0, 1):
        count = piece.shape[axis]
        places = np.clip((np.arange(count * times) + 0.5) / times - 0.5, 0, count - 1)
        low = places.astype(np.int64)
        share = (places - low).astype(np.float32)
        share = share[:, None] if axis == 0 else share[None, :]
        high = np.minimum(low + 1, count - 1)
        piece = piece.take(low, axis) * (1 - share) + piece.take(high, axis) * share
    return piece


def _shades(image: Pixels) -> Pixels:
    """Scale an image to dark on bright, clipping its darkest and brightest hundredth."""
    low, high = map(float, np.percentile(image, (1, 99)))
    if not high > low:
        low, high = float(image.min()), float(image.max())
    scale = 255 / (high - low) if high > low else 0
    shown = np.clip((image.astype(np.float32) - low) * scale, 0, 255)
    # There is less ink than paper.
    if np.median(shown) < 128:
        shown = 255 - shown
    dark: Pixels = shown.astype(np.uint8)
    return dark


def _read_sheet(sheet: Sequence[_View]) -> list[Line] | None:
    """Read views below one another; return the words' boxes in the image."""
    wide = max(view.shown.shape[1] for view in sheet) + 2 * _GAP
    tall = sum(len(view.shown) + _GAP for view in sheet) + _GAP
    page = np.full((tall, wide), 255, np.uint8)
    tops, row = [], _GAP
    for view in sheet:
        page[row : row + len(view.shown), _GAP : _GAP + view.shown.shape[1]] = (
            view.shown
        )
        tops.append(row)
        row += len(view.shown) + _GAP
    words = _read(page)
    if words is None:
        return None
    found = []
    for word in words:
        middle = word.top + word.height // 2
        place = max(0, int(np.searchsorted(tops, middle, "right")) - 1)
        inside = _Word(
            word.left - _GAP, word.top - tops[place], word.width, word.height
        )
        found.append(sheet[place].in_image(inside))
    return found


def _read(page: Pixels) -> list[_Word] | None:
    """Return the words on a page; None if Tesseract fails."""
    try:
        # --psm 11: as much text as possible, in no particular order.
        done = subprocess.run(  # noqa: S603
            [shutil.which(PROGRAM) or PROGRAM, "stdin", "stdout", "--psm", "11", "tsv"],
            input=as_png(page),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [word for word in map(_word_of, lines) if word is not None]


def _word_of(line: str) -> _Word | None:
    """Return the word of a line of Tesseract's table; None if it has no sure one.

    Its cells are level, ..., left, top, width, height, confidence, text.
    """
    cells = line.split("\t")
    if len(cells) != 12 or cells[0] != "5":
        return None
    if float(cells[10]) < _SURE or not _WORD.search(cells[11]):
        return None
    return _Word(*map(int, cells[6:10]))


def as_png(image: np.ndarray[Any, Any]) -> bytes:
    """Encode a uint8 image as PNG (ISO/IEC 15948), which Tesseract decodes in memory."""
    rows, columns = image.shape
    lines = np.zeros((rows, columns + 1), np.uint8)
    lines[:, 1:] = image
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(lines.tobytes(), 1)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
