"""A rule's action on a type of column: the resulting type, and the change to the values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify import dates, generalise
from sealift.owner.deidentify.masking import mask
from sealift.owner.deidentify.noise import Noise
from sealift.owner.deidentify.pseudonyms import Pseudonyms
from sealift.owner.deidentify.scrubbers import Scrubbers
from sealift.owner.deidentify.shift import Shift
from sealift.owner.deidentify.texts import has_text, text_kind
from sealift.owner.deidentify.tokens import Tokeniser
from sealift.policy.file import Policy, Rule
from sealift.process.secret import Secret

Change = Callable[[pa.Array, Any], pa.Array]


@dataclass(frozen=True, slots=True)
class Operation:
    """A change to a column's values.

    Attributes:
        kind: type of the result.
        change: takes the values, neither nested nor dictionary-encoded, and for "shift" the
            matching values of the column in `by`; returns one value of the new type for each.
    """

    kind: pa.DataType
    change: Change


def operation_for(
    rule: Rule,
    kind: pa.DataType,
    *,
    secret: Secret,
    scrubbers: Scrubbers,
    this_year: int,
    policy: Policy,
) -> Operation | None:
    """Return what a rule does to values of a type, or None if its action does not support it.

    Args:
        rule: a rule with any action but drop and keep.
        kind: type of the values; neither nested nor dictionary-encoded.
        secret: the owner's 32-byte secret.
        scrubbers: scrubbers of free text.
        this_year: the current year, for the setting `oldest`.
        policy: the rule's policy.

    Raises:
        InvalidArgument: a package that the action needs is not installed.
    """
    if pa.types.is_null(kind):
        return Operation(pa.string(), lambda values, _: values.cast(pa.string()))
    settings: Any = rule.settings
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
        case "hash" if has_text(kind):
            return _alone(pa.string(), Pseudonyms(secret, settings["domain"]).apply)
        case "tokenise" if has_text(kind):
            return _alone(text_kind(kind), Tokeniser(secret, **settings).apply)
        case "generalise":
            return _generalisation(settings, kind, this_year, policy)
        case "shift" if dates.is_date(kind):
            result = text_kind(kind) if is_text(kind) else kind
            return Operation(result, Shift(secret, days=settings["days"]).apply)
        case "noise" if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return _alone(kind, Noise(**settings).apply)
        case "scrub" if is_text(kind):
            return _alone(text_kind(kind), scrubbers.scrubber(settings["entities"]))
        case _:
            return None


def _alone(kind: pa.DataType, change: Callable[[pa.Array], pa.Array]) -> Operation:
    """Return an operation that reads only its own column."""
    return Operation(kind, lambda values, _: change(values))


def _generalisation(
    settings: Any, kind: pa.DataType, this_year: int, policy: Policy
) -> Operation | None:
    number = generalise.is_number(kind)
    bare = policy.format > 1
    match settings["to"]:
        case "age-band" if number or is_text(kind):
            width = settings["width"]
            return _alone(
                pa.string(), lambda values: generalise.age_bands(values, width=width)
            )
        case "zip3" if number or is_text(kind):
            return _alone(pa.string(), generalise.zip3)
        case "year" if dates.is_date(kind) or (bare and dates.has_year(kind)):
            oldest = settings["oldest"] or policy.oldest
            at_least = this_year - oldest if oldest else None
            return _alone(
                pa.int32(),
                lambda values: dates.years_of(values, at_least=at_least, bare=bare),
            )
        case "month" if dates.is_date(kind):
            return _alone(pa.string(), dates.months_of)
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
