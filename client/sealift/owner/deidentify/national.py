"""Numbers of states, banks and insurers that have check digits, by python-stdnum.

A form alone would take lab values for numbers of people; the check digits leave a tenth or less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stdnum import iban, imei
from stdnum.au import tfn
from stdnum.be import nn as be_nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ch_ssn
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.luhn import is_valid as is_luhn
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.pt import nif as pt_nif
from stdnum.se import personnummer
from stdnum.tr import tckimlik
from stdnum.za import idnr as za_idnr

from sealift.owner.deidentify.spans import Span

_SCORE = 0.86
_GAP = r"[ .\-/]?"


@dataclass(frozen=True, slots=True)
class Number:
    """A number with a check digit.

    Attributes:
        kind: entity type.
        form: how it is written.
        check: whether a number of this form is one.
        cue: words of which one must stand before it, if its check is weak.
    """

    kind: str
    form: re.Pattern[str]
    check: Callable[[str], bool]
    cue: re.Pattern[str] | None = None


def _form(*groups: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.,-])(?:{_GAP.join(groups)})(?![\w]|[.,]\d)", re.ASCII)


def _cue(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)\b(?:{words})\b[^\n]{{0,25}}$")


def _card(number: str) -> bool:
    digits = re.sub(r"\D", "", number)
    return 13 <= len(digits) <= 19 and digits[0] in "3456" and is_luhn(digits)


NUMBERS: tuple[Number, ...] = (
    Number("MRN", _form(r"\d{3}", r"\d{3}", r"\d{4}"), nhs.is_valid),
    Number(
        "SSN",
        _form(
            r"[12378]", r"\d\d", r"\d\d", r"(?:\d\d|2[AB])", r"\d{3}", r"\d{3}", r"\d\d"
        ),
        nir.is_valid,
    ),
    Number("ID", _form(r"\d\d", r"\d{3}", r"\d{3}", r"\d{3}"), idnr.is_valid),
    Number(
        "ID",
        _form(
            r"[A-Za-z]{3}",
            r"[A-Za-z]{3}",
            r"[0-9LMNPQRSTUVlmnpqrstuv]{2}[A-Za-z][0-9LMNPQRSTUVlmnpqrstuv]{2}",
            r"[A-Za-z][0-9LMNPQRSTUVlmnpqrstuv]{3}[A-Za-z]",
        ),
        codicefiscale.is_valid,
    ),
    Number("ID", _form(r"\d{2}", r"\d{3}", r"\d{3}", r"[A-Za-z]"), dni.is_valid),
    Number("ID", _form(r"[XYZxyz]", r"\d{7}", r"[A-Za-z]"), nie.is_valid),
    Number(
        "SSN",
        _form(r"\d{4}", r"\d\d", r"\d{3}"),
        bsn.is_valid,
        _cue("bsn|burgerservice\\w*|sofi"),
    ),
    Number("SSN", _form(r"\d{3}", r"\d{3}", r"\d{3}"), sin.is_valid),
    Number("SSN", _form(r"\d{3}", r"\d{3}", r"\d{3}"), bsn.is_valid),
    Number("SSN", _form(r"\d{3}", r"\d{3}", r"\d{3}"), tfn.is_valid),
    Number("ID", _form(r"\d{11}"), pesel.is_valid),
    Number("ID", _form(r"\d{4}", r"\d{4}", r"\d{4}"), aadhaar.is_valid),
    Number("ID", _form(r"\d{6}", r"\d{8}", r"\d{3}[\dXx]"), ric.is_valid),
    Number("ID", _form(r"\d{6}", r"\d{7}"), rrn.is_valid),
    Number("ID", _form(r"\d\d", r"\d\d", r"\d\d", r"\d{3}", r"\d\d"), be_nn.is_valid),
    Number("ID", _form(r"756", r"\d{4}", r"\d{4}", r"\d\d"), ch_ssn.is_valid),
    Number("ID", _form(r"\d{3}", r"\d{3}", r"\d{3}", r"\d\d"), cpf.is_valid),
    Number("ID", _form(r"\d{6}", r"\d{4}"), cpr.is_valid),
    Number(
        "ID", re.compile(r"(?<!\w)\d{6}[-+A-FU-Y]\d{3}[0-9A-Y](?!\w)"), hetu.is_valid
    ),
    Number("ID", _form(r"\d{6}", r"\d{5}"), fodselsnummer.is_valid),
    Number("ID", _form(r"(?:19|20)?\d{6}", r"\d{4}"), personnummer.is_valid),
    Number("ID", _form(r"\d{9}"), pt_nif.is_valid, _cue("nif|contribuinte")),
    Number("ID", _form(r"\d{11}"), tckimlik.is_valid),
    Number("ID", _form(r"\d{6}", r"\d{4}", r"\d{3}"), za_idnr.is_valid),
    Number(
        "ID",
        re.compile(r"(?<!\w)[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d(?!\w)"),
        curp.is_valid,
    ),
    Number("DEVICE", _form(r"\d\d", r"\d{6}", r"\d{6}", r"\d"), imei.is_valid),
    Number(
        "ACCOUNT",
        re.compile(r"(?<![\w.-])\d{4}(?:[ .-]?\d{2,7}){2,4}(?![\w]|[.,]\d)"),
        _card,
    ),
    Number(
        "ACCOUNT",
        re.compile(
            r"(?i)(?<!\w)[A-Z]{2}\d\d(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?(?!\w)"
        ),
        lambda number: iban.is_valid(number.replace("-", "")),
    ),
)


def find_numbers(text: str) -> Iterator[Span]:
    """Find numbers whose check digits are right."""
    for number in NUMBERS:
        for match in number.form.finditer(text):
            start = match.start()
            if number.cue and not number.cue.search(text, max(0, start - 50), start):
                continue
            if number.check(match[0].replace("/", " ")):
                yield Span(start, match.end(), number.kind, _SCORE, spreads=True)
