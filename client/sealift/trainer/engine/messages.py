"""The messages of an Arrow stream whose memory has holes: where each lies, and how many records.

pyarrow parses them. What it cannot do is to say where a message ends without its body; so it is
shown the header with a body of zeros, and what it asks for is the body's size. Nothing is believed
of a record batch before its own body is there.

Source: Apache Arrow columnar format 1.5, "Encapsulated message format".
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field

import pyarrow as pa

from sealift_protocol.errors import MalformedObject
from sealift_protocol.layout import MAX_SHARD_PLAINTEXT

PREFIX_SIZE = 8
_CONTINUATION = 0xFFFFFFFF
_PREFIX = struct.Struct("<Ii")
# Private memory that is only read: the kernel shows one page of zeros for all of it.
_ZEROS = memoryview(
    mmap.mmap(-1, MAX_SHARD_PLAINTEXT, mmap.MAP_PRIVATE, mmap.PROT_READ)
)
# What pyarrow raises for bytes that are not Arrow's.
ARROW_ERRORS = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class Header:
    """What a message says before its body.

    Attributes:
        kind: pyarrow's name of it, such as "record batch".
        size: bytes of the whole message.
        rows: how many records a record batch has; None if that shows with its body only, which is
            so when its buffers are compressed.
        schema: what a schema message says.
    """

    kind: str
    size: int
    rows: int | None
    schema: pa.Schema | None = field(repr=False)


def metadata_size(prefix: memoryview) -> int:
    """Bytes of metadata behind a message's prefix; 0 at the end of a stream.

    Raises:
        MalformedObject: it is not a prefix.
    """
    continuation, size = _PREFIX.unpack(prefix)
    if continuation != _CONTINUATION or size < 0:
        raise MalformedObject("a shard's payload is not a well-formed Arrow stream")
    return int(size)


def read_header(header: memoryview, room: int, schema: pa.Schema | None) -> Header:
    """Parses a message's prefix and metadata, without its body.

    Args:
        header: prefix and metadata.
        room: bytes behind the header, in which the body has to end.
        schema: of the stream; None where it is to begin.

    Raises:
        MalformedObject: the body would not end there.
        Exception: one of `ARROW_ERRORS`, where it is not Arrow's metadata.
    """
    shown = _WithoutBody(header)
    message = pa.ipc.read_message(pa.PythonFile(shown, "r"))
    if shown.body > room:
        raise MalformedObject("a shard's payload ends too early")
    rows = None
    if message.type == "record batch" and schema is not None:
        try:
            rows = int(pa.ipc.read_record_batch(message, schema).num_rows)
        except ARROW_ERRORS:
            # Zeros are not what a compressed buffer begins with.
            rows = None
    if message.type == "schema" and not shown.body:
        schema = pa.ipc.read_schema(message)
    return Header(message.type, len(header) + shown.body, rows, schema)


def read_batch(message: memoryview, schema: pa.Schema) -> pa.RecordBatch:
    """The record batch of a whole message, a view of it; not validated.

    Raises:
        MalformedObject: the message is another one, or does not end where it should.
        Exception: one of `ARROW_ERRORS`, where it is not Arrow's.
    """
    found = pa.ipc.read_message(pa.py_buffer(message))
    header = PREFIX_SIZE + metadata_size(message[:PREFIX_SIZE])
    if found.type != "record batch" or header + found.body.size != len(message):
        raise MalformedObject("a shard's index of record batches does not fit it")
    return pa.ipc.read_record_batch(found, schema)


class _WithoutBody:
    """A message for pyarrow, as a file: its header, then zeros.

    Attributes:
        body: bytes that were asked for beyond the header.
    """

    closed = False

    def __init__(self, header: memoryview) -> None:
        self._left = header
        self.body = 0

    def read(self, size: int = -1) -> bytes | memoryview:
        """The next bytes."""
        if self._left:
            found, self._left = bytes(self._left[:size]), self._left[size:]
            return found
        if not 0 <= size <= len(_ZEROS):
            # Fewer than it asks for: pyarrow refuses the message.
            return b""
        self.body += size
        return _ZEROS[:size]

    def readable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is not."""
        return False

    def seekable(self) -> bool:
        """It is not."""
        return False

    def close(self) -> None:
        """Does nothing."""
