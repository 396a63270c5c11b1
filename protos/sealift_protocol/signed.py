"""`Signed`: an envelope, verified before its payload is parsed (docs/spec/objects.md)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sealift_protocol.errors import (
    MalformedObject,
    SignatureInvalid,
    UnsupportedVersion,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.signatures import (
    PUBLIC_KEY_SIZES,
    SIGNATURE_SIZE,
    verify_signature,
)
from sealift_protocol.v1 import objects_pb2

CARD = "application/vnd.sealift.card.v1+protobuf"
COMMIT = "application/vnd.sealift.commit.v1+protobuf"
GRANT = "application/vnd.sealift.grant.v1+protobuf"
MEMBERSHIP_REQUEST = "application/vnd.sealift.membership-request.v1+protobuf"
REWRAP = "application/vnd.sealift.rewrap.v1+protobuf"
ENDORSEMENT = "application/vnd.sealift.endorsement.v1+protobuf"
SUCCESSION = "application/vnd.sealift.succession.v1+protobuf"
IDENTITY_REVOCATION = "application/vnd.sealift.identity-revocation.v1+protobuf"
DISCLOSURE = "application/vnd.sealift.disclosure.v1+protobuf"
ACCOUNTING = "application/vnd.sealift.accounting.v1+protobuf"
PURGE_RECEIPT = "application/vnd.sealift.purge-receipt.v1+protobuf"
DELETION_RECEIPT = "application/vnd.sealift.deletion-receipt.v1+protobuf"
PROBE = "application/vnd.sealift.probe.v1+protobuf"
PROBE_ANSWER = "application/vnd.sealift.probe-answer.v1+protobuf"
BILL_OF_MATERIALS = "application/vnd.sealift.bill-of-materials.v1+json"


@dataclass(frozen=True, slots=True)
class Verified:
    """A payload whose signature was checked.

    Attributes:
        payload: the bytes that were signed.
        signer: fingerprint of the identity that signed them.
        digest: object digest, 32 bytes.
    """

    payload: bytes
    signer: Fingerprint
    digest: bytes


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE protocol, version 1, "PAE"."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def object_digest(payload_type: str, payload: bytes, signer: bytes) -> bytes:
    """Return SHA-256 over the pre-authentication encoding and the signer's public key, 32 bytes.

    It does not depend on the envelope's serialisation, which protobuf does not fix.
    """
    return hashlib.sha256(
        pre_authentication_encoding(payload_type, payload) + signer
    ).digest()


def verify(signed: objects_pb2.Signed, payload_type: str) -> Verified:
    """Check an envelope's type and signature.

    Raises:
        MalformedObject: a field has the wrong size, or the type is that of another object.
        UnsupportedVersion: the type is that of the same object in an unknown version.
        SignatureInvalid: the signature does not verify.
    """
    if signed.payload_type != payload_type:
        _refuse_type(signed.payload_type, payload_type)
    if (
        len(signed.signer) not in PUBLIC_KEY_SIZES
        or len(signed.signature) != SIGNATURE_SIZE
    ):
        raise MalformedObject(
            f"the signature of a {_kind(payload_type)} has the wrong size"
        )
    message = pre_authentication_encoding(payload_type, signed.payload)
    try:
        verify_signature(signed.signer, message, signed.signature)
    except SignatureInvalid:
        raise SignatureInvalid(
            f"the signature of a {_kind(payload_type)} does not verify"
        ) from None
    return Verified(
        payload=signed.payload,
        signer=Fingerprint.of(signed.signer),
        digest=object_digest(payload_type, signed.payload, signed.signer),
    )


def _kind(payload_type: str) -> str:
    return payload_type.removeprefix("application/vnd.sealift.").split(".")[0]


def _refuse_type(received: str, wanted: str) -> None:
    if received.startswith(f"application/vnd.sealift.{_kind(wanted)}."):
        raise UnsupportedVersion(f"a {_kind(wanted)} has an unknown version")
    raise MalformedObject(
        f"an object that should be a {_kind(wanted)} is of another type"
    )
