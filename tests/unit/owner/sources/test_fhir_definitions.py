"""The tables of columns, held against the definitions of FHIR R4B in the package fhir.resources."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from fhir.resources.R4B import get_fhir_model_class
from places import VECTORS
from pydantic import AnyUrl

from sealift.owner.sources.fhir_columns import Flattener
from sealift.owner.sources.fhir_elements import Element, Leaf
from sealift.owner.sources.fhir_mapping import MAPPING
from sealift.owner.sources.fhir_modifiers import BACKBONES, NAME

US_CORE = [
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Goal",
    "Immunization",
    "Location",
    "Medication",
    "MedicationDispense",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
]
STEP = re.compile(r"([^.\[{]+)(\[[^\]]*\]|\{\})?(?:\.|$)")
KINDS = {
    Leaf.STRING: {str, bytes, datetime.time, AnyUrl},
    Leaf.BOOLEAN: {bool},
    Leaf.INTEGER: {int},
    Leaf.DECIMAL: {decimal.Decimal},
    Leaf.DATE: {datetime.date},
    Leaf.DATETIME: {datetime.datetime},
    Leaf.INSTANT: {datetime.datetime},
    Leaf.REFERENCE: {str},
}


@cache
def fields_of(kind: str) -> dict[str, Any]:
    fields = get_fhir_model_class(kind).model_fields
    return {field.alias or name: field.annotation for name, field in fields.items()}


def unwrap(annotation: Any) -> tuple[Any, bool]:
    """Return a type without Optional, Annotated and List, and whether it was a list."""
    several = False
    while True:
        origin = get_origin(annotation)
        if origin is list:
            several = True
        elif origin is None:
            return annotation, several
        annotation = next(one for one in get_args(annotation) if one is not type(None))


def model_of(annotation: Any) -> str | None:
    name = getattr(annotation, "__name__", "")
    return name.removesuffix("Type") if name.endswith("Type") else None


def steps_of(resource: str, element: Element) -> Iterator[tuple[str, str, Any, bool]]:
    """Yield the level, the brackets, the type and the cardinality of each step of a path."""
    kind, level = resource, ""
    for name, brackets in STEP.findall(element.path):
        annotation, several = unwrap(fields_of(kind)[name])
        level = f"{level}.{name}".lstrip(".")
        yield level, brackets, annotation, several
        kind = model_of(annotation) or ""


def metadata_of(resource: str, element: Element) -> str:
    """Return the name of a primitive type of FHIR, such as instant."""
    *_, (level, *_) = steps_of(resource, element)
    kind = resource
    for name in level.split(".")[:-1]:
        kind = model_of(unwrap(fields_of(kind)[name])[0]) or ""
    return str(fields_of(kind)[level.rpartition(".")[2]])


@pytest.mark.parametrize("resource", list(MAPPING))
def test_every_path_is_in_r4b_with_its_cardinality_and_type(resource: str) -> None:
    for element in MAPPING[resource]:
        steps = list(steps_of(resource, element))
        for level, brackets, annotation, several in steps:
            assert several == (brackets[:1] == "["), (element.path, level)
            last = level == steps[-1][0]
            assert last == (model_of(annotation) is None), (element.path, level)
        assert steps[-1][2] in KINDS[element.leaf], element.path
        if element.leaf in (Leaf.DATETIME, Leaf.INSTANT):
            is_instant = "Instant(" in metadata_of(resource, element)
            assert is_instant == (element.leaf is Leaf.INSTANT), element.path
        if element.leaf is Leaf.REFERENCE:
            assert model_of(steps[-2][2]) == "Reference", element.path


def test_a_wrong_path_type_or_cardinality_would_be_found() -> None:
    with pytest.raises(KeyError):
        list(steps_of("Condition", Element("severityOfIt.text")))
    *_, (_, _, kind, several) = steps_of("Observation", Element("component.code.text"))
    assert (kind, several) == (str, False)
    *_, several = next(steps_of("Observation", Element("component.code.text")))
    assert several
    *_, (_, _, kind, _) = steps_of("Patient", Element("multipleBirthInteger"))
    assert kind is int


@pytest.mark.parametrize("resource", list(MAPPING))
def test_the_elements_that_may_have_a_modifier_extension_are_known(
    resource: str,
) -> None:
    assert NAME in fields_of(resource)
    known = BACKBONES.get(resource, ())
    for element in MAPPING[resource]:
        for level, _, annotation, _ in steps_of(resource, element):
            kind = model_of(annotation)
            if kind is not None:
                assert (NAME in fields_of(kind)) == (level in known), level


def test_every_type_of_us_core_has_a_table() -> None:
    assert set(US_CORE) < set(MAPPING)
    assert {"MedicationAdministration", "ImagingStudy", "Group"} < set(MAPPING)


def test_columns_that_datasets_were_begun_with_keep_their_names_and_types() -> None:
    begun = json.loads(Path(VECTORS / "fhir-columns-0.1.json").read_text())
    for resource, columns in begun.items():
        schema = Flattener(resource, MAPPING[resource]).schema
        found = {name: str(schema.field(name).type) for name in columns}
        assert found == columns
