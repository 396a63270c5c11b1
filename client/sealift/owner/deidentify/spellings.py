"""The usual spellings of an identifier, and the words of a text, in a form that is compared.

Case, accents, and what separates words and digits do not count; a name is found in any order. A
word of four letters or a number of five digits tells a person by itself; shorter ones, common
words, months and diseases named after people only beside another word of the same person.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise, permutations

from sealift.owner.deidentify.clinical_words import EPONYMS, NOT_NAMES
from sealift.owner.deidentify.wordlists import fold, word_set

LETTERS = 4
"""A word of so many letters tells a person by itself."""
DIGITS = 5
"""A number, or a code with digits, of so many characters does."""

WORDS = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")
"""The words and numbers of a text."""

_COMPOUND = re.compile(r"(?<![^\W_])[^\W_]+(?:(?:[^\w\s<>\"]|_){1,4}[^\W_]+){1,20}")
# Numbers, and codes with capitals between them, of at least two parts: 617 555-0123, AB 12 CD.
_PART = r"(?:[A-Z]{0,3}\d[^\W_]{0,20}|[A-Z]{1,3}(?![^\W_]))"
_GAP = r"[ .,\-/()+_\u2013]{1,3}"
_SPACED = re.compile(
    rf"(?<![^\W_])(?:[A-Z]{{1,6}}[ -]\d[^\W_]{{0,20}}|\d[^\W_]{{0,20}}{_GAP}{_PART})"
    rf"(?:{_GAP}{_PART}){{0,11}}"
)
_SEPARATORS = re.compile(r"[\W_]+")
_DATE = re.compile(r"([12]\d{3})-(\d\d)-(\d\d)(?:[T ].*)?")
_NUMBER = re.compile(r"[\d\s().,/+\-_]+")
_CODE = re.compile(r"[\d@]|://|www\.")
_WEB = re.compile(r"\w+://|www\.", re.IGNORECASE)
_MAIL = re.compile(r"([^\s@]+)@[^\s@]+")
# Names in several parts: Garcia-Lopez, O'Neill.
_IN_PARTS = re.compile(r"[^\W\d_]+(?:['\u2019\u2010\u2011-][^\W\d_]+)+")
# A run of numbers in a text is not longer, and holds no longer number.
_MOST_JOINED = 8
_LONGEST = 40
_MOST_NAMES = 8
_MOST_WORDS = 24
# A telephone number, with and without the codes of country and area.
_TAILS = (10, 9, 7)
_ORDINARY_NAMES = frozenset(("smith",))

_TITLES = frozenset(
    "mr mrs ms miss dr prof md phd jr sr ii iii iv herr frau fr mme mlle m sra srta don dona "
    "sig sigra dott dhr mevr pan pani prov med dipl ing rn np pa do".split()
)
_PARTICLES = frozenset(
    """
