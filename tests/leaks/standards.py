"""Documents of standards: FHIR resources, HL7 v2 messages and DICOM instances.

The columns are those of the source; what is planted lies in every element that can hold it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaks.identifiers import Identifier


@dataclass(frozen=True, slots=True)
class Place:
    """An element.

    Attributes:
        name: as the standard names it.
        kind: the kind of identifier that it holds.
        type: the name of its type, for the table of results.
        has_column: whether the source has a column for it, so that a control finds it.
    """

    name: str
    kind: str
    type: str = "string"
    has_column: bool = True


_PATIENT = (
    Place("Patient.id", "mrn"),
    Place("Patient.identifier.value", "mrn"),
    Place("Patient.identifier.value, SSN", "ssn", has_column=False),
    Place("Patient.name.family", "name"),
    Place("Patient.name.text", "name"),
    Place("Patient.telecom.value", "phone"),
    Place("Patient.telecom.value, e-mail", "email"),
    Place("Patient.birthDate", "date", "date"),
    Place("Patient.address.line", "address"),
    Place("Patient.address.text", "address", has_column=False),
    Place("Patient.address.postalCode", "zip"),
    Place("Patient.text.div", "name", has_column=False),
    Place("Patient.contact.name.family", "name", has_column=False),
    Place("Patient.contact.telecom.value", "phone", has_column=False),
    Place("Patient.extension.valueString", "ssn", has_column=False),
    Place("Patient.extension of us-core-race, text", "name"),
    Place("Patient.photo.title", "name", has_column=False),
    Place("Patient.contained.name", "name", has_column=False),
    Place("Patient.managingOrganization.display", "name", has_column=False),
    Place("Patient._birthDate.extension", "datetime", "datetime", has_column=False),
)

_OBSERVATION = (
    Place("Observation.id", "mrn"),
    Place("Observation.subject.reference", "mrn"),
    Place("Observation.subject.display", "name", has_column=False),
    Place("Observation.identifier.value", "mrn"),
    Place("Observation.performer.display", "name", has_column=False),
    Place("Observation.effectiveDateTime", "datetime", "datetime"),
    Place("Observation.issued", "datetime", "datetime"),
    Place("Observation.code.text", "name"),
    Place("Observation.code.coding.display", "name"),
    Place("Observation.note.authorString", "name", has_column=False),
    Place("Observation.device.display", "vin", has_column=False),
    Place("Observation.interpretation.text", "phone"),
    Place("Observation.bodySite.text", "email"),
    Place("Observation.component.code.text", "name"),
    Place("Observation.valueCodeableConcept.text", "ssn"),
)

_HL7 = (
    Place("MSH-3", "name"),
    Place("MSH-10", "mrn"),
    Place("PID-3.1", "mrn"),
    Place("PID-3.1, repeated", "ssn"),
    Place("PID-5.1", "name"),
    Place("PID-5.2", "name"),
    Place("PID-7", "date", "date"),
    Place("PID-8", "name"),
    Place("PID-11.1", "address"),
    Place("PID-11.5", "zip"),
    Place("PID-13", "phone"),
    Place("PID-16", "name"),
    Place("PID-18", "pan"),
    Place("PID-19", "ssn"),
    Place("PID-20", "plate"),
    Place("NK1-2", "name", has_column=False),
    Place("PV1-7", "name"),
    Place("PV1-10", "name"),
    Place("PV1-19", "mrn"),
    Place("PV1-44", "datetime", "datetime"),
    Place("OBX-5", "ssn"),
    Place("DG1-4", "name"),
    Place("NTE-3", "email", has_column=False),
)

_DICOM = (
    Place("PatientName", "name", "PN"),
    Place("PatientID", "mrn", "LO"),
    Place("PatientBirthDate", "date", "DA"),
    Place("PatientAddress", "address", "LO"),
    Place("PatientTelephoneNumbers", "phone", "SH"),
    Place("PatientComments", "ssn", "LT"),
    Place("AccessionNumber", "mrn", "SH"),
    Place("StudyDate", "date", "DA"),
    Place("AcquisitionDateTime", "datetime", "DT"),
    Place("InstitutionName", "name", "LO"),
    Place("ReferringPhysicianName", "name", "PN"),
    Place("OperatorsName", "name", "PN"),
    Place("StudyDescription", "name", "LO"),
    Place("SeriesDescription", "email", "LO"),
    Place("ProtocolName", "name", "LO"),
    Place("DeviceSerialNumber", "vin", "LO"),
    Place("BodyPartExamined", "email", "CS"),
    Place("PatientPosition", "email", "CS"),
    Place("Manufacturer", "email", "LO"),
    Place("SoftwareVersions", "ssn", "LO"),
    Place("private (0009,1001)", "name", "LO", has_column=False),
    Place("RequestAttributesSequence", "name", "SQ", has_column=False),
    Place("OtherPatientIDs", "mrn", "LO"),
)


def places(format_: str, number: int) -> tuple[Place, ...]:
    """Return the elements of the documents of a sheet."""
    if format_ == "fhir":
        return _PATIENT if number % 2 else _OBSERVATION
    return _HL7 if format_ == "hl7" else _DICOM


Row = Mapping[str, Identifier]


def write(
    format_: str, folder: Path, planted: Mapping[str, Sequence[Identifier]], rows: int
) -> Path:
    """Write documents, and return the file or the folder.

    Args:
        format_: fhir, hl7 or dicom.
        folder: an empty folder.
        planted: the identifiers of all documents, by the name of their element.
        rows: how many documents.
    """
    documents = [
        {name: found[row] for name, found in planted.items()} for row in range(rows)
    ]
    if format_ == "fhir":
        whole = [
            _patient(row, n) if "Patient.id" in row else _observation(row, n)
            for n, row in enumerate(documents)
        ]
        path = folder / "resources.ndjson"
        path.write_text(
            "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in whole)
        )
        return path
    if format_ == "hl7":
        path = folder / "messages.hl7"
        path.write_text(
            "\r\n".join(_message(row) for row in documents) + "\r\n", "utf-8"
        )
        return path
    for number, row in enumerate(documents):
        _instance(row, number).save_as(
            folder / f"{number:03}.dcm", enforce_file_format=True
        )
    return folder


def _patient(row: Row, number: int) -> dict[str, Any]:
    core = "http://hl7.org/fhir/us/core/StructureDefinition"
    race = {"url": f"{core}/us-core-race", "extension": [{"url": "text"}]}
    race["extension"][0]["valueString"] = row[  # type: ignore[index]
        "Patient.extension of us-core-race, text"
    ].text
    own = {"url": "http://example.org/own"}
    born = row["Patient._birthDate.extension"].moment
    return {
        "resourceType": "Patient",
        "id": row["Patient.id"].text,
        "text": {
            "status": "generated",
            "div": f"<div>{row['Patient.text.div'].text}</div>",
        },
        "contained": [
            {
                "resourceType": "Practitioner",
                "id": "p1",
                "name": [{"text": row["Patient.contained.name"].text}],
            }
        ],
        "extension": [
            race,
            {**own, "valueString": row["Patient.extension.valueString"].text},
        ],
        "identifier": [
            {
                "type": {"coding": [{"code": "MR"}]},
                "system": "http://example.org/mrn",
                "value": row["Patient.identifier.value"].text,
            },
            {
                "type": {"coding": [{"code": "SS"}]},
                "system": "http://hl7.org/fhir/sid/us-ssn",
                "value": row["Patient.identifier.value, SSN"].text,
            },
        ],
        "active": number % 2 == 0,
        "name": [
            {
                "use": "official",
                "family": row["Patient.name.family"].text,
                "text": row["Patient.name.text"].text,
            }
        ],
        "telecom": [
            {"system": "phone", "value": row["Patient.telecom.value"].text},
            {"system": "email", "value": row["Patient.telecom.value, e-mail"].text},
        ],
        "gender": "female" if number % 2 else "male",
        "birthDate": row["Patient.birthDate"].text,
        "_birthDate": {
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                    "valueDateTime": f"{born:%Y-%m-%dT%H:%M:%S.%f}+00:00",
                }
            ]
        },
        "address": [
            {
                "text": row["Patient.address.text"].text,
                "line": [row["Patient.address.line"].text],
                "state": "MA",
                "postalCode": row["Patient.address.postalCode"].text,
            }
        ],
        "contact": [
            {
                "name": {"family": row["Patient.contact.name.family"].text},
                "telecom": [{"value": row["Patient.contact.telecom.value"].text}],
            }
        ],
        "photo": [
            {"title": row["Patient.photo.title"].text, "contentType": "image/png"}
        ],
        "managingOrganization": {
            "display": row["Patient.managingOrganization.display"].text
        },
    }


def _observation(row: Row, number: int) -> dict[str, Any]:
    def text(name: str) -> str:
        return row[f"Observation.{name}"].text

    def moment(name: str) -> str:
        return f"{row[f'Observation.{name}'].moment:%Y-%m-%dT%H:%M:%S.%f}+00:00"

    return {
        "resourceType": "Observation",
        "id": text("id"),
        "identifier": [{"value": text("identifier.value")}],
        "status": "final",
        "code": {
            "coding": [
                {
                    "system": "http://loinc.org",
                    "code": "8867-4",
                    "display": text("code.coding.display"),
                }
            ],
            "text": text("code.text"),
        },
        "subject": {
            "reference": f"Patient/{text('subject.reference')}",
            "display": text("subject.display"),
        },
        "effectiveDateTime": moment("effectiveDateTime"),
        "issued": moment("issued"),
        "performer": [{"display": text("performer.display")}],
        "valueCodeableConcept": {"text": text("valueCodeableConcept.text")},
        "interpretation": [{"text": text("interpretation.text")}],
        "note": [
            {
                "authorString": text("note.authorString"),
                "text": f"Stable, day {number}.",
            }
        ],
        "bodySite": {"text": text("bodySite.text")},
        "device": {"display": text("device.display")},
        "component": [
            {
                "code": {"text": text("component.code.text")},
                "valueQuantity": {"value": number},
            }
        ],
    }


def _message(row: Row) -> str:
    def text(name: str) -> str:
        return row[name].text

    born, admitted = row["PID-7"].moment, row["PV1-44"].moment
    fields = {
        "MSH": {3: text("MSH-3"), 10: text("MSH-10"), 7: "2020", 9: "ADT^A01^ADT_A01"},
        "PID": {
            3: f"{text('PID-3.1')}^^^H^MR~{text('PID-3.1, repeated')}^^^S^SS",
            5: f"{text('PID-5.1')}^{text('PID-5.2')}",
            7: f"{born:%Y%m%d}",
            **{n: text(f"PID-{n}") for n in (8, 13, 16, 18, 19, 20)},
            11: f"{text('PID-11.1')}^^^MA^{text('PID-11.5')}",
        },
        "NK1": {2: text("NK1-2")},
        "PV1": {
            2: "I",
            **{n: text(f"PV1-{n}") for n in (7, 10, 19)},
            44: f"{admitted:%Y%m%d%H%M%S.%f}",
        },
        "OBX": {2: "ST", 3: "8867-4^rate^LN", 5: text("OBX-5"), 11: "F"},
        "DG1": {3: "I10", 4: text("DG1-4")},
        "NTE": {3: text("NTE-3")},
    }
    lines = []
    for name, found in fields.items():
        # In MSH the first field is the separator.
        first = 3 if name == "MSH" else 1
        rest = "|".join(found.get(n, "") for n in range(first, max(found) + 1))
        lines.append(f"MSH|^~\\&|{rest}" if name == "MSH" else f"{name}|{rest}")
    lines[0] += "||2.5.1"
    return "\r".join(lines)


def _instance(row: Row, number: int) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.Modality = "MR"
    data.InstanceNumber = number + 1
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    data.SOPInstanceUID = generate_uid(
        entropy_srcs=[str(number), row["PatientID"].text]
    )
    for name, identifier in row.items():
        moment = identifier.moment
        if name.startswith("private"):
            data.private_block(0x0009, "EXAMPLE", create=True).add_new(
                1, "LO", identifier.text
            )
        elif name.endswith("Sequence"):
            item = Dataset()
            item.ScheduledProcedureStepDescription = identifier.text
            setattr(data, name, [item])
        elif identifier.kind == "date":
            setattr(data, name, f"{moment:%Y%m%d}")
        elif identifier.kind == "datetime":
            setattr(data, name, f"{moment:%Y%m%d%H%M%S.%f}")
        else:
            setattr(data, name, identifier.text)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    return data
