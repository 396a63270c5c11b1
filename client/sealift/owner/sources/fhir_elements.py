"""Elements of FHIR R4 resources that become columns, and the data types that they are made of.

A path names an element as FHIR does, without the type. For an element that may repeat:

* `name[].family` has a column for one: the one that `PREFERRED` ranks first, or, of elements
  without a rank, the only one. A further column has the rest as a list of objects: `name.others`
  those that were not preferred, `category.all` all of them, where there are several or one has
  a `deep` element, which has no column of its own;
* `component[*].valueQuantity.value` takes all, as a list with one value for each;
* `link[{}].type` takes all, as one list of objects; so does `performedRange{}.low.value`, of an
  element that does not repeat, but is seldom there: in a list it takes no room;
* `telecom[system=phone].value` takes the first whose `system` is `phone`; with `|one` behind the
  value, the only one; with `|all`, all of them, as a list;
* `given[]` at the end takes all texts, as a list.

Data types: https://hl7.org/fhir/R4/datatypes.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"


class Leaf(Enum):
    """The kind of value in an element; `fhir_tree` turns it into columns."""

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
        deep: whether it is only in the objects of the repeated element around it.
    """

    path: str
    leaf: Leaf = Leaf.STRING
    name: str = ""
    deep: bool = False


Elements = tuple[Element, ...]

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


def deep(elements: Elements) -> Elements:
    """Elements that are only in the objects around them."""
    return tuple(replace(element, deep=True) for element in elements)


def texts(*paths: str) -> Elements:
    """Elements of text, such as codes."""
    return tuple(map(Element, paths))


def booleans(*paths: str) -> Elements:
    """Elements of `true` or `false`."""
    return tuple(Element(path, Leaf.BOOLEAN) for path in paths)


def integers(*paths: str) -> Elements:
    """Elements of whole numbers."""
    return tuple(Element(path, Leaf.INTEGER) for path in paths)


def decimals(*paths: str) -> Elements:
    """Elements of numbers."""
    return tuple(Element(path, Leaf.DECIMAL) for path in paths)


def dates(*paths: str) -> Elements:
    """Elements of days, of which day and month may be missing."""
    return tuple(Element(path, Leaf.DATE) for path in paths)


def moments(*paths: str) -> Elements:
    """Elements of times, of which all but the year may be missing."""
    return tuple(Element(path, Leaf.DATETIME) for path in paths)


def instants(*paths: str) -> Elements:
    """Elements of complete times."""
    return tuple(Element(path, Leaf.INSTANT) for path in paths)


def references(*paths: str) -> Elements:
    """References to other resources."""
    return tuple(Element(f"{path}.reference", Leaf.REFERENCE) for path in paths)


def coding(path: str) -> Elements:
    """A Coding."""
    return texts(*(f"{path}.{part}" for part in ("system", "code", "display")))


def codeable(*paths: str) -> Elements:
    """CodeableConcepts."""
    return tuple(
        element
        for path in paths
        for element in (*coding(f"{path}.coding[]"), Element(f"{path}.text"))
    )


def coded(*paths: str) -> Elements:
    """CodeableConcepts of which only the code counts."""
    return texts(
        *(f"{path}.coding[].{part}" for path in paths for part in ("system", "code"))
    )


def quantity(*paths: str) -> Elements:
    """Quantities, and what is built on them: Age, Duration, Count."""
    parts = ("comparator", "unit", "system", "code")
    return tuple(
        element
        for path in paths
        for element in (
            *decimals(f"{path}.value"),
            *texts(*(f"{path}.{part}" for part in parts)),
        )
    )


def amount_range(path: str) -> Elements:
    """A Range: its limits are quantities without a comparator."""
    return tuple(
        element
        for limit in (f"{path}.low", f"{path}.high")
        for element in (
            *decimals(f"{limit}.value"),
            *texts(f"{limit}.unit", f"{limit}.code"),
        )
    )


def ratio(path: str) -> Elements:
    """A Ratio, whose two quantities may have a comparator: a titre of <1:128."""
    parts = ("comparator", "unit", "code")
    return tuple(
        element
        for side in (f"{path}.numerator", f"{path}.denominator")
        for element in (
            *decimals(f"{side}.value"),
            *texts(*(f"{side}.{part}" for part in parts)),
        )
    )


def sampled(path: str) -> Elements:
    """SampledData: a series of measurements."""
    return (
        *decimals(f"{path}.origin.value"),
        *texts(f"{path}.origin.unit", f"{path}.origin.code"),
        *decimals(
            *(f"{path}.{p}" for p in ("period", "factor", "lowerLimit", "upperLimit"))
        ),
        *integers(f"{path}.dimensions"),
        *texts(f"{path}.data"),
    )


def period(*paths: str) -> Elements:
    """Periods."""
    return moments(*(f"{path}.{end}" for path in paths for end in ("start", "end")))


def money(*paths: str) -> Elements:
    """Amounts of money."""
    return tuple(
        element
        for path in paths
        for element in (*decimals(f"{path}.value"), *texts(f"{path}.currency"))
    )