de la las los el le les del della di da do dos das du des van von der den ter ten zu zur af av ap
bin ibn al y e i and the of und et for with from near at in on im am a o s t d l
""".split()
)


@dataclass(frozen=True, slots=True)
class Forms:
    """What is looked for in texts.

    Attributes:
        alone: words, and numbers without what separates their digits, that tell a person.
        beside: words that do beside one of these.
        chains: two or three words that do if they follow each other.
    """

    alone: frozenset[str]
    beside: frozenset[str]
    chains: frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Value:
    """An identifier of a record.

    Attributes:
        text: its text.
        is_name: whether it is the name of a person, or a part of one.
    """

    text: str
    is_name: bool


def tokens_of(text: str) -> list[str]:
    """Return the words and numbers of a text, in the form that is compared."""
    return [plain_word(word) for word in WORDS.findall(text)]


def plain_word(word: str) -> str:
    """Return a word without case and accents, and a number without zeros in front."""
    folded = fold(word)
    if len(folded) > DIGITS and folded[0] == "0" and folded.isdigit():
        return _number(folded)
    return folded


def _number(digits: str) -> str:
    """Return digits without zeros in front, if enough are left."""
    short = digits.lstrip("0")
    return short if len(short) >= DIGITS else digits


@cache
def _weak() -> frozenset[str]:
    return (
        (word_set("common") - _ORDINARY_NAMES)
        | EPONYMS
        | word_set("ordinary")
        | _TITLES
        | _PARTICLES
    )


def tells_alone(token: str) -> bool:
    """Return whether a word or number tells a person without another beside it."""
    if token.isalpha():
        return len(token) >= LETTERS and not _is_ordinary(token)
    return len(token) >= DIGITS


def _is_ordinary(token: str) -> bool:
    """Return whether a word stands in texts that are about nobody of that name."""
    if token in _weak():
        return True
    if token in word_set("first_names") or token in word_set("surnames"):
        return False
    return (
        token in NOT_NAMES
        or token in word_set("words")
        or token in word_set("clinical")
    )


def forms_of(values: Sequence[Value]) -> Forms:
    """Return the usual spellings of the identifiers of a record."""
    alone: set[str] = set()
    beside: set[str] = set()
    chains: set[tuple[str, ...]] = set()
    names: list[str] = []
    for value in values:
        is_words = not _CODE.search(value.text)
        words = [*_words_of(value.text)]
        if value.is_name and is_words:
            names += words
        if is_words:
            alone.update(filter(tells_alone, words))
            alone.update(filter(tells_alone, _hyphened(value.text)))
            beside.update(words)
            if not value.is_name:
                chains |= set(_chains(words))
        else:
            _add_code(value.text, words, alone, beside, chains)
    _add_names(names, alone, beside, chains)
    return Forms(frozenset(alone), frozenset(beside), frozenset(chains))


def _words_of(text: str) -> list[str]:
    """Return the words of an identifier, also as they are written without umlauts."""
    words = tokens_of(text)[:_MOST_WORDS]
    spelled = text.lower().translate(_UMLAUTS)
    more = tokens_of(spelled) if spelled != text.lower() else []
    shorter = [_WITHOUT_E.sub(r"\1", word) for word in words if word.isalpha()]
    return [*dict.fromkeys([*words, *more, *(s for s in shorter if s not in words)])]


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_WITHOUT_E = re.compile(r"(?<![aeiouq])([aou])e(?=[^aeiou])")


def _hyphened(text: str) -> Iterator[str]:
    """Yield words with a hyphen or apostrophe as one: oneill, garcialopez."""
    for match in _IN_PARTS.finditer(text):
        parts = tokens_of(match[0])
        for first, last in combinations(range(len(parts) + 1), 2):
            if last - first > 1:
                yield "".join(parts[first:last])


def _chains(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the neighbours in an identifier of several words, such as an address."""
    for one, two in pairwise(words):
        if one in _PARTICLES or two in _PARTICLES or min(len(one), len(two)) < 2:
            continue
        if any(map(_is_rare, (one, two))):
            yield one, two
    for place in range(len(words) - 2):
        three = tuple(words[place : place + 3])
        if not set(three) & _PARTICLES and max(map(len, three)) >= LETTERS:
            yield three


def _is_rare(token: str) -> bool:
    """Return whether a word beside a common one, or a short number, tells a place."""
    if token.isalpha():
        return not _is_ordinary(token)
    return len(token) >= 3


def _add_names(
    names: Sequence[str],
    alone: set[str],
    beside: set[str],
    chains: set[tuple[str, ...]],
) -> None:
    """Add the spellings of a person's names: in any order, run together, with initials."""
    beside.update(name[0] for name in names)
    told = Counter(n for n in names if n not in _TITLES and n not in _PARTICLES)
    chosen = [*told][:_MOST_NAMES]
    twice = [(name, name) for name in chosen if told[name] > 1]
    for one, two in (*permutations(chosen, 2), *twice):
        if len(two) == 1:
            continue
        if len(one) > 1:
            joined = one + two
            if len(joined) > LETTERS and not _is_ordinary(joined):
                alone.add(joined)
        login = one[0] + two
        if len(login) > LETTERS and not _is_ordinary(login):
            alone.add(login)
        if not tells_alone(two):
            chains.add((one[0], two))
            chains.add((two, one[0]))
            if len(one) > 1 and not tells_alone(one):
                chains.add((one, two))


