"""What DICOM objects without an image hold in their sequences, as columns.

Structured reports (PS3.3 A.35, C.17.3), radiotherapy structure sets (C.8.8.5, C.8.8.6) and plans
(C.8.8.13, C.8.8.14). The columns are lists of objects, for a policy's rules to name their parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sealift.formats.dicom import DAMAGE, quiet
from sealift.owner.sources.dicomelements import Value

if TYPE_CHECKING:
    from pydicom import Dataset, FileDataset

# Deeper trees are of no real report, and would exhaust the stack.
_MAX_DEPTH = 64
_TEXTS = {
    "TEXT": "TextValue",
    "DATETIME": "DateTime",
    "DATE": "Date",
    "TIME": "Time",
    "PNAME": "PersonName",
    "UIDREF": "UID",
}

_Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Content:
    """A column of what sequences hold.

    Attributes:
        tag: the sequence that an object of the kind has at its top level.
        field: name, type and metadata.
        rows: reads the objects.
        further: other sequences whose values the column has.
    """

    tag: int
    field: pa.Field
    rows: Callable[[Dataset], Iterator[_Row]]
    further: frozenset[int] = frozenset()

    @property
    def tags(self) -> frozenset[int]:
        """The sequences that it holds."""
        return self.further | {self.tag}


def contents_of(header: FileDataset) -> Iterator[Content]:
    """Return the columns of what a file's sequences hold."""
    return (content for content in CONTENTS if content.tag in header)


def read_content(header: FileDataset, content: Content) -> Value:
    """Read a column; damaged content is null and counted."""
    try:
        with quiet():
            return Value(list(content.rows(header)))
    except DAMAGE:
        return Value(None, 1)


def _text(item: Dataset, keyword: str) -> str | None:
    value = item.get(keyword)
    return None if value in (None, "") else str(value)


def _number(item: Dataset, keyword: str) -> float | None:
    value = item.get(keyword)
    return None if value in (None, "") else float(value)


def _whole(item: Dataset, keyword: str) -> int | None:
    value = item.get(keyword)
    return None if value in (None, "") else int(value)


def _items(item: Dataset, keyword: str) -> list[Any]:
    return list(item.get(keyword) or [])


def _code(item: Dataset, keyword: str, name: str) -> _Row:
    """Return the first code of a sequence, in the three ways that PS3.3 8.8 has."""
    (code, *_) = _items(item, keyword) or [None]
    if code is None:
        return {}
    value = (
        _text(code, "CodeValue")
        or _text(code, "LongCodeValue")
        or _text(code, "URNCodeValue")
    )
    return {
        f"{name}code": value,
        f"{name}scheme": _text(code, "CodingSchemeDesignator"),
        f"{name}meaning": _text(code, "CodeMeaning"),
    }


def _report(header: Dataset) -> Iterator[_Row]:
    yield from _nodes(header, 0)


def _nodes(parent: Dataset, level: int) -> Iterator[_Row]:
    if level > _MAX_DEPTH:
        raise ValueError("the report is nested too deeply")
    for item in _items(parent, "ContentSequence"):
        kind = _text(item, "ValueType")
        (measured, *_) = _items(item, "MeasuredValueSequence") or [None]
        number: _Row = {}
        if measured is not None:
            unit = _code(measured, "MeasurementUnitsCodeSequence", "")
            number = {
                "number": _number(measured, "NumericValue"),
                "unit": unit.get("code"),
            }
        (referenced, *_) = _items(item, "ReferencedSOPSequence") or [None]
        yield {
            "level": level,
            "relationship": _text(item, "RelationshipType"),
            "type": kind,
            **_code(item, "ConceptNameCodeSequence", "concept_"),
            "value": _text(item, _TEXTS[kind]) if kind in _TEXTS else None,
            **number,
            **_code(item, "ConceptCodeSequence", "value_"),
            "instance": None
            if referenced is None
            else _text(referenced, "ReferencedSOPInstanceUID"),
        }
        yield from _nodes(item, level + 1)


def _structures(header: Dataset) -> Iterator[_Row]:
    contours: dict[int | None, list[Any]] = {}
    for region in _items(header, "ROIContourSequence"):
        found = contours.setdefault(_whole(region, "ReferencedROINumber"), [])
        found += _items(region, "ContourSequence")
    kinds = {
        _whole(item, "ReferencedROINumber"): _text(item, "RTROIInterpretedType")
        for item in _items(header, "RTROIObservationsSequence")
    }
    for region in _items(header, "StructureSetROISequence"):
        number = _whole(region, "ROINumber")
        yield {
            "number": number,
            "name": _text(region, "ROIName"),
            "type": kinds.get(number),
            "frame_of_reference": _text(region, "ReferencedFrameOfReferenceUID"),
            "contours": [
                {
                    "form": _text(contour, "ContourGeometricType"),
                    "points": [float(x) for x in contour.get("ContourData") or []],
                }
                for contour in contours.get(number, [])
            ],
        }


def _beams(header: Dataset) -> Iterator[_Row]:
    meters: dict[int | None, float | None] = {}
    for group in _items(header, "FractionGroupSequence"):
        for beam in _items(group, "ReferencedBeamSequence"):
            number = _whole(beam, "ReferencedBeamNumber")
            meters.setdefault(number, _number(beam, "BeamMeterset"))
    for beam in _items(header, "BeamSequence"):
        points = _items(beam, "ControlPointSequence")
        (first, *_) = points or [None]
        number = _whole(beam, "BeamNumber")
        yield {
            "number": number,
            "name": _text(beam, "BeamName"),
            "machine": _text(beam, "TreatmentMachineName"),
            "type": _text(beam, "BeamType"),
            "radiation": _text(beam, "RadiationType"),
            "meterset": meters.get(number),
            "energy": None if first is None else _number(first, "NominalBeamEnergy"),
            "gantry_angle": None if first is None else _number(first, "GantryAngle"),
            "control_points": len(points),
        }


def _column(name: str, tag: int, *fields: tuple[str, pa.DataType]) -> pa.Field:
    place = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    kind = pa.list_(pa.struct(list(fields)))
    return pa.field(name, kind, metadata={"dicom.tag": place, "dicom.vr": "SQ"})


def _strings(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.string()) for name in names]


_CONTOUR = pa.struct([("form", pa.string()), ("points", pa.list_(pa.float64()))])
CONTENTS = (
    Content(
        0x0040A730,
        _column(
            "report",
            0x0040A730,
            ("level", pa.int32()),
            *_strings("relationship", "type"),
            *_strings("concept_code", "concept_scheme", "concept_meaning"),
            ("value", pa.string()),
            ("number", pa.float64()),
            *_strings("unit", "value_code", "value_scheme", "value_meaning"),
            ("instance", pa.string()),
        ),
        _report,
    ),
    Content(
        0x30060020,
        _column(
            "structures",
            0x30060020,
            ("number", pa.int64()),
            *_strings("name", "type", "frame_of_reference"),
            ("contours", pa.list_(_CONTOUR)),
        ),
        _structures,
        frozenset({0x30060039, 0x30060080}),
    ),
    Content(
        0x300A00B0,
        _column(
            "beams",
            0x300A00B0,
            ("number", pa.int64()),
            *_strings("name", "machine", "type", "radiation"),
            ("meterset", pa.float64()),
            ("energy", pa.float64()),
            ("gantry_angle", pa.float64()),
            ("control_points", pa.int64()),
        ),
        _beams,
    ),
)
"""All of them; a column is there if a file has it."""
