"""The columns of FHIR R4 resources, by type: https://hl7.org/fhir/R4/resourcelist.html.

A path names an element as FHIR does, without the type. For an element that may repeat:

* `name[].family` takes the one that `PREFERRED` ranks first, or else the first;
* `telecom[system=phone].value` takes the first whose `system` is `phone`;
* `component[*].valueQuantity.value` takes all, as a list with one value for each;
* `given[]` at the end takes all texts, as a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"


class Leaf(Enum):
    """The kind of value in an element; `fhir_columns` turns it into columns."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    DATETIME = "dateTime"
    INSTANT = "instant"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Element:
    """An element with a column.

    Attributes:
        path: path in the resource.
        leaf: kind of value.
        name: the column's name, if it is not the path without brackets.
    """

    path: str
    leaf: Leaf = Leaf.STRING
    name: str = ""


PREFERRED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "coding": (
        "system",
        (
            "http://loinc.org",
            "http://snomed.info/sct",
            "http://www.nlm.nih.gov/research/umls/rxnorm",
            "http://hl7.org/fhir/sid/cvx",
            "http://hl7.org/fhir/sid/icd-10-cm",
            "http://hl7.org/fhir/sid/icd-10",
            "http://hl7.org/fhir/sid/icd-9-cm",
            "http://www.ama-assn.org/go/cpt",
            "http://www.cms.gov/Medicare/Coding/ICD10",
            "http://hl7.org/fhir/sid/ndc",
        ),
    ),
    "identifier": ("use", ("usual", "official")),
    "name": ("use", ("official", "usual")),
    "address": ("use", ("home", "work")),
}
"""For repeated elements: the name, one of its fields, and that field's values, best first."""


def _codeable(path: str) -> tuple[Element, ...]:
    coding = (f"{path}.coding[].{part}" for part in ("system", "code", "display"))
    return (*map(Element, coding), Element(f"{path}.text"))


def _coding(path: str) -> tuple[Element, ...]:
    return tuple(Element(f"{path}.{part}") for part in ("system", "code", "display"))


def _reference(path: str) -> tuple[Element, ...]:
    return (Element(f"{path}.reference", Leaf.REFERENCE),)


def _quantity(path: str) -> tuple[Element, ...]:
    rest = (
        Element(f"{path}.{part}") for part in ("comparator", "unit", "system", "code")
    )
    return (Element(f"{path}.value", Leaf.DECIMAL), *rest)


def _period(path: str) -> tuple[Element, ...]:
    return (
        Element(f"{path}.start", Leaf.DATETIME),
        Element(f"{path}.end", Leaf.DATETIME),
    )


def _money(path: str) -> tuple[Element, ...]:
    return (Element(f"{path}.value", Leaf.DECIMAL), Element(f"{path}.currency"))


def _address(path: str) -> tuple[Element, ...]:
    parts = ("line[]", "city", "district", "state", "postalCode", "country")
    return tuple(Element(f"{path}.{part}") for part in parts)


def _attachment(path: str) -> tuple[Element, ...]:
    parts = ("contentType", "data", "url", "title", "hash")
    return (
        *(Element(f"{path}.{part}") for part in parts),
        Element(f"{path}.size", Leaf.INTEGER),
        Element(f"{path}.creation", Leaf.DATETIME),
    )


def _us_core(name: str) -> tuple[Element, ...]:
    outer = f"extension[url={_US_CORE}{name}]"
    category = f"{outer}.extension[url=ombCategory].valueCoding"
    return (
        Element(f"{category}.code", name=f"{name}.code"),
        Element(f"{category}.display", name=f"{name}.display"),
        Element(f"{outer}.extension[url=text].valueString", name=f"{name}.text"),
    )


