"""What members declare beside commits and grants, as typed data: verified first, parsed after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from sealift_protocol import signed as envelope
from sealift_protocol.errors import InvalidArgument, MalformedObject
from sealift_protocol.ids import ID_SIZE, Fingerprint, check_name
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.objects import MAX_PURPOSE, WrapSuite, parse_message
from sealift_protocol.signatures import check_public_key
from sealift_protocol.v1 import objects_pb2

PROBE_SIZE = 1024
MAX_REASON = 256
_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True, slots=True)
class Rewrap:
    """A granted epoch key under a newer key of its recipient, who signed this."""

    grant: bytes
    dataset_id: bytes
    key_id: bytes
    suite: WrapSuite
    wrapped_key: bytes
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class Endorsement:
    """An organisation (the signer) vouches for a member's identity."""

    member: Fingerprint
    name: str
    time: int
    not_after: int
    signer: Fingerprint
    digest: bytes

    def live_at(self, time: int) -> bool:
        """Whether the organisation vouches at that Unix time."""
        return time < self.not_after


@dataclass(frozen=True, slots=True)
class Succession:
    """An identity (the signer) names the one that takes its place."""

    name: str
    successor: Fingerprint
    time: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class IdentityRevocation:
    """An identity (the signer) declares itself void."""

    name: str
    time: int
    reason: str
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A member (the signer) fetches shards; an empty `shard_ids` means all that are live."""

    dataset_id: bytes
    number: int
    commit: bytes
    shard_ids: frozenset[bytes]
    shard_count: int
    purpose: str
    time: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class Accounting:
    """An author (the signer) asks for a dataset's account."""

    dataset_id: bytes
    time: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class PurgeReceipt:
    """A member (the signer) confirms that copies of erased records are gone."""

    dataset_id: bytes
    number: int
    commit: bytes
    time: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """The relay confirms what it destroyed."""

    dataset_id: bytes
    commit: bytes
    shards: int
    size: int
    grants: int
    time: int
    signer: Fingerprint


