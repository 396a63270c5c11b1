"""Engines that scrub texts: in this process, or in others (`scrub_workers`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from sealift.owner.deidentify.spans import Span, agree
from sealift.policy.texts import TextRules
from sealift_protocol.errors import PolicyViolation

if TYPE_CHECKING:
    from sealift.owner.deidentify.analysis import Analysis

_DEFAULT = TextRules()
Scrubbed = tuple[list[str], Counter[str]]
Known = tuple[str, list[Span]]
"""A text, and what is known to identify in it."""


class Engine(Protocol):
    """Analyses texts, in this process or in others."""

    def run(self, batches: Iterator[list[Known]]) -> Iterator[Scrubbed]:
        """Scrub batches of texts, in order."""

    def close(self) -> None:
        """Stop the engine."""


class InProcess:
    """Analyses in the calling process, which may be a worker."""

    def __init__(self, entities: Collection[str], texts: TextRules = _DEFAULT) -> None:
        """Load the model, which takes a second or two.

        Args:
            entities: types to replace.
            texts: languages, regions and model of a policy.

        Raises:
            InvalidArgument: a model is not the one that was asked for.
        """
        from sealift.owner.deidentify.analysis import Analysis

        self._entities = frozenset(entities)
        self._analysis: Analysis = Analysis(texts)

    def run(self, batches: Iterator[list[Known]]) -> Iterator[Scrubbed]:
        """Scrub batches of texts.

        Raises:
            PolicyViolation: a text could not be analysed.
        """
        for batch in batches:
            yield self.scrub(batch)

    def scrub(self, texts: Sequence[Known]) -> Scrubbed:
        """Scrub one batch.

        Raises:
            PolicyViolation: a text could not be analysed.
        """
        found: Counter[str] = Counter()
        scrubbed: list[str] = []
        try:
            analysed = self._analysis.find([text for text, _ in texts])
        except Exception:  # noqa: BLE001 - any exception's text may quote a note
            raise PolicyViolation(
                "a text could not be analysed",
                hint="drop the column, or remove the records with the longest texts",
            ) from None
        for (text, known), spans in zip(texts, analysed, strict=True):
            pieces: list[str] = []
            end = 0
            replaced = [span for span in spans if span.kind in self._entities]
            for span in agree([*replaced, *known]) if known else replaced:
                pieces += (text[end : span.start], f"<{span.kind}>")
                end = span.end
                found[span.kind] += 1
            pieces.append(text[end:])
            scrubbed.append("".join(pieces))
        return scrubbed, found

    def close(self) -> None:
        """Do nothing: there is no process to stop."""