_META = (Element("id"), Element("meta.lastUpdated", Leaf.INSTANT))
_IDENTIFIER = (
    Element("identifier[].system"),
    Element("identifier[].value"),
    Element("identifier[].type.coding[].code"),
)
_HUMAN_NAME = (
    Element("name[].text"),
    Element("name[].family"),
    Element("name[].given[]"),
    Element("name[].prefix[]"),
    Element("name[].suffix[]"),
)
_TELECOM = (
    Element("telecom[system=phone].value", name="telecom.phone"),
    Element("telecom[system=email].value", name="telecom.email"),
)
_NOTES = (Element("note[*].text"),)

_PATIENT = (
    *_META,
    *_IDENTIFIER,
    Element("active", Leaf.BOOLEAN),
    *_HUMAN_NAME,
    *_TELECOM,
    Element("gender"),
    Element("birthDate", Leaf.DATE),
    Element("deceasedBoolean", Leaf.BOOLEAN),
    Element("deceasedDateTime", Leaf.DATETIME),
    *_address("address[]"),
    *_codeable("maritalStatus"),
    Element("multipleBirthBoolean", Leaf.BOOLEAN),
    Element("multipleBirthInteger", Leaf.INTEGER),
    *_codeable("communication[].language"),
    *_reference("generalPractitioner[]"),
    *_reference("managingOrganization"),
    *_us_core("us-core-race"),
    *_us_core("us-core-ethnicity"),
    Element(
        f"extension[url={_US_CORE}us-core-birthsex].valueCode", name="us-core-birthsex"
    ),
)

_ENCOUNTER = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    *_coding("class"),
    *_codeable("type[]"),
    *_codeable("serviceType"),
    *_codeable("priority"),
    *_reference("subject"),
    *_codeable("participant[].type[]"),
    *_reference("participant[].individual"),
    *_period("period"),
    *_quantity("length"),
    *_codeable("reasonCode[]"),
    *_reference("reasonReference[]"),
    *_reference("diagnosis[*].condition"),
    Element("diagnosis[*].use.coding[].code"),
    Element("diagnosis[*].rank", Leaf.INTEGER),
    *_codeable("hospitalization.admitSource"),
    *_codeable("hospitalization.reAdmission"),
    *_codeable("hospitalization.dischargeDisposition"),
    *_reference("location[].location"),
    *_reference("serviceProvider"),
    *_reference("partOf"),
)

_CONDITION = (
    *_META,
    *_IDENTIFIER,
    *_codeable("clinicalStatus"),
    *_codeable("verificationStatus"),
    *_codeable("category[]"),
    *_codeable("severity"),
    *_codeable("code"),
    *_codeable("bodySite[]"),
    *_reference("subject"),
    *_reference("encounter"),
    Element("onsetDateTime", Leaf.DATETIME),
    *_quantity("onsetAge"),
    *_period("onsetPeriod"),
    Element("onsetString"),
    Element("abatementDateTime", Leaf.DATETIME),
    *_quantity("abatementAge"),
    *_period("abatementPeriod"),
    Element("abatementString"),
    Element("recordedDate", Leaf.DATETIME),
    *_reference("recorder"),
    *_reference("asserter"),
    *_NOTES,
)

