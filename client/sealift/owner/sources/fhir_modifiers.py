"""Extensions that may change the meaning of what they stand in.

FHIR R4, https://hl7.org/fhir/R4/extensibility.html#modifierExtension: whoever processes a resource
must not ignore a `modifierExtension` that it does not understand. So a resource that has one, at
any level, is refused, unless a rule of the policy names it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sealift.owner.sources.fhir_elements import Element, modifier
from sealift.policy.file import Policy
from sealift.policy.names import fold

NAME = "modifierExtension"
_FOLDED = fold(NAME)
_ANY_RESOURCE = "resource"
_STEP = re.compile(r"[^.\[]+(?:\[[^\]]*\])?")
_BRACKETS = re.compile(r"\[[^\]]*\]|\{\}")

# By type, the elements of its table that may have one, besides the resource itself.
BACKBONES: Mapping[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("reaction",),
    "CarePlan": (
        "activity",
        "activity.detail",
    ),
    "CareTeam": ("participant",),
    "Claim": (
        "diagnosis",
        "procedure",
        "insurance",
        "item",
    ),
    "Condition": (
        "stage",
        "evidence",
    ),
    "Coverage": ("class",),
    "Device": (
        "udiCarrier",
        "deviceName",
        "specialization",
        "version",
        "property",
    ),
    "DocumentReference": (
        "content",
        "context",
        "relatesTo",
    ),
    "Encounter": (
        "participant",
        "diagnosis",
        "hospitalization",
        "location",
    ),
    "ExplanationOfBenefit": (
        "related",
        "payee",
        "careTeam",
        "supportingInfo",
        "diagnosis",
        "procedure",
        "insurance",
        "item",
        "item.adjudication",
        "adjudication",
        "total",
        "payment",
    ),
    "Goal": ("target",),
    "Group": (
        "characteristic",
        "member",
    ),
    "ImagingStudy": (
        "series",
        "series.instance",
    ),
    "Immunization": (
        "performer",
        "reaction",
        "protocolApplied",
    ),
    "Location": ("position",),
    "Medication": (
        "ingredient",
        "batch",
    ),
    "MedicationAdministration": (
        "performer",
        "dosage",
    ),
    "MedicationDispense": (
        "performer",
        "dosageInstruction",
        "dosageInstruction.timing",
        "substitution",
    ),
    "MedicationRequest": (
        "dosageInstruction",
        "dosageInstruction.timing",
        "dispenseRequest",
        "dispenseRequest.initialFill",
        "substitution",
    ),
    "Observation": (
        "effectiveTiming",
        "referenceRange",
        "component",
        "component.referenceRange",
    ),
    "Patient": (
        "communication",
        "link",
    ),
    "Practitioner": ("qualification",),
    "Procedure": (
        "performer",
        "focalDevice",
    ),
    "Provenance": (
        "agent",
        "entity",
    ),
    "QuestionnaireResponse": (
        "item",
        "item.answer",
        "item.item",
        "item.item.answer",
    ),
    "RelatedPerson": ("communication",),
    "ServiceRequest": ("occurrenceTiming",),
    "Specimen": (
        "collection",
        "processing",
        "container",
    ),
}


class UnknownModifierError(pa.ArrowInvalid):  # type: ignore[misc]
    """A resource has an extension that may change its meaning, and no rule names it.

    Attributes:
        level: the element that has it, empty for the resource itself; None for an element that
            the tables do not have.
    """

    def __init__(self, level: str | None) -> None:
        super().__init__("an extension that may change the meaning")
        self.level = level


@dataclass(frozen=True, slots=True)
class Modifiers:
    """The extensions that a policy names.

    Attributes:
        levels: the elements that the table knows to have one.
        elements: those with columns.
        patterns: what the policy names, as regular expressions of levels.
        fields: the fields of such an extension that have columns.
    """

    levels: tuple[str, ...]
    elements: tuple[Element, ...]
    patterns: tuple[re.Pattern[str], ...]
    fields: frozenset[str]

    def check(self, levels: Iterator[tuple[str, frozenset[str]]]) -> None:
        """Refuse extensions that no rule names, or whose value has no column.

        Args:
            levels: the elements that have one, and the fields in it.

        Raises:
            UnknownModifierError: there is one.
        """
        for level, fields in levels:
            named = any(
                pattern.fullmatch(_as_steps(level)) for pattern in self.patterns
            )
            if not named or fields - self.fields:
                raise UnknownModifierError(level if level in self.levels else None)


def modifier_patterns(policy: Policy) -> tuple[str, ...]:
    """Return the patterns of a policy's rules that name `modifierExtension`."""
    return tuple(
        pattern
        for rule in policy.rules
        for pattern in rule.patterns
        if not rule.identifier and _FOLDED in map(fold, pattern.split("."))
    )


