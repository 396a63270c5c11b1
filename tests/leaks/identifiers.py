"""Identifiers of synthetic people, and every form in which one could travel.

No two identifiers of a sheet are alike, so that a find says which one it is. Names are made of
syllables, so that none is a word, a header or a value of a closed list. Days without a time lie
before 1960, more than a year apart within a sheet, and those with one after 2000: no shifted date
is another's, and neither small numbers nor half of a large one looks like one.
"""

from __future__ import annotations

import base64
import datetime
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

_ONSETS = (
    "br",
    "dv",
    "fl",
    "gw",
    "kj",
    "mv",
    "pz",
    "qu",
    "tsch",
    "vr",
    "wl",
    "xh",
    "zd",
)
_VOWELS = ("a", "e", "i", "o", "u", "ae", "oe", "y")
_ENDS = (
    "rquix",
    "lthov",
    "ndrzyk",
    "stvaq",
    "gmbert",
    "kszany",
    "pplwic",
    "ñezra",
    "ürdal",
)
_EPOCH = datetime.datetime(1970, 1, 1)
_DAY = datetime.timedelta(days=1)
# The shift of the ready policies moves a date by at most a year.
_APART = 366
# The youngest day; the others lie before it. Half of a time in milliseconds is no such day.
_LAST = datetime.date(1959, 12, 31)
# A form is at least so long in bytes, or it would be found by chance.
_SHORTEST = 8

TEXTS = (
    *("name", "email", "phone", "ssn", "mrn", "pan", "iban", "vin", "plate", "address"),
    *("zip", "gps", "date", "datetime", "note"),
)
"""The kinds of identifiers that are texts."""

NUMBERS = ("ssn", "mrn", "phone", "pan")
"""The kinds that are also whole numbers."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier of a person.

    Attributes:
        kind: what it is.
        text: as it is written.
        number: the same as a whole number; 0 if it is none.
        real: the same as a floating-point number; 0 if it is none.
        moment: the same as a time; None if it is none.
        parts: texts in it that identify alone.
    """

    kind: str
    text: str
    number: int = 0
    real: float = 0.0
    moment: datetime.datetime | None = None
    parts: tuple[str, ...] = ()


class Days:
    """Hands out days, no two within the reach of a shift."""

    def __init__(self, rng: Random, wanted: int) -> None:
        self._places = list(range(wanted))
        rng.shuffle(self._places)
        self._rng = rng

    def next(self) -> datetime.date:
        """Return another day."""
        back = self._places.pop() * (_APART + 4) + self._rng.randrange(4)
        return _LAST - back * _DAY


class Maker:
    """Makes identifiers, no two of which have a part in common."""

    def __init__(self, rng: Random, days: Days) -> None:
        self._rng, self._days = rng, days
        self._known: set[str] = set()

    def make(self, kind: str) -> Identifier:
        """Make an identifier of a kind."""
        while True:
            made = make(kind, self._rng, self._days)
            texts = {made.text, *made.parts}
            if not texts & self._known:
                self._known |= texts
                return made


def make(kind: str, rng: Random, days: Days) -> Identifier:
    """Make an identifier.

    Args:
        kind: one of `TEXTS`, or "time".
        rng: where chance comes from.
        days: where dates come from.
    """
    makers = {
        "name": _name,
        "email": _email,
        "phone": _phone,
        "ssn": _ssn,
        "mrn": _mrn,
        "pan": _pan,
        "iban": _iban,
        "vin": _vin,
        "plate": _plate,
        "address": _address,
        "zip": _zip,
        "gps": _gps,
        "note": _note,
    }
    if kind == "date":
        day = days.next()
        return Identifier(kind, day.isoformat(), moment=_at_midnight(day))
    if kind == "datetime":
        # Later than every date, however it is shifted; its time of day is nobody else's.
        day = datetime.date(2001, 1, 1) + rng.randrange(8_000) * _DAY
        at = _at_midnight(day) + datetime.timedelta(
            microseconds=rng.randrange(3_600_000_000, 86_399_000_000)
        )
        return Identifier(kind, at.isoformat(sep=" "), moment=at)
    if kind == "time":
        at = _EPOCH + datetime.timedelta(
            microseconds=rng.randrange(18_000_000_000, 86_399_000_000)
        )
        return Identifier(kind, at.time().isoformat(), moment=at)
    return makers[kind](rng)


