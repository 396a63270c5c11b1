"""Names of people and places by lists, by capitals, and by the words beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sealift.owner.deidentify.clinical_words import (
    ALSO_FIRST,
    ALSO_NAMES,
    EPONYM_NOUNS,
    EPONYMS,
    STATE_CODES,
    STATES,
    is_medical,
)
from sealift.owner.deidentify.finding import is_medicine
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.wordlists import cities, fold, word_set

_TOKEN = re.compile(
    r"[^\W\d_](?:[^\W_]|[\u0300-\u036f])*(?:['\u2019](?!s\b)[^\W\d_]+)*"
)
_GAP = re.compile(
    r"(?:[ ]{1,2}|[ ]?-[ ]?|\.[ ]?|'|[ ]?\n[ ]{0,8}|,[ ]{0,2}|[ ]?[\"(\u201c]"
    r"|[\")\u201d][ ])"
)
_PARTICLES = frozenset(
    "de la las los del della di da dos das do van von der den ter ten bin ibn al el "
    "du le y e"
    " zu af av ap".split()
)
_CODES = frozenset(STATE_CODES.split("|"))
_BEFORE_PLACES = frozenset(
    "lower upper great little north south east west new old mount fort port lake san "
    "santa los las"
    " el saint st nether over high long market kings bishops chipping stoke".split()
)
_NEVER = frozenset(
    """
unit bed room ward floor age day week month year doc dept clinic ref case page ok see ask per via
hiv aids ecg mri pet dvt copd dea npi gerd afib dispo emerg hosp phys ord tech transcribed dictated
facebook instagram whatsapp skype teams dashcam microchip plof norepi trop bene vet customer cust
karnofsky lettre informe alta ingreso sortie compte rendu nota evolucion hoja anamnese epikrise
arztbrief befund diagnose behandlung steuer kontoauszug grussen grusse rxnorm snomed loinc carina
medication allergie motif antecedentes antecedents traitement conclusion signature resume
cher chere estimado estimada gentile geachte geachter caro cara stimato egregio liebe lieber sehr
""".split()
)
_DOSE = re.compile(
    r"\s{1,2}(?:\d[\d.,/-]{0,8}\s?(?:mg|mcg|g|units?|ml|mEq|IU|tabs?|%|puffs?|drops"
    r"|x)\b"
    r"|(?:po|iv|im|sc|bid|tid|qd|qhs|daily|prn)\b)",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W\d_]")
_SCORE_LISTED = 0.62
_SCORE_UNKNOWN = 0.35
_SCORE_PLACE = 0.6
_LONGEST_NAME = 7
_LONGEST_PLACE = 4


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, and what the lists say about it.

    Attributes:
        start: where it begins.
        end: where it ends.
        text: the word as it stands.
        folded: in lower case, without accents.
        capital: whether it begins with a capital.
        upper: whether it has capitals only.
        begins: whether it begins a sentence or a line.
    """

    start: int
    end: int
    text: str
    folded: str
    capital: bool
    upper: bool
    begins: bool

    @property
    def is_first(self) -> bool:
        """Whether the lists have it as a first name."""
        return self.folded in word_set("first_names")

    @property
    def is_last(self) -> bool:
        """Whether the lists have it as a surname."""
        return self.folded in word_set("surnames")

    @property
    def is_word(self) -> bool:
        """Whether it is a word of English."""
        return self.folded in word_set("words")

    @property
    def is_clinical(self) -> bool:
        """Whether it is a word of medicine, or stands for a disease."""
        return (
            is_medical(self.folded, by_ending=not (self.is_first or self.is_last))
            or self.folded in EPONYMS
            or (
                self.folded in word_set("clinical")
                and not self.is_first
                and not self.is_last
            )
        )

    @property
    def is_initial(self) -> bool:
        """Whether it is a single capital."""
        return len(self.text) == 1 and self.capital

    @property
    def may_join(self) -> bool:
        """Whether the word may be part of a name next to one that is a name."""
        if self.is_initial or self.folded in _PARTICLES:
            return True
        if not self.capital or self.folded in _NEVER or self.text in _CODES:
            return False
        if self.is_first or (self.is_last and not self.is_clinical):
            ordinary = self.folded in word_set("common")
            loud = ordinary and self.upper and self.folded not in ALSO_NAMES
            return self.folded not in _SENTENCE_WORDS and not loud
        return not self.is_word and not self.is_clinical


# Words that begin sentences and headings, and are also names.
_SENTENCE_WORDS = frozenset(
    "will may can in on at so as no do an a he she her his they you we i if is it or "
    "to be by the"
    " see an son pain page case case dear she has had was were are all any and but "
    "for from with"
    " not day old long short call called unit street road avenue center clinic hospital".split()
)


