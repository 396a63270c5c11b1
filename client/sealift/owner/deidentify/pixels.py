"""Text burned into images: found by the header, by OCR and by its shape.

Source: DICOM PS3.3 C.7.6.1 (Burned In Annotation), C.8.6 (Secondary Capture); PS3.15 E.3.1 (Clean
Pixel Data Option). No method finds all text: docs/policies/dicom-basic.md has the measured recall.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sealift.owner.deidentify import ocr
from sealift.owner.deidentify.textlines import Line, find_lines

PIXELS, SHAPE, TYPE = "pixels", "pixel_shape", "pixel_type"
"""Columns of the DICOM source: bytes in C order, little-endian; shape; NumPy's type name."""

_KINDS = "biuf"
_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class BurnedIn:
    """The finding for an image.

    Attributes:
        suspected: whether text may be burned in.
        boxes: number of lines found before the search ended; 0 if only the header says so.
        how: "header", "ocr", "edges", or "unreadable" for an image that could not be decoded;
            empty if nothing was found.
    """

    suspected: bool
    boxes: int = 0
    how: str = ""


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """A rule by which an image's header alone makes it suspected.

    Attributes:
        keyword: keyword of the element.
        pattern: regular expression for a value; case does not matter.
        why: the reason, for people.
    """

    keyword: str
    pattern: str
    why: str


HEADER_RULES = (
    HeaderRule("BurnedInAnnotation", r"^\s*YES", "the header says so"),
    HeaderRule(
        "SOPClassUID",
        r"^1\.2\.840\.10008\.5\.1\.4\.1\.1\.(7|7\.[1-4]|104\.[0-9]+)\s*$",
        "secondary captures and encapsulated documents are made of screens and paper",
    ),
    HeaderRule(
        "ConversionType", r"\S", "the image was converted from a screen, film or paper"
    ),
    HeaderRule(
        "Modality",
        r"^\s*(US|IVUS|ES|XC|GM|OT|SC|DOC|ECG|HD|EPS)\s*$",
        "such devices write the patient's name into the picture",
    ),
    HeaderRule(
        "ImageType",
        r"SCREEN|SAVE|CAPTURE|REPORT|DOSE_?INFO|PROTOCOL|POSDISP|VOLREN",
        "screen saves, reports and dose sheets",
    ),
    HeaderRule(
        "SeriesDescription",
        r"dose (report|info|record)|patient protocol|screen ?(save|shot|capture)|worksheet",
        "screen saves, reports and dose sheets",
    ),
    HeaderRule(
        "Manufacturer",
        r"VIDAR|HOWTEK|LUMISYS|PACSGEAR|VITAL IMAGES|VITREA|TERARECON|DIGISONICS",
        "film digitisers and workstations",
    ),
)


def detect_text(
    pixels: np.ndarray[Any, Any], *, with_ocr: bool | None = None, frames: int = 0
) -> BurnedIn:
    """Look for text in an image, in any of four directions; the search ends at the first.

    Args:
        pixels: [frames x] rows x columns [x samples], with 3 or 4 samples.
        with_ocr: whether Tesseract reads what may be text by its shape; None means if it is
            installed.
        frames: how many frames are examined, evenly spread and with the first and the last; 0
            for all. Equal frames are examined once.
    """
    reads = ocr.is_installed() if with_ocr is None else with_ocr
    perhaps: list[tuple[np.ndarray[Any, Any], list[Line]]] = []
    for plane in _planes(pixels, frames):
        unsure = []
        for line in find_lines(plane):
            if line.sure:
                return BurnedIn(suspected=True, boxes=1, how="edges")
            unsure.append(line)
        if unsure and reads:
            perhaps.append((plane, unsure))
    for plane, lines in perhaps:
        read = ocr.read_lines(plane, lines)
        if read is None:
            return BurnedIn(suspected=True, how="unreadable")
        if read:
            return BurnedIn(suspected=True, boxes=len(read), how="ocr")
    return BurnedIn(suspected=False)


def find_text(pixels: np.ndarray[Any, Any], *, frames: int = 0) -> list[Line] | None:
    """Return all lines of text in the frames of an image, found by shape and by reading.

    Args:
        pixels: as for `detect_text`.
        frames: as for `detect_text`.

    Returns:
        The lines; None if Tesseract fails.
    """
    found: set[Line] = set()
    for plane in _planes(pixels, frames):
        lines = set(find_lines(plane))
        found |= {line for line in lines if line.sure}
        unsure = [line for line in lines if not line.sure]
        read = ocr.read_lines(plane, unsure) if unsure else []
        if read is None:
            return None
        found |= set(read)
    return sorted(found, key=lambda line: (line.top, line.left, line.size))