def _at_midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime(day.year, day.month, day.day)


def _word(rng: Random) -> str:
    middle = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(3))
    return (middle + rng.choice(_ENDS)).capitalize()


def _digits(rng: Random, count: int) -> str:
    return str(rng.randrange(2, 9)) + "".join(
        str(rng.randrange(10)) for _ in range(count - 1)
    )


def _name(rng: Random) -> Identifier:
    given, family = _word(rng), _word(rng)
    written = rng.choice(
        (f"{given} {family}", f"{family}, {given}", f"{family} {given}")
    )
    return Identifier("name", written, parts=(given, family))


def _email(rng: Random) -> Identifier:
    local = f"{_plain(_word(rng))}.{_digits(rng, 3)}"
    return Identifier("email", f"{local}@example.org", parts=(local,))


def _plain(text: str) -> str:
    return text.lower().replace("ñ", "n").replace("ü", "u")


def _phone(rng: Random) -> Identifier:
    # An exchange of 555 is nobody's.
    area, line = 201 + rng.randrange(780), _digits(rng, 4)
    number = f"{area}555{line}"
    return Identifier("phone", f"{area}-555-{line}", int(number), parts=(number,))


def _ssn(rng: Random) -> Identifier:
    area, group, serial = (
        700 + rng.randrange(29),
        rng.randrange(10, 99),
        _digits(rng, 4),
    )
    number = f"{area}{group}{serial}"
    return Identifier("ssn", f"{area}-{group}-{serial}", int(number), parts=(number,))


def _mrn(rng: Random) -> Identifier:
    number = _digits(rng, 10)
    return Identifier("mrn", number, int(number))


def _pan(rng: Random) -> Identifier:
    digits = f"4{_digits(rng, 14)}"
    total = sum(
        sum(divmod((2 - place % 2) * int(digit), 10))
        for place, digit in enumerate(digits)
    )
    number = digits + str(-total % 10)
    return Identifier("pan", number, int(number))


def _iban(rng: Random) -> Identifier:
    account = _digits(rng, 18)
    check = 98 - int(f"{account}131400") % 97
    return Identifier("iban", f"DE{check:02}{account}", parts=(account,))


def _vin(rng: Random) -> Identifier:
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    head = "".join(rng.choice(letters) for _ in range(3))
    return Identifier("vin", f"{head}{_digits(rng, 2)}ZZZ{_digits(rng, 9)}")


def _plate(rng: Random) -> Identifier:
    letters = "".join(rng.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(4))
    return Identifier("plate", f"{letters[:2]}-{letters[2:]} {_digits(rng, 4)}")


def _address(rng: Random) -> Identifier:
    street = _word(rng)
    return Identifier("address", f"{_digits(rng, 4)} {street} Street", parts=(street,))


def _zip(rng: Random) -> Identifier:
    return Identifier("zip", f"{_digits(rng, 5)}-{_digits(rng, 4)}")


def _gps(rng: Random) -> Identifier:
    lat, lon = 40 + rng.randrange(10**7) / 10**6, 70 + rng.randrange(10**7) / 10**6
    return Identifier(
        "gps", f"{lat:.6f},{lon:.6f}", real=lat, parts=(f"{lat:.6f}", f"{lon:.6f}")
    )


