"""Turns HL7 version 2 messages into rows with the `hl7` package; the columns are data.

Segments and fields are those of HL7 v2.5.1, chapters 2, 3, 6 and 7;
docs/owner/sources/hl7.md lists them.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from sealift.owner.sources.hl7_messages import BrokenMessageError, Message

_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6})\d*)?)?)?)?)?)?"
    r"([+-]\d{4})?"
)
_PRECISIONS = ("year", "month", "day", "hour", "minute", "second")
# The explicit null, by which the receiver deletes its value (chapter 2, 2.5.3).
_NULL = '""'


@dataclass(frozen=True, slots=True)
class Place:
    """A column and its field.

    Attributes:
        name: name of the column.
        segment: name of the segment; the first one in the message is used.
        field: number of the field in the segment.
        component: number of the component in the field; the first repetition is used.
        time: whether the value is a date or time, which has two more columns.
        all: name of a further column with all repetitions; the column of one is null if there
            are several. Empty for none.
    """

    name: str
    segment: str
    field: int
    component: int = 1
    time: bool = False
    all: str = ""

    @property
    def path(self) -> str:
        """The place as HL7 writes it: PID-5.1."""
        return f"{self.segment}-{self.field}.{self.component}"


PLACES = (
    Place("sending_application", "MSH", 3),
    Place("sending_facility", "MSH", 4),
    Place("receiving_application", "MSH", 5),
    Place("receiving_facility", "MSH", 6),
    Place("message_time", "MSH", 7, time=True),
    Place("security", "MSH", 8),
    Place("message_type", "MSH", 9),
    Place("event", "MSH", 9, 2),
    Place("message_structure", "MSH", 9, 3),
    Place("control_id", "MSH", 10),
    Place("version", "MSH", 12),
    Place("event_time", "EVN", 2, time=True),
    Place("family_name", "PID", 5, 1),
    Place("given_name", "PID", 5, 2),
    Place("middle_name", "PID", 5, 3),
    Place("birth_date", "PID", 7, time=True),
    Place("sex", "PID", 8),
    Place("race", "PID", 10, all="races"),
    Place("street", "PID", 11, 1),
    Place("street_2", "PID", 11, 2),
    Place("city", "PID", 11, 3),
    Place("state", "PID", 11, 4),
    Place("postal_code", "PID", 11, 5),
    Place("country", "PID", 11, 6),
    Place("county", "PID", 11, 9),
    Place("home_phone", "PID", 13),
    Place("business_phone", "PID", 14),
    Place("language", "PID", 15),
    Place("marital_status", "PID", 16),
    Place("religion", "PID", 17),
    Place("account_number", "PID", 18),
    Place("social_security_number", "PID", 19),
    Place("drivers_license", "PID", 20),
    Place("ethnic_group", "PID", 22, all="ethnic_groups"),
    Place("death_time", "PID", 29, time=True),
    Place("death_indicator", "PID", 30),
    Place("patient_class", "PV1", 2),
    Place("point_of_care", "PV1", 3, 1),
    Place("admission_type", "PV1", 4),
    Place("attending_doctor", "PV1", 7),
    Place("hospital_service", "PV1", 10),
    Place("admit_source", "PV1", 14),
    Place("visit_number", "PV1", 19),
    Place("discharge_disposition", "PV1", 36),
    Place("admit_time", "PV1", 44, time=True),
    Place("discharge_time", "PV1", 45, time=True),
)
"""Return the columns of one value, in order."""

_IDS = {"id": 1, "authority": 4, "type": 5}
_OBSERVATION = ("order", "code", "text", "system", "type", "value", "units")
_OBSERVATION_TAIL = ("reference_range", "flag", "status", "time")
# The components of a structured number (chapter 2A, data type SN): `<^128`, `^1^:^128`.
_NUMBER = {"comparator": 1, "number": 2, "separator": 3, "second_number": 4}
_DIAGNOSIS = ("code", "text", "system", "time", "type")
_USED = {place.segment for place in PLACES} | {"OBR", "OBX", "DG1"}


def _texts(*names: str) -> pa.DataType:
    return pa.list_(pa.struct([(name, pa.string()) for name in names]))


def _fields() -> Iterator[pa.Field]:
    for place in PLACES:
        if place.name == "family_name":
            yield pa.field("patient_id", pa.string(), metadata={"hl7.path": "PID-3.1"})
            yield pa.field("patient_ids", _texts(*_IDS), metadata={"hl7.path": "PID-3"})
        if not place.time:
            yield pa.field(place.name, pa.string(), metadata={"hl7.path": place.path})
            continue
        yield pa.field(
            place.name, pa.timestamp("us"), metadata={"hl7.path": place.path}
        )
        for rest in ("precision", "offset"):
            meta = {"hl7.path": f"{place.path}.{rest}"}
            yield pa.field(f"{place.name}.{rest}", pa.string(), metadata=meta)
    for place in PLACES:
        if place.all:
            meta = {"hl7.path": place.path}
            yield pa.field(place.all, pa.list_(pa.string()), metadata=meta)
    observation = _texts(*_OBSERVATION, *_OBSERVATION_TAIL)
    yield pa.field("observations", observation, metadata={"hl7.path": "OBX"})
    yield pa.field(
        "structured_numbers", _texts(*_NUMBER), metadata={"hl7.path": "OBX-5"}
    )
    yield pa.field("diagnoses", _texts(*_DIAGNOSIS), metadata={"hl7.path": "DG1"})


class RowMaker:
    """Turns messages into rows.

    Attributes:
        schema: schema of the rows; the metadata `hl7.path` of each field names its origin.
    """

    schema: pa.Schema = pa.schema(list(_fields()))

    def row(self, message: Message) -> tuple[dict[str, object], Counter[str]]:
        """Return a message as a row, and the number of segments without a column, by name.

        Raises:
            BrokenMessageError: it is about several patients, or a time is not valid.
        """
        names = [text[:3] for _, text in message.segments]
        kept = [
            s for s, name in zip(message.segments, names, strict=True) if name in _USED
        ]
        segments = _parse(dataclasses.replace(message, segments=kept))
        patients = [
            place for place, segment in enumerate(segments) if segment.name == "PID"
        ]
        if len(patients) > 1:
            raise BrokenMessageError(
                "the message is about several patients",
                kept[patients[1]][0],
                hint="keep messages whole with `whole=True`, or skip such messages with "
                '`on_error="skip"`',
            )
        first = {segment.name: segment for segment in reversed(segments)}
        row: dict[str, object] = {}
        for place in PLACES:
            segment = first.get(place.segment)
            text = segment.text(place.field, place.component) if segment else None
            if place.all and segment is not None:
                row |= _repeated(place, segment)
            elif not place.time:
                row[place.name] = text
            elif text is not None and segment is not None:
                row |= _moment(place, text, segment)
        if "PID" in first:
            row |= _patient_ids(first["PID"])
        row["observations"] = list(_observations(segments))
        if any(s.name == "OBX" and s.text(2) == "SN" for s in segments):
            row["structured_numbers"] = [
                _number(s) for s in segments if s.name == "OBX"
            ]
        row["diagnoses"] = [_diagnosis(s) for s in segments if s.name == "DG1"]
        return row, Counter(name for name in names if name not in _USED)


class WholeMaker:
    """Turns messages into rows that keep them as text."""

    schema: pa.Schema = pa.schema(
        [
            pa.field("message_type", pa.string(), metadata={"hl7.path": "MSH-9.1"}),
            pa.field("event", pa.string(), metadata={"hl7.path": "MSH-9.2"}),
            pa.field("control_id", pa.string(), metadata={"hl7.path": "MSH-10.1"}),
            pa.field("message", pa.string(), metadata={"hl7.path": "MSH"}),
        ]
    )

    def row(self, message: Message) -> tuple[dict[str, object], Counter[str]]:
        """Return a message as a row."""
        header = _parse(dataclasses.replace(message, segments=message.segments[:1]))[0]
        return {
            "message_type": header.text(9),
            "event": header.text(9, 2),
            "control_id": header.text(10),
            "message": message.text,
        }, Counter()


@dataclass(frozen=True, slots=True)
class _Segment:
    """A parsed segment.

    Attributes:
        name: MSH, PID, ...
        line: line number in the file.
        fields: from the `hl7` package: by number, repetitions of components of subcomponents.
        message: the message that it belongs to.
    """

    name: str
    line: int
    fields: Any = field(repr=False)
    message: Message

    def repetitions(self, field: int) -> int:
        """Return the number of repetitions of a field."""
        return len(self.fields[field]) if field < len(self.fields) else 0

    def text(self, field: int, component: int = 1, repetition: int = 0) -> str | None:
        """Return a component's text (its first subcomponent), or None if it is missing."""
        if repetition >= self.repetitions(field):
            return None
        found = self.fields[field][repetition]
        if not isinstance(found, str):
            found = found[component - 1] if component <= len(found) else ""
            found = found if isinstance(found, str) else str(found[0])
        elif component > 1:
            return None
        return None if found in ("", _NULL) else self.message.unescape(found)

    def whole(self, field: int) -> str | None:
        """Return a field's text with its separators; each repetition is on its own line."""
        count = self.repetitions(field)
        texts = [
            self.message.unescape(str(self.fields[field][i])) for i in range(count)
        ]
        text = "\n".join(texts)
        return None if text in ("", _NULL) else text


