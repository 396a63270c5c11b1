"""Finds identifiers of people in texts: a model's names, lists, patterns, labels and check digits.

This module needs the extra "text"; `scrub.py` imports it on first use. Nothing is downloaded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from sealift.owner.deidentify.builtin import Builtin
from sealift.owner.deidentify.cues import find_after_cues
from sealift.owner.deidentify.finding import find_patterns
from sealift.owner.deidentify.forms import find_table_cells, find_values
from sealift.owner.deidentify.languages import language_of, phone_regions
from sealift.owner.deidentify.models import Models
from sealift.owner.deidentify.national import find_numbers
from sealift.owner.deidentify.patterns import PATTERNS
from sealift.owner.deidentify.phones import find_phones
from sealift.owner.deidentify.plain_text import PlainText
from sealift.owner.deidentify.spans import Span, agree, chunks, trim
from sealift.owner.deidentify.spreading import spread
from sealift.owner.deidentify.text_names import find_listed, words_of
from sealift.owner.deidentify.widening import widen
from sealift.policy.texts import TextRules

_DEFAULT = TextRules()


class Analysis:
    """Finds identifiers of people in texts."""

    def __init__(self, texts: TextRules = _DEFAULT) -> None:
        """Load the model of the first language, which takes a second or two.

        Args:
            texts: languages, regions and model of a policy.

        Raises:
            InvalidArgument: a model is not the one that was asked for.
        """
        _silence()
        self._regions = phone_regions(texts)
        self._models = Models(texts)
        self._builtin = Builtin()

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the identifiers in each text, as sorted spans that do not overlap."""
        plain = [PlainText(text) for text in texts]
        cut = [
            (number, start, piece)
            for number, text in enumerate(plain)
            for start, piece in chunks(text.text)
        ]
        pieces = [piece for _, _, piece in cut]
        languages = [language_of(piece) for piece in pieces]
        found: list[list[Span]] = [[] for _ in texts]
        named = self._models.find(pieces, languages)
        for (number, start, piece), language, names in zip(
            cut, languages, named, strict=True
        ):
            spans = [*names, *self._in_piece(piece, language)]
            found[number] += [
                replace(span, start=span.start + start, end=span.end + start)
                for span in spans
            ]
        return [_finish(text, spans) for text, spans in zip(plain, found, strict=True)]

    def _in_piece(self, piece: str, language: str) -> list[Span]:
        words = words_of(piece)
        return [
            *find_patterns(piece, PATTERNS),
            *find_values(piece),
            *find_table_cells(piece),
            *find_listed(piece, words, language),
            *find_after_cues(piece, words),
            *find_numbers(piece),
            *find_phones(piece, self._regions),
            *self._builtin.find(piece),
        ]


def _finish(plain: PlainText, spans: list[Span]) -> list[Span]:
    settled = agree(trim(plain.text, agree(spans)))
    settled = widen(plain.text, settled)
    again = spread(plain.text, settled)
    if again:
        settled = agree(trim(plain.text, [*settled, *again]))
    finished = []
    for span in settled:
        start, end = plain.original(span)
        finished.append(replace(span, start=start, end=end))
    return finished


def _silence() -> None:
    """Silence the libraries' loggers, which quote the text they read."""
    for name in ("presidio-analyzer", "presidio_analyzer", "decision_process", "spacy"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
