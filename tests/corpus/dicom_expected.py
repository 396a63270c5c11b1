"""Writes tests/vectors/dicom/actions.csv: what must become of each attribute of a DICOM instance.

The actions are those that the MIDI-B challenge scores: an identifier is removed or changed, what is
no identifier is kept. They follow from table E.1-1 of PS3.15 (tests/vectors/dicom/e1-1.csv) and the
VR that PS3.6 gives an attribute, from nothing that Sealift says or does:

    python tests/corpus/dicom_expected.py

remove  in the table with any code but U; elsewhere dates, times, ages, names and application names
change  in the table with U, and Patient ID: another value, the same for the same value
keep    not in the table: numbers, codes, binary data and UIDs that the standard defines
look    not in the table: texts that people type, in which an identifier is removed

Attributes are those of the table and of pydicom's test files, at the top level. Sequences and
private elements never become columns, so that what they hold is removed.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import pydicom
import pydicom.data
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag

VECTORS = Path(__file__).parent.parent / "vectors" / "dicom"
_PATIENT_ID = 0x00100020
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_REMOVED = ("AE", "AS", "DA", "DT", "PN", "TM")
_LOOKED_AT = ("LO", "LT", "SH", "ST", "UC", "UR", "UT")


def table() -> dict[int, str]:
    """The codes of the basic profile by tag; ranges of tags are left out."""
    with (VECTORS / "e1-1.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {int(tag[1:5] + tag[6:10], 16): code for tag, code in rows if "x" not in tag}


def action_of(tag: int, codes: dict[int, str]) -> str:
    """What must become of an attribute."""
    vr = dictionary_VR(tag)
    if vr == "SQ":
        return "remove"
    code = codes.get(tag)
    if tag == _PATIENT_ID or code == "U":
        return "change"
    if code is not None or vr in _REMOVED:
        return "remove"
    return "look" if vr in _LOOKED_AT else "keep"


def files() -> list[Path]:
    """pydicom's test files."""
    return sorted((Path(pydicom.data.__file__).parent / "test_files").rglob("*.dcm"))


def attributes() -> list[int]:
    """The tags of the table and of the test files, without file meta information."""
    found = set(table())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files():
            try:
                found |= {int(tag) for tag in pydicom.dcmread(path).keys()}  # noqa: SIM118
            except Exception:  # noqa: BLE001  (some files are broken on purpose)
                continue
    return sorted(
        tag
        for tag in found
        if tag > 0x00080000
        and not tag >> 16 & 1
        and tag & 0xFFFF
        and tag not in _PIXELS
        and tag >> 24 not in (0x50, 0x60)
        and dictionary_has_tag(tag)
    )


def main() -> None:
    codes = table()
    with (VECTORS / "actions.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("tag", "keyword", "vr", "action"))
        for tag in attributes():
            row = (keyword_for_tag(tag), dictionary_VR(tag), action_of(tag, codes))
            writer.writerow((f"({tag >> 16:04X},{tag & 0xFFFF:04X})", *row))


if __name__ == "__main__":
    main()
