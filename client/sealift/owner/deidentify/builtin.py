"""Presidio's own recognisers, beside ours.

Those that reach for a network, a service or a model of their own are left out: the ones for e-mail
and web addresses fetch a list of domains (ours find more of both), the one for telephone numbers
does what `phones` does. A pattern of theirs that times out skips the text without an error, so
none of ours relies on them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import presidio_analyzer.predefined_recognizers as predefined
from presidio_analyzer import PatternRecognizer

from sealift.owner.deidentify.patterns import TERMINOLOGY
from sealift.owner.deidentify.spans import Span

# Below it are forms that need a word beside them, which Presidio looks for with a full model.
_LEAST = 0.4
_OURS = 0.45
_LEFT_OUT = frozenset(("EmailRecognizer", "UrlRecognizer", "PhoneRecognizer"))
# Numbers of firms, not of people; their checks take telephone numbers for them.
_FIRMS = frozenset(
    "AU_ABN AU_ACN SG_UEN IT_VAT_CODE KR_BRN SE_ORGANISATIONSNUMMER ZA_COMPANY_REGISTRATION"
    " ZA_VAT_NUMBER DE_VAT_ID DE_HANDELSREGISTER IN_GSTIN DE_KFZ TR_LICENSE_PLATE".split()
)
_KINDS = {
    "DATE_TIME": "DATE",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "DEVICE",
    "CREDIT_CARD": "ACCOUNT",
    "IBAN_CODE": "ACCOUNT",
    "CRYPTO": "ACCOUNT",
    "US_BANK_NUMBER": "ACCOUNT",
    "ABA_ROUTING_NUMBER": "ACCOUNT",
    "US_SSN": "SSN",
    "US_ITIN": "SSN",
    "UK_NHS": "MRN",
    "UK_NINO": "SSN",
    "CA_SIN": "SSN",
    "US_MBI": "HEALTH_PLAN",
    "AU_MEDICARE": "HEALTH_PLAN",
    "MEDICAL_LICENSE": "CERTIFICATE",
    "US_NPI": "CERTIFICATE",
    "UK_POSTCODE": "LOCATION",
    "CA_POSTAL_CODE": "LOCATION",
}
_SUFFIXES = (
    ("PASSPORT", "CERTIFICATE"),
    ("LICENSE", "CERTIFICATE"),
    ("LICENCE", "CERTIFICATE"),
    ("REGISTRATION", "VEHICLE"),
    ("PLATE", "VEHICLE"),
    ("NUMBER", "ID"),
)
_HAS_DIGITS = re.compile(r"\d\D?\d")


def _kind(entity: str) -> str:
    if entity in _KINDS:
        return _KINDS[entity]
    if "LICENSE_PLATE" in entity:
        return "VEHICLE"
    if "MOBILE" in entity or "TELEPHONE" in entity:
        return "PHONE"
    return next((kind for end, kind in _SUFFIXES if entity.endswith(end)), "ID")


class Builtin:
    """Presidio's recognisers of all countries that work on a pattern alone."""

    def __init__(self) -> None:
        self._recognisers = [
            found(supported_language="en")  # type: ignore[call-arg]
            for name, found in inspect.getmembers(predefined, inspect.isclass)
            if issubclass(found, PatternRecognizer)
            and found is not PatternRecognizer
            and name not in _LEFT_OUT
        ]
        self._recognisers = [
            recogniser
            for recogniser in self._recognisers
            if not _FIRMS.intersection(recogniser.supported_entities)
        ]

    def find(self, text: str) -> Iterator[Span]:
        """Find what Presidio's recognisers are sure of; all of it has digits."""
        if not _HAS_DIGITS.search(text):
            return
        for recogniser in self._recognisers:
            for result in recogniser.analyze(text, recogniser.supported_entities) or ():
                if result.score >= _LEAST and not TERMINOLOGY.search(
                    text, max(0, result.start - 30), result.start
                ):
                    kind = _kind(result.entity_type)
                    found = text[result.start : result.end]
                    if kind == "VEHICLE" and not found.isupper():
                        continue
                    spreads = kind not in ("DATE", "LOCATION")
                    yield Span(result.start, result.end, kind, _OURS, spreads)
