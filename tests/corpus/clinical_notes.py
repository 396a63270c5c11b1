"""Labelled synthetic clinical notes: made with Faker from a seed, every identifier marked by type.

Nobody in them exists. `templates.py` holds the sentences; this module fills them in, and knows for
each piece that it writes whether it has to go (a label) or has to stay (a hard negative).
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from corpus import templates
from faker import Faker

KEEP = "KEEP"


@dataclass(frozen=True, slots=True)
class Label:
    """A stretch of a note: where it begins and ends, and its entity type, or KEEP."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Note:
    """A note, what must be scrubbed from it, and what must stay."""

    text: str
    labels: tuple[Label, ...]
    kept: tuple[Label, ...]
    template: str


# Most patients of an American hospital have names that an American model has read; many do not.
_LOCALES = {
    "en_US": 60,
    "es_MX": 10,
    "en_IN": 6,
    "fr_FR": 5,
    "de_DE": 4,
    "pl_PL": 4,
    "it_IT": 4,
    "en_NG": 3,
    "vi_VN": 2,
    "tr_TR": 2,
}
_NAMES = {locale: Faker(locale) for locale in _LOCALES}
_US = _NAMES["en_US"]


def clinical_notes(count: int, seed: int = 0, group: str = "all") -> Iterator[Note]:
    """Makes notes; the same arguments make the same notes.

    Args:
        count: how many.
        seed: of everything that is random in them.
        group: "seen" for the templates that the recognisers were written against, "held-out" for
            those that were not looked at meanwhile, or "all".
    """
    chosen = templates.GROUPS[group]
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        for faker in _NAMES.values():
            faker.seed_instance(rng.getrandbits(32))
        name = chosen[number % len(chosen)]
        yield _Writer(rng).write(name)


@dataclass
class _Writer:
    rng: random.Random
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    found: list[Label] = field(default_factory=list)

    def write(self, name: str) -> Note:
        template = templates.TEMPLATES[name]
        self.case = Case(self.rng)
        for line in template.lines:
            self._line(line)
        marked = tuple(sorted(self.found, key=lambda label: label.start))
        return Note(
            "".join(self.pieces),
            tuple(label for label in marked if label.kind != KEEP),
            tuple(label for label in marked if label.kind == KEEP),
            name,
        )

    def _line(self, line: str | tuple[int, tuple[str, ...]]) -> None:
        if isinstance(line, str):
            self._fill(line + "\n")
            return
        count, pool = line
        for sentence in self.rng.sample(pool, min(count, len(pool))):
            self._fill(sentence + " ")
        self._fill("\n")

    def _fill(self, text: str) -> None:
        for literal, name, _, _ in string.Formatter().parse(text):
            self._put(literal, "")
            if name:
                value, kind = self.case.make(name)
                self._put(value, kind)

    def _put(self, text: str, kind: str) -> None:
        if kind:
            self.found.append(Label(self.size, self.size + len(text), kind))
        self.pieces.append(text)
        self.size += len(text)