def words_of(text: str) -> list[Word]:
    """Cut a text into words."""
    found: list[Word] = []
    before = 0
    for match in _TOKEN.finditer(text):
        gap = text[before : match.start()]
        begins = (
            not found
            or "\n" in gap
            or any(c in gap for c in ".:;!?|\u2022*")
            or gap == ""
        )
        if text[before - 1 : before].isdigit() and "." not in gap and "\n" not in gap:
            begins = False
        value = match[0]
        found.append(
            Word(
                match.start(),
                match.end(),
                value,
                fold(value),
                value[0].isupper(),
                len(value) > 1 and value.isupper(),
                begins,
            )
        )
        before = match.end()
    return found


def find_listed(text: str, words: Sequence[Word], language: str) -> Iterator[Span]:
    """Find names of people and towns by the lists, and words that no list explains.

    Args:
        text: the text.
        words: its words.
        language: its language. In English a capital on a word that no list has means a name;
            elsewhere not at the beginning of a sentence, and in German, where nouns have one,
            never.
    """
    loud = _loud_lines(text)
    quiet = _is_quiet(words)
    strengths = [
        _strength(text, word, _is_in(word.start, loud), quiet, language)
        for word in words
    ]
    yield from _people(text, words, strengths, quiet)
    if quiet:
        yield from _facilities(text)
    yield from _towns(text, words, loud, quiet)


def _loud_lines(text: str) -> list[tuple[int, int]]:
    """Return the stretches of lines that have hardly any lower case."""
    found: list[tuple[int, int]] = []
    start = 0
    for line in text.split("\n"):
        letters = _LETTER.findall(line)
        if len(letters) > 3 and sum(c.isupper() for c in letters) > 0.8 * len(letters):
            found.append((start, start + len(line)))
        start += len(line) + 1
    return found


def _is_in(place: int, stretches: Sequence[tuple[int, int]]) -> bool:
    return any(start <= place < end for start, end in stretches)


def _is_quiet(words: Sequence[Word]) -> bool:
    """Return whether a text has hardly any capitals, as typed or dictated in haste."""
    capitals = sum(word.capital for word in words)
    return len(words) > 3 and capitals <= 0.06 * len(words)


def _strength(text: str, word: Word, loud: bool, quiet: bool, language: str) -> float:
    """Return how sure a word is a name by itself: 0, or a score."""
    english = language == "en"
    if len(word.text) < 3 or word.folded in _NEVER or names_thing(text, word.end):
        return 0.0
    if _DOSE.match(text, word.end) and not word.is_first:
        return 0.0
    if (
        word.capital
        and word.folded[:2] in ("o'", "d'", "n'", "l'")
        and len(word.text) > 4
    ):
        # O'Brien, D'Souza.
        return _SCORE_LISTED if english or word.folded[0] in "on" else 0.0
    if word.folded[-3:-1] in ("'l", "'r", "'v") or word.folded[-2:] in (
        "'m",
        "'d",
        "'t",
    ):
        return 0.0
    if not word.capital:
        listed = word.is_first and not word.is_word and not word.is_clinical
        return _SCORE_LISTED if quiet and listed and len(word.text) > 3 else 0.0
    if word.upper and not loud and len(word.text) < 5:
        return 0.0
    if not word.is_word:
        if word.is_first and word.folded not in EPONYMS:
            return 0.0 if is_medical(word.folded, by_ending=False) else _SCORE_LISTED
        if word.is_clinical or word.folded in STATES:
            return 0.0
        if word.is_last and (english or not word.begins):
            return _SCORE_LISTED if english else _SCORE_UNKNOWN
        told = english or (not word.begins and language != "de")
        unknown = told and not word.upper and not loud and len(word.text) > 3
        if word.folded in word_set("rare_words") or not word.text.isalpha():
            return 0.0
        if not unknown or is_medicine(text, word.start, word.end):
            return 0.0
        return _SCORE_UNKNOWN
    if (
        english
        and word.is_last
        and not word.begins
        and not word.upper
        and not word.is_clinical
        and word.folded not in word_set("common")
    ):
        return _SCORE_UNKNOWN
    if word.folded in ALSO_FIRST and not word.begins and not loud and not word.upper:
        return _SCORE_LISTED
    return 0.0


def names_thing(text: str, end: int) -> bool:
    """Return whether the word after a name makes it a disease, a test or a device."""
    following = _NEXT_WORD.match(text, end)
    return following is not None and following[1].lower() in EPONYM_NOUNS


_NEXT_WORD = re.compile(r"(?:['\u2019]s?)?[ -]([A-Za-z]+)")


def _people(
    text: str, words: Sequence[Word], strengths: Sequence[float], quiet: bool
) -> Iterator[Span]:
    done = -1
    for place, strength in enumerate(strengths):
        if not strength or place <= done:
            continue
        first = place
        while first > 0 and place - first < _LONGEST_NAME:
            if not _joins(text, words[first - 1], words[first], quiet):
                break
            first -= 1
        last = place
        while last + 1 < len(words) and last - place < _LONGEST_NAME:
            if _joins(text, words[last], words[last + 1], quiet, forward=True):
                last += 1
            elif quiet and _has_initial(text, words, last):
                last += 2
            else:
                break
        while first < place and words[first].folded in _PARTICLES:
            if words[first].capital or first + 1 == place:
                break
            first += 1
        while last > place and not words[last].capital and not quiet:
            last -= 1
        done = last
        if names_thing(text, words[last].end):
            continue
        if first > 0 and _is_before_place(words[first - 1], words[first]):
            first -= 1
        best = max(strengths[first : last + 1])
        yield Span(
            words[first].start, words[last].end, "PERSON", best, spreads=best > 0.5
        )


