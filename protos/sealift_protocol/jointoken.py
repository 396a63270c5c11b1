"""The text form of an enrolment token (docs/spec/objects.md)."""

from __future__ import annotations

import base64
import binascii

from google.protobuf.message import DecodeError

from sealift_protocol.errors import InvalidArgument
from sealift_protocol.v1 import objects_pb2

_PREFIX = "sealift-join-1."
_CA_FINGERPRINT_SIZE = 32
_LOG_KEY_SIZE = 32


def format_token(token: objects_pb2.JoinToken) -> str:
    """Returns the text that an operator sends to a future member."""
    body = base64.urlsafe_b64encode(token.SerializeToString()).decode().rstrip("=")
    return _PREFIX + body


def parse_token(text: str) -> objects_pb2.JoinToken:
    """Parses the text of a token; white space is ignored.

    Raises:
        InvalidArgument: the text is not a complete token.
    """
    compact = "".join(text.split())
    body = compact.removeprefix(_PREFIX)
    token = objects_pb2.JoinToken()
    try:
        token.ParseFromString(
            base64.b64decode(
                body + "=" * (-len(body) % 4), altchars=b"-_", validate=True
            )
        )
    except (binascii.Error, DecodeError):
        raise _not_whole() from None
    sizes = (len(token.ca_fingerprint), len(token.log_key))
    if (
        not compact.startswith(_PREFIX)
        or not (token.address and token.secret)
        or sizes != (_CA_FINGERPRINT_SIZE, _LOG_KEY_SIZE)
    ):
        raise _not_whole()
    return token


def _not_whole() -> InvalidArgument:
    return InvalidArgument(
        "this is not a complete enrolment token",
        hint=f"copy all that the operator sent; it begins with {_PREFIX}",
    )
