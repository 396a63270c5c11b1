"""Enrolment: exchanges one-time tokens for certificates, on a separate port."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from datetime import UTC, datetime

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealift_protocol.errors import RelayBusy, TokenRefused
from sealift_protocol.objects.cards import verify_membership_request
from sealift_protocol.v1 import enrolment_pb2, enrolment_pb2_grpc
from sealift_relay.ca import Authority, issue_member_certificate
from sealift_relay.clock import unix_now
from sealift_relay.log import log
from sealift_relay.peer import certificate_digest
from sealift_relay.store.members import IssuedCertificate, Member, Members, SignedCard

_MAX_ADDRESSES = 10_000


class Enrolment(enrolment_pb2_grpc.EnrolmentServicer):
    """The service sealift.v1.Enrolment."""

    def __init__(
        self,
        members: Members,
        authority: Authority,
        address: str,
        failures_a_minute: int,
    ) -> None:
        self._members = members
        self._authority = authority
        self._address = address
        self._failures = _FailureLimit(failures_a_minute)

    def GetAuthority(  # noqa: N802 - gRPC's name
        self, request: enrolment_pb2.GetAuthorityRequest, context: grpc.ServicerContext
    ) -> enrolment_pb2.GetAuthorityResponse:
        """The CA certificate, which the caller compares with its token."""
        return enrolment_pb2.GetAuthorityResponse(ca_certificate=self._authority.der)

    def Enrol(  # noqa: N802 - gRPC's name
        self, request: enrolment_pb2.EnrolRequest, context: grpc.ServicerContext
    ) -> enrolment_pb2.EnrolResponse:
        """Uses up a token; the same request sent again gets the same certificate."""
        caller = context.peer().rsplit(":", 1)[0]
        self._failures.check(caller)
        try:
            certificate = self._enrol(request)
        except TokenRefused:
            self._failures.count(caller)
            raise
        return enrolment_pb2.EnrolResponse(
            certificate=certificate, address=self._address, time=unix_now()
        )

    def _enrol(self, request: enrolment_pb2.EnrolRequest) -> bytes:
        asked = verify_membership_request(request.membership_request)
        # Only a digest of the secret is stored, and looked up by index: no comparison leaks it.
        secret_digest = hashlib.sha256(asked.token_secret).digest()
        invite, issued = self._members.find_invite(
            secret_digest, asked.digest, unix_now()
        )
        if issued is not None:
            return issued
        if asked.card.name != invite.name:
            raise TokenRefused("the enrolment token is for another name")
        certificate = issue_member_certificate(
            self._authority, asked.certificate_request, invite.name, datetime.now(UTC)
        )
        issued_now = issued_certificate(certificate)
        signed_card = asked.signed_card.SerializeToString()
        self._members.enrol(
            secret_digest,
            asked.digest,
            Member(asked.signer, invite.name, invite.role),
            issued_now,
            SignedCard(asked.card.version, asked.card.digest, signed_card),
            unix_now(),
        )
        log.info("enrol_member", role=invite.role)
        return issued_now.der


def issued_certificate(certificate: x509.Certificate) -> IssuedCertificate:
    """A certificate in the form that the relay stores."""
    return IssuedCertificate(
        der=certificate.public_bytes(Encoding.DER),
        digest=certificate_digest(certificate),
        not_after=int(certificate.not_valid_after_utc.timestamp()),
    )


class _FailureLimit:
    """Refuses an address that presented too many wrong tokens within a minute."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._failures: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def check(self, caller: str) -> None:
        """Refuses an address that is over the limit.

        Raises:
            RelayBusy: it is.
        """
        limit = time.monotonic() - 60
        with self._lock:
            recent = self._failures.get(caller, deque())
            while recent and recent[0] < limit:
                recent.popleft()
            if len(recent) >= self._a_minute:
                raise RelayBusy(
                    "too many wrong tokens came from this address", hint="wait a minute"
                )

    def count(self, caller: str) -> None:
        """Records a failure."""
        with self._lock:
            if len(self._failures) >= _MAX_ADDRESSES:
                self._failures.clear()
            self._failures.setdefault(caller, deque()).append(time.monotonic())
