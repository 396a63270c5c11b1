"""The text scrubbers of one policy, started when needed, and their findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from sealift.owner.deidentify.spans import Found
from sealift.policy.texts import TextRules

if TYPE_CHECKING:
    from sealift.owner.deidentify.scrub import TextScrubber

_DEFAULT = TextRules()


class Scrubbers:
    """One scrubber for each set of entities; columns with the same set share it.

    Attributes:
        found: number of findings of each entity type.
    """

    def __init__(self, workers: int, texts: TextRules = _DEFAULT) -> None:
        """Store the settings; nothing is started yet.

        Args:
            workers: worker processes of each scrubber; 0 to use only this process.
            texts: languages, regions and model of a policy.
        """
        self._texts = texts
        self.found: Counter[str] = Counter()
        self._workers = workers
        self._scrubbers: dict[tuple[str, ...], TextScrubber] = {}

    def scrubber(
        self, entities: Sequence[str]
    ) -> Callable[[pa.Array, Found | None], pa.Array]:
        """Remove the entities from texts, and what is known to identify; all if none is named.

        Raises:
            InvalidArgument: a package that scrubbing needs is not installed, or an entity type is
                unknown.
        """
        # A slow import, from an extra.
        from sealift.owner.deidentify.scrub import ALL, TextScrubber

        key = tuple(sorted(set(entities)))
        if key not in self._scrubbers:
            self._scrubbers[key] = TextScrubber(
                entities=key or ALL, texts=self._texts, workers=self._workers
            )
        scrubber = self._scrubbers[key]

        def scrub(texts: pa.Array, known: Found | None) -> pa.Array:
            scrubbed, found = scrubber.scrub(texts, known)
            self.found.update(found)
            return scrubbed

        return scrub

    def close(self) -> None:
        """Stop the scrubbers' processes."""
        while self._scrubbers:
            self._scrubbers.popitem()[1].close()
