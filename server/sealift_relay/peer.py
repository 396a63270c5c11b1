"""Who calls: the member that the verified TLS certificate was issued to."""

from __future__ import annotations

import hashlib

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealift_protocol.errors import NotAuthenticated
from sealift_relay.clock import unix_now
from sealift_relay.store.metadata import Member, Metadata


def certificate_digest(certificate: x509.Certificate) -> bytes:
    """What a certificate is known by: SHA-256 of its DER, 32 bytes."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


def calling_member(context: grpc.ServicerContext, metadata: Metadata) -> Member:
    """The member behind a call. Nothing that the client says in metadata is looked at.

    Raises:
        NotAuthenticated: the certificate was not issued here, has expired, or was revoked.
    """
    pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
    member = None
    if isinstance(pem, bytes) and pem:
        digest = certificate_digest(x509.load_pem_x509_certificate(pem))
        member = metadata.member_of_certificate(digest, unix_now())
    if member is None:
        raise NotAuthenticated("the relay does not accept this certificate")
    return member
