"""Statements about the use of data: disclosures, accountings, receipts.

Each object is verified before it is parsed (docs/spec/objects.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from sealift_protocol import signed as envelope
from sealift_protocol.errors import MalformedObject
from sealift_protocol.ids import ID_SIZE, Fingerprint
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.objects.parsing import (
    MAX_PURPOSE,
    check_size,
    open_signed,
    parse_time,
)
from sealift_protocol.v1 import objects_pb2


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A member (the signer) fetches shards; an empty `shard_ids` means all live shards."""

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


def verify_disclosure(signed: objects_pb2.Signed) -> Disclosure:
    """Verifies and parses a disclosure.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(signed, envelope.DISCLOSURE, objects_pb2.Disclosure)
    check_size(message.dataset_id, ID_SIZE, "a disclosure's dataset id")
    check_size(message.commit, DIGEST_SIZE, "a disclosure's commit digest")
    check_size(message.nonce, ID_SIZE, "a disclosure's nonce")
    if len(message.shard_ids) % ID_SIZE:
        raise MalformedObject("a disclosure's last shard id is incomplete")
    ids = frozenset(
        message.shard_ids[i : i + ID_SIZE]
        for i in range(0, len(message.shard_ids), ID_SIZE)
    )
    if ids and len(ids) != message.shard_count:
        raise MalformedObject("a disclosure's shard count differs from its shard ids")
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
        time=parse_time(message.time),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_accounting(signed: objects_pb2.Signed) -> Accounting:
    """Verifies and parses an accounting.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(signed, envelope.ACCOUNTING, objects_pb2.Accounting)
    check_size(message.dataset_id, ID_SIZE, "an accounting's dataset id")
    check_size(message.nonce, ID_SIZE, "an accounting's nonce")
    return Accounting(
        message.dataset_id, parse_time(message.time), verified.signer, verified.digest
    )


def verify_purge_receipt(signed: objects_pb2.Signed) -> PurgeReceipt:
    """Verifies and parses a purge receipt.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(
        signed, envelope.PURGE_RECEIPT, objects_pb2.PurgeReceipt
    )
    check_size(message.dataset_id, ID_SIZE, "a purge receipt's dataset id")
    check_size(message.commit, DIGEST_SIZE, "a purge receipt's commit digest")
    return PurgeReceipt(
        dataset_id=message.dataset_id,
        number=message.number,
        commit=message.commit,
        time=parse_time(message.time),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_deletion_receipt(signed: objects_pb2.Signed) -> DeletionReceipt:
    """Verifies and parses a deletion receipt.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(
        signed, envelope.DELETION_RECEIPT, objects_pb2.DeletionReceipt
    )
    check_size(message.dataset_id, ID_SIZE, "a deletion receipt's dataset id")
    check_size(message.commit, DIGEST_SIZE, "a deletion receipt's commit digest")
    return DeletionReceipt(
        dataset_id=message.dataset_id,
        commit=message.commit,
        shards=message.shards,
        size=message.bytes,
        grants=message.grants,
        time=parse_time(message.time),
        signer=verified.signer,
    )
