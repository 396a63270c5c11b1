"""Words in an image, read by Tesseract: the image goes through a pipe, never into a file.

The program is called directly, since the package pytesseract writes each image to disk.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import zlib
from typing import Any

import numpy as np

from sealift.owner.deidentify.textlines import mean_around

PROGRAM = "tesseract"
_SECONDS = 120
_SURE = 50.0
"""Tesseract's confidence, of 100, from which on a word counts."""
_WORD = re.compile(r"[^\W_]{3,}")
_ENLARGED_BELOW = 900
_LONGEST = 3000
_SURROUNDINGS = 16


def is_installed() -> bool:
    """Return whether Tesseract is installed."""
    return shutil.which(PROGRAM) is not None


def count_words(image: np.ndarray[Any, Any]) -> int | None:
    """Count words of three or more letters or digits; None if the image cannot be read.

    Args:
        image: rows x columns of numbers.
    """
    longest = max(image.shape)
    if longest > _LONGEST:
        step = -(-longest // _LONGEST)
        image = image[::step, ::step]
    shown = _shades(image)
    words = _read(shown)
    if words == 0:
        # Strokes that differ from their surroundings, dark on white, as on paper.
        standing_out = np.abs(shown - mean_around(shown, _SURROUNDINGS))
        words = _read(255 - np.clip(3 * standing_out, 0, 255))
    return words


def _shades(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Scale an image to 0..255, clipping its darkest and brightest hundredth."""
    low, high = map(float, np.percentile(image, (1, 99.5)))
    if not high > low:
        low, high = float(image.min()), float(image.max())
    scale = 255 / (high - low) if high > low else 0
    shown: np.ndarray[Any, Any] = np.clip(
        (image.astype(np.float32) - low) * scale, 0, 255
    )
    return shown


def _read(shown: np.ndarray[Any, Any]) -> int | None:
    image = shown.astype(np.uint8)
    if max(image.shape) < _ENLARGED_BELOW:
        image = image.repeat(2, axis=0).repeat(2, axis=1)
    # Add a margin: Tesseract misses text at the very border.
    image = np.pad(image, 12, mode="edge")
    try:
        # --psm 11: as much text as possible, in no particular order.
        done = subprocess.run(  # noqa: S603
            [shutil.which(PROGRAM) or PROGRAM, "stdin", "stdout", "--psm", "11", "tsv"],
            input=as_png(image),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    return sum(map(_is_word, done.stdout.decode("utf-8", "replace").splitlines()))


def _is_word(line: str) -> bool:
    """Return whether a line of Tesseract's table (level, ..., confidence, text) is a word."""
    cells = line.split("\t")
    if len(cells) != 12 or cells[0] != "5":
        return False
    return float(cells[10]) >= _SURE and _WORD.search(cells[11]) is not None


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
