"""Code systems: the form of their codes, and their check digits.

A form says what a code can look like, not whether a table has it. Systems with short tables that
change seldom are closed lists. No form has room for a name, a date with dashes, an e-mail address
or a telephone number as people write them; systems whose codes are only digits (RxNorm, CPT, CVX,
MCC) have room for short numbers, so a rule names them for a column that holds nothing else.

Sources: ICD-10-CM, ICD-10-PCS, ICD-9-CM, HCPCS, NDC: CMS and FDA; ICD-10, ICD-O-3, ATC: WHO; LOINC
users' guide (Mod 10); SNOMED CT technical implementation guide (SCTID, Verhoeff); UCUM; ISO 639-1,
3166-1, 4217, 18245 (MCC); DICOM PS3.5 6.2 (CS) and PS3.6 annex A; FHIR R4 and HL7 v2 tables.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """A code system.

    Attributes:
        form: a regular expression that a code matches as a whole.
        check: returns whether the check digit of a code of that form is right.
        listed: name of its list in `codelists.toml`, if that has all of its codes.
    """

    form: str = ""
    check: Callable[[str], bool] | None = None
    listed: str = ""

    def fits(self, code: str) -> bool:
        """Return whether a text can be a code of this system."""
        if self.listed:
            return code in _lists()[self.listed]
        if not _compiled(self.form).fullmatch(code):
            return False
        return self.check is None or self.check(code)


@cache
def _lists() -> dict[str, frozenset[str]]:
    file = resources.files("sealift.policy").joinpath("codelists.toml")
    found = tomllib.loads(file.read_text("utf-8"))
    return {name: frozenset(codes) for name, codes in found.items()}


@cache
def _compiled(form: str) -> re.Pattern[str]:
    return re.compile(form, re.ASCII)


def _luhn(code: str) -> bool:
    """Mod 10 of LOINC, by which the digit behind the dash follows from those before it."""
    if code[0] == "L":
        # Answers and parts are numbered otherwise.
        return True
    digits = [int(c) for c in code if c.isdigit()]
    total = sum(digits[-1::-2])
    for digit in digits[-2::-2]:
        total += sum(divmod(2 * digit, 10))
    return total % 10 == 0


# Verhoeff, "Error detecting decimal codes", 1969: the group D5 and its permutation.
_TIMES = (
    *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678"),
    *("5987604321", "6598710432", "7659821043", "8765932104", "9876543210"),
)
_TURNED = (
    *("0123456789", "1576283094", "5803796142", "8916043527"),
    *("9453126870", "4286573901", "2793806415", "7046913258"),
)


def _verhoeff(code: str) -> bool:
    state = 0
    for place, digit in enumerate(reversed(code)):
        state = int(_TIMES[state][int(_TURNED[place % 8][int(digit)])])
    return state == 0


def _snomed(code: str) -> bool:
    """An SCTID of a concept: partition 00, or 10 with a namespace, and the check digit."""
    partition = code[-3:-1]
    long_enough = partition == "00" or (partition == "10" and len(code) >= 11)
    return long_enough and _verhoeff(code) and not _reads_as_date(code)


def _reads_as_date(digits: str) -> bool:
    """Whether eight digits are YYYYMMDD, DDMMYYYY or MMDDYYYY of 1900 to 2099."""
    if len(digits) != 8:
        return False
    for year, one, two in (
        (digits[:4], digits[4:6], digits[6:]),
        (digits[4:], digits[:2], digits[2:4]),
        (digits[4:], digits[2:4], digits[:2]),
    ):
        if "1900" <= year <= "2099" and "01" <= one <= "12" and "01" <= two <= "31":
            return True
    return False


_UNIT = (
    r"(?:(?:[YZEPTGMkhdcmunpfazy]|da)?(?:g|m|s|L|l|mol|eq|osm|Pa|Hz|J|W|V|A|N|K|C|F|Ohm|Bq|Gy"
    r"|Sv|T|U|kat|cal|bar|lm|lx|Ci|B|bit|By|meq|cd|rad|sr)|10[*^]-?[0-9]{1,2}|%|d|h|min|wk|mo|a"
    r"|Cel|mm\[Hg\]|m\[H2O\]|cm\[H2O\]|\[(?:degF|iU|IU|arb'U|pH|ft_i|in_i|lb_av|oz_av|drp|ppm|ppb"
    r"|in_us|foz_us|tsp_us|tbs_us|cup_us|gal_us|pt_us|CFU|GPL'U|MPL'U|APL'U)\]"
    r"|[km]?\[(?:iU|IU)\]|\{(?:score|ratio|titer|copies|cells|beats|breaths|INR|index|count|CFU"
    r"|RBC|WBC|tbl|tablet|capsule|puff|dose|spray|drop|day)\}|[m]?eq|deg|dyn|erg|gf|lbf_av|1)"
)

CODE_SYSTEMS: dict[str, CodeSystem] = {
    "ICD-10-CM": CodeSystem(
        r"[A-Z][0-9][0-9AB](?:\.?[0-9A-KXZ]{1,2}|\.?[0-9A-Z]{2}[0-9X]{1,2}"
        r"|\.?[0-9A-Z]{3,3}[A-HJ-NP-SX0-9])?"
    ),
    "ICD-10": CodeSystem(r"[A-Z][0-9]{2}(?:\.?[0-9X][0-9]{0,2})?[*+!]?"),
    "ICD-10-PCS": CodeSystem(r"[0-9B-DF-HX][0-9A-HJ-NP-Z]{6}"),
    "ICD-9-CM": CodeSystem(
        r"(?:[0-9]{3}(?:\.[0-9]{1,2})?|V[0-9]{2}(?:\.?[0-9]{1,2})?"
        r"|E[0-9]{3}(?:\.?[0-9])?|[0-9]{2}\.[0-9]{1,2})"
    ),
    "ICD-O-3": CodeSystem(r"(?:C[0-9]{2}\.?[0-9]|[89][0-9]{3}/[0-9]{1,2})"),
    "LOINC": CodeSystem(r"(?:LA|LP)?[0-9]{1,6}-[0-9]", _luhn),
    "SNOMED CT": CodeSystem(r"[1-9][0-9]{5,17}", _snomed),
    "RxNorm": CodeSystem(r"[1-9][0-9]{1,6}"),
    "NDC": CodeSystem(
        r"(?:[0-9]{5}-[0-9]{4}-[0-9]{2}|[0-9]{5}-[0-9]{3}-[0-9]{2}|[0-9]{4}-[0-9]{4}-[0-9]{2}"
        r"|[0-9]{5}-[0-9]{4}-[0-9]|[0-9]{5}-[0-9]{3,4}|[0-9]{4}-[0-9]{4}|0[0-9]{10})"
    ),
    "ATC": CodeSystem(
        r"[ABCDGHJLMNPRSV](?:[0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?)?"
    ),
    "CVX": CodeSystem(r"[0-9]{1,3}"),
    "CPT": CodeSystem(r"[0-9]{4}[0-9FTMU]"),
    "HCPCS": CodeSystem(r"[A-CEGHJ-MP-V][0-9]{4}"),
    "MS-DRG": CodeSystem(r"[0-9]{3}"),
    "CDT": CodeSystem(r"D[0-9]{4}"),
    "UCUM": CodeSystem(rf"(?:1?/)?{_UNIT}[0-9]?(?:[./]{_UNIT}[0-9]?){{0,4}}"),
    "unit": CodeSystem(listed="unit"),
    "MCC": CodeSystem(r"[0-9]{4}"),
    "ISO 639": CodeSystem(listed="ISO 639"),
    "ISO 3166": CodeSystem(listed="ISO 3166"),
    "ISO 4217": CodeSystem(listed="ISO 4217"),
    "US state": CodeSystem(listed="US state"),
    "FHIR": CodeSystem(listed="FHIR"),
    "FHIR system": CodeSystem(listed="FHIR system"),
    "HL7 v2": CodeSystem(listed="HL7 v2"),
    "CDC race": CodeSystem(r"[12][0-9]{3}-[0-9]", _luhn),
    # Defined terms have few digits in a row; numbers of people have more.
    "DICOM CS": CodeSystem(
        r"(?=.{1,16}$)(?!.*[0-9]{5})[A-Z0-9_]{1,16}(?: [A-Z0-9_]{1,15}){0,2}"
    ),
    # Group 00xx: eight digits in a row are a date more often than another tag.
    "DICOM tag": CodeSystem(r"\(?00[0-9A-Fa-f]{2},?[0-9A-Fa-f]{4}\)?"),
    "DICOM UID": CodeSystem(r"1\.2\.840\.10008(?:\.(?:0|[1-9][0-9]{0,4})){1,10}"),
}
"""Every code system by the name that `code` takes."""