def _parse(message: Message) -> list[_Segment]:
    import hl7

    try:
        parsed = hl7.parse("\r".join(text for _, text in message.segments))
    except (hl7.HL7Exception, ValueError, IndexError, KeyError):
        raise BrokenMessageError("the message cannot be parsed", message.line) from None
    return [
        _Segment(text[:3], line, fields, message)
        for (line, text), fields in zip(message.segments, parsed, strict=True)
    ]


def _moment(place: Place, text: str, segment: _Segment) -> dict[str, object]:
    """Return a time in local time, its precision, and its UTC offset."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise _no_time(place, segment)
    *parts, fraction, offset = found.groups()
    said = [int(part) for part in parts if part is not None]
    rest = [1, 1, 0, 0, 0][len(said) - 1 :]
    microseconds = int((fraction or "").ljust(6, "0"))
    try:
        moment = datetime.datetime(*(*said, *rest, microseconds))  # type: ignore[arg-type]
    except ValueError:
        raise _no_time(place, segment) from None
    return {
        place.name: moment,
        f"{place.name}.precision": _PRECISIONS[len(said) - 1],
        f"{place.name}.offset": offset,
    }


def _no_time(place: Place, segment: _Segment) -> BrokenMessageError:
    return BrokenMessageError(
        f"{segment.name}-{place.field} is not a time",
        segment.line,
        hint="correct the export, keep messages whole with `whole=True`, or skip such messages "
        'with `on_error="skip"`',
    )


def _patient_ids(segment: _Segment) -> dict[str, object]:
    """Return all of a patient's numbers, and the hospital's (type MR) or the first."""
    numbers: list[Mapping[str, str | None]] = [
        {name: segment.text(3, component, place) for name, component in _IDS.items()}
        for place in range(segment.repetitions(3))
    ]
    numbers = [number for number in numbers if number["id"] is not None]
    best = next(
        (n for n in numbers if n["type"] == "MR"), numbers[0] if numbers else None
    )
    return {"patient_ids": numbers, "patient_id": best["id"] if best else None}


def _repeated(place: Place, segment: _Segment) -> dict[str, object]:
    """Return all repetitions of a field, and the one if it is the only one."""
    count = segment.repetitions(place.field)
    texts = [segment.text(place.field, place.component, n) for n in range(count)]
    said = [text for text in texts if text is not None]
    return {place.name: said[0] if len(said) == 1 else None, place.all: said or None}


def _number(segment: _Segment) -> dict[str, str | None] | None:
    """Return the parts of an observation that is a structured number, such as a titre."""
    if segment.text(2) != "SN":
        return None
    return {name: segment.text(5, component) for name, component in _NUMBER.items()}


def _observations(segments: list[_Segment]) -> Iterator[dict[str, str | None]]:
    order = None
    for segment in segments:
        if segment.name == "OBR":
            order = segment.text(4)
        elif segment.name == "OBX":
            yield {
                "order": order,
                "code": segment.text(3),
                "text": segment.text(3, 2),
                "system": segment.text(3, 3),
                "type": segment.text(2),
                "value": segment.whole(5),
                "units": segment.text(6),
                "reference_range": segment.text(7),
                "flag": segment.text(8),
                "status": segment.text(11),
                "time": segment.text(14),
            }


def _diagnosis(segment: _Segment) -> dict[str, str | None]:
    return {
        "code": segment.text(3),
        "text": segment.text(3, 2) or segment.text(4),
        "system": segment.text(3, 3) or segment.text(2),
        "time": segment.text(5),
        "type": segment.text(6),
    }
