"""A hospital's FHIR R4 export, made up: patients, stays, diagnoses, measurements, a few notes.

Lines as of a Bulk Data export. Some patients come back within thirty days of a stay, more often the
old, the anaemic, those whose kidneys fail and those with several diseases.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

TYPES = ("Patient", "Encounter", "Condition", "Observation")
GIVEN = ("Adelaide", "Bernard", "Caroline", "Dominic", "Eleanor", "Florence", "Gregory")
FAMILY = (
    "Abernathy", "Blackwood", "Castellano", "Donnelly", "Eriksson", "Fitzgerald", "Gutierrez",
    "Hoffmann", "Ivanovic", "Jorgensen", "Kowalski", "Lindqvist", "Montgomery", "Nakamura",
    "Oppenheim", "Petrovic", "Rasmussen", "Sullivan", "Thornton", "Vandenberg", "Whitaker",
)  # fmt: skip
STREETS = ("Kirkstall", "Larkspur", "Marchmont", "Northumberland", "Ossington")
ZIPS = ("02139", "03601", "10025", "48226", "60614", "82190", "94117")
DISEASES = {  # SNOMED CT
    "84114007": "Heart failure",
    "73211009": "Diabetes mellitus",
    "13645005": "Chronic obstructive lung disease",
    "709044004": "Chronic kidney disease",
    "38341003": "Hypertensive disorder",
}
LABORATORY = {  # LOINC: name, unit
    "2160-0": ("Creatinine", "mg/dL"),
    "718-7": ("Hemoglobin", "g/dL"),
    "4548-4": ("Hemoglobin A1c", "%"),
    "2951-2": ("Sodium", "mmol/L"),
}
_NOTE = (
    "{title} {given} {family} (MRN {mrn}) was seen on {day}. Daughter can be reached at {phone}. "
    "Stable on current medication, follow up in two weeks."
)


@dataclass(frozen=True, slots=True)
class Export:
    """Files by resource type, and values that must never be seen outside the hospital."""

    files: dict[str, Path]
    identifiers: set[str]
    resources: int


def write_export(folder: Path, patients: int, notes: int, seed: int = 11) -> Export:
    """Writes one NDJSON file for each type.

    Args:
        folder: where the files are written.
        patients: number of patients.
        notes: how many diagnoses have a note in free text that names the patient.
        seed: another seed gives other patients.
    """
    folder.mkdir(exist_ok=True)
    files = {kind: folder / f"{kind}.ndjson" for kind in TYPES}
    lines: dict[str, list[str]] = {kind: [] for kind in TYPES}
    identifiers: set[str] = set()
    rng = np.random.default_rng(seed)
    for number in range(patients):
        person = _patient(rng, number + 100_000 * seed)
        name, [contact, mail] = person["name"][0], person["telecom"]
        mrn = person["identifier"][0]["value"]
        address = person["address"][0]["line"][0]
        identifiers |= {
            name["family"],
            mrn,
            contact["value"],
            mail["value"],
            person["id"],
            address,
        }
        for resource in (person, *_record_of(rng, person, with_note=number < notes)):
            lines[resource["resourceType"]].append(json.dumps(resource))
    for kind, path in files.items():
        path.write_text("\n".join(lines[kind]) + "\n")
    return Export(files, identifiers, sum(map(len, lines.values())))


def _patient(rng: np.random.Generator, number: int) -> dict[str, Any]:
    family, given = str(rng.choice(FAMILY)), str(rng.choice(GIVEN))
    born = datetime(1931, 1, 1) + timedelta(days=int(rng.integers(0, 76 * 365)))
    return {
        "resourceType": "Patient",
        "id": f"person-{number:08d}",
        "identifier": [
            {
                "use": "usual",
                "type": {"coding": [{"system": _V2 + "0203", "code": "MR"}]},
                "system": "urn:oid:1.2.36.146.595.217.0.1",
                "value": f"{rng.integers(10_000_000, 99_999_999)}",
            }
        ],
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [
            {"system": "phone", "value": f"617-555-{number % 10_000:04d}"},
            {
                "system": "email",
                "value": f"{given.lower()}.{family.lower()}.{number}@example.org",
            },
        ],
        "gender": str(rng.choice(["female", "male"])),
        "birthDate": f"{born:%Y-%m-%d}",
        "address": [
            {
                "use": "home",
                "line": [f"{rng.integers(1, 999)} {rng.choice(STREETS)} Street"],
                "city": "Springfield",
                "state": "MA",
                "postalCode": str(rng.choice(ZIPS)),
                "country": "US",
            }
        ],
    }


def _record_of(
    rng: np.random.Generator, person: dict[str, Any], *, with_note: bool
) -> Iterator[dict[str, Any]]:
    """The resources of one patient: one to three stays, and perhaps another soon after."""
    subject = {"reference": f"Patient/{person['id']}"}
    age = 2025 - int(person["birthDate"][:4])
    frailty = rng.normal(0, 1) + (age - 60) / 25
    diseases = [
        code for code in DISEASES if rng.random() < 0.15 + 0.12 * max(frailty, 0)
    ]
    start = datetime(2025, 1, 1, 8) + timedelta(days=int(rng.integers(0, 250)))
    stays = int(rng.integers(1, 4))
    comes_back = rng.random() < 1 / (
        1 + np.exp(2.4 - 1.5 * frailty - 0.5 * len(diseases))
    )
    for stay in range(stays + comes_back):
        again = stay == stays
        days = int(1 + rng.exponential(3 + max(frailty, 0)))
        encounter = f"stay-{person['id'][7:]}-{stay}"
        yield _encounter(encounter, subject, start, days, again)
        for code, normal, slope, spread in (
            ("2160-0", 1.0, 0.35, 0.25), ("718-7", 13.5, -0.9, 1.0),
            ("4548-4", 5.7, 0.3, 0.8), ("2951-2", 139, -0.8, 2.5),
        ):  # fmt: skip
            value = round(float(normal + slope * frailty + rng.normal(0, spread)), 3)
            yield _observation(
                f"{encounter}-{code}", subject, encounter, start, code, value
            )
        start += timedelta(days=days + int(rng.integers(5, 28) if again else 60))
    for code in diseases:
        condition: dict[str, Any] = {
            "resourceType": "Condition",
            "id": f"disease-{person['id'][7:]}-{code}",
            "code": {
                "coding": [{"system": _SNOMED, "code": code, "display": DISEASES[code]}]
            },
            "subject": subject,
            "onsetDateTime": f"{start - timedelta(days=400):%Y-%m-%d}",
        }
        if with_note:
            told = _NOTE.format(
                title="Ms." if person["gender"] == "female" else "Mr.",
                given=person["name"][0]["given"][0],
                family=person["name"][0]["family"],
                mrn=person["identifier"][0]["value"],
                phone=person["telecom"][0]["value"],
                day=f"{start:%B %d, %Y}",
            )
            condition["note"] = [{"text": told}]
        yield condition


def _encounter(
    name: str, subject: dict[str, str], start: datetime, days: int, again: bool
) -> dict[str, Any]:
    coming: dict[str, Any] = {"admitSource": _coded(f"{_TERMS}admit-source", "emd")}
    if again:
        coming["reAdmission"] = _coded(f"{_V2}0092", "R")
    return {
        "resourceType": "Encounter",
        "id": name,
        "status": "finished",
        "class": {"system": _TERMS + "v3-ActCode", "code": "IMP"},
        "subject": subject,
        "period": {"start": _time(start), "end": _time(start + timedelta(days=days))},
        "length": {
            "value": days,
            "unit": "d",
            "system": "http://unitsofmeasure.org",
            "code": "d",
        },
        "hospitalization": coming,
    }


def _observation(
    name: str,
    subject: dict[str, str],
    encounter: str,
    start: datetime,
    code: str,
    value: float,
) -> dict[str, Any]:
    display, unit = LABORATORY[code]
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "category": [_coded(f"{_TERMS}observation-category", "laboratory")],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": code, "display": display}]
        },
        "subject": subject,
        "encounter": {"reference": f"Encounter/{encounter}"},
        "effectiveDateTime": _time(start),
        "valueQuantity": {"value": value, "unit": unit, "code": unit},
    }


_TERMS = "http://terminology.hl7.org/CodeSystem/"
_V2 = _TERMS + "v2-"
_SNOMED = "http://snomed.info/sct"


def _coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}-05:00"
