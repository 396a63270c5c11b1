"""Grants of epoch keys to recipients, and rewraps of granted keys.

Each object is verified before it is parsed (docs/spec/objects.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from sealift_protocol import signed as envelope
from sealift_protocol.errors import MalformedObject, WrongSigner
from sealift_protocol.ids import ID_SIZE, Fingerprint
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.objects.cards import WrapSuite
from sealift_protocol.objects.commits import GrantEntry
from sealift_protocol.objects.parsing import (
    MAX_PURPOSE,
    check_size,
    open_signed,
    parse_fingerprint,
    parse_message,
)
from sealift_protocol.v1 import objects_pb2

_GRANT_CONTEXT = b"sealift/1 grant"


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """A grant without its wrapped key: the context that the wrap is bound to."""

    dataset_id: bytes
    key_epoch: int
    grantor: Fingerprint
    recipient: Fingerprint
    key_id: bytes
    suite: WrapSuite
    not_before: int
    not_after: int
    purpose: str

    def context(self) -> bytes:
        """The wrap's `info`: each term at a fixed position (docs/spec/objects.md)."""
        purpose = self.purpose.encode()
        return b"".join(
            (
                _GRANT_CONTEXT,
                self.dataset_id,
                self.key_epoch.to_bytes(8, "big"),
                self.grantor.digest,
                self.recipient.digest,
                self.key_id,
                bytes([self.suite]),
                self.not_before.to_bytes(8, "big"),
                self.not_after.to_bytes(8, "big"),
                len(purpose).to_bytes(4, "big"),
                purpose,
            )
        )

    def live_at(self, time: int) -> bool:
        """Whether the grant is valid at that Unix time."""
        return self.not_before <= time and (
            self.not_after == 0 or time < self.not_after
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """A verified grant."""

    terms: GrantTerms
    wrapped_key: bytes
    signer: Fingerprint
    digest: bytes

    def entry(self) -> GrantEntry:
        """The entry that names the grant in a commit."""
        terms = self.terms
        return GrantEntry(
            self.digest,
            terms.recipient,
            terms.key_epoch,
            terms.not_before,
            terms.not_after,
        )


@dataclass(frozen=True, slots=True)
class Rewrap:
    """A granted epoch key under a newer key of its recipient (the signer)."""

    grant: bytes
    dataset_id: bytes
    key_id: bytes
    suite: WrapSuite
    wrapped_key: bytes
    signer: Fingerprint
    digest: bytes


def verify_grant(signed: objects_pb2.Signed) -> Grant:
    """Verifies and parses a grant; the grantor that it names must have signed it.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    verified = envelope.verify(signed, envelope.GRANT)
    message = parse_message(objects_pb2.Grant, verified.payload)
    check_size(message.dataset_id, ID_SIZE, "a grant's dataset id")
    check_size(message.key_id, ID_SIZE, "a grant's key id")
    if message.key_epoch < 1 or message.not_before < 0 or message.not_after < 0:
        raise MalformedObject("a grant's key epoch or times are out of range")
    if len(message.purpose.encode()) > MAX_PURPOSE:
        raise MalformedObject(f"a grant's purpose has more than {MAX_PURPOSE} bytes")
    terms = GrantTerms(
        dataset_id=message.dataset_id,
        key_epoch=message.key_epoch,
        grantor=parse_fingerprint(message.grantor, "a grant's grantor"),
        recipient=parse_fingerprint(message.recipient, "a grant's recipient"),
        key_id=message.key_id,
        suite=WrapSuite.parse(message.suite),
        not_before=message.not_before,
        not_after=message.not_after,
        purpose=message.purpose,
    )
    if terms.grantor != verified.signer:
        raise WrongSigner("a grant is not signed by the grantor that it names")
    return Grant(terms, message.wrapped_key, verified.signer, verified.digest)


def verify_rewrap(signed: objects_pb2.Signed) -> Rewrap:
    """Verifies and parses a rewrap.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(signed, envelope.REWRAP, objects_pb2.Rewrap)
    check_size(message.grant, DIGEST_SIZE, "a rewrapped grant's digest")
    check_size(message.dataset_id, ID_SIZE, "a rewrap's dataset id")
    check_size(message.key_id, ID_SIZE, "a rewrap's key id")
    return Rewrap(
        grant=message.grant,
        dataset_id=message.dataset_id,
        key_id=message.key_id,
        suite=WrapSuite.parse(message.suite),
        wrapped_key=message.wrapped_key,
        signer=verified.signer,
        digest=verified.digest,
    )