def suspects_by_header(batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows have a header that matches a rule of `HEADER_RULES`."""
    suspected = np.zeros(batch.num_rows, np.bool_)
    for rule in HEADER_RULES:
        place = batch.schema.get_field_index(rule.keyword)
        if place >= 0:
            suspected[_rows_that_fit(batch.column(place), rule.pattern)] = True
    return suspected


class PixelInspector:
    """Examines the images in batches of the DICOM source, and counts the findings.

    Attributes:
        applies: whether the batches have images that it can examine.
    """

    def __init__(
        self, schema: pa.Schema, *, with_ocr: bool | None = None, frames: int = 0
    ) -> None:
        """Find the image columns.

        Args:
            schema: schema of the batches before de-identification.
            with_ocr: whether Tesseract is used; None means if it is installed.
            frames: how many frames of an image are examined; 0 for all.
        """
        self.applies = schema.get_field_index(PIXELS) >= 0
        self._with_ocr = ocr.is_installed() if with_ocr is None else with_ocr
        self._of_frames = frames
        self._images = 0
        self._found: Counter[str] = Counter()

    def inspect(self, batch: pa.RecordBatch) -> list[BurnedIn]:
        """Return the finding for each row; rows without an image have nothing suspected."""
        if not self.applies:
            return [BurnedIn(suspected=False)] * batch.num_rows
        by_header = suspects_by_header(batch)
        there = batch.column(PIXELS).is_valid().to_numpy(zero_copy_only=False)

        def look(row: int) -> BurnedIn:
            if not there[row]:
                return BurnedIn(suspected=False)
            if by_header[row]:
                return BurnedIn(suspected=True, how="header")
            image = image_of(batch, row)
            if image is None:
                return BurnedIn(suspected=True, how="unreadable")
            return detect_text(image, with_ocr=self._with_ocr, frames=self._of_frames)

        with ThreadPoolExecutor(_THREADS) as threads:
            found = list(threads.map(look, range(batch.num_rows)))
        self._images += int(np.count_nonzero(there))
        self._found.update(one.how for one in found if one.suspected)
        return found

    def take_notices(self) -> tuple[str, ...]:
        """Return sentences about the images since the last call; empty without images."""
        images, found = self._images, self._found
        self._images, self._found = 0, Counter()
        if not images:
            return ()
        if not found:
            how = (
                "reading and by shape"
                if self._with_ocr
                else "shape; Tesseract is not installed"
            )
            part = f" of {self._of_frames} frames each" if self._of_frames else ""
            return (f"no text was found in {images} images{part} (by header, {how})",)
        ways = ", ".join(f"{count} by {how}" for how, count in sorted(found.items()))
        return (
            f"{found.total()} of {images} images are suspected of burned-in text ({ways})",
        )


def image_of(batch: pa.RecordBatch, row: int) -> np.ndarray[Any, Any] | None:
    """Return a row's image without a copy; None if it has no shape or type that fits its bytes."""
    content = batch.column(PIXELS)[row]
    missing = {SHAPE, TYPE} - set(batch.schema.names)
    if missing or not isinstance(content, pa.BinaryScalar):
        return None
    name, shape = batch.column(TYPE)[row].as_py(), batch.column(SHAPE)[row].as_py()
    return as_image(content.as_buffer(), shape, name)


def as_image(
    content: pa.Buffer, shape: object, name: object
) -> np.ndarray[Any, Any] | None:
    """Return bytes as an image; None if they do not have that shape and type."""
    try:
        kind = np.dtype(name).newbyteorder("<")  # type: ignore[call-overload]
        image: np.ndarray[Any, Any] = np.frombuffer(content, kind).reshape(shape)
    except (TypeError, ValueError):
        return None
    return image if kind.kind in _KINDS and image.ndim >= 2 and image.size else None


def _rows_that_fit(
    column: pa.Array, pattern: str
) -> np.ndarray[Any, np.dtype[np.int64]]:
    texts, rows = column, np.arange(len(column))
    if pa.types.is_list(column.type):
        texts, rows = column.flatten(), pc.list_parent_indices(column).to_numpy()
    if not pa.types.is_string(texts.type):
        return np.zeros(0, np.int64)
    fits = pc.fill_null(
        pc.match_substring_regex(texts, pattern, ignore_case=True), False
    )
    return np.asarray(rows[fits.to_numpy(zero_copy_only=False)], np.int64)


def is_coloured(pixels: np.ndarray[Any, Any]) -> bool:
    """Return whether the last axis of an image is that of samples."""
    return pixels.ndim >= 3 and pixels.shape[-1] in (3, 4)


def frames_of(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an image as frames x rows x columns [x samples], without a copy."""
    axes = 3 if is_coloured(pixels) else 2
    return pixels.reshape(-1, *pixels.shape[-axes:])


def _planes(
    pixels: np.ndarray[Any, Any], frames: int
) -> Iterator[np.ndarray[Any, Any]]:
    """Return images of one number a pixel: of colour images, each sample that tells more."""
    every = frames_of(pixels)
    count = len(every)
    places = np.linspace(0, count - 1, min(count, frames or count))
    seen: set[bytes] = set()
    for place in np.unique(places.astype(int)):
        frame = every[place]
        samples = np.moveaxis(frame, -1, 0) if is_coloured(pixels) else frame[None]
        for sample in samples:
            plane = np.ascontiguousarray(sample)
            known = hashlib.blake2b(plane.tobytes(), digest_size=16).digest()
            if known in seen:
                continue
            seen.add(known)
            if plane.dtype.kind == "f":
                yield np.nan_to_num(plane, posinf=0, neginf=0)
            else:
                yield plane.astype(np.uint8) if plane.dtype.kind == "b" else plane
