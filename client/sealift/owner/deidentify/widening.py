"""Makes a finding as large as the identifier: its town, its state, its letters, its title."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from sealift.owner.deidentify.clinical_words import STATE_CODES, STATES, is_medical
from sealift.owner.deidentify.labels import NUMBERED, kind_of
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.wordlists import fold, word_set

_NAME_KINDS = ("PERSON", "LOCATION", "EMPLOYER")
_PROVINCES = "NSW|VIC|QLD|SA|WA|TAS|ACT|NT|ON|QC|BC|AB|MB|SK|NS|NB|NL|PE|YT|NU"
_STATE_NAMES = "|".join(
    name.title() for name in sorted(STATES) if len(name) > 4 and "." not in name
)
_CAP = r"[^\W\d_a-z][^\W\d_]+"
# What follows a town: a county or a state, and a postal code.
_AFTER_PLACE = re.compile(
    rf"(?:,?[ ]{{1,2}}(?:Co\.?[ ]{_CAP}|(?:{STATE_CODES}|{_PROVINCES})\b(?![.][A-Z])"
    rf"|(?:{_STATE_NAMES})\b))?"
    r"(?:,?[ ]{1,2}(?:[A-Z]\d[A-Z][ ]?\d[A-Z]\d|[A-Z]\d[\dW][ ]?[A-Z0-9]{4}"
    r"|\d{4,6}(?:-\d{4})?)"
    r"(?![\w./]))?"
)
_STATE_ALONE = re.compile(
    rf",[ ]?(?:(?:{STATE_CODES})\b(?![.]?[DA]\b)|(?:{_STATE_NAMES})\b)"
)
# What follows the name of a place and belongs to it.
_KIND_OF_PLACE = re.compile(
    r"(?:['\u2019]s)?(?:[ ](?:community|medical|health|urgent|family|critical|access"
    r"|bus|train|police|fire|service"
    r"|general|toll|weigh|assisted|senior|care|nursing|burn|home|shopping|primary"
    r"|high|middle)){0,2}"
    r"[ ](?:station|stn|bypass|flyover|branch|general|markets?|junction|clinic"
    r"|surgery|unit|ctr|centre|center|hosp"
    r"|hospital|pharmacy|plaza|tower|kitchen|rehab|living|school|terminal|depot|yard"
    r"|campus|hostel|shelter"
    r"|library|airport|prison|jail|barracks|nursery|court|house|hall|heights|estate"
    r"|est|drug|clinics|health|transit"
    r"|trust|nursing|supply|oxygen|mods)\b",
    re.IGNORECASE,
)
# A number of a house or a flat before its street.
_BEFORE_PLACE = re.compile(
    r"(?:(?<=[\s:(|>])|^)(?:(?:apt|apartment|unit|shop|flat|suite|no\.?|h\.?no\.?|lot"
    r"|plot|block|room|level|floor)\.?[ ]?"
    r"[\w/-]{1,8},?[ ]|p\.?o\.?[ ]box[ ]\d{1,6},?[ ])?(?:\d{1,5}"
    r"(?:[ ]?[-/][ ]?\d{1,5})?[A-Za-z]?[ ]"
    r"(?:the[ ]|[^\W\d_]{3,12}[ ](?:na|y|an|ar|yr|of|the|du|de)[ ])?)?$",
    re.IGNORECASE,
)
# A name after a flat, or before a postal code, is of a place.
_FLAT_BEFORE = re.compile(
    r"(?<![\w])(?:(?:apt|apartment|unit|shop|flat|suite|h\.?no\.?|lot"
    r"|plot)\.?[ ]?[\w/-]{1,8},[ ]"
    r"|\d{1,4}[ ]the[ ])$",
    re.IGNORECASE,
)
_CODE_OF_TOWN = re.compile(r",[ ]\d{4,6}(?![\w./-])")
_BETWEEN_PLACES = re.compile(
    r"(?:[ ,/&\n\u2013-]{1,3}(?:(?:fire[ ]no\.?[ ]\d{1,5}|S\.?No\.?[ ]\d{1,4}|at|near"
    r"|and|on|of|in|the|na|y|off|Nth|Sth|Ste?|unit|apt|floor|fl|2nd|1st|3rd"
    r"|\d{1,4}[A-Za-z]?)\b\.?[ ,]{1,2}){0,2})"
)
_TITLE_BEFORE = re.compile(
    r"(?<![\w'-])(?:(?:Dr|DR|dr|Mr|MR|mr|Mrs|MRS|mrs|Ms|MS|ms|Miss|MISS|miss|Mx|Prof"
    r"|PROF|prof|Rev|Sgt|Lt|Capt"
    r"|Drs|Dra|Sr|Sra|Srta|Don|Do\u00f1a|D\u00f1a|Mme|Mlle|Pr|Mtre|Me|M|Hr|Fr|Herr"
    r"|Herrn|Frau|Sig|Sig\.ra|Dott"
    r"|Dott\.ssa|Mw|Mevr|Dhr|Pan|Pani|Lek|Professor|Professeur|Docteur|Doctor"
    r"|Reverend|Pastor|Father|Sister"
    r"|Officer|Judge|Detective|Deputy|Captain|Monsieur|Madame|Se\u00f1or|Se\u00f1ora"
    r"|Mevrouw|Meneer|Signor|Signora"
    r"|Senhor|Senhora|Smt|Shri|Sri|(?:Charge|Staff|Head|School)[ ]Nurse|Nurse|NP|SN"
    r"|S/N|Grandpa|Grandma|Uncle"
    r"|Aunt|Auntie|Nana|Tante|Onkel|Baby(?:[ ](?:Girl"
    r"|Boy))?)\.?[ ]{1,2}(?:med\.[ ])?){1,3}$"
)
_CODE_BEFORE = re.compile(
    r"(?<![\w./-])(?P<x>[A-Z][A-Z0-9]{0,5}(?:-[A-Z0-9]{1,4})?)[ ]$"
)
_CODE_AFTER = re.compile(r"(?:[ ](?:[A-Z]{1,2}\d{0,4}|\d{1,4}[A-Z]{0,2}))(?![\w./:%])")


def widen(text: str, spans: Iterable[Span]) -> list[Span]:
    """Return spans with what belongs to them; remnants of names are left out."""
    widened = [_widened(text, span) for span in spans if not _is_remnant(text, span)]
    joined: list[Span] = []
    for span in widened:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.kind == "LOCATION"
            and (span.kind == "LOCATION" or _is_address(text, before, span))
            and before.end < span.start <= before.end + 14
            and _BETWEEN_PLACES.fullmatch(text, before.end, span.start)
        ):
            whole = replace(before, end=span.end)
            joined[-1] = _with(text, whole, None, _AFTER_PLACE)
        else:
            joined.append(span)
    return joined


def _is_address(text: str, before: Span, span: Span) -> bool:
    """Return whether a name goes on with the address before it, as a town that is a surname."""
    numbered = any(c.isdigit() for c in text[before.start : before.end])
    return (
        numbered
        and span.kind in _NAME_KINDS
        and "\n" not in text[before.end : span.start]
    )


def _widened(text: str, span: Span) -> Span:
    if span.kind == "PERSON":
        span = _with(text, span, _TITLE_BEFORE, _STATE_ALONE)
        span = _with(text, span, _FLAT_BEFORE, _KIND_OF_PLACE)
        return _with(text, span, None, _CODE_OF_TOWN)
    if span.kind in ("LOCATION", "EMPLOYER"):
        span = _with(text, span, None, _KIND_OF_PLACE)
        if span.kind == "LOCATION":
            span = _with(text, span, _BEFORE_PLACE, _AFTER_PLACE)
            if (
                text[span.start : span.start + 2] == "St"
                and text[span.end : span.end + 2] == "'s"
            ):
                span = replace(span, end=span.end + 2)
        return span
    if span.kind in NUMBERED:
        return _with_letters(text, span)
    return span


def _with(
    text: str, span: Span, before: re.Pattern[str] | None, after: re.Pattern[str]
) -> Span:
    start, end = span.start, span.end
    if before is not None:
        found = before.search(text, max(0, start - 32), start)
        start = found.start() if found else start
    following = after.match(text, end)
    return replace(span, start=start, end=following.end() if following else end)


def _with_letters(text: str, span: Span) -> Span:
    """Return a code with the groups beside it: "GS 26 104418", "882 07A"."""
    start, end = span.start, span.end
    for _ in range(2):
        found = _CODE_BEFORE.search(text, max(0, start - 12), start)
        if found is None or not _is_of_code(found["x"]):
            break
        start = found.start()
    following = _CODE_AFTER.match(text, end)
    if following and following[0].strip() not in _NO_ENDS:
        end = following.end()
    return replace(span, start=start, end=end)


def _is_of_code(group: str) -> bool:
    if any(c.isdigit() for c in group):
        return True
    folded = fold(group)
    if kind_of(group) is not None or is_medical(folded) or folded in word_set("common"):
        return len(group) == 1 and group not in "AIFM"
    return folded not in _LABELS


_NO_ENDS = frozenset(
    "AM PM IV IM PO SC DR MR MS RN MD NP PA PT OT F M BP HR RR ON AT IN TO BY OR NO "
    "ID A I IS RE".split()
)
_LABELS = frozenset(
    "nhs ppsn pps dni nie nif cnp nir ssn sin bsn hcn hcp ohip ramq gms dva crn ihi "
    "mbi npi dea lic cdl dl vin imei udi"
    " lot exp rx acct iban bic cpr uid nino ni tin pan upi utr ref po ptid mr mrn dob "
    "tel fax ph ext pin otp plt loa"
    " ecg ct mri us cxr bp hr rr wt ht am pm bmi icd cpt drg snomed rxnorm loinc atc "
    "ndc hcpcs asa nyha ecog".split()
)


def _is_remnant(text: str, span: Span) -> bool:
    """Return whether common words alone are left of a name, since other types took the rest."""
    if span.kind not in _NAME_KINDS:
        return False
    words = re.findall(r"\w+", text[span.start : span.end])
    return all(
        word.islower() and (len(word) == 1 or word in word_set("common"))
        for word in words
    )
