"""Writes tests/vectors/dicom/e1-1.csv: table E.1-1 of DICOM PS3.15, edition 2026c.

The table is that of dicom-anonymizer (Kitware, BSD licence), which makes it from the standard's
DocBook. Run once an edition, with that package where Python finds it:

    pip download --no-deps dicom-anonymizer==2.1.0
    PYTHONPATH=dicom_anonymizer-2.1.0-py3-none-any.whl python tests/vectors/make_dicom_vectors.py
"""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

EDITION = "2026c"
FOLDER = Path(__file__).parent / "dicom"
CODES = {
    "D_TAGS": "D",
    "Z_TAGS": "Z",
    "X_TAGS": "X",
    "U_TAGS": "U",
    "Z_D_TAGS": "Z/D",
    "X_Z_TAGS": "X/Z",
    "X_D_TAGS": "X/D",
    "X_Z_D_TAGS": "X/Z/D",
    "X_Z_U_STAR_TAGS": "X/Z/U*",
}


def written(tag: tuple[int, ...]) -> str:
    """A tag as (gggg,eeee), x for digits that a mask leaves open."""
    numbers = f"{tag[0]:04X}{tag[1]:04X}"
    masks = f"{tag[2]:04X}{tag[3]:04X}" if len(tag) == 4 else "F" * 8
    digits = "".join(
        "x" if mask == "0" else digit
        for digit, mask in zip(numbers, masks, strict=True)
    )
    return f"({digits[:4]},{digits[4:]})"


def main() -> None:
    package = "dicomanonymizer.dicom_anonymization_databases"
    table = importlib.import_module(f"{package}.dicomfields_{EDITION}")
    rows = sorted(
        (written(tag), code)
        for name, code in CODES.items()
        for tag in getattr(table, name)
    )
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "e1-1.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("tag", "basic profile"))
        writer.writerows(rows)


if __name__ == "__main__":
    main()
