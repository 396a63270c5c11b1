"""Presenting a one-time token to a relay, of which only the CA's fingerprint is known."""

from __future__ import annotations

import hashlib

import grpc

from sealift.keystore.tlskeys import (
    certificate_as_pem,
    check_server,
    server_certificate,
)
from sealift.process.clock import Clock, utc_now
from sealift.relay.connections import OPTIONS
from sealift.relay.transport import CONTROL_SECONDS, retry
from sealift_protocol.errors import RelayUntrusted
from sealift_protocol.v1 import enrolment_pb2, enrolment_pb2_grpc, objects_pb2


def enrol(
    address: str,
    ca_fingerprint: bytes,
    membership_request: objects_pb2.Signed,
    *,
    now: Clock = utc_now,
) -> tuple[bytes, bytes, enrolment_pb2.EnrolResponse]:
    """Present a token; return the CA certificate (PEM), own certificate (PEM) and response.

    Before the token is sent, the server's certificate is checked against the CA certificate, and
    the CA certificate against the fingerprint in the token.

    Raises:
        RelayUntrusted: the server is not the one that the token names.
        TokenRefused: the relay does not accept the token.
    """
    leaf = server_certificate(address)
    with grpc.secure_channel(
        address, grpc.ssl_channel_credentials(leaf), OPTIONS
    ) as channel:
        stub = enrolment_pb2_grpc.EnrolmentStub(channel)
        authority = retry(
            lambda: (
                stub.GetAuthority(
                    enrolment_pb2.GetAuthorityRequest(), timeout=CONTROL_SECONDS
                ).ca_certificate
            )
        )
    if hashlib.sha256(authority).digest() != ca_fingerprint:
        raise RelayUntrusted("the server's CA is not the one that the token names")
    authority_pem = certificate_as_pem(authority)
    check_server(leaf, authority_pem, now())
    credentials = grpc.ssl_channel_credentials(authority_pem)
    with grpc.secure_channel(address, credentials, OPTIONS) as channel:
        stub = enrolment_pb2_grpc.EnrolmentStub(channel)
        request = enrolment_pb2.EnrolRequest(membership_request=membership_request)
        response = retry(lambda: stub.Enrol(request, timeout=CONTROL_SECONDS))
    return authority_pem, certificate_as_pem(response.certificate), response
