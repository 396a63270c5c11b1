"""Records from a pipe, read once: CSV, JSON Lines or an Arrow stream, never on disk."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import BinaryIO

import pyarrow as pa

from sealift.owner.sources.bytestreams import resumed
from sealift.owner.sources.csvblocks import CsvParser
from sealift.owner.sources.dialects import SNIFFED, Dialect, lay_out
from sealift.owner.sources.interface import BEGINNING, Chunk, Part, Rejects, Written
from sealift.owner.sources.jsonblocks import LineParser, known_schema
from sealift.owner.sources.lines import BLOCK, TextFormat, blocks_of, read_fully
from sealift.policy.reading import ReadLeaf, as_inferred
from sealift_protocol.errors import EmptySource, InvalidArgument, SourceError

# An empty name is not remembered, so such records are appended on every push.
_ANONYMOUS = Part("")
_SLICE_BYTES = 2 << 20
_ENDED_EARLY = "run the whole pipe again; nothing was committed"


class StreamSource:
    """Records of a stream that is read once, in one commit."""

    resumable = False
    rereadable = False

    def __init__(
        self,
        kind: str,
        schema: pa.Schema,
        batches: Iterator[tuple[pa.RecordBatch, int]],
    ) -> None:
        """Store what the stream's beginning has shown.

        Args:
            kind: kind of source, as `sealift sources` lists it.
            schema: schema of every batch.
            batches: the records, each with the number of bytes read so far.
        """
        self.kind = kind
        self.schema = schema
        self.size: int | None = None
        self._batches: Iterator[tuple[pa.RecordBatch, int]] | None = batches
        self.written = Written({}, ())

    def parts(self) -> Iterator[Part]:
        """Return one part, which is the whole stream."""
        yield _ANONYMOUS

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        """Read the records.

        Raises:
            SourceError: they were read before, cannot be read, or end too early.
        """
        batches, self._batches = self._batches, None
        if batches is None:
            raise SourceError(
                "a stream can be read only once",
                hint="save it where plaintext is allowed, and push the file",
            )
        try:
            for batch, position in batches:
                yield Chunk(batch, BEGINNING, BEGINNING, position)
        except OSError as error:
            raise _broken(error) from None

    def digest(self, part: Part, mark: str) -> bytes:
        """Nothing."""
        return b""

    def continues(self, part: Part) -> bool:
        """Never."""
        return False


def standard_input() -> BinaryIO:
    """Return this process's standard input.

    Raises:
        InvalidArgument: it is a terminal, or closed.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidArgument(
            "standard input is a terminal",
            hint='pipe records in: `push("-", kind="csv")`',
        )
    return sys.stdin.buffer


def csv_stream(
    stream: BinaryIO,
    *,
    types: Mapping[str, pa.DataType],
    encoding: str,
    rejects: Rejects,
    expected: pa.Schema | None = None,
    read_as: ReadLeaf = as_inferred,
    said: Dialect | None = None,
    block_size: int = BLOCK,
) -> StreamSource:
    """Open CSV with a header line; see `CsvSource`.

    Raises:
        EmptySource: there is no record.
        SourceError: the first block cannot be read.
        InvalidArgument: a type is given for a missing column.
    """
    said = said or Dialect()
    try:
        beginning = read_fully(stream, SNIFFED)
        text = beginning.removeprefix(codecs.BOM_UTF8).decode(encoding, "replace")
        layout = lay_out(text, said, ",")
        form = TextFormat(
            encoding, quoted=True, delimiter=layout.delimiter, strict=rejects.stops
        )
        known = expected.names if expected is not None else ()
        parser = CsvParser(form, rejects, said=said, layout=layout, known=known)
        blocks = blocks_of(resumed(beginning, stream), form, size=block_size)
        head = parser.begin(blocks, None)
    except OSError as error:
        raise _broken(error) from None
    schema = parser.infer(head, types, None, expected, read_as)
    parser.check_names(head.names, None)

    def batches() -> Iterator[tuple[pa.RecordBatch, int]]:
        for block in chain([head.body], blocks):
            yield parser.parse(None, head.names, block), block.end

    source = StreamSource("csv", schema, batches())
    source.written = parser.written
    return source


def jsonl_stream(
    stream: BinaryIO,
    *,
    types: Mapping[str, pa.DataType],
    rejects: Rejects,
    expected: pa.Schema | None = None,
    read_as: ReadLeaf = as_inferred,
    block_size: int = BLOCK,
) -> StreamSource:
    """Open JSON Lines, one object a line; see `JsonLinesSource`.

    Raises:
        EmptySource: there is no record.
        SourceError: the first block cannot be read.
    """
    blocks = blocks_of(stream, TextFormat(strict=rejects.stops), size=block_size)
    try:
        first = next((block for block in blocks if block.data.strip()), None)
    except OSError as error:
        raise _broken(error) from None
    if first is None:
        raise EmptySource("the stream holds no record")
    known = known_schema(types, expected, read_as)
    lines = LineParser(known, rejects, read_as=read_as)
    schema = lines.infer(None, first, [field.name for field in expected or []])

    def batches() -> Iterator[tuple[pa.RecordBatch, int]]:
        for block in chain([first], blocks):
            yield lines.parse(None, block), block.end

    return StreamSource("jsonl", schema, batches())


def arrow_stream(stream: BinaryIO) -> StreamSource:
    """Open an Arrow IPC stream, which must end with its end-of-stream marker.

    Raises:
        SourceError: the stream does not begin as one.
    """
    watched = _WatchedStream(stream)
    try:
        reader = pa.ipc.open_stream(watched)
    except (pa.ArrowException, OSError):
        raise SourceError(
            "this is not an Arrow IPC stream",
            hint="write the stream with pyarrow.ipc.new_stream",
        ) from None

    def batches() -> Iterator[tuple[pa.RecordBatch, int]]:
        number = 0
        while True:
            number += 1
            try:
                batch = reader.read_next_batch()
                batch.validate()
            except StopIteration:
                break
            except (pa.ArrowException, OSError):
                raise SourceError(
                    f"the Arrow stream is damaged or ends too early, at batch {number}",
                    hint=_ENDED_EARLY,
                ) from None
            for piece in _slices(batch):
                yield piece, watched.position
        # Arrow takes the end of the input for the end of the stream.
        if watched.ended:
            raise SourceError(
                f"the Arrow stream ends too early, before batch {number}",
                hint=_ENDED_EARLY,
            )
        if read_fully(stream, 1):
            raise SourceError(
                "there are more bytes after the end of the Arrow stream",
                hint="pipe one stream at a time",
            )

    return StreamSource("arrow", reader.schema, batches())


class _WatchedStream:
    """A stream that remembers whether it was read to its end."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.position = 0
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        content = read_fully(self._stream, size)
        self.position += len(content)
        self.ended = self.ended or len(content) < size
        return content

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing: standard input stays open."""


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, batch.num_rows * _SLICE_BYTES // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _broken(error: OSError) -> SourceError:
    reason = error.strerror.lower() if error.strerror else "it is damaged"
    return SourceError(f"the stream cannot be read: {reason}", hint=_ENDED_EARLY)