def timing(path: str) -> Elements:
    """A Timing: events, or what repeats and within which bounds."""
    repeat = f"{path}.repeat"
    return (
        *moments(f"{path}.event[]"),
        *codeable(f"{path}.code"),
        *quantity(f"{repeat}.boundsDuration"),
        *amount_range(f"{repeat}.boundsRange"),
        *period(f"{repeat}.boundsPeriod"),
        *integers(f"{repeat}.count", f"{repeat}.countMax"),
        *decimals(f"{repeat}.duration", f"{repeat}.durationMax"),
        *texts(f"{repeat}.durationUnit"),
        *integers(f"{repeat}.frequency", f"{repeat}.frequencyMax"),
        *decimals(f"{repeat}.period", f"{repeat}.periodMax"),
        *texts(f"{repeat}.periodUnit"),
        *texts(f"{repeat}.dayOfWeek[]", f"{repeat}.timeOfDay[]", f"{repeat}.when[]"),
        *integers(f"{repeat}.offset"),
    )


def dosage(path: str) -> Elements:
    """A Dosage: one step of how a drug is taken."""
    dose, repeat = f"{path}.doseAndRate[]", f"{path}.timing.repeat"
    flat = (
        *integers(f"{path}.sequence"),
        *texts(f"{path}.text", f"{path}.patientInstruction"),
        *booleans(f"{path}.asNeededBoolean"),
        *codeable(f"{path}.route"),
        *texts(f"{path}.timing.code.text"),
        *integers(f"{repeat}.frequency"),
        *decimals(f"{repeat}.period"),
        *texts(f"{repeat}.periodUnit"),
        *quantity(f"{dose}.doseQuantity"),
    )
    whole = (
        *codeable(f"{path}.additionalInstruction[]"),
        *codeable(f"{path}.asNeededCodeableConcept"),
        *codeable(f"{path}.site", f"{path}.method"),
        *timing(f"{path}.timing"),
        *codeable(f"{dose}.type"),
        *amount_range(f"{dose}.doseRange"),
        *quantity(f"{dose}.rateQuantity"),
        *amount_range(f"{dose}.rateRange"),
        *ratio(f"{dose}.rateRatio"),
        *ratio(f"{path}.maxDosePerPeriod"),
        *quantity(f"{path}.maxDosePerAdministration", f"{path}.maxDosePerLifetime"),
    )
    known = {element.path for element in flat}
    return (*flat, *deep(tuple(e for e in whole if e.path not in known)))


def address(path: str) -> Elements:
    """An Address."""
    parts = ("use", "line[]", "city", "district", "state", "postalCode", "country")
    return texts(*(f"{path}.{part}" for part in parts))


def attachment(path: str) -> Elements:
    """An Attachment."""
    parts = ("contentType", "data", "url", "title", "hash")
    return (
        *texts(*(f"{path}.{part}" for part in parts)),
        *integers(f"{path}.size"),
        *moments(f"{path}.creation"),
    )


def identifier(path: str) -> Elements:
    """An Identifier."""
    return (
        *texts(f"{path}.use", f"{path}.system", f"{path}.value"),
        *coded(f"{path}.type"),
    )


def us_core(name: str) -> Elements:
    """US Core's extensions for race and ethnicity, of which a person may have several."""
    outer = f"extension[url={_US_CORE}{name}]"
    one = f"{outer}.extension[url=ombCategory|one].valueCoding"
    text = f"{outer}.extension[url=text].valueString"
    return (
        Element(f"{one}.code", name=f"{name}.code"),
        Element(f"{one}.display", name=f"{name}.display"),
        Element(text, name=f"{name}.text"),
        *(
            Element(
                f"{outer}.extension[url={kind}|all].valueCoding.{part}",
                name=f"{name}.{kind}.{part}",
            )
            for kind in ("ombCategory", "detailed")
            for part in ("code", "display")
        ),
    )


def us_core_code(name: str, kind: str = "valueCode") -> Elements:
    """An extension of US Core that is a code."""
    return (Element(f"extension[url={_US_CORE}{name}].{kind}", name=name),)


def modifier(path: str) -> Elements:
    """The extensions that may change the meaning of what they stand in, in common forms."""
    path = f"{path}modifierExtension[{{}}]"
    return (
        *texts(f"{path}.url", f"{path}.valueCode", f"{path}.valueString"),
        *booleans(f"{path}.valueBoolean"),
        *integers(f"{path}.valueInteger"),
        *decimals(f"{path}.valueDecimal"),
        *moments(f"{path}.valueDateTime"),
        *coding(f"{path}.valueCoding"),
        *codeable(f"{path}.valueCodeableConcept"),
        *quantity(f"{path}.valueQuantity"),
        *references(f"{path}.valueReference"),
    )


META = (*texts("id"), *instants("meta.lastUpdated"), *texts("implicitRules"))
IDENTIFIER = identifier("identifier[]")
HUMAN_NAME = texts(
    "name[].use",
    "name[].text",
    "name[].family",
    "name[].given[]",
    "name[].prefix[]",
    "name[].suffix[]",
)
TELECOM = (
    Element("telecom[system=phone].value", name="telecom.phone"),
    Element("telecom[system=email].value", name="telecom.email"),
    *texts("telecom[{}].system", "telecom[{}].value", "telecom[{}].use"),
    *integers("telecom[{}].rank"),
)
NOTES = texts("note[*].text")