_OBSERVATION = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    *_codeable("category[]"),
    *_codeable("code"),
    *_reference("subject"),
    *_reference("encounter"),
    Element("effectiveDateTime", Leaf.DATETIME),
    *_period("effectivePeriod"),
    Element("effectiveInstant", Leaf.INSTANT),
    Element("issued", Leaf.INSTANT),
    *_reference("performer[]"),
    *_quantity("valueQuantity"),
    *_codeable("valueCodeableConcept"),
    Element("valueString"),
    Element("valueBoolean", Leaf.BOOLEAN),
    Element("valueInteger", Leaf.INTEGER),
    Element("valueRange.low.value", Leaf.DECIMAL),
    Element("valueRange.low.unit"),
    Element("valueRange.high.value", Leaf.DECIMAL),
    Element("valueRange.high.unit"),
    Element("valueRatio.numerator.value", Leaf.DECIMAL),
    Element("valueRatio.denominator.value", Leaf.DECIMAL),
    Element("valueTime"),
    Element("valueDateTime", Leaf.DATETIME),
    *_period("valuePeriod"),
    *_codeable("dataAbsentReason"),
    *_codeable("interpretation[]"),
    *_NOTES,
    *_codeable("bodySite"),
    *_codeable("method"),
    *_reference("specimen"),
    *_reference("device"),
    Element("referenceRange[].low.value", Leaf.DECIMAL),
    Element("referenceRange[].low.unit"),
    Element("referenceRange[].high.value", Leaf.DECIMAL),
    Element("referenceRange[].high.unit"),
    Element("referenceRange[].text"),
    *_reference("hasMember[*]"),
    *_codeable("component[*].code"),
    Element("component[*].valueQuantity.value", Leaf.DECIMAL),
    Element("component[*].valueQuantity.unit"),
    Element("component[*].valueQuantity.code"),
    *_codeable("component[*].valueCodeableConcept"),
    Element("component[*].valueString"),
    Element("component[*].valueBoolean", Leaf.BOOLEAN),
    Element("component[*].valueInteger", Leaf.INTEGER),
    Element("component[*].valueDateTime", Leaf.DATETIME),
    Element("component[*].dataAbsentReason.coding[].code"),
    Element("component[*].interpretation[].coding[].code"),
)

_PROCEDURE = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    *_codeable("statusReason"),
    *_codeable("category"),
    *_codeable("code"),
    *_reference("subject"),
    *_reference("encounter"),
    Element("performedDateTime", Leaf.DATETIME),
    *_period("performedPeriod"),
    Element("performedString"),
    *_reference("recorder"),
    *_reference("asserter"),
    *_codeable("performer[].function"),
    *_reference("performer[].actor"),
    *_reference("location"),
    *_codeable("reasonCode[]"),
    *_reference("reasonReference[]"),
    *_codeable("bodySite[]"),
    *_codeable("outcome"),
    *_codeable("complication[]"),
    *_NOTES,
)

_MEDICATION_REQUEST = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    *_codeable("statusReason"),
    Element("intent"),
    *_codeable("category[]"),
    Element("priority"),
    Element("doNotPerform", Leaf.BOOLEAN),
    Element("reportedBoolean", Leaf.BOOLEAN),
    *_reference("reportedReference"),
    *_codeable("medicationCodeableConcept"),
    *_reference("medicationReference"),
    *_reference("subject"),
    *_reference("encounter"),
    Element("authoredOn", Leaf.DATETIME),
    *_reference("requester"),
    *_reference("performer"),
    *_reference("recorder"),
    *_codeable("reasonCode[]"),
    *_reference("reasonReference[]"),
    *_codeable("courseOfTherapyType"),
    *_NOTES,
    Element("dosageInstruction[].text"),
    Element("dosageInstruction[].patientInstruction"),
    Element("dosageInstruction[].asNeededBoolean", Leaf.BOOLEAN),
    *_codeable("dosageInstruction[].route"),
    Element("dosageInstruction[].timing.code.text"),
    Element("dosageInstruction[].timing.repeat.frequency", Leaf.INTEGER),
    Element("dosageInstruction[].timing.repeat.period", Leaf.DECIMAL),
    Element("dosageInstruction[].timing.repeat.periodUnit"),
    *_quantity("dosageInstruction[].doseAndRate[].doseQuantity"),
    *_period("dispenseRequest.validityPeriod"),
    Element("dispenseRequest.numberOfRepeatsAllowed", Leaf.INTEGER),
    *_quantity("dispenseRequest.quantity"),
    *_quantity("dispenseRequest.expectedSupplyDuration"),
    Element("substitution.allowedBoolean", Leaf.BOOLEAN),
)

