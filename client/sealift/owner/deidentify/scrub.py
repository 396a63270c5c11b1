"""Free text: identifiers of people are found and replaced by their type, as <PERSON>.

There is no guarantee for text: docs/owner/deidentification-recall.md has the measured recall, and
the texts that it was measured on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from types import TracebackType

import pyarrow as pa

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify.languages import model_missing, models_of
from sealift.owner.deidentify.recognisers import ALL
from sealift.owner.deidentify.scrub_engine import Engine, InProcess, Known
from sealift.owner.deidentify.spans import Found
from sealift.policy.texts import TextRules
from sealift.process.extras import is_installed, not_installed
from sealift.process.log import log
from sealift_protocol.errors import InvalidArgument, PolicyViolation

__all__ = ["ALL", "TextScrubber"]

# Characters and texts that are analysed, or handed to a worker, at a time.
_BATCH_SIZE = 64 << 10
_BATCH_COUNT = 32
_MODULES = ("presidio_analyzer", "spacy", "phonenumbers", "stdnum")
_DEFAULT = TextRules()


class TextScrubber:
    """Replaces identifiers of people in columns of text.

    The same text gives the same result, regardless of the other texts and of the number of
    workers. Texts reach workers through pipes only; nothing is written to disk.
    """

    def __init__(
        self,
        *,
        entities: Collection[str] = ALL,
        texts: TextRules = _DEFAULT,
        workers: int = 0,
    ) -> None:
        """Check the arguments; the model is loaded with the first text.

        Args:
            entities: types to replace, from `ALL`; others stay in the text.
            texts: languages, regions and model of a policy.
            workers: number of worker processes; 0 to analyse in this process.

        Raises:
            InvalidArgument: a type is unknown, the number of workers is negative, or an extra
                that a language needs is not installed.
        """
        self._entities = frozenset(entities)
        if not self._entities or not self._entities <= set(ALL):
            raise InvalidArgument(
                "an entity type to scrub is unknown",
                hint=f"the types are {', '.join(ALL)}",
            )
        if workers < 0:
            raise InvalidArgument(
                "the number of workers is below 0",
                hint="use 0 to scrub in this process",
            )
        if not all(is_installed(name) for name in _MODULES):
            raise not_installed("text", "scrubbing text needs Presidio and spaCy")
        for model in models_of(texts):
            if not is_installed(model.module):
                raise model_missing(model)
        self._texts = texts
        self._workers = workers
        self._engine: Engine | None = None

    def scrub(
        self, texts: pa.Array, known: Found | None = None
    ) -> tuple[pa.Array, Counter[str]]:
        """Scrub a column.

        Args:
            texts: strings of any of Arrow's string types; nulls stay null.
            known: what identifies in them, whatever the types to replace are.

        Returns:
            An array of the same type and length, and the number of replacements of each type.

        Raises:
            InvalidArgument: the array does not hold strings.
            PolicyViolation: a text is not valid UTF-8, could not be analysed, or a worker ended.
        """
        values = _values(texts)
        places = [place for place, value in enumerate(values) if value]
        found: Counter[str] = Counter()
        scrubbed: list[str] = []
        if places:
            known = known or {}
            batches = _batches([(values[n] or "", known.get(n, [])) for n in places])
            try:
                for replaced, counts in self._started().run(batches):
                    scrubbed += replaced
                    found += counts
            except BaseException:
                # Batches in progress would be taken for the answer to the next call.
                self.close()
                raise
        for place, value in zip(places, scrubbed, strict=True):
            values[place] = value
        result = pa.array(values, type=_plain(texts.type))
        return (result if result.type == texts.type else result.cast(texts.type)), found

    def close(self) -> None:
        """Stop the workers, if any."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def __enter__(self) -> TextScrubber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self) -> Engine:
        if self._engine is None:
            if self._workers:
                from sealift.owner.deidentify.scrub_workers import Workers

                self._engine = Workers(self._workers, self._entities, self._texts)
            else:
                self._engine = InProcess(self._entities, self._texts)
            log.debug("start_scrubber", workers=self._workers)
        return self._engine


def _values(texts: pa.Array) -> list[str | None]:
    kind = _plain(texts.type)
    try:
        texts.validate(full=True)
        values: list[str | None] = texts.cast(kind).to_pylist()
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise PolicyViolation(
            "a text is not valid UTF-8",
            hint="convert the source to UTF-8, or give its encoding",
        ) from None
    return values


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the string type of a column's values."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_text(inner):
        return inner
    raise InvalidArgument(
        "only a column of text can be scrubbed",
        hint="choose another action for the column",
    )


def _batches(texts: Sequence[Known]) -> Iterator[list[Known]]:
    batch: list[Known] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text[0])
        if size >= _BATCH_SIZE or len(batch) >= _BATCH_COUNT:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
