"""Segments on the wire without protobuf copies, wire-compatible with shards.proto.

A `PutRequest` or `GetResponse` with a segment is one length-delimited field. It is written as tag
and length before the segment, and read as a view of the received message. Every other message uses
the generated classes.
Source: protobuf encoding guide, "Message structure".
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError

from sealift_protocol.errors import MalformedObject
from sealift_protocol.v1 import shards_pb2

_M = TypeVar("_M", shards_pb2.PutRequest, shards_pb2.GetResponse)

_SEGMENT_TAG = (shards_pb2.GetResponse.SEGMENT_FIELD_NUMBER << 3) | 2
if (
    shards_pb2.PutRequest.SEGMENT_FIELD_NUMBER
    != shards_pb2.GetResponse.SEGMENT_FIELD_NUMBER
):
    raise ImportError(
        "shards.proto changed: the segment's field number differs by direction"
    )


def segment_prefix(size: int) -> bytes:
    """Return the tag and length before a segment of `size` bytes."""
    prefix = bytearray((_SEGMENT_TAG,))
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return bytes(prefix)


def segment_message(segment: bytes | bytearray | memoryview) -> bytes:
    """Return the serialised PutRequest or GetResponse with a segment."""
    return b"".join((segment_prefix(len(segment)), segment))


def parse_put(message: bytes) -> memoryview | shards_pb2.PutRequest:
    """Read a PutRequest: a view of its segment, or the parsed message of a head or tail.

    Raises:
        MalformedObject: the message is neither.
    """
    segment = _segment_view(message)
    return segment if segment is not None else _parse(shards_pb2.PutRequest(), message)


def parse_get(message: bytes) -> memoryview | shards_pb2.GetResponse:
    """Read a GetResponse: a view of its segment, or the parsed message of a head.

    Raises:
        MalformedObject: the message is neither.
    """
    segment = _segment_view(message)
    return segment if segment is not None else _parse(shards_pb2.GetResponse(), message)


def _segment_view(message: bytes) -> memoryview | None:
    """Return the segment of a message with only that field in its shortest form, else None."""
    if not message or message[0] != _SEGMENT_TAG:
        return None
    size = shift = 0
    for position in range(1, min(len(message), 6)):
        byte = message[position]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            start = position + 1
            return memoryview(message)[start:] if len(message) - start == size else None
    return None


def _parse(parsed: _M, message: bytes) -> memoryview | _M:
    try:
        parsed.ParseFromString(message)
    except DecodeError:
        raise MalformedObject(
            "a message of the segment stream cannot be parsed"
        ) from None
    part = parsed.WhichOneof("part")
    if part is None:
        raise MalformedObject("a message of the segment stream is empty")
    # Another encoder may write a segment in a longer form that is still valid.
    return memoryview(parsed.segment) if part == "segment" else parsed
