"""Shared by the parsers of signed objects.

Each object is verified before it is parsed (docs/spec/objects.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from sealift_protocol import signed as envelope
from sealift_protocol.errors import InvalidArgument, MalformedObject
from sealift_protocol.ids import Fingerprint, check_name
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.v1 import objects_pb2

_M = TypeVar("_M", bound=Message)
MAX_PURPOSE = 256


def parse_message(kind: Callable[[], _M], data: bytes) -> _M:
    """Parses a protobuf message.

    Raises:
        MalformedObject: the bytes are not such a message.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise MalformedObject(f"a {message.DESCRIPTOR.name} cannot be parsed") from None
    return message


def open_signed(
    signed: objects_pb2.Signed, payload_type: str, kind: Callable[[], _M]
) -> tuple[_M, envelope.Verified]:
    """Verifies an envelope and parses its payload.

    Args:
        signed: the envelope, as received.
        payload_type: the only type that is accepted.
        kind: the type of message in its payload.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    verified = envelope.verify(signed, payload_type)
    return parse_message(kind, verified.payload), verified


def parse_name(name: str) -> str:
    """Returns a member's name from a statement.

    Raises:
        MalformedObject: no member may have that name.
    """
    try:
        return check_name(name)
    except InvalidArgument as error:
        raise MalformedObject(
            f"a statement's name is not allowed: {error.what}"
        ) from None


def parse_time(time: int) -> int:
    """Returns Unix seconds from a message.

    Raises:
        MalformedObject: they are negative.
    """
    if time < 0:
        raise MalformedObject("a time is out of range")
    return time


def parse_fingerprint(digest: bytes, what: str) -> Fingerprint:
    """Returns a fingerprint from a message; `what` names the field.

    Raises:
        MalformedObject: it does not have 32 bytes.
    """
    check_size(digest, DIGEST_SIZE, what)
    return Fingerprint(digest)


def check_size(field: bytes, size: int, what: str) -> None:
    """Checks how many bytes a field has; `what` names the field.

    Raises:
        MalformedObject: it has another size.
    """
    if len(field) != size:
        raise MalformedObject(f"{what} has {len(field)} bytes instead of {size}")