class Case:
    """One patient's stay: who they are, and a maker for every field that a template names."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        locales, weights = zip(*_LOCALES.items(), strict=True)
        self.names = _NAMES[rng.choices(locales, weights)[0]]
        self.female = rng.random() < 0.5
        self.first = (
            self.names.first_name_female()
            if self.female
            else self.names.first_name_male()
        )
        self.last = self.names.last_name()
        self.age = rng.randint(19, 89)
        self.today = date(2018, 1, 1) + timedelta(days=rng.randrange(2500))
        self.mrn = self._shape(
            rng.choice(("########", "#######", "MR######", "##-##-##", "H#######"))
        )

    def make(self, name: str) -> tuple[str, str]:
        """A field's text and its label: an entity type, KEEP, or nothing."""
        if name in _MAKERS:
            kind, maker = _MAKERS[name]
            return maker(self), kind
        return self.rng.choice(templates.KEPT[name]), KEEP

    def _shape(self, shape: str) -> str:
        """A text by its shape: # a digit, @ a capital letter, anything else itself."""
        return "".join(
            self.rng.choice(string.digits if c == "#" else string.ascii_uppercase)
            if c in "#@"
            else c
            for c in shape
        )

    def shaped(self, *shapes: str) -> str:
        return self._shape(self.rng.choice(shapes))

    # --- people ---

    def full(self) -> str:
        middle = (
            f" {self.rng.choice(string.ascii_uppercase)}."
            if self.rng.random() < 0.25
            else ""
        )
        return f"{self.first}{middle} {self.last}"

    def listed(self) -> str:
        last = self.last.upper() if self.rng.random() < 0.5 else self.last
        return f"{last}, {self.first}"

    def other(self) -> str:
        locales, weights = zip(*_LOCALES.items(), strict=True)
        names = _NAMES[self.rng.choices(locales, weights)[0]]
        return f"{names.first_name()} {names.last_name()}"

    def someone(self) -> str:
        """As staff is named in passing: with an initial, or in full."""
        first, last = self.other().split(" ", 1)
        return f"{first[0]}. {last}" if self.rng.random() < 0.4 else f"{first} {last}"

    # --- places ---

    def address(self) -> str:
        return _US.street_address().replace("\n", " ")

    def hospital(self) -> str:
        stem = self.rng.choice((f"St. {_US.first_name()}", _US.city(), _US.last_name()))
        return stem + self.rng.choice(templates.HOSPITALS)

    def zip(self) -> str:
        return _US.postcode() + (
            f"-{self.rng.randrange(10**4):04}" if self.rng.random() < 0.2 else ""
        )

    # --- time ---

    def day(self, back: int = 700) -> str:
        return self._written(self.today - timedelta(days=self.rng.randrange(back)))

    def born(self) -> str:
        return self._written(
            self.today - timedelta(days=self.age * 365 + self.rng.randrange(365))
        )

    def _written(self, day: date) -> str:
        suffix = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
        forms = (
            day.strftime("%m/%d/%Y"),
            f"{day.month}/{day.day}/{day.year}",
            f"{day.month}/{day.day}/{day:%y}",
            day.isoformat(),
            f"{day:%B} {day.day}, {day.year}",
            f"{day:%b} {day.day}, {day.year}",
            f"{day.day} {day:%B} {day.year}",
            f"{day:%d-%b-%Y}",
            f"{day:%B} {day.day}{suffix.get(day.day, 'th')}, {day.year}",
            f"{day:%b} {day.day}{suffix.get(day.day, 'th')}",
            f"{day:%d.%m.%Y}",
            f"{day:%Y/%m/%d}",
            f"{day:%A}, {day:%B} {day.day}",
        )
        return self.rng.choices(forms, (8, 8, 5, 8, 6, 4, 3, 3, 3, 3, 1, 1, 2))[0]

    def short_day(self) -> str:
        day = self.today - timedelta(days=self.rng.randrange(60))
        return (
            f"{day.month}/{day.day}"
            if self.rng.random() < 0.6
            else f"{day:%m}/{day:%d}"
        )

    def month(self) -> str:
        day = self.today - timedelta(days=self.rng.randrange(900))
        return self.rng.choice(
            (
                f"{day:%B} {day.year}",
                f"{day:%B} of {day.year}",
                f"{day:%b} {day.year}",
                f"{day.month:02}/{day.year}",
            )
        )

    # --- numbers ---

    def phone(self) -> str:
        return self.shaped(
            "(2##) 5##-####",
            "3##-4##-####",
            "4##.6##.####",
            "+1 6## 2## ####",
            "1-8##-3##-####",
            "7##-5##-#### ext. ###",
            "(5##)3##-####",
            "2##4######",
        )

    def ip(self) -> str:
        return _US.ipv4() if self.rng.random() < 0.85 else _US.ipv6()

    def email(self) -> str:
        first, last = (
            name.lower().replace(" ", "") for name in (self.first, self.last)
        )
        local = self.rng.choice(
            (f"{first}.{last}", f"{first[0]}{last}", f"{last}{self.rng.randrange(99)}")
        )
        ascii_local = local.encode("ascii", "ignore").decode() or "contact"
        free = self.rng.random() < 0.6
        return f"{ascii_local}@{_US.free_email_domain() if free else _US.domain_name()}"

    def url(self) -> str:
        domain = _US.domain_name()
        last = self.last.lower().encode("ascii", "ignore").decode() or "me"
        return self.rng.choice(
            (
                f"https://{domain}/records/{self.rng.randrange(10**6)}",
                f"www.{domain}",
                f"http://portal.{domain}/p?id={self.rng.randrange(10**5)}",
                f"mychart.{domain}/{last.replace(' ', '')}",
            )
        )

    def photo(self) -> str:
        stem = self.shaped(
            "IMG_####", "DSC#####", "wound_photo_##", "face_front_###", "PXL_########"
        )
        return (
            f"{stem}.{self.rng.choice(('jpg', 'JPG', 'png', 'jpeg', 'heic', 'tiff'))}"
        )

    def vin(self) -> str:
        letters = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
        return "".join(self.rng.choice(letters) for _ in range(17))


