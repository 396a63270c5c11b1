"""What a policy says about its texts: languages, regions, models, types."""

from __future__ import annotations

from dataclasses import dataclass

from sealift.owner.deidentify.languages import DEFAULT_LANGUAGES, REGIONS
from sealift.owner.deidentify.recognisers import ALL


@dataclass(frozen=True, slots=True)
class TextSettings:
    """How texts are scrubbed.

    Attributes:
        entities: types to replace; others stay in the text.
        languages: codes of the languages of the texts, the first the one that is likeliest.
        regions: codes of the regions whose telephone numbers are looked for; empty for those
            where the languages are spoken.
        model: a folder with a spaCy model of the user's, for the first language; empty for the
            models of the packages.
    """

    entities: tuple[str, ...] = ALL
    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    regions: tuple[str, ...] = ()
    model: str = ""

    @property
    def phone_regions(self) -> tuple[str, ...]:
        """The regions, or those where the languages are spoken."""
        if self.regions:
            return self.regions
        spoken = (region for code in self.languages for region in REGIONS.get(code, ()))
        return tuple(dict.fromkeys(spoken))