def modifiers_of(
    resource: str, elements: Sequence[Element], patterns: Sequence[str]
) -> Modifiers:
    """Return the extensions of a resource type that some patterns name."""
    levels = ("", *BACKBONES.get(resource, ()))
    expressions = [_level(pattern, resource) for pattern in patterns]
    wanted = tuple(one for one in expressions if one is not None)
    fields = {element.path.split(".")[1].partition("[")[0] for element in modifier("")}
    return Modifiers(
        levels,
        tuple(
            element
            for level, path in _places(levels, elements).items()
            if any(one.fullmatch(_as_steps(level)) for one in wanted)
            for element in modifier(f"{path}." if path else "")
        ),
        wanted,
        frozenset(fields | {"id"}),
    )


def levels_in_type(
    kind: pa.Schema | pa.DataType,
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the elements with such an extension in the type of some objects, and its fields."""
    return _levels_in_fields("", list(kind))


def _levels_in_fields(
    path: str, fields: Sequence[pa.Field]
) -> Iterator[tuple[str, frozenset[str]]]:
    for field in fields:
        kind = field.type
        while pa.types.is_list(kind):
            kind = kind.value_type
        if field.name == NAME and not pa.types.is_null(kind):
            yield path, _names(kind)
        elif pa.types.is_struct(kind):
            yield from _levels_in_fields(f"{path}.{field.name}".lstrip("."), list(kind))


def _names(kind: pa.DataType) -> frozenset[str]:
    if not pa.types.is_struct(kind):
        return frozenset([""])
    return frozenset(field.name for field in kind)


def levels_in_objects(
    value: object, path: str = ""
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the elements with such an extension in objects of JSON, and its fields."""
    if isinstance(value, list):
        for one in value:
            yield from levels_in_objects(one, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == NAME and _is_said(inner):
                yield path, _fields_in(inner)
            elif isinstance(inner, dict | list):
                yield from levels_in_objects(inner, f"{path}.{name}".lstrip("."))


def _is_said(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_is_said, value))
    return value is not None


def _fields_in(value: object) -> frozenset[str]:
    if isinstance(value, list):
        return frozenset().union(*map(_fields_in, value))
    return frozenset(value) if isinstance(value, dict) else frozenset([""])


def _places(levels: Sequence[str], elements: Sequence[Element]) -> dict[str, str]:
    """Return levels with their paths in a table, which have brackets."""
    found = {"": ""}
    for element in elements:
        steps = _STEP.findall(element.path)
        for end in range(1, len(steps)):
            path = ".".join(steps[:end])
            level = _BRACKETS.sub("", path)
            if level in levels:
                found.setdefault(level, path)
    return found


def _level(pattern: str, resource: str) -> re.Pattern[str] | None:
    """Return which levels a pattern names, as an expression; None for those of other types."""
    steps = [fold(step) for step in pattern.split(".")]
    steps = steps[: steps.index(_FOLDED)]
    if pattern[:1].isupper() and steps:
        first = steps.pop(0)
        if first not in (fold(resource), _ANY_RESOURCE):
            return None
    text = ""
    for step in steps:
        if step == "**":
            text += r"(?:[^.]+\.)*"
        else:
            text += re.escape(step).replace(r"\*", "[^.]*").replace(r"\?", ".") + r"\."
    return re.compile(text)


def _as_steps(level: str) -> str:
    """Return a level in the form that the expressions match: a dot after each step."""
    return f"{fold(level)}." if level else ""