def _note(rng: Random) -> Identifier:
    """Free text, with what a scrubber finds by its form: how many names it finds is measured."""
    ssn, phone, email = _ssn(rng), _phone(rng), _email(rng)
    text = (
        f"SSN {ssn.text}, call {phone.text} or write to {email.text} before the visit."
    )
    parts = (ssn.text, phone.text, email.text, *ssn.parts, *phone.parts, *email.parts)
    return Identifier("note", text, parts=parts)


# --- forms ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """Bytes by which an identifier is recognised.

    Attributes:
        name: how it is encoded.
        pattern: the bytes; letters of ASCII in lower case where `is_text`.
        is_text: whether case does not count.
    """

    name: str
    pattern: bytes
    is_text: bool = False


def lowered(data: bytes) -> bytes:
    """Return bytes with letters of ASCII in lower case."""
    return data.lower()


def forms_of(identifier: Identifier) -> Iterator[Form]:
    """Yield every form in which an identifier could be there."""
    for text in _texts_of(identifier):
        yield from _text_forms(text)
    if identifier.number:
        yield from _number_forms(identifier.number)
    if identifier.real:
        yield Form("float64", struct.pack("<d", identifier.real))
        yield Form("float64", struct.pack("<d", float(identifier.parts[1])))
    if identifier.moment is not None:
        yield from _moment_forms(identifier)


def _texts_of(identifier: Identifier) -> list[str]:
    texts = [identifier.text, *identifier.parts]
    digits = re.sub(r"\D", "", identifier.text)
    # Eight digits are found in pseudonyms by chance.
    if len(digits) > _SHORTEST and identifier.kind not in ("note", "gps", "datetime"):
        texts.append(digits)
    moment = identifier.moment
    if identifier.kind == "date" and moment is not None:
        texts += [f"{moment:%d.%m.%Y}", f"{moment:%m/%d/%Y}", f"{moment:%d/%m/%Y}"]
    elif identifier.kind == "datetime" and moment is not None:
        texts += [moment.isoformat(), f"{moment:%Y%m%d%H%M%S}"]
    long = [text for text in texts if len(text.encode()) >= _SHORTEST]
    return list(dict.fromkeys(long))


def _text_forms(text: str) -> Iterator[Form]:
    plain = text.encode()
    kind = "digits" if text.isdecimal() else "utf-8"
    yield Form(kind, lowered(plain), is_text=True)
    yield Form("utf-16", lowered(text.encode("utf-16-le")), is_text=True)
    yield Form("hex", plain.hex().encode(), is_text=True)
    # Base64 of a longer text has one of three forms, after what stands before.
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + plain).decode()
        # What also depends on the neighbours is left out.
        begin = (0, 2, 3)[before]
        end = len(coded) - (0, 3, 2)[(before + len(plain)) % 3] - 1
        cut = coded[begin : max(begin, end)]
        if len(cut) >= _SHORTEST:
            yield Form("base64", cut.encode())


def _number_forms(number: int) -> Iterator[Form]:
    if number < 1 << 31:
        yield Form("int32", struct.pack("<i", number))
    yield Form("int64", struct.pack("<q", number))
    yield Form("float64", struct.pack("<d", float(number)))
    yield Form("decimal128", struct.pack("<qq", 100 * number, 0))


def _moment_forms(identifier: Identifier) -> Iterator[Form]:
    moment = identifier.moment
    if moment is None:
        return
    if identifier.kind == "date":
        days = (moment - _EPOCH) // _DAY
        yield Form("date32", struct.pack("<i", days))
    # As it is, and as coarser types have it.
    milli = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    for one in dict.fromkeys((moment, milli, moment.replace(microsecond=0))):
        micros = (one - _EPOCH) // datetime.timedelta(microseconds=1)
        yield Form("micros", struct.pack("<q", micros))
        yield Form("nanos", struct.pack("<q", micros * 1000))
        if identifier.kind != "time":
            millis = "date64" if identifier.kind == "date" else "millis"
            yield Form(millis, struct.pack("<q", micros // 1000))
            yield Form("seconds", struct.pack("<q", micros // 1_000_000))
