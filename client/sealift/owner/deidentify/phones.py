"""Telephone numbers as the regions of a policy write them, by libphonenumber, and dictated ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import phonenumbers
from phonenumbers import Leniency, PhoneNumberMatcher

from sealift.owner.deidentify.patterns import TERMINOLOGY
from sealift.owner.deidentify.spans import Span

_SCORE = 0.78
_SCORE_CUED = 0.84
# Seven digits or more, as telephone numbers group them.
_CANDIDATE = re.compile(
    r"(?<![\w.,/:-])[+(]?\d(?:[ \t().\-/\u2013]{0,3}\d){6,16}(?![\d])", re.ASCII
)
_CUE = re.compile(
    r"(?i)(?:\b(?:phone|tel[e\u00e9]?(?:phone|fono|foon|fon|fone)?|cell(?:ulare"
    r"|ular)?|mob(?:ile|il|iel)?|handy"
    r"|pager|beeper|bleep|fax|ph|m[o\u00f3]vil|portable|call(?:ed|back)?|ring|rang"
    r"|dial|text|sms|whatsapp"
    r"|contact|contacted|reach(?:ed|able)?|number|no|nr|home|work|ext|voicemail"
    r"|joignable|erreichbar"
    r"|durchwahl|rufnummer|telef\w{0,6}|telem[o\u00f3]vel|komorka|kom\.|t\u00e9l|tlf"
    r"|tfno|on|at|from|unter|au)"
    r"|[\u260e\u2706\U0001f4de\U0001f4f1])[\s.:)(#-]{0,5}$"
)
_EXTENSION = re.compile(
    r"(?:[\s,;]{0,2}(?:ext\.?|extn\.?|extension|x|poste|dw|int\.?)\s?\d{1,6})", re.I
)
# A short number is a telephone only after such a word.
_SHORT = re.compile(
    r"(?i)\b(?:pager|beeper|bleep(?:ed)?|bleeped|ext|extn|extension|voicemail|dect"
    r"|vocera|ascom|poste|durchwahl|dw"
    r"|interno|x)[\s.:#]{0,3}(?:is\s|no\.?\s|on\s|number\s"
    r"|at\s)?#?(?P<x>\d{3,6}(?:[ -]\d{2,5})?)(?![\d/.]\d|\s?(?:mg|ml|times?|per|/))"
)
_CALLED = re.compile(
    r"(?i)\b(?:call(?:ed)?|phone(?:d)?|cell|tel|ring|rang|contact"
    r"|reach(?:ed)?(?:\sat)?|number|mobile|ph)\b"
    r"[^\n\d]{0,25}?(?P<x>[(+]?\d[\d \t().\-/]{5,18}\d)(?!\s?(?:mg|ml|units?|%)|[\d/])"
)
_DIGIT_WORD = (
    r"(?:zero|oh|o|one|two|three|four|five|six|seven|eight|nine|niner|double|triple)"
)
_SPOKEN = re.compile(rf"(?i)\b{_DIGIT_WORD}(?:[\s,-]{{1,3}}{_DIGIT_WORD}){{3,20}}\b")
_DECIMAL = re.compile(r"\d[.,]\d{1,2}$|^\d{1,3}(?:[.,]\d{3})+$|^\d{1,3} \d{1,3}$")
_HOURS = re.compile(
    r"(?<!\d)(?:[01]\d|2[0-4])[0-5]\d[ ]?-[ ]?(?:[01]\d|2[0-4])[0-5]\d$"
)
_DATE = re.compile(
    r"^\(?(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2})"
)


def find_phones(text: str, regions: Sequence[str]) -> Iterator[Span]:
    """Find telephone numbers.

    Args:
        text: the text.
        regions: codes of the regions whose national forms are looked for (ISO 3166-1 alpha-2);
            the international form is found for all.
    """
    for match in _SPOKEN.finditer(text):
        yield Span(match.start(), match.end(), "PHONE", 0.5, spreads=True)
    for pattern, score in ((_SHORT, _SCORE), (_CALLED, _SCORE_CUED)):
        for match in pattern.finditer(text):
            start, end = match.span("x")
            if not _DATE.match(text[start:end]):
                yield Span(start, end, "PHONE", score)
    for match in _CANDIDATE.finditer(text):
        start, end = match.span()
        if _DATE.match(match[0]) or _HOURS.search(match[0]):
            continue
        if TERMINOLOGY.search(text, max(0, start - 30), start):
            continue
        cued = _CUE.search(text, max(0, start - 24), start) is not None
        extended = _EXTENSION.match(text, end)
        last = extended.end() if extended else end
        if cued or extended:
            yield Span(start, last, "PHONE", _SCORE_CUED)
        elif not _DECIMAL.search(match[0]):
            yield from _matched(text, start, end, regions)


def _matched(text: str, start: int, end: int, regions: Sequence[str]) -> Iterator[Span]:
    """Find numbers inside a run of digits that no word explains, by libphonenumber."""
    run = text[start:end]
    if run.startswith("00"):
        run = f" +{run[2:]}"
    for region in regions:
        for found in PhoneNumberMatcher(run, region, leniency=Leniency.POSSIBLE):
            national = phonenumbers.is_valid_number(found.number)
            grouped = len(re.findall(r"\d+", found.raw_string)) > 1
            if national or grouped or run.lstrip().startswith("+"):
                yield Span(start + found.start, start + found.end, "PHONE", _SCORE)
                return
