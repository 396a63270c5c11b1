"""Writes the samples of FHIR files with fhir.resources 8.3.0 (BSD), models of R4B.

    python tests/samples/make_fhir.py

Sealift reads them with pyarrow and msgspec. All names and numbers are invented.
"""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

FOLDER = Path(__file__).parent / "fhir"
LOINC, RXNORM = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"


# As a hospital writes one, by hand.
VIEW = {
    "resourceType": "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/ViewDefinition",
    "resource": "Observation",
    "status": "draft",
    "constant": [{"name": "cholesterol", "valueCode": "2093-3"}],
    "where": [{"path": "code.coding.exists(system = 'http://loinc.org')"}],
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()", "type": "id"},
                {"name": "patient", "path": "subject.getReferenceKey(Patient)"},
                {"name": "taken", "path": "effective.ofType(dateTime)"},
            ]
        },
        {
            "forEach": "code.coding.where(code = %cholesterol)",
            "column": [{"name": "code", "path": "code", "type": "code"}],
        },
        {
            "forEachOrNull": "value.ofType(Quantity)",
            "column": [
                {"name": "comparator", "path": "comparator", "type": "code"},
                {"name": "value", "path": "value", "type": "decimal"},
            ],
        },
    ],
}


def made(kind: str, **elements: Any) -> Any:
    """Return a resource that the model has checked."""
    return get_fhir_model_class(kind)(**elements)


def coded(system: str, code: str) -> dict[str, Any]:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def patient(number: int) -> Any:
    """Return a patient."""
    return made(
        "Patient",
        id=f"p{number}",
        identifier=[
            {"use": "usual", "system": "urn:oid:1.2.3", "value": f"00{number}"}
        ],
        name=[{"use": "official", "family": "Kowalska", "given": ["Zoë", "Anna"]}],
        birthDate="1970-05",
        gender="female",
    )


def observation(number: int) -> Any:
    """Return an observation below a limit."""
    return made(
        "Observation",
        id=f"o{number}",
        status="final",
        code=coded(LOINC, "2093-3"),
        subject={"reference": f"Patient/p{number}"},
        effectiveDateTime="2024-01-02T03:04:05-05:00",
        valueQuantity={"value": 5.20, "comparator": "<", "unit": "mmol/L"},
    )


def dispense(number: int) -> Any:
    """Return a dispense of a drug."""
    return made(
        "MedicationDispense",
        id=f"d{number}",
        status="completed",
        medicationCodeableConcept=coded(RXNORM, "197361"),
        subject={"reference": f"Patient/p{number}"},
        quantity={"value": 30, "unit": "tablet"},
        whenHandedOver="2024-01-02",
    )


def benefit(number: int) -> Any:
    """Return an explanation of benefit, with two items."""
    item = {"productOrService": coded("http://www.ama-assn.org/go/cpt", "99213")}
    return made(
        "ExplanationOfBenefit",
        id=f"e{number}",
        status="active",
        type=coded("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
        use="claim",
        patient={"reference": f"Patient/p{number}"},
        created="2024-01-02",
        insurer={"reference": "Organization/1"},
        provider={"reference": "Practitioner/1"},
        outcome="complete",
        insurance=[{"focal": True, "coverage": {"reference": "Coverage/1"}}],
        item=[
            {"sequence": 1, "servicedDate": "2024-01-01", **item},
            {
                "sequence": 2,
                "net": {"value": 120.5, "currency": "USD"},
                "adjudication": [
                    {
                        "category": coded("urn:x", "submitted"),
                        "amount": {"value": 99.95, "currency": "USD"},
                    }
                ],
                **item,
            },
        ],
        total=[
            {
                "category": coded("urn:x", "submitted"),
                "amount": {"value": 220.45, "currency": "USD"},
            }
        ],
    )


def lines(*resources: Any) -> str:
    """Return resources as NDJSON."""
    return "".join(resource.model_dump_json() + "\n" for resource in resources)


def main() -> None:
    """Write the samples."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    export = FOLDER / "export"
    export.mkdir(parents=True)
    (FOLDER / "dispenses.ndjson").write_text(lines(dispense(1), dispense(2)))
    (FOLDER / "benefits.ndjson").write_text(lines(benefit(1)))
    bundle = made(
        "Bundle",
        type="searchset",
        entry=[
            {"resource": resource, "search": {"mode": mode}}
            for resource, mode in (
                (observation(1), "match"),
                (patient(1), "include"),
                (observation(2), "match"),
            )
        ],
    )
    text = bundle.model_dump_json(indent=2)
    (FOLDER / "search.json").write_text(text)
    (FOLDER / "search.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    (FOLDER / "patient.json").write_text(patient(3).model_dump_json(indent=1))
    (export / "Patient.000.ndjson").write_text(lines(patient(1), patient(2)))
    (export / "Observation.000.ndjson").write_text(lines(observation(1)))
    url = "https://fhir.example.org/export/7"
    manifest = {
        "transactionTime": "2024-01-02T03:04:05Z",
        "request": "https://fhir.example.org/fhir/Group/7/$export",
        "requiresAccessToken": True,
        "output": [
            {"type": kind, "url": f"{url}/{kind}.000.ndjson"}
            for kind in ("Patient", "Observation")
        ],
        "error": [],
    }
    (FOLDER / "view.json").write_text(json.dumps(VIEW, indent=2))
    (export / "manifest.json").write_text(json.dumps(manifest, indent=2))


if __name__ == "__main__":
    main()
