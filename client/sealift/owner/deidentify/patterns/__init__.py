"""Patterns of identifiers of people in free text: data, one file for each kind."""

from __future__ import annotations

from sealift.owner.deidentify.patterns.abroad import ABROAD
from sealift.owner.deidentify.patterns.codes import CODES, TERMINOLOGY
from sealift.owner.deidentify.patterns.contacts import CONTACTS
from sealift.owner.deidentify.patterns.dates import DATES
from sealift.owner.deidentify.patterns.names import NAMES
from sealift.owner.deidentify.patterns.numbers import NUMBERS
from sealift.owner.deidentify.patterns.pattern import Pattern
from sealift.owner.deidentify.patterns.places import PLACES

PATTERNS: tuple[Pattern, ...] = (
    *NAMES,
    *PLACES,
    *DATES,
    *CONTACTS,
    *CODES,
    *ABROAD,
    *NUMBERS,
)

__all__ = ["PATTERNS", "TERMINOLOGY", "Pattern"]
