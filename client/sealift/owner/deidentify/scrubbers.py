"""The text scrubbers of one policy, started when they are needed, and what they found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from sealift.owner.deidentify.scrub import TextScrubber


class Scrubbers:
    """One scrubber for each set of entities; columns that look for the same share it.

    Attributes:
        found: how often which type of entity was found.
    """

    def __init__(self, workers: int) -> None:
        """Starts nothing yet.

        Args:
            workers: processes of each scrubber; 0 for none beside this one.
        """
        self.found: Counter[str] = Counter()
        self._workers = workers
        self._scrubbers: dict[tuple[str, ...], TextScrubber] = {}

    def scrubber(self, entities: Sequence[str]) -> Callable[[pa.Array], pa.Array]:
        """Takes the entities out of texts; all that are known if none is named.

        Raises:
            InvalidArgument: what scrubbing needs is not installed, or an entity is not known.
        """
        # Heavy, and an extra.
        from sealift.owner.deidentify.scrub import ALL, TextScrubber

        key = tuple(sorted(set(entities)))
        if key not in self._scrubbers:
            self._scrubbers[key] = TextScrubber(
                entities=key or ALL, workers=self._workers
            )
        scrubber = self._scrubbers[key]

        def scrub(texts: pa.Array) -> pa.Array:
            scrubbed, found = scrubber.scrub(texts)
            self.found.update(found)
            return scrubbed

        return scrub

    def close(self) -> None:
        """Ends the scrubbers' processes."""
        while self._scrubbers:
            self._scrubbers.popitem()[1].close()
