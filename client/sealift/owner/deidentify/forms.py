"""Values beside labels, in forms, tables, JSON and XML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sealift.owner.deidentify.clinical_words import STATES, is_medical
from sealift.owner.deidentify.labels import NUMBERED, kind_of
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.wordlists import fold, word_set

_SCORE = 0.83
_LOOSE = 0.58
# A label: one to five words, then a colon, an equals sign or, in a table, a bar.
_LABEL = re.compile(
    r"(?<![^\W_])(?P<label>[^\W\d_][\w.'\u2019\u00ba\u00b0/#&\-]{0,24}"
    r"(?:[ ][\w(][\w.'\u2019\u00ba\u00b0/#&)\-]{0,24}){0,4}?)"
    r"[ \t]{0,3}[\"']?[ \t]{0,3}(?:[:=|\u2192]|#:?"
    r"|\u00ba:?)[ \t]{0,8}\n?[ \t]{0,8}\[?[ \t]{0,4}[\"']?[ \t]{0,4}"
)
_LABEL_TAIL = re.compile(r"[^\W\d_][\w.'\u2019\u00ba\u00b0/#&-]*$")
# What ends a value.
_STOP = re.compile(
    r"\n|\t|[ ]{3,}|[|;\"{}<>\[\]]|[ ]{2,}(?=\w)|[ ][-\u2013\u2014][ ]|,\s?\""
)
_NEXT_LABEL = re.compile(
    r"[ ]{1,2}\(?(?=[^\W\d_][\w.'\u2019/-]{0,18}(?:[ ][\w.#/-]{1,14}){0,2}[ ]?[:=])"
)
_NAME_WORD = re.compile(
    r"(?:[^\W_](?:[\w\u0300-\u036f]|['\u2019-](?=\w))*\.?|\"[^\"\n]{1,20}\""
    r"|\([^)\n]{1,20}\))"
)
_CODE = re.compile(
    r"#?\s?(?=[\w./\- ]{0,14}\d|[A-Z]{6,11}\b)[A-Z0-9][\w./\u2013\-]{0,40}"
    r"(?:[ ](?=[A-Z0-9]*\d)[A-Z0-9]{1,8}(?![a-z])){0,8}",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"[a-z]{2,4}(?![\w.@'-])")
_LOGIN = re.compile(r"@?[\w][\w.+@\\/-]{2,40}")
_HAS_DIGIT = re.compile(r"\d")
_DATE_LIKE = re.compile(
    r"[\dOolI]{1,2}[./ -][\dOolI]{1,2}[./ -][\dOolI]{2,4}|(?:19|20)\d\d"
    r"|\d{1,2}/\d{1,2}|\d[ .-]{1,2}[^\W\d_]{3}|[^\W\d_]{3,9}[ .-]{1,2}\d"
)
_DATE_PART = re.compile(r"[\d\w./:\-,' \u00ba\u00b0]{4,40}")
_PHONE_PART = re.compile(
    r"[(+]?[\dOolI][\dOolI\s().\-/]{1,24}\d(?:\s?(?:x|ext\.?|extn\.?|poste"
    r"|dw)\s?\d{1,6})?|\d{3,}"
)
_LOGINS = frozenset(
    """
