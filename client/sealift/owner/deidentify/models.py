"""spaCy models that find names: those of packages, and folders that the user brings."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import spacy

from sealift.owner.deidentify.finding import WORD, find_names
from sealift.owner.deidentify.languages import MODELS
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.wordlists import fold, word_set

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

# Parts of a model that names do not need. They would take half of the time.
_UNUSED = [
    *("tagger", "parser", "senter", "attribute_ruler", "lemmatizer", "morphologizer"),
    *("trainable_lemmatizer", "textcat"),
]
_PERSONS = frozenset(("PERSON", "PER"))
_PLACES = frozenset(("GPE", "LOC", "FAC", "LOCATION"))
_FIRMS = frozenset(("ORG",))
_SCORE = 0.6
_SCORE_FIRM = 0.4
# Texts and characters per batch for the model, which takes about 2 KiB of memory a word.
_BATCH = 16
_BATCH_SIZE = 24_000


class Models:
    """The models of some languages, each loaded with the first text in its language."""

    def __init__(self, languages: Sequence[str], folder: str = "") -> None:
        """Load the model of the first language, which takes a second or two.

        Args:
            languages: codes of languages.
            folder: a folder with a spaCy model, for the first language.
        """
        self._folder = folder
        self._languages = tuple(languages)
        self._loaded: dict[str, Language] = {}
        self._load(self._languages[0])

    def _load(self, language: str) -> Language | None:
        if language not in self._loaded:
            if self._folder and language == self._languages[0]:
                source: str | Path = Path(self._folder)
            elif language in MODELS:
                module = importlib.import_module(MODELS[language].module)
                source = Path(str(module.__file__)).parent / _folder_of(module)
            else:
                return None
            # A tok2vec that the name recogniser listens to has to stay.
            model = spacy.load(source, exclude=_UNUSED)
            if "tok2vec" in model.pipe_names and not _listens(model):
                model.remove_pipe("tok2vec")
            self._loaded[language] = model
        return self._loaded[language]

    def find(
        self, pieces: Sequence[str], languages: Sequence[str]
    ) -> Iterator[list[Span]]:
        """Return the names that the models find in each piece of text.

        Args:
            pieces: pieces of texts.
            languages: the language of each.
        """
        found: list[list[Span]] = [[] for _ in pieces]
        for language in dict.fromkeys(languages):
            own = language in self._languages and (
                language in MODELS or language == self._languages[0]
            )
            model = self._load(language if own else self._languages[0])
            if model is None:
                continue
            places = [n for n, code in enumerate(languages) if code == language]
            chosen = [pieces[n] for n in places]
            fitting = _BATCH_SIZE // max(map(len, chosen), default=1)
            size = max(1, min(_BATCH, fitting))
            # The zone frees the model's word cache, which would keep a text's words for ever.
            with model.memory_zone():
                for place, doc in zip(
                    places, model.pipe(chosen, batch_size=size), strict=True
                ):
                    names = _names(pieces[place], doc)
                    found[place] += names if own else filter(listed(pieces[place]), names)
        yield from found


def _names(text: str, doc: Doc) -> Iterator[Span]:
    for entity in doc.ents:
        kind = _kind(entity.label_)
        if kind is None:
            continue
        score = _SCORE_FIRM if kind == "EMPLOYER" else _SCORE
        yield from find_names(text, entity.start_char, entity.end_char, kind, score)


def listed(text: str) -> Callable[[Span], bool]:
    """Return a test of whether a span of a text has a word of the lists of names."""

    def has_name(span: Span) -> bool:
        words = (fold(word[0]) for word in WORD.finditer(text, span.start, span.end))
        return any(
            word in word_set("first_names")
            or (word in word_set("surnames") and word not in word_set("words"))
            for word in words
        )

    return has_name


def _kind(label: str) -> str | None:
    if label in _PERSONS:
        return "PERSON"
    if label in _PLACES:
        return "LOCATION"
    return "EMPLOYER" if label in _FIRMS else None


def _listens(model: Language) -> bool:
    """Return whether the name recogniser shares its token vectors."""
    if "ner" not in model.pipe_names:
        return False
    listeners = getattr(model.get_pipe("tok2vec"), "listener_map", {})
    return "ner" in listeners


def _folder_of(module: object) -> str:
    """Return the folder inside a model's package that holds its data."""
    path = Path(str(getattr(module, "__file__", ""))).parent
    versions = sorted(p.name for p in path.iterdir() if (p / "config.cfg").exists())
    return versions[-1] if versions else "."


def missing(languages: Collection[str]) -> list[str]:
    """Return the languages whose model's package is not installed."""
    return [
        code
        for code in languages
        if code in MODELS
        and MODELS[code].module not in sys.modules
        and importlib.util.find_spec(MODELS[code].module) is None
    ]
