"""Messages of an Arrow stream whose memory has holes: their positions and record counts.

pyarrow parses the messages. It cannot report where a message ends without the body, so it is
given the header with a body of zeros; the number of bytes that it asks for is the body's size.
Nothing in a record batch is trusted before its own body is available.

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
# Private, read-only memory: the kernel maps all of it to one page of zeros.
_ZEROS = memoryview(
    mmap.mmap(-1, MAX_SHARD_PLAINTEXT, mmap.MAP_PRIVATE, mmap.PROT_READ)
)
# What pyarrow raises for bytes that are not valid Arrow data.
ARROW_ERRORS = (pa.ArrowException, OSError, EOFError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class Header:
    """What a message declares before its body.

    Attributes:
        kind: pyarrow's name of the message type, such as "record batch".
        size: size of the whole message in bytes.
        rows: number of records in a record batch; None if only the body shows it, which is
            the case for compressed buffers.
        schema: the schema in a schema message.
    """

    kind: str
    size: int
    rows: int | None
    schema: pa.Schema | None = field(repr=False)


def metadata_size(prefix: memoryview) -> int:
    """Return the bytes of metadata after a message's prefix; 0 at the end of a stream.

    Raises:
        MalformedObject: it is not a message prefix.
    """
    continuation, size = _PREFIX.unpack(prefix)
    if continuation != _CONTINUATION or size < 0:
        raise MalformedObject("a shard's payload is not a well-formed Arrow stream")
    return int(size)


def read_header(header: memoryview, room: int, schema: pa.Schema | None) -> Header:
    """Parse a message's prefix and metadata, without its body.

    Args:
        header: prefix and metadata.
        room: number of bytes after the header within which the body must end.
        schema: the schema of the stream; None at its start.

    Raises:
        MalformedObject: the body would end beyond that.
        Exception: one of `ARROW_ERRORS`, if it is not valid Arrow metadata.
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
            # A compressed buffer does not begin with zeros.
            rows = None
    if message.type == "schema" and not shown.body:
        schema = pa.ipc.read_schema(message)
    return Header(message.type, len(header) + shown.body, rows, schema)


def read_batch(message: memoryview, schema: pa.Schema) -> pa.RecordBatch:
    """Return the record batch of a whole message, as a view of it; not validated.

    Raises:
        MalformedObject: it is another kind of message, or does not end at the right place.
        Exception: one of `ARROW_ERRORS`, if it is not valid Arrow data.
    """
    found = pa.ipc.read_message(pa.py_buffer(message))
    header = PREFIX_SIZE + metadata_size(message[:PREFIX_SIZE])
    if found.type != "record batch" or header + found.body.size != len(message):
        raise MalformedObject("a shard's index of record batches does not fit it")
    return pa.ipc.read_record_batch(found, schema)


class _WithoutBody:
    """A file-like message for pyarrow: its header, then zeros.

    Attributes:
        body: number of bytes requested beyond the header.
    """

    closed = False

    def __init__(self, header: memoryview) -> None:
        self._left = header
        self.body = 0

    def read(self, size: int = -1) -> bytes | memoryview:
        """Return the next bytes."""
        if self._left:
            found, self._left = bytes(self._left[:size]), self._left[size:]
            return found
        if not 0 <= size <= len(_ZEROS):
            # Return fewer bytes than requested: pyarrow then refuses the message.
            return b""
        self.body += size
        return _ZEROS[:size]

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return False."""
        return False

    def close(self) -> None:
        """Do nothing."""