login log in logon login id user username user name user id userid uid portal user portal login
portal id handle screen name account login netid network id windows login password pwd passcode
identifiant utilisateur mot de passe usuario contrasena benutzer benutzername kennung kennwort
gebruiker gebruikersnaam utilizador uzytkownik skype teams telegram twitter instagram snapchat
facebook linkedin discord
""".split()
)
# Labels that are words of sentences too: they need a capital or a line of their own.
_CREDENTIALS = frozenset(
    "md do rn np pa phd fnp dnp lcsw mbbs bsc msc frcs mrcp dr mr mrs ms prof jr sr "
    "ii iii dpt pt ot"
    " facc facs esq".split()
)
_ROLES = frozenset(
    "self none unknown nil na n/a same see patient attending physician nurse male "
    "female yes no the"
    " he she her his pt to not was is seen and denies reports has".split()
)
_SEPARATOR = re.compile(r"\t|\||;|,|[ ]{2,}")


def find_values(text: str) -> Iterator[Span]:
    """Find what stands beside the labels of a form, of JSON or of XML."""
    for match in _LABEL.finditer(text):
        label = match["label"]
        kind = kind_of(label)
        while kind is None and " " in label:
            # "Seen today. Name: ..." has words before the label.
            label = label.partition(" ")[2].strip()
            kind = kind_of(label)
        if kind is None:
            continue
        yield from _value(text, match.end(), kind, label)


def _value(text: str, start: int, kind: str, label: str) -> Iterator[Span]:
    stop = _STOP.search(text, start, start + 300)
    end = stop.start() if stop else min(len(text), start + 300)
    following = _NEXT_LABEL.search(text, start, end)
    if following and following.start() > start:
        end = following.start()
    if start >= end:
        return
    if kind == "PERSON":
        if fold(label).endswith((" by", "signed", "initials", "typist", "scribe")):
            initials = _INITIALS.match(text, start, end)
            if initials and initials[0] not in word_set("words"):
                yield Span(start, initials.end(), "PERSON", _SCORE)
                return
        yield from _name(text, start, end)
    elif kind in ("LOCATION", "EMPLOYER"):
        yield from _place(text, start, end, kind)
    elif kind == "DATE":
        match = _DATE_PART.match(text, start, end)
        if match and _DATE_LIKE.search(match[0]):
            last = _date_end(text, start, match.end())
            if last > start:
                yield Span(start, last, kind, _SCORE)
    elif kind in ("PHONE", "FAX"):
        match = _PHONE_PART.match(text, start, end)
        if match:
            yield Span(start, match.end(), kind, _SCORE)
    elif kind in NUMBERED or kind in ("BIOMETRIC", "PHOTO"):
        yield from _code(text, start, end, kind, label)


def _date_end(text: str, start: int, end: int) -> int:
    """Return where a date beside its label ends: after its last word with a digit or a month."""
    last = start
    for word in re.finditer(r"[^\s,]+", text[start:end]):
        has_digit = _HAS_DIGIT.search(word[0])
        if not has_digit and not (word[0].isalpha() and len(word[0]) < 11):
            break
        if has_digit:
            last = start + word.end()
        elif word.start() > 30:
            break
    return last


def _code(text: str, start: int, end: int, kind: str, label: str) -> Iterator[Span]:
    if kind == "ID" and fold(label).replace("_", " ") in _LOGIN_LABELS:
        match = _LOGIN.match(text, start, end)
        if match and fold(match[0]) not in word_set("common"):
            yield Span(start, match.end(), kind, _SCORE, spreads=True)
        return
    match = _CODE.match(text, start, end)
    if match and sum(c.isdigit() for c in match[0]) > 1:
        last = match.end()
        yield Span(start, last, kind, _SCORE, spreads=True)
    elif (
        match and match[0].isupper() and kind == "ACCOUNT" and len(match[0]) in (8, 11)
    ):
        yield Span(start, match.end(), kind, _SCORE)
    elif kind == "HEALTH_PLAN":
        yield from _place(text, start, min(end, start + 40), kind)


_LOGIN_LABELS = _LOGINS | frozenset(
    (
        "login id",
        "user name",
        "user id",
        "portal user",
        "portal login",
        "log in",
        "portal id",
    )
)


def _name(text: str, start: int, end: int) -> Iterator[Span]:
    """Find the name at the beginning of a value: up to six words of which one is no common word."""
    last = start
    count = good = 0
    place = start
    while count < 7:
        word = _NAME_WORD.match(text, place, end)
        if word is None:
            break
        plain = fold(word[0].strip('."()'))
        if plain in _CREDENTIALS and last > start:
            break
        if not _may_be_name(word[0], plain, count):
            break
        count += 1
        last = word.end()
        good += plain not in _CREDENTIALS and len(plain) > 1
        gap = re.compile(r",?[ ]{1,2}|,(?=\w)|\^|-|(?<=\.)|'|/").match(text, last, end)
        if gap is None:
            break
        place = gap.end()
    if good or (count and text[start].isupper()):
        yield Span(start, last, "PERSON", _SCORE, spreads=good > 0)


def _may_be_name(found: str, plain: str, count: int) -> bool:
    if plain in _ROLES or not plain:
        return False
    if found.isdigit() or (sum(c.isdigit() for c in found) > 2):
        return False
    first = plain in word_set("first_names")
    listed = first or plain in word_set("surnames")
    if found[0].islower() and not listed:
        return count > 0 and plain not in word_set("words") and len(plain) > 1
    if found[0].islower():
        return plain not in word_set("common") or plain in (
            "de",
            "van",
            "der",
            "la",
            "von",
        )
    if is_medical(plain, by_ending=not listed) and not (
        listed and plain not in word_set("common")
    ):
        return False
    return listed or plain not in word_set("common")


def _place(text: str, start: int, end: int, kind: str) -> Iterator[Span]:
    sentence = re.compile(r"(?<=[^\W\d_]{4})\.\s|\.$|\s\(").search(text, start, end)
    if sentence:
        end = sentence.start()
    value = text[start:end].strip()
    if len(value) < 2 or value.lower() in STATES:
        return
    words = re.findall(r"[^\W\d_]+", value)
    if not words and not _HAS_DIGIT.search(value):
        return
    numbered = _HAS_DIGIT.search(value) and value[:1].isupper()
    common = (fold(word) in word_set("common") or is_medical(word) for word in words)
    if words and not numbered and all(common):
        return
    if not any(c.isupper() or c.isdigit() for c in value):
        return
    yield Span(start, end, kind, _SCORE)


def find_table_cells(text: str) -> Iterator[Span]:
    """Find the cells of tables under a header that names what they hold."""
    if "\n" not in text:
        return
    kinds: list[str | None] = []
    separator = ""
    place = 0
    for line in text.split("\n"):
        start, place = place, place + len(line) + 1
        if not line.strip():
            kinds = []
            continue
        if kinds:
            cells = _cells(line, separator)
            if len(cells) >= max(2, len(kinds) - 1):
                for (first, last), kind in zip(cells, kinds, strict=False):
                    yield from _cell(text, start + first, start + last, kind)
                continue
            kinds = []
        separator, kinds = _header(line)


def _header(line: str) -> tuple[str, list[str | None]]:
    for separator in ("|", "\t", ";", ",", "  "):
        if separator not in line:
            continue
        cells = _cells(line, separator)
        kinds = [kind_of(line[first:last].strip('" ')) for first, last in cells]
        known = sum(kind is not None for kind in kinds) * 2 >= len(cells) > 1
        if known and not _HAS_DIGIT.search(line):
            return separator, kinds
    return "", []


def _cells(line: str, separator: str) -> list[tuple[int, int]]:
    pattern = re.compile(r"[ ]{2,}") if separator == "  " else None
    cells: list[tuple[int, int]] = []
    start = 0
    if pattern is not None:
        start = len(line) - len(line.lstrip())
        for gap in pattern.finditer(line, start):
            cells.append((start, gap.start()))
            start = gap.end()
        if start < len(line):
            cells.append((start, len(line)))
        return cells
    quoted = False
    for at, character in enumerate(line):
        if character == '"' and separator == ",":
            quoted = not quoted
        elif character == separator and not quoted:
            cells.append((start, at))
            start = at + 1
    cells.append((start, len(line)))
    if separator == "|" and cells and not line[cells[0][0] : cells[0][1]].strip():
        cells = cells[1:]
    return cells


def _cell(text: str, start: int, end: int, kind: str | None) -> Iterator[Span]:
    value = text[start:end].strip(' "')
    if kind is None or not any(c.isalnum() for c in value):
        return
    if fold(value) in ("none", "n/a", "na", "unknown", "nil", "yes", "no", "null"):
        return
    ordinary = " " in value or len(value) < 3 or fold(value) in word_set("words")
    if ordinary and kind in NUMBERED and not _HAS_DIGIT.search(value):
        return
    if value.lower() in STATES:
        return
    yield Span(start, end, kind, _SCORE)