_IMMUNIZATION = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    *_codeable("statusReason"),
    *_codeable("vaccineCode"),
    *_reference("patient"),
    *_reference("encounter"),
    Element("occurrenceDateTime", Leaf.DATETIME),
    Element("occurrenceString"),
    Element("recorded", Leaf.DATETIME),
    Element("primarySource", Leaf.BOOLEAN),
    *_codeable("reportOrigin"),
    *_reference("location"),
    *_reference("manufacturer"),
    Element("lotNumber"),
    Element("expirationDate", Leaf.DATE),
    *_codeable("site"),
    *_codeable("route"),
    *_quantity("doseQuantity"),
    *_reference("performer[].actor"),
    *_NOTES,
    *_codeable("reasonCode[]"),
    Element("isSubpotent", Leaf.BOOLEAN),
    *_codeable("fundingSource"),
    Element("protocolApplied[].series"),
    *_codeable("protocolApplied[].targetDisease[]"),
    Element("protocolApplied[].doseNumberPositiveInt", Leaf.INTEGER),
    Element("protocolApplied[].doseNumberString"),
    Element("protocolApplied[].seriesDosesPositiveInt", Leaf.INTEGER),
    Element("protocolApplied[].seriesDosesString"),
)

_ALLERGY_INTOLERANCE = (
    *_META,
    *_IDENTIFIER,
    *_codeable("clinicalStatus"),
    *_codeable("verificationStatus"),
    Element("type"),
    Element("category[]"),
    Element("criticality"),
    *_codeable("code"),
    *_reference("patient"),
    *_reference("encounter"),
    Element("onsetDateTime", Leaf.DATETIME),
    *_quantity("onsetAge"),
    *_period("onsetPeriod"),
    Element("onsetString"),
    Element("recordedDate", Leaf.DATETIME),
    *_reference("recorder"),
    *_reference("asserter"),
    Element("lastOccurrence", Leaf.DATETIME),
    *_NOTES,
    *_codeable("reaction[*].substance"),
    *_codeable("reaction[*].manifestation[]"),
    Element("reaction[*].description"),
    Element("reaction[*].severity"),
    Element("reaction[*].onset", Leaf.DATETIME),
)

_DIAGNOSTIC_REPORT = (
    *_META,
    *_IDENTIFIER,
    *_reference("basedOn[]"),
    Element("status"),
    *_codeable("category[]"),
    *_codeable("code"),
    *_reference("subject"),
    *_reference("encounter"),
    Element("effectiveDateTime", Leaf.DATETIME),
    *_period("effectivePeriod"),
    Element("issued", Leaf.INSTANT),
    *_reference("performer[]"),
    *_reference("resultsInterpreter[]"),
    *_reference("specimen[]"),
    *_reference("result[*]"),
    *_reference("imagingStudy[*]"),
    Element("conclusion"),
    *_codeable("conclusionCode[]"),
    *_attachment("presentedForm[]"),
)

_DOCUMENT_REFERENCE = (
    *_META,
    Element("masterIdentifier.system"),
    Element("masterIdentifier.value"),
    *_IDENTIFIER,
    Element("status"),
    Element("docStatus"),
    *_codeable("type"),
    *_codeable("category[]"),
    *_reference("subject"),
    Element("date", Leaf.INSTANT),
    *_reference("author[]"),
    *_reference("authenticator"),
    *_reference("custodian"),
    Element("description"),
    *_codeable("securityLabel[]"),
    *_attachment("content[].attachment"),
    *_coding("content[].format"),
    *_reference("context.encounter[]"),
    *_period("context.period"),
    *_codeable("context.facilityType"),
    *_codeable("context.practiceSetting"),
)

_CARE_PLAN = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    Element("intent"),
    *_codeable("category[]"),
    Element("title"),
    Element("description"),
    *_reference("subject"),
    *_reference("encounter"),
    *_period("period"),
    Element("created", Leaf.DATETIME),
    *_reference("author"),
    *_reference("careTeam[]"),
    *_reference("addresses[*]"),
    *_reference("goal[*]"),
    *_codeable("activity[*].detail.code"),
    Element("activity[*].detail.status"),
    Element("activity[*].detail.description"),
    *_NOTES,
)