_MAKERS: dict[str, tuple[str, Callable[[Case], str]]] = {
    "patient": ("PERSON", Case.full),
    "listed": ("PERSON", Case.listed),
    "first": ("PERSON", lambda c: c.first),
    "last": ("PERSON", lambda c: c.last),
    "name": ("PERSON", Case.other),
    "someone": ("PERSON", Case.someone),
    "surname": ("PERSON", lambda c: c.other().split(" ", 1)[1]),
    "forename": ("PERSON", lambda c: c.other().split(" ", 1)[0]),
    "he": ("", lambda c: "she" if c.female else "he"),
    "He": ("", lambda c: "She" if c.female else "He"),
    "his": ("", lambda c: "her" if c.female else "his"),
    "mr": ("", lambda c: c.rng.choice(("Ms.", "Mrs.")) if c.female else "Mr."),
    "sex": ("", lambda c: c.rng.choice(("female", "woman")) if c.female else "man"),
    "street": ("LOCATION", Case.address),
    "city": ("LOCATION", lambda c: _US.city()),
    "county": ("LOCATION", lambda c: c.rng.choice(templates.COUNTIES)),
    "zip": ("LOCATION", Case.zip),
    "hospital": ("LOCATION", Case.hospital),
    "employer": ("EMPLOYER", lambda c: _US.company()),
    # It stands beside its town in every template, and goes with it.
    "state": ("", lambda c: _US.state_abbr(include_territories=False)),
    "date": ("DATE", Case.day),
    "dob": ("DATE", Case.born),
    "short_date": ("DATE", Case.short_day),
    "month": ("DATE", Case.month),
    "weekday": ("DATE", lambda c: c.rng.choice(templates.WEEKDAYS)),
    "holiday": ("DATE", lambda c: c.rng.choice(templates.HOLIDAYS)),
    "year": (KEEP, lambda c: str(c.rng.randint(1985, 2024))),
    "age": (KEEP, lambda c: str(c.age)),
    "old": ("AGE", lambda c: str(c.rng.randint(90, 104))),
    "phone": ("PHONE", Case.phone),
    "fax": (
        "FAX",
        lambda c: c.shaped(
            "(2##) 5##-####", "3##-4##-####", "4##.6##.####", "+1 6## 2## ####"
        ),
    ),
    "email": ("EMAIL", Case.email),
    "ssn": (
        "SSN",
        lambda c: c.shaped("2##-4#-####", "5##-3#-####", "4## 6# ####", "1###5####"),
    ),
    "ssn4": ("SSN", lambda c: c.shaped("####")),
    "mrn": ("MRN", lambda c: c.mrn),
    "plan": (
        "HEALTH_PLAN",
        lambda c: c.shaped(
            "@@@#########", "W#########", "#@@#-@@#-@@##", "#########-##", "@@########"
        ),
    ),
    "account": (
        "ACCOUNT",
        lambda c: c.shaped("##########", "########-##", "V#########", "####-####-##"),
    ),
    "card": ("ACCOUNT", lambda c: _US.credit_card_number()),
    "iban": ("ACCOUNT", lambda c: _NAMES["de_DE"].iban()),
    "license": (
        "CERTIFICATE",
        lambda c: c.shaped("MD######", "A#####", "##-#####", "@#######", "####-####"),
    ),
    "dea": ("CERTIFICATE", lambda c: c.shaped("B@#######", "F@#######", "A@#######")),
    "npi": ("CERTIFICATE", lambda c: c.shaped("1#########")),
    "plate": ("VEHICLE", lambda c: _US.license_plate()),
    "vin": ("VEHICLE", Case.vin),
    "serial": (
        "DEVICE",
        lambda c: c.shaped(
            "@@@######@", "SN-########", "PJN#######", "###-@@-####", "@#@#####"
        ),
    ),
    "udi": (
        "DEVICE",
        lambda c: c.shaped("(01)0##############", "(01)00############(21)@####"),
    ),
    "mac": ("DEVICE", lambda c: _US.mac_address()),
    "url": ("URL", Case.url),
    "ip": ("IP", Case.ip),
    "biometric": (
        "BIOMETRIC",
        lambda c: c.shaped("FP-######", "########", "VX##@@##", "IRIS-####-##"),
    ),
    "photo": ("PHOTO", Case.photo),
    "accession": (
        "ID",
        lambda c: c.shaped(
            "ACC########", "S##-#####", "CT-##-######", "########", "E#######"
        ),
    ),
    "study": (
        "ID",
        lambda c: c.shaped("NCT########", "STUDY-####", "RM-###-##", "P#####"),
    ),
    "case": (
        "ID",
        lambda c: c.shaped("##-CV-#####", "######", "C-####-###", "IR########"),
    ),
    "uuid": ("ID", lambda c: _US.uuid4()),
}