def _is_before_place(left: Word, right: Word) -> bool:
    """Return whether a word belongs to a place's name behind it: "Lower Snodsbury"."""
    beside = right.start - left.end == 1
    return beside and left.capital and left.folded in _BEFORE_PLACES


def _has_initial(text: str, words: Sequence[Word], last: int) -> bool:
    """Return whether an initial in lower case and a surname follow: "deshawn q pettway"."""
    if last + 2 >= len(words) or len(words[last + 1].text) > 1:
        return False
    one, two = words[last + 1], words[last + 2]
    between = text[words[last].end : one.start], text[one.end : two.start].rstrip()
    return (
        between[0] == " "
        and between[1] in ("", ".")
        and two.is_last
        and two.folded not in word_set("common")
    )


def _joins(
    text: str, left: Word, right: Word, quiet: bool, *, forward: bool = False
) -> bool:
    """Return whether two adjacent words belong to one name, of which one is a name."""
    gap = text[left.end : right.start]
    if not gap or not _GAP.fullmatch(gap):
        return False
    other = right if forward else left
    if gap.startswith(".") and not (left.is_initial or len(left.text) < 4):
        return False
    if "\n" in gap:
        # A name broken by a line goes on with a surname.
        return (
            left.capital
            and right.capital
            and (left.is_first or left.is_initial)
            and right.is_last
            and not right.is_word
        )
    if gap.startswith(","):
        if right.is_initial and len(gap) < 3:
            return left.is_last and not left.is_word
        return (
            right.capital
            and right.text not in _CODES
            and not right.is_clinical
            and (right.is_first or right.is_last)
            and (left.is_last or not left.is_word)
            and (not right.is_word or right.folded in ALSO_FIRST)
        )
    if quiet and not other.capital:
        return (
            len(other.text) > 2
            and (other.is_last or other.is_first)
            and (other.folded not in word_set("common") or other.folded in ALSO_NAMES)
            and (forward or not other.is_word)
            and not is_medical(other.folded)
        )
    return other.may_join


def _towns(
    text: str, words: Sequence[Word], loud: Sequence[tuple[int, int]], quiet: bool
) -> Iterator[Span]:
    """Find names of towns; a single word of English is none."""
    towns = cities()
    place = 0
    while place < len(words):
        word = words[place]
        lower = quiet and not (word.is_word or word.is_clinical) and len(word.text) > 4
        tails = towns.get(word.folded) if word.capital or lower else None
        length = _longest(text, words, place, tails) if tails else 0
        if not length:
            place += 1
            continue
        run = words[place : place + length]
        known = any(not (w.is_word or w.is_clinical) for w in run)
        name = " ".join(w.folded for w in run)
        plain = len(run) == 1 and word.upper and not _is_in(word.start, loud)
        if (known or (length > 1 and not word.begins)) and not plain:
            end = run[-1].end
            thing = names_thing(text, end) or text[end : end + 1] == "-"
            if name not in STATES and len(name) > 3 and not thing:
                yield Span(run[0].start, run[-1].end, "LOCATION", _SCORE_PLACE)
        place += length


_FACILITY = re.compile(
    r"\b(?:at|to|from|in|near|opposite(?:[ ]to)?"
    r"|outside)[ ](?:the[ ])?(?P<x>(?P<name>(?:[^\W\d_]+[ ]){1,3}?)"
    r"(?:hospital|surgery|rehab|clinic|medical[ ]cent(?:re|er)|care[ ]home"
    r"|nursing[ ]home|junction|street|road"
    r"|urgent[ ]care|pharmacy|school|market|station|hotel|shelter|church)\b)",
    re.IGNORECASE,
)


def _facilities(text: str) -> Iterator[Span]:
    """Find names of hospitals and the like in a text without capitals."""
    for match in _FACILITY.finditer(text):
        names = match["name"].split()
        if any(
            fold(name) not in word_set("common") and not is_medical(name)
            for name in names
        ):
            yield Span(*match.span("x"), "LOCATION", _SCORE_PLACE)


def _longest(
    text: str,
    words: Sequence[Word],
    place: int,
    tails: frozenset[tuple[str, ...]],
) -> int:
    """Return how many words from a place on are a town's name; 0 if none."""
    for length in range(min(_LONGEST_PLACE, len(words) - place), 0, -1):
        run = words[place : place + length]
        if tuple(word.folded for word in run[1:]) not in tails:
            continue
        gaps = [text[one.end : two.start] for one, two in pairwise(run)]
        if all(gap in (" ", "-", ". ", "\n") for gap in gaps) and (
            run[-1].capital or not run[0].capital
        ):
            return length
    return 0
