"""The columns of FHIR R4 resources about people, organisations, places and devices."""

from __future__ import annotations

from collections.abc import Mapping

from sealift.owner.sources.fhir_elements import (
    HUMAN_NAME,
    IDENTIFIER,
    META,
    NOTES,
    TELECOM,
    Elements,
    address,
    amount_range,
    booleans,
    codeable,
    coding,
    dates,
    decimals,
    deep,
    instants,
    integers,
    moments,
    period,
    quantity,
    references,
    texts,
    us_core,
    us_core_code,
)

_PATIENT = (
    *META,
    *IDENTIFIER,
    *booleans("active"),
    *HUMAN_NAME,
    *TELECOM,
    *texts("gender"),
    *dates("birthDate"),
    *booleans("deceasedBoolean"),
    *moments("deceasedDateTime"),
    *address("address[]"),
    *codeable("maritalStatus"),
    *booleans("multipleBirthBoolean"),
    *integers("multipleBirthInteger"),
    *codeable("communication[].language"),
    *deep(booleans("communication[].preferred")),
    *references("link[{}].other"),
    *texts("link[{}].type"),
    *references("generalPractitioner[]", "managingOrganization"),
    *us_core("us-core-race"),
    *us_core("us-core-ethnicity"),
    *us_core_code("us-core-birthsex"),
    *us_core_code("us-core-sex"),
)

_RELATED_PERSON = (
    *META,
    *IDENTIFIER,
    *booleans("active"),
    *references("patient"),
    *codeable("relationship[]"),
    *HUMAN_NAME,
    *TELECOM,
    *texts("gender"),
    *dates("birthDate"),
    *address("address[]"),
    *period("period"),
    *codeable("communication[].language"),
    *deep(booleans("communication[].preferred")),
)

_PRACTITIONER = (
    *META,
    *IDENTIFIER,
    *booleans("active"),
    *HUMAN_NAME,
    *TELECOM,
    *address("address[]"),
    *texts("gender"),
    *dates("birthDate"),
    *codeable("qualification[].code"),
)

_PRACTITIONER_ROLE = (
    *META,
    *IDENTIFIER,
    *booleans("active"),
    *period("period"),
    *references("practitioner", "organization"),
    *codeable("code[]", "specialty[]"),
    *references("location[]", "healthcareService[]", "endpoint[]"),
    *TELECOM,
)

_ORGANIZATION = (
    *META,
    *IDENTIFIER,
    *booleans("active"),
    *codeable("type[]"),
    *texts("name", "alias[]"),
    *TELECOM,
    *address("address[]"),
    *references("partOf"),
)

_LOCATION = (
    *META,
    *IDENTIFIER,
    *texts("status"),
    *coding("operationalStatus"),
    *texts("name", "alias[]", "description", "mode"),
    *codeable("type[]"),
    *TELECOM,
    *address("address"),
    *codeable("physicalType"),
    *decimals("position.longitude", "position.latitude", "position.altitude"),
    *references("managingOrganization", "partOf"),
)

_CARE_TEAM = (
    *META,
    *IDENTIFIER,
    *texts("status"),
    *codeable("category[]"),
    *texts("name"),
    *references("subject", "encounter"),
    *period("period"),
    *codeable("participant[*].role[]"),
    *references("participant[*].member", "participant[*].onBehalfOf"),
    *period("participant[*].period"),
    *codeable("reasonCode[]"),
    *references("reasonReference[]", "managingOrganization[]"),
    *TELECOM,
    *NOTES,
)

_GROUP = (
    *META,
    *IDENTIFIER,
    *booleans("active"),
    *texts("type"),
    *booleans("actual"),
    *codeable("code"),
    *texts("name"),
    *integers("quantity"),
    *references("managingEntity"),
    *codeable("characteristic[{}].code", "characteristic[{}].valueCodeableConcept"),
    *booleans("characteristic[{}].valueBoolean"),
    *quantity("characteristic[{}].valueQuantity"),
    *amount_range("characteristic[{}].valueRange"),
    *references("characteristic[{}].valueReference"),
    *booleans("characteristic[{}].exclude"),
    *period("characteristic[{}].period"),
    *references("member[*].entity"),
    *period("member[*].period"),
    *booleans("member[*].inactive"),
)

_DEVICE = (
    *META,
    *IDENTIFIER,
    *references("definition"),
    *texts("udiCarrier[{}].deviceIdentifier", "udiCarrier[{}].issuer"),
    *texts("udiCarrier[{}].jurisdiction", "udiCarrier[{}].carrierHRF"),
    *texts("udiCarrier[{}].entryType"),
    *texts("status"),
    *codeable("statusReason[]"),
    *texts("distinctIdentifier", "manufacturer"),
    *moments("manufactureDate", "expirationDate"),
    *texts("lotNumber", "serialNumber", "deviceName[{}].name", "deviceName[{}].type"),
    *texts("modelNumber", "partNumber"),
    *codeable("type", "specialization[{}].systemType"),
    *texts("specialization[{}].version", "version[{}].value"),
    *codeable("version[{}].type", "property[{}].type", "property[{}].valueCode[]"),
    *quantity("property[{}].valueQuantity[]"),
    *references("patient", "owner", "location", "parent"),
    *texts("url"),
    *codeable("safety[]"),
    *NOTES,
)

_PROVENANCE = (
    *META,
    *references("target[*]"),
    *period("occurredPeriod"),
    *moments("occurredDateTime"),
    *instants("recorded"),
    *texts("policy[]"),
    *references("location"),
    *codeable("reason[]", "activity", "agent[*].type", "agent[*].role[]"),
    *references("agent[*].who", "agent[*].onBehalfOf"),
    *texts("entity[*].role"),
    *references("entity[*].what"),
)

PEOPLE: Mapping[str, Elements] = {
    "Patient": _PATIENT,
    "RelatedPerson": _RELATED_PERSON,
    "Practitioner": _PRACTITIONER,
    "PractitionerRole": _PRACTITIONER_ROLE,
    "Organization": _ORGANIZATION,
    "Location": _LOCATION,
    "CareTeam": _CARE_TEAM,
    "Group": _GROUP,
    "Device": _DEVICE,
    "Provenance": _PROVENANCE,
}
