"""Identifies callers by their TLS certificates and enforces their rate limits."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealift_protocol.errors import MemberSuspended, NotAuthenticated, RelayBusy
from sealift_protocol.ids import Fingerprint
from sealift_relay.clock import unix_now
from sealift_relay.store.members import Member, Quota
from sealift_relay.store.metadata import Metadata, Stores

# How long an accepted caller is not looked up before its first message.
ACCEPTED_SECONDS = 60.0
_MAX_MEMBERS = 10_000


def certificate_digest(certificate: x509.Certificate) -> bytes:
    """The digest that identifies a certificate: SHA-256 of its DER, 32 bytes."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A caller that this process accepted, and when."""

    fingerprint: Fingerprint
    calls_a_minute: int
    at: float


class Callers:
    """Identifies callers, and refuses those that the relay does not serve."""

    def __init__(self, metadata: Metadata, default: Quota) -> None:
        self._metadata = metadata
        self._default = default
        self._accepted: dict[bytes, _Accepted] = {}
        self._buckets: dict[Fingerprint, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def member(self, context: grpc.ServicerContext) -> Member:
        """The member that makes a call. Metadata that the client sends is ignored.

        Raises:
            NotAuthenticated: the certificate was not issued here, has expired, or was revoked.
            MemberSuspended: the operator has suspended the member.
            RelayBusy: the member is over its rate limit.
        """
        with self.reading(context) as (member, _):
            return member

    @contextmanager
    def reading(
        self, context: grpc.ServicerContext, *, counted: bool = False
    ) -> Iterator[tuple[Member, Stores]]:
        """The member that makes a call, and the stores in the transaction that found it.

        Args:
            context: the call's context.
            counted: whether `expect` has counted the call towards the member's rate.

        Raises:
            NotAuthenticated, MemberSuspended, RelayBusy: as `member` does.
        """
        with self._metadata.reading() as seen:
            yield self._identify(context, seen, counted=counted), seen

    def expect(self, context: grpc.ServicerContext) -> None:
        """Refuses a caller before waiting for its first message, and counts the call.

        A call that sends nothing holds a thread until it times out, so a refused caller must
        not get that far. A caller that was accepted within the last minute is not looked up
        here: `reading` does it when the first message has arrived, in one transaction with
        what the message asks for.

        Raises:
            NotAuthenticated, MemberSuspended, RelayBusy: as `member` does.
        """
        with self._lock:
            accepted = self._accepted.get(_certificate(context))
        if accepted is None or time.monotonic() - accepted.at > ACCEPTED_SECONDS:
            self.member(context)
        else:
            self._take(accepted.fingerprint, accepted.calls_a_minute)

    def _identify(
        self, context: grpc.ServicerContext, seen: Stores, *, counted: bool
    ) -> Member:
        digest = _certificate(context)
        member = seen.members.of_certificate(digest, unix_now())
        if member is None or member.suspended:
            with self._lock:
                self._accepted.pop(digest, None)
        if member is None:
            raise NotAuthenticated("the relay does not accept this certificate")
        if member.suspended:
            raise MemberSuspended("the relay's operator has suspended this member")
        calls_a_minute = self.limits(member).calls_a_minute or 0
        if not counted:
            self._take(member.fingerprint, calls_a_minute)
        accepted = _Accepted(member.fingerprint, calls_a_minute, time.monotonic())
        with self._lock:
            if len(self._accepted) >= _MAX_MEMBERS:
                self._accepted.clear()
            self._accepted[digest] = accepted
        return member

    def limits(self, member: Member) -> Quota:
        """A member's limits, with the relay's default where it has none."""
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
        """Takes from a token bucket of a minute's calls; each relay process has its own."""
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


def _certificate(context: grpc.ServicerContext) -> bytes:
    """Digest of the caller's certificate."""
    pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
    if not isinstance(pem, bytes) or not pem:
        raise NotAuthenticated("the relay does not accept this certificate")
    return certificate_digest(x509.load_pem_x509_certificate(pem))
