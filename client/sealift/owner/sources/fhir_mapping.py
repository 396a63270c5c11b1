"""The columns of FHIR R4 resources, by type: https://hl7.org/fhir/R4/resourcelist.html."""

from __future__ import annotations

from collections.abc import Mapping

from sealift.owner.sources.fhir_billing import BILLING
from sealift.owner.sources.fhir_clinical import CLINICAL
from sealift.owner.sources.fhir_elements import Elements
from sealift.owner.sources.fhir_medication import MEDICATION
from sealift.owner.sources.fhir_orders import ORDERS
from sealift.owner.sources.fhir_people import PEOPLE

MAPPING: Mapping[str, Elements] = dict(
    sorted({**BILLING, **CLINICAL, **MEDICATION, **ORDERS, **PEOPLE}.items())
)
"""The elements of each resource type that become columns."""
