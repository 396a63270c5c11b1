"""Dates as people write them, rewritten in ISO 8601: 12/31/1980, 31.12.1980, 31 Dec 1980.

Source: docs/spec/policy.md, "Texts of dates". What is rewritten has a year of four digits; whether
the day or the month comes first is never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

_TIME = (
    r"(?P<rest>(?:(?:[Tt]|,? +)[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    r"(?: ?[AaPp]\.?[Mm]\.?)?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?)?)$"
)
_DAY = r"(?P<day>[0-9]{1,2})"
_YEAR = r"(?P<year>[0-9]{4})"
_NAME = r"(?P<name>\pL{3,})\.?"
_NUMBERS = {
    # One separator throughout: 1/2-2024 is a typing error.
    "ymd": tuple(
        rf"^{_YEAR}{mark}(?P<month>[0-9]{{1,2}}){mark}{_DAY}{_TIME}"
        for mark in (r"/", r"\.", r"-")
    ),
    "mdy": tuple(
        rf"^(?P<month>[0-9]{{1,2}}){mark}{_DAY}{mark}{_YEAR}{_TIME}"
        for mark in (r"/", r"\.", r"-")
    ),
    "dmy": tuple(
        rf"^{_DAY}{mark}(?P<month>[0-9]{{1,2}}){mark}{_YEAR}{_TIME}"
        for mark in (r"/", r"\.", r"-")
    ),
}
_NAMED = (
    rf"^{_DAY}(?:st|nd|rd|th|er|\.|º)?(?:[ -]+(?:de +|of +)?|/)?{_NAME}"
    rf"(?:,? +(?:de +)?|-|/)?{_YEAR}{_TIME}",
    rf"^{_NAME}(?: +|-){_DAY}(?:st|nd|rd|th)?(?:, *| +|-){_YEAR}{_TIME}",
    rf"^{_YEAR}(?: +|-){_NAME}(?: +|-){_DAY}{_TIME}",
)
_NO_DAY = (
    r"^(?P<month>[0-9]{1,2})[/.-](?P<year>[0-9]{4})(?P<rest>)$",
    rf"^{_NAME}(?: +(?:de +)?|-|/){_YEAR}(?P<rest>)$",
)

_MONTHS = (
    # The names and abbreviations of CLDR: English, German, French, Spanish, Italian, Portuguese,
    # Dutch, Polish. No name means two months.
    "january jan januar jänner janv janvier enero ene gennaio gen janeiro januari stycznia "
    "styczeń sty",
    "february feb februar febr févr février fevr fevrier febrero febbraio fevereiro fev "
    "februari lutego luty lut",
    "march mar märz maerz mrz mars marzo março marco maart mrt marca marzec",
    "april apr avr avril abril abr aprile kwietnia kwiecień kwi",
    "may mai mayo maggio mag maio mei maja maj",
    "june jun juni juin junio giugno giu junho czerwca czerwiec cze",
    "july jul juli juil juillet julio luglio lug julho lipca lipiec lip",
    "august aug août aout agosto ago augustus sierpnia sierpień sie",
    "september sep sept septembre septiembre settembre set setembro września wrzesień wrz",
    "october oct oktober okt octobre octubre ottobre ott outubro out października "
    "październik paź",
    "november nov novembre noviembre novembro listopada listopad lis",
    "december dec dezember dez déc décembre decembre diciembre dic dicembre dezembro "
    "grudnia grudzień gru",
)
_NAMES = {
    name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()
}
_NAME_LIST = pa.array(_NAMES)
_NAME_NUMBERS = pa.array([f"{number:02d}" for number in _NAMES.values()])

ORDERS = ("mdy", "dmy", "ymd")
"""The orders of day, month and year that a policy can state."""


@dataclass(frozen=True, slots=True)
class WrittenDates:
    """Written dates in ISO 8601.

    Attributes:
        date: YYYY-MM-DD or YYYY-MM; null where the text is not a written date.
        rest: the time that follows, as it was written, or nothing; null like `date`.
    """

    date: pa.Array = field(repr=False)
    rest: pa.Array = field(repr=False)


def as_iso(texts: pa.Array, order: str) -> WrittenDates:
    """Rewrite written dates; whether the day exists is not checked.

    Args:
        texts: texts without white space around them.
        order: one of `ORDERS`, the order of numbers whose year does not come first; empty if it
            is not known, and then such texts are not read.
    """
    forms = [*_NUMBERS["ymd"], *_NAMED, *_NO_DAY]
    if order in ("mdy", "dmy"):
        forms += _NUMBERS[order]
    kind = texts.type
    date = rest = pa.nulls(len(texts), kind)
    for form in forms:
        parts = pc.extract_regex(texts, form)
        if parts.null_count == len(parts):
            continue
        # `flatten` takes the nulls of the struct over into its fields.
        part = dict(zip([f.name for f in parts.type], parts.flatten(), strict=True))
        found = _written(part).cast(kind)
        rest = pc.coalesce(rest, pc.if_else(found.is_null(), None, part["rest"]))
        date = pc.coalesce(date, found)
    return WrittenDates(date, rest)


def _written(part: dict[str, pa.Array]) -> pa.Array:
    """Put the parts of dates together; null where a month has no such name."""
    if "name" in part:
        place = pc.index_in(
            pc.utf8_lower(part["name"]).cast(pa.string()), value_set=_NAME_LIST
        )
        month = _NAME_NUMBERS.take(place)
    else:
        month = pc.utf8_lpad(part["month"], 2, "0")
    pieces = [part["year"], month]
    if "day" in part:
        pieces.append(pc.utf8_lpad(part["day"], 2, "0"))
    return pc.binary_join_element_wise(*(p.cast(pa.string()) for p in pieces), "-")
