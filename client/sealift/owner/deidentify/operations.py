"""A rule's action on a type of column: the resulting type, and the change to the values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify import dates, generalise
from sealift.owner.deidentify.identifiers import identifiers_of, present
from sealift.owner.deidentify.low_population_zips import (
    CENSUS_2000_AREAS,
    CENSUS_AREAS,
    CENSUS_YEAR,
)
from sealift.owner.deidentify.masking import mask
from sealift.owner.deidentify.noise import Noise
from sealift.owner.deidentify.pseudonyms import Pseudonyms
from sealift.owner.deidentify.scrubbers import Scrubbers
from sealift.owner.deidentify.shift import Shift
from sealift.owner.deidentify.texts import has_text, text_kind
from sealift.owner.deidentify.tokens import CardTokeniser, Tokeniser
from sealift.policy.file import Policy, Rule
from sealift.policy.grammar import FORMAT_2, PAN
from sealift.policy.reading import Reading
from sealift.process.secret import Secret

# Policies of format 1 named those of 2000: what became 000 under one stays so.
_ALL_AREAS = CENSUS_AREAS | CENSUS_2000_AREAS

Change = Callable[[pa.Array, Any], pa.Array]


@dataclass(frozen=True, slots=True)
class Operation:
    """A change to a column's values.

    Attributes:
        kind: type of the result.
        change: takes the values, neither nested nor dictionary-encoded, and for "shift" the
            matching values of the column in `by`, for "scrub" where identifiers are known to
            stand in them; returns one value of the new type for each.
        present: makes those null that name nobody or are blank. The change makes them null, too,
            but they are not values that it could not change.
    """

    kind: pa.DataType
    change: Change
    present: Callable[[pa.Array], pa.Array] = lambda values: values


def operation_for(
    rule: Rule,
    kind: pa.DataType,
    *,
    secret: Secret,
    scrubbers: Scrubbers,
    this_year: int,
    policy: Policy,
    reading: Reading = Reading.TEXT,
) -> Operation | None:
    """Return what a rule does to values of a type, or None if its action does not support it.

    Args:
        rule: a rule with any action but drop and keep.
        kind: type of the values; neither nested nor dictionary-encoded.
        secret: the owner's 32-byte secret.
        scrubbers: scrubbers of free text.
        this_year: the current year, for the setting `oldest`.
        policy: the rule's policy, whose format decides what an identifier's text is.
        reading: how the dataset's identifiers are read.

    Raises:
        InvalidArgument: a package that the action needs is not installed.
    """
    if pa.types.is_null(kind):
        return Operation(pa.string(), lambda values, _: values.cast(pa.string()))
    settings: Any = rule.settings
    texts = identifier_texts(policy.format)
    match rule.action:
        case "mask" if has_text(kind):
            return _alone(
                text_kind(kind),
                lambda values: mask(
                    values,
                    keep_first=settings["keep_first"],
                    keep_last=settings["keep_last"],
                    character=settings["with"],
                ),
            )
        case "hash" if is_identifier(kind, reading):
            pseudonyms = Pseudonyms(secret, settings["domain"], texts=texts)
            return _of_present(pa.string(), pseudonyms.apply)
        case "tokenise" if is_identifier(kind, reading):
            tokeniser = tokeniser_of(settings, secret, file_format=policy.format)
            return _of_present(text_kind(kind), tokeniser.apply)
        case "generalise":
            return _generalisation(settings, kind, this_year, policy)
        case "shift" if dates.is_date(kind):
            result = text_kind(kind) if is_text(kind) else kind
            shift = Shift(
                secret,
                days=settings["days"],
                order=settings.get("order"),
                texts=texts,
            )
            return Operation(result, shift.apply, present)
        case "noise" if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return _alone(kind, Noise(**settings).apply)
        case "scrub" if is_text(kind):
            return Operation(text_kind(kind), scrubbers.scrubber(settings["entities"]))
        case _:
            return None


def identifier_texts(file_format: int) -> Callable[[pa.Array], pa.Array]:
    """Return what makes the text of a value that of an identifier, or null for nobody."""
    return identifiers_of if file_format >= FORMAT_2 else present


def areas_shown(settings: Mapping[str, Any], file_format: int) -> str:
    """Return, for people, whose list of areas a rule to "zip3" goes by."""
    if settings.get("areas"):
        return "the list of the policy"
    if file_format >= FORMAT_2:
        return f"the Census of {CENSUS_YEAR}"
    return f"the Censuses of 2000 and {CENSUS_YEAR}"


def is_identifier(kind: pa.DataType, reading: Reading) -> bool:
    """Return whether values of a type can be identifiers: floating point loses digits."""
    return has_text(kind) and (
        reading is Reading.NUMBERS or not pa.types.is_floating(kind)
    )


def _alone(kind: pa.DataType, change: Callable[[pa.Array], pa.Array]) -> Operation:
    """Return an operation that reads only its own column."""
    return Operation(kind, lambda values, _: change(values))


def _of_present(kind: pa.DataType, change: Callable[[pa.Array], pa.Array]) -> Operation:
    """Return an operation on one column, without the values that name nobody."""
    return Operation(kind, lambda values, _: change(values), present)


def tokeniser_of(
    settings: Mapping[str, Any], secret: Secret, *, file_format: int
) -> Tokeniser | CardTokeniser:
    """Return what makes the tokens of a rule, and turns them back.

    Args:
        settings: the settings of a rule whose action is "tokenise".
        secret: the owner's 32-byte secret.
        file_format: format of the policy file.

    Raises:
        InvalidArgument: libffx is not installed.
    """
    texts = identifier_texts(file_format)
    domain, first = settings["domain"], settings["keep_first"]
    if settings["alphabet"] == PAN:
        return CardTokeniser(secret, keep_first=first, domain=domain, texts=texts)
    return Tokeniser(
        secret,
        alphabet=settings["alphabet"],
        keep_first=first,
        keep_last=settings["keep_last"],
        domain=domain,
        texts=texts,
    )


def _generalisation(
    settings: Any, kind: pa.DataType, this_year: int, policy: Policy
) -> Operation | None:
    number = generalise.is_number(kind)
    is_new = policy.format >= FORMAT_2
    order = settings.get("order")
    match settings["to"]:
        case "age-band" if number or is_text(kind):
            width = settings["width"]
            return _of_present(
                pa.string(), lambda values: generalise.age_bands(values, width=width)
            )
        case "zip3" if number or is_text(kind):
            known = CENSUS_AREAS if is_new else _ALL_AREAS
            areas = settings.get("areas") or known
            return _of_present(
                pa.string(), lambda values: generalise.zip3(values, areas=areas)
            )
        case "year" if dates.is_date(kind) or (is_new and dates.has_year(kind)):
            oldest = settings["oldest"] or policy.oldest
            at_least = this_year - oldest if oldest else None
            return _of_present(
                pa.int32(),
                lambda values: dates.years_of(values, at_least=at_least, order=order),
            )
        case "month" if dates.is_date(kind):
            return _of_present(
                pa.string(), lambda values: dates.months_of(values, order=order)
            )
        case "band" if number:
            width = settings["width"]
            return _alone(
                pa.string(), lambda values: generalise.bands(values, width=width)
            )
        case "decimals" if number:
            digits = settings["digits"]
            return _alone(
                kind, lambda values: generalise.round_to(values, digits=digits)
            )
        case _:
            return None
