"""Measures how much burned-in text is found: names drawn onto pydicom's scans in four directions.

    PYTHONPATH=tests python -m corpus.burned_in

Prints a table for docs/policies/dicom-basic.md: found by shape, and by shape or reading. Faint
text differs from what is behind it by 9 % of the image's range.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.data import get_testdata_file

from sealift.owner.deidentify.pixels import detect_text

Pixels = np.ndarray[Any, Any]
NAMES = (
    *("DOE^JANE", "SMITH, JOHN A", "MRN 00482913", "1961-04-23"),
    *("Maria Gonzales", "F 045Y 1931"),
)
SIZES = (9, 12, 20, 40, 110)


def scans() -> dict[str, Pixels]:
    """Images without a letter on them."""

    def of(name: str) -> Pixels:
        found: Pixels = pydicom.dcmread(str(get_testdata_file(name))).pixel_array
        return found

    noise = np.random.default_rng(4711).normal(120, 5, (300, 400))
    grey = np.full((300, 400), 225, np.uint8)
    grey[0, :2] = (0, 255)
    return {
        "CT": of("J2K_pixelrep_mismatch.dcm"),
        "MR": of("examples_overlay.dcm"),
        "noise": noise.clip(0, 255).astype(np.uint8),
        "light grey": grey,
    }


def drawn(base: Pixels, text: str, size: int, turns: int, *, faint: bool) -> Pixels:
    """Return an image with a text in a direction, as bright as its brightest pixel or faint."""
    turned = np.rot90(base, turns)
    row = 8 if size > 50 else turned.shape[0] // 2
    mask = Image.new("L", (turned.shape[1], turned.shape[0]))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(mask).text((12, row), text, font=font, fill=255)
    share = np.asarray(mask) / 255
    low, high = float(base.min()), float(base.max())
    ink = high
    if faint:
        step = 0.09 * (high - low)
        ink = float(np.median(turned[share > 0.5])) + step
        ink -= 2 * step if ink > high else 0
    written = (turned * (1 - share) + ink * share).astype(base.dtype)
    return np.rot90(written, -turns)


def cases() -> Iterator[tuple[tuple[str, ...], Pixels]]:
    """Images with text, and the groups that each belongs to."""
    texts = itertools.cycle(NAMES)
    for (name, base), size, turns, faint in itertools.product(
        scans().items(), SIZES, range(4), (False, True)
    ):
        text = next(texts)
        if size > 50:
            text = "DOE JANE"[: max(3, min(base.shape) // 70)]
        groups = (
            f"on {name}",
            f"{size} pixels",
            f"turned by {90 * turns}°",
            "9 % of contrast" if faint else "full contrast",
            "all",
        )
        yield groups, drawn(base, text, size, turns, faint=faint)


def main() -> None:
    warnings.simplefilter("ignore")
    asked, shape, either = Counter[str](), Counter[str](), Counter[str]()
    for groups, image in cases():
        by_shape = detect_text(image, with_ocr=False).suspected
        found = by_shape or detect_text(image).suspected
        for group in groups:
            asked[group] += 1
            shape[group] += by_shape
            either[group] += found
    rows = ["| | images | by shape | by shape or reading |", "|---|---|---|---|"]
    rows += [
        f"| {group} | {count} | {shape[group] / count:.2f} | {either[group] / count:.2f} |"
        for group, count in asked.items()
    ]
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
