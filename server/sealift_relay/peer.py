"""Who calls: the member that the verified TLS certificate was issued to, within its rate."""

from __future__ import annotations

import hashlib
import threading
import time

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealift_protocol.errors import MemberSuspended, NotAuthenticated, RelayBusy
from sealift_protocol.ids import Fingerprint
from sealift_relay.clock import unix_now
from sealift_relay.store.members import Member, Members, Quota

_MAX_MEMBERS = 10_000


def certificate_digest(certificate: x509.Certificate) -> bytes:
    """What a certificate is known by: SHA-256 of its DER, 32 bytes."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


class Callers:
    """Tells who calls, and refuses who may not."""

    def __init__(self, members: Members, default: Quota) -> None:
        self._members = members
        self._default = default
        self._buckets: dict[Fingerprint, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def member(self, context: grpc.ServicerContext) -> Member:
        """The member behind a call. Nothing that the client says in metadata is looked at.

        Raises:
            NotAuthenticated: the certificate was not issued here, has expired, or was revoked.
            MemberSuspended: the operator has suspended the member.
            RelayBusy: it calls more often than it may; clients try again a little later.
        """
        pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
        member = None
        if isinstance(pem, bytes) and pem:
            digest = certificate_digest(x509.load_pem_x509_certificate(pem))
            member = self._members.of_certificate(digest, unix_now())
        if member is None:
            raise NotAuthenticated("the relay does not accept this certificate")
        if member.suspended:
            raise MemberSuspended("the relay's operator has suspended this member")
        self._take(member.fingerprint, self.limits(member).calls_a_minute or 0)
        return member

    def limits(self, member: Member) -> Quota:
        """A member's limits, each its own or the relay's default."""
        own, default = member.quota, self._default
        return Quota(
            bytes=default.bytes if own.bytes is None else own.bytes,
            shards=default.shards if own.shards is None else own.shards,
            calls_a_minute=(
                default.calls_a_minute
                if own.calls_a_minute is None
                else own.calls_a_minute
            ),
        )

    def _take(self, member: Fingerprint, a_minute: int) -> None:
        """A token bucket that holds a minute's worth; each relay process counts for itself."""
        if not a_minute:
            return
        now = time.monotonic()
        with self._lock:
            if len(self._buckets) >= _MAX_MEMBERS:
                self._buckets.clear()
            left, since = self._buckets.get(member, (float(a_minute), now))
            left = min(float(a_minute), left + (now - since) * a_minute / 60)
            if left < 1:
                raise RelayBusy(
                    f"the member makes more than {a_minute} calls a minute",
                    hint="wait a minute, or ask the relay's operator for a larger quota",
                )
            self._buckets[member] = (left - 1, now)