_CLAIM = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    *_codeable("type"),
    *_codeable("subType"),
    Element("use"),
    *_reference("patient"),
    *_period("billablePeriod"),
    Element("created", Leaf.DATETIME),
    *_reference("enterer"),
    *_reference("insurer"),
    *_reference("provider"),
    *_codeable("priority"),
    *_reference("prescription"),
    *_reference("facility"),
    Element("diagnosis[*].sequence", Leaf.INTEGER),
    *_codeable("diagnosis[*].diagnosisCodeableConcept"),
    *_reference("diagnosis[*].diagnosisReference"),
    Element("diagnosis[*].type[].coding[].code"),
    Element("procedure[*].sequence", Leaf.INTEGER),
    Element("procedure[*].date", Leaf.DATETIME),
    *_codeable("procedure[*].procedureCodeableConcept"),
    *_reference("procedure[*].procedureReference"),
    Element("insurance[].focal", Leaf.BOOLEAN),
    *_reference("insurance[].coverage"),
    Element("item[*].sequence", Leaf.INTEGER),
    Element("item[*].revenue.coding[].code"),
    Element("item[*].category.coding[].code"),
    *_codeable("item[*].productOrService"),
    Element("item[*].servicedDate", Leaf.DATE),
    *_period("item[*].servicedPeriod"),
    *_codeable("item[*].locationCodeableConcept"),
    Element("item[*].quantity.value", Leaf.DECIMAL),
    *_money("item[*].unitPrice"),
    *_money("item[*].net"),
    *_reference("item[*].encounter[]"),
    *_money("total"),
)

_PRACTITIONER = (
    *_META,
    *_IDENTIFIER,
    Element("active", Leaf.BOOLEAN),
    *_HUMAN_NAME,
    *_TELECOM,
    *_address("address[]"),
    Element("gender"),
    Element("birthDate", Leaf.DATE),
    *_codeable("qualification[].code"),
)

_ORGANIZATION = (
    *_META,
    *_IDENTIFIER,
    Element("active", Leaf.BOOLEAN),
    *_codeable("type[]"),
    Element("name"),
    Element("alias[]"),
    *_TELECOM,
    *_address("address[]"),
    *_reference("partOf"),
)

_LOCATION = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    *_coding("operationalStatus"),
    Element("name"),
    Element("alias[]"),
    Element("description"),
    Element("mode"),
    *_codeable("type[]"),
    *_TELECOM,
    *_address("address"),
    *_codeable("physicalType"),
    Element("position.longitude", Leaf.DECIMAL),
    Element("position.latitude", Leaf.DECIMAL),
    Element("position.altitude", Leaf.DECIMAL),
    *_reference("managingOrganization"),
    *_reference("partOf"),
)

_COVERAGE = (
    *_META,
    *_IDENTIFIER,
    Element("status"),
    *_codeable("type"),
    *_reference("policyHolder"),
    *_reference("subscriber"),
    Element("subscriberId"),
    *_reference("beneficiary"),
    Element("dependent"),
    *_codeable("relationship"),
    *_period("period"),
    *_reference("payor[]"),
    Element("class[*].type.coding[].code"),
    Element("class[*].value"),
    Element("class[*].name"),
    Element("order", Leaf.INTEGER),
    Element("network"),
)

MAPPING: Mapping[str, tuple[Element, ...]] = {
    "AllergyIntolerance": _ALLERGY_INTOLERANCE,
    "CarePlan": _CARE_PLAN,
    "Claim": _CLAIM,
    "Condition": _CONDITION,
    "Coverage": _COVERAGE,
    "DiagnosticReport": _DIAGNOSTIC_REPORT,
    "DocumentReference": _DOCUMENT_REFERENCE,
    "Encounter": _ENCOUNTER,
    "Immunization": _IMMUNIZATION,
    "Location": _LOCATION,
    "MedicationRequest": _MEDICATION_REQUEST,
    "Observation": _OBSERVATION,
    "Organization": _ORGANIZATION,
    "Patient": _PATIENT,
    "Practitioner": _PRACTITIONER,
    "Procedure": _PROCEDURE,
}
"""The elements of each resource type that become columns, in column order."""