@dataclass(frozen=True, slots=True)
class Probe:
    """A sealed kibibyte for one recipient."""

    recipient: Fingerprint
    key_id: bytes
    suite: WrapSuite
    wrapped_key: bytes
    sealed: bytes
    time: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The recipient of a probe (the signer) shows what it opened."""

    probe: bytes
    opened: bytes
    time: int
    signer: Fingerprint
    digest: bytes


def verify_rewrap(signed: objects_pb2.Signed) -> Rewrap:
    """Verifies and parses a rewrap.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(signed, envelope.REWRAP, objects_pb2.Rewrap)
    _check_size(message.grant, DIGEST_SIZE, "a rewrapped grant's digest")
    _check_size(message.dataset_id, ID_SIZE, "a rewrap's dataset id")
    _check_size(message.key_id, ID_SIZE, "a rewrap's key id")
    return Rewrap(
        grant=message.grant,
        dataset_id=message.dataset_id,
        key_id=message.key_id,
        suite=WrapSuite.parse(message.suite),
        wrapped_key=message.wrapped_key,
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_endorsement(signed: objects_pb2.Signed) -> Endorsement:
    """Verifies and parses an endorsement; whether its signer may endorse is the reader's business.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(signed, envelope.ENDORSEMENT, objects_pb2.Endorsement)
    return Endorsement(
        member=_fingerprint(message.member, "an endorsed member"),
        name=_name(message.name),
        time=_time(message.time),
        not_after=_time(message.not_after),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_succession(signed: objects_pb2.Signed) -> Succession:
    """Verifies and parses a succession.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(signed, envelope.SUCCESSION, objects_pb2.Succession)
    check_public_key(message.successor)
    return Succession(
        name=_name(message.name),
        successor=Fingerprint.of(message.successor),
        time=_time(message.time),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_identity_revocation(signed: objects_pb2.Signed) -> IdentityRevocation:
    """Verifies and parses an identity revocation.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    kind = envelope.IDENTITY_REVOCATION
    message, verified = _open(signed, kind, objects_pb2.IdentityRevocation)
    if len(message.reason.encode()) > MAX_REASON:
        raise MalformedObject(f"a revocation's reason has more than {MAX_REASON} bytes")
    return IdentityRevocation(
        name=_name(message.name),
        time=_time(message.time),
        reason=message.reason,
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_disclosure(signed: objects_pb2.Signed) -> Disclosure:
    """Verifies and parses a disclosure.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(signed, envelope.DISCLOSURE, objects_pb2.Disclosure)
    _check_size(message.dataset_id, ID_SIZE, "a disclosure's dataset id")
    _check_size(message.commit, DIGEST_SIZE, "a disclosure's commit digest")
    _check_size(message.nonce, ID_SIZE, "a disclosure's nonce")
    if len(message.shard_ids) % ID_SIZE:
        raise MalformedObject("a disclosure's shard ids are not whole")
    ids = frozenset(
        message.shard_ids[i : i + ID_SIZE]
        for i in range(0, len(message.shard_ids), ID_SIZE)
    )
    if ids and len(ids) != message.shard_count:
        raise MalformedObject(
            "a disclosure names another number of shards than it counts"
        )
    if len(message.purpose.encode()) > MAX_PURPOSE:
        raise MalformedObject(
            f"a disclosure's purpose has more than {MAX_PURPOSE} bytes"
        )
    return Disclosure(
        dataset_id=message.dataset_id,
        number=message.number,
        commit=message.commit,
        shard_ids=ids,
        shard_count=message.shard_count,
        purpose=message.purpose,
        time=_time(message.time),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_accounting(signed: objects_pb2.Signed) -> Accounting:
    """Verifies and parses an accounting.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(signed, envelope.ACCOUNTING, objects_pb2.Accounting)
    _check_size(message.dataset_id, ID_SIZE, "an accounting's dataset id")
    _check_size(message.nonce, ID_SIZE, "an accounting's nonce")
    return Accounting(
        message.dataset_id, _time(message.time), verified.signer, verified.digest
    )


def verify_purge_receipt(signed: objects_pb2.Signed) -> PurgeReceipt:
    """Verifies and parses a purge receipt.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(signed, envelope.PURGE_RECEIPT, objects_pb2.PurgeReceipt)
    _check_size(message.dataset_id, ID_SIZE, "a purge receipt's dataset id")
    _check_size(message.commit, DIGEST_SIZE, "a purge receipt's commit digest")
    return PurgeReceipt(
        dataset_id=message.dataset_id,
        number=message.number,
        commit=message.commit,
        time=_time(message.time),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_deletion_receipt(signed: objects_pb2.Signed) -> DeletionReceipt:
    """Verifies and parses a deletion receipt.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(
        signed, envelope.DELETION_RECEIPT, objects_pb2.DeletionReceipt
    )
    _check_size(message.dataset_id, ID_SIZE, "a deletion receipt's dataset id")
    _check_size(message.commit, DIGEST_SIZE, "a deletion receipt's commit digest")
    return DeletionReceipt(
        dataset_id=message.dataset_id,
        commit=message.commit,
        shards=message.shards,
        size=message.bytes,
        grants=message.grants,
        time=_time(message.time),
        signer=verified.signer,
    )


def verify_probe(signed: objects_pb2.Signed) -> Probe:
    """Verifies and parses a probe.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(signed, envelope.PROBE, objects_pb2.Probe)
    _check_size(message.key_id, ID_SIZE, "a probe's key id")
    return Probe(
        recipient=_fingerprint(message.recipient, "a probe's recipient"),
        key_id=message.key_id,
        suite=WrapSuite.parse(message.suite),
        wrapped_key=message.wrapped_key,
        sealed=message.sealed,
        time=_time(message.time),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_probe_answer(signed: objects_pb2.Signed) -> ProbeAnswer:
    """Verifies and parses an answer to a probe.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = _open(signed, envelope.PROBE_ANSWER, objects_pb2.ProbeAnswer)
    _check_size(message.probe, DIGEST_SIZE, "a probe's digest")
    return ProbeAnswer(
        message.probe,
        message.opened,
        _time(message.time),
        verified.signer,
        verified.digest,
    )


def _open(
    signed: objects_pb2.Signed, payload_type: str, kind: Callable[[], _M]
) -> tuple[_M, envelope.Verified]:
    verified = envelope.verify(signed, payload_type)
    return parse_message(kind, verified.payload), verified


def _name(name: str) -> str:
    try:
        return check_name(name)
    except InvalidArgument as error:
        raise MalformedObject(
            f"a statement's name is not allowed: {error.what}"
        ) from None


def _time(time: int) -> int:
    if time < 0:
        raise MalformedObject("a time is out of range")
    return time


def _fingerprint(digest: bytes, what: str) -> Fingerprint:
    _check_size(digest, DIGEST_SIZE, what)
    return Fingerprint(digest)


def _check_size(field: bytes, size: int, what: str) -> None:
    if len(field) != size:
        raise MalformedObject(f"{what} has {len(field)} bytes instead of {size}")
