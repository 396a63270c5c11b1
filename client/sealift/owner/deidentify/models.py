"""spaCy models that find names: those of packages, and folders that the user brings."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import spacy

from sealift.owner.deidentify.finding import WORD, find_names
from sealift.owner.deidentify.languages import Model, model_missing, models_of
from sealift.owner.deidentify.spans import Span
from sealift.owner.deidentify.wordlists import fold, word_set
from sealift.policy.texts import TextRules
from sealift_protocol.errors import InvalidArgument

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
    """The models of a policy's languages, each loaded with the first text in its language."""

    def __init__(self, texts: TextRules) -> None:
        """Load the model of the first language, which takes a second or two.

        Args:
            texts: languages and model of a policy.

        Raises:
            InvalidArgument: a model is not the one that was asked for.
        """
        self._texts = texts
        self._first = texts.languages[0]
        self._packages = {model.language: model for model in models_of(texts)}
        self._loaded: dict[str, Language] = {}
        self._fallback = self._load(self._first)

    def _load(self, language: str) -> Language:
        if language not in self._loaded:
            if self._texts.folder and language == self._first:
                folder = Path(self._texts.folder)
                expected = self._texts.sha256
            else:
                # A language without a model of its own has that of English.
                package = self._packages.get(language) or self._packages["en"]
                folder, expected = _folder_of(package), package.sha256
            if folder_digest(folder) != expected:
                raise InvalidArgument(
                    "the model for texts is not the one that the policy or Sealift names",
                    hint="install the version that Sealift needs, or correct sha256 in the policy",
                )
            with warnings.catch_warnings():
                # W095: the Spanish model is of an older spaCy; it was measured with this one.
                warnings.filterwarnings("ignore", message=r"\[W095\]")
                model = spacy.load(folder, exclude=_UNUSED)
            if "tok2vec" in model.pipe_names and not _listens(model):
                # The name recogniser has token vectors of its own.
                model.remove_pipe("tok2vec")
            self._loaded[language] = model
        return self._loaded[language]

    def _has(self, language: str) -> bool:
        """Return whether a language has a model of its own."""
        return language in self._packages or language == self._first

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
            own = self._has(language)
            model = self._load(language) if own else self._fallback
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
                    found[place] += (
                        names if own else filter(listed(pieces[place]), names)
                    )
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


def _folder_of(model: Model) -> Path:
    """Return the folder inside a model's package that holds its data."""
    spec = importlib.util.find_spec(model.module)
    if spec is None or spec.origin is None:
        raise model_missing(model)
    inside = sorted(Path(spec.origin).parent.glob("*/config.cfg"))
    return inside[-1].parent if inside else Path(spec.origin).parent


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder: of each file its relative path, its size and its bytes.

    Raises:
        InvalidArgument: the folder cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if path.suffix in (".pyc", ".py"):
                continue
            data = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\0{len(data)}\0".encode())
            digest.update(data)
    except OSError:
        raise InvalidArgument(
            "the folder of the model for texts cannot be read",
            hint="check the path in the policy",
        ) from None
    return digest.hexdigest()