def _add_code(
    text: str,
    words: Sequence[str],
    alone: set[str],
    beside: set[str],
    chains: set[tuple[str, ...]],
) -> None:
    """Add the spellings of a number, a code, an address, a date or a place on the web."""
    mail, date = _MAIL.fullmatch(text.strip()), _DATE.fullmatch(text.strip())
    whole = _number_or_code("".join(tokens_of(text)))
    if mail:
        local = tokens_of(mail[1])
        alone.update(filter(tells_alone, (*local, "".join(local))))
        alone.add(whole)
        return
    if date:
        alone.update(_dates(*date.groups()))
        return
    if _is_code(whole, text):
        alone.add(whole)
    if _WEB.match(text):
        return
    if _NUMBER.fullmatch(text):
        alone.update(_numbers("".join(c for c in text if c.isdigit())))
        return
    alone.update(filter(tells_alone, words))
    beside.update(words)
    chains |= set(_chains(words))


def _is_code(joined: str, text: str) -> bool:
    """Return whether an identifier is looked for as a whole, without what separates its parts."""
    digits = sum(c.isdigit() for c in joined)
    if len(text.split()) == 1:
        least = 1
    else:
        words = [word for word in tokens_of(text) if word.isalpha()]
        # Plates have letters, wards and rooms have words.
        least = 3 if any(len(w) >= LETTERS or _is_ordinary(w) for w in words) else 2
    return DIGITS <= len(joined) <= _LONGEST and digits >= least


def _dates(year: str, month: str, day: str) -> Iterator[str]:
    """Yield the digits of a date in the usual orders."""
    yield year + month + day
    for first, second in ((month, day), (day, month)):
        yield _number(f"{first}{second}{year}")
        yield f"{int(first)}{int(second)}{year}"
        yield _number(f"{first}{second}{year[2:]}")


def _numbers(digits: str) -> Iterator[str]:
    """Yield a number's digits; of a long one, which may be a telephone's, also the last ones."""
    if len(digits) >= DIGITS:
        yield _number(digits)
    if len(digits) >= _TAILS[0]:
        for tail in _TAILS:
            yield _number(digits[-tail:])
        for code in range(1, min(3, len(digits) - _TAILS[-1]) + 1):
            yield _number(digits[code:])


def _number_or_code(joined: str) -> str:
    return _number(joined) if joined.isdigit() else joined


@dataclass(frozen=True, slots=True)
class Joined:
    """Words or numbers of a text that may be one, without what separates them.

    Attributes:
        text: the characters.
        start: where it begins in the text.
        end: where it ends.
    """

    text: str
    start: int
    end: int


def joined_in(text: str, lengths: Container[int]) -> list[Joined]:
    """Return what may be one identifier in a text, though it is written in parts.

    Args:
        text: the text.
        lengths: how many characters identifiers have without what separates them.
    """
    found = []
    for match in _COMPOUND.finditer(text):
        joined = fold(_SEPARATORS.sub("", match[0]))
        if len(joined) in lengths:
            found.append(Joined(joined, match.start(), match.end()))
    for match in _SPACED.finditer(text):
        words = [*WORDS.finditer(text, match.start(), match.end())]
        found += _joined_of(words, lengths)
    return found


def _joined_of(
    words: Sequence[re.Match[str]], lengths: Container[int]
) -> Iterator[Joined]:
    texts = [word[0] for word in words]
    for first in range(len(texts)):
        joined = texts[first]
        for last in range(first + 1, min(first + _MOST_JOINED, len(texts))):
            joined += texts[last]
            if len(joined) > _LONGEST:
                break
            if len(joined) in lengths or joined[0] == "0":
                code = _number_or_code(fold(joined))
                yield Joined(code, words[first].start(), words[last].end())
