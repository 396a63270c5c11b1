"""The account of disclosures: declared before any data is sent, reported with proofs.

Source: 45 CFR 164.528 (an accounting states date, recipient, content, purpose).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from sealift.crypto.signing import Identity
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.process.clock import Clock, unix
from sealift.process.layouts import FileStruct, Layout
from sealift.relay.transport import RelayClient
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    DisclosureMissing,
    LogInvalid,
    MalformedObject,
    NotInLog,
)
from sealift_protocol.ids import ID_SIZE, Fingerprint
from sealift_protocol.logentry import Kind, LogEntry
from sealift_protocol.merkle import verify_inclusion
from sealift_protocol.notes import VerifierKey, parse_note, verify_checkpoint
from sealift_protocol.objects.accounting import (
    Disclosure,
    PurgeReceipt,
    verify_accounting,
    verify_disclosure,
    verify_purge_receipt,
)
from sealift_protocol.v1 import datasets_pb2, objects_pb2

_REPORT_VERSION = 1


@dataclass(frozen=True, slots=True)
class DisclosureLine:
    """One disclosure, as the log has it.

    Attributes:
        disclosure: signed by the member who fetched.
        signed: the same, as received.
        entry: the log entry.
        index: its position in the log.
        hashes: its inclusion proof for the account's checkpoint.
    """

    disclosure: Disclosure
    signed: objects_pb2.Signed
    entry: LogEntry
    index: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """All disclosures of a dataset up to the time of the request.

    Attributes:
        dataset_id: 16 bytes.
        lines: the disclosures in log order.
        purges: receipts of members who purged copies of erased records.
        checkpoint: the log's signed checkpoint that all proofs refer to.
        entries: number of log entries of the dataset.
    """

    dataset_id: bytes
    lines: tuple[DisclosureLine, ...]
    purges: tuple[PurgeReceipt, ...]
    checkpoint: bytes
    entries: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """What is about to be fetched, and for what purpose.

    Attributes:
        dataset_id: 16 bytes.
        number: number of the opened commit.
        commit: its object digest.
        shard_count: number of live shards at that commit.
        purpose: the purpose; every reader of the log sees it.
    """

    dataset_id: bytes
    number: int
    commit: bytes
    shard_count: int
    purpose: str

    @classmethod
    def of(cls, opened: OpenedDataset, purpose: str) -> Self:
        """Return the fetch of an opened dataset."""
        head = opened.history.head
        return cls(
            opened.dataset_id, head.number, head.digest, len(opened.shards), purpose
        )


def declare(
    relay: RelayClient,
    identity: Identity,
    now: Clock,
    fetch: Fetch,
    *,
    shard_ids: Sequence[bytes] = (),
) -> bytes:
    """Sign and log what is about to be fetched; return the disclosure's object digest.

    Args:
        relay: the relay that logs it.
        identity: the member who fetches.
        now: the clock.
        fetch: what is fetched.
        shard_ids: which shards; by default all live ones.
    """
    disclosure = objects_pb2.Disclosure(
        dataset_id=fetch.dataset_id,
        number=fetch.number,
        commit=fetch.commit,
        shard_ids=b"".join(shard_ids),
        shard_count=len(shard_ids) or fetch.shard_count,
        purpose=fetch.purpose,
        time=unix(now),
        nonce=secrets.token_bytes(ID_SIZE),
    )
    signed = identity.sign(envelope.DISCLOSURE, disclosure.SerializeToString())
    relay.disclose(signed)
    return verify_disclosure(signed).digest


def disclose(
    member: Member,
    opened: OpenedDataset,
    *,
    purpose: str,
    shard_ids: Sequence[bytes] = (),
) -> bytes:
    """Like `declare`, for an opened dataset."""
    fetch = Fetch.of(opened, purpose)
    return declare(
        member.relay, member.identity, member.now, fetch, shard_ids=shard_ids
    )


def confirm_purge(
    member: Member, dataset_id: bytes, number: int, commit: bytes
) -> None:
    """Sign and log that the local copies of records that a commit erased are purged."""
    receipt = objects_pb2.PurgeReceipt(
        dataset_id=dataset_id, number=number, commit=commit, time=unix(member.now)
    )
    member.relay.confirm_purge(
        member.identity.sign(envelope.PURGE_RECEIPT, receipt.SerializeToString())
    )


def account(member: Member, dataset_id: bytes) -> Account:
    """Request every disclosure of a dataset, and check that none is missing or invented.

    The request itself is logged: its sequence number gives the number of entries before it,
    so the relay can omit none of them, not even the last.

    Raises:
        DisclosureMissing: an entry is missing, or has no valid signature.
        NotInLog, LogInvalid: an entry is not in the log.
    """
    asked = objects_pb2.Accounting(
        dataset_id=dataset_id, time=unix(member.now), nonce=secrets.token_bytes(ID_SIZE)
    )
    signed = member.identity.sign(envelope.ACCOUNTING, asked.SerializeToString())
    responses = member.relay.account(signed)
    entries = [LogEntry.unpack(response.entry) for response in responses]
    _check_complete(entries, dataset_id, verify_accounting(signed).digest)
    logged = member.log.check((e.kind, e.digest, dataset_id) for e in entries)
    lines: list[DisclosureLine] = []
    purges: list[PurgeReceipt] = []
    for response, entry, proof in zip(responses, entries, logged, strict=True):
        if proof.entry != entry or proof.index != response.index:
            raise DisclosureMissing("the relay's account differs from its log")
        if entry.kind is Kind.DISCLOSURE:
            disclosure = _matching(response, entry)
            lines.append(
                DisclosureLine(
                    disclosure, response.object, entry, proof.index, proof.hashes
                )
            )
        elif entry.kind is Kind.PURGE_RECEIPT:
            receipt = verify_purge_receipt(response.object)
            if receipt.digest != entry.digest:
                raise DisclosureMissing(
                    "a purge receipt is not the one that was logged"
                )
            purges.append(receipt)
    checkpoint = bytes(logged[0].note)
    return Account(dataset_id, tuple(lines), tuple(purges), checkpoint, len(entries))


class _ReportLine(FileStruct, frozen=True):
    time: int
    recipient: str
    fingerprint: str
    purpose: str
    commit: int
    shards: int
    signed: str
    entry: str
    index: int
    proof: tuple[str, ...]


class _Report(FileStruct, frozen=True):
    version: int
    dataset_id: str
    log_key: str
    checkpoint: str
    disclosures: tuple[_ReportLine, ...]


_REPORT = Layout(
    "the report of disclosures",
    {_REPORT_VERSION: _Report},
    MalformedObject,
    "ask its author for it again",
)


def write_report(
    account: Account,
    lines: Sequence[DisclosureLine],
    names: dict[Fingerprint, str],
    log_key: str,
) -> dict[str, Any]:
    """Write a report as a JSON document that `verify_report` checks offline."""
    return {
        "version": _REPORT_VERSION,
        "dataset_id": account.dataset_id.hex(),
        "log_key": log_key,
        "checkpoint": account.checkpoint.decode(),
        "disclosures": [
            {
                "time": line.disclosure.time,
                "recipient": names.get(line.disclosure.signer, ""),
                "fingerprint": str(line.disclosure.signer),
                "purpose": line.disclosure.purpose,
                "commit": line.disclosure.number,
                "shards": line.disclosure.shard_count,
                "signed": line.signed.SerializeToString().hex(),
                "entry": line.entry.pack().hex(),
                "index": line.index,
                "proof": [item.hex() for item in line.hashes],
            }
            for line in lines
        ],
    }


def verify_report(content: str, log_key: VerifierKey | None) -> list[Disclosure]:
    """Check a report without a relay: signatures, log entries, proofs.

    Args:
        content: the JSON document that `write_report` made.
        log_key: the key of the log it must come from; None for the log that it names.

    Raises:
        MalformedObject: it is not a report.
        LogInvalid, NotInLog, VerificationError: a line is not what was signed and logged.
    """
    report = _REPORT.read_json(content)
    try:
        key = log_key or VerifierKey.parse(report.log_key)
        dataset_id = bytes.fromhex(report.dataset_id)
        note = report.checkpoint.encode()
        lines = [
            (
                line,
                bytes.fromhex(line.signed),
                bytes.fromhex(line.entry),
                line.index,
                [bytes.fromhex(item) for item in line.proof],
            )
            for line in report.disclosures
        ]
    except ValueError:
        raise _REPORT.refused("it has text that is not hexadecimal") from None
    checkpoint = verify_checkpoint(parse_note(note), key)
    verified = []
    for shown, signed, packed, index, hashes in lines:
        disclosure = verify_disclosure(objects_pb2.Signed.FromString(signed))
        entry = LogEntry.unpack(packed)
        verify_inclusion(packed, index, checkpoint.size, hashes, checkpoint.root)
        if (entry.kind, entry.digest, entry.dataset_id) != (
            Kind.DISCLOSURE,
            disclosure.digest,
            dataset_id,
        ):
            raise NotInLog("a line of the report is not the disclosure that was logged")
        if _shown(shown) != (
            disclosure.time,
            str(disclosure.signer),
            disclosure.purpose,
            disclosure.number,
            disclosure.shard_count,
        ):
            raise LogInvalid("a line of the report differs from what was signed")
        verified.append(disclosure)
    return verified


def _shown(line: _ReportLine) -> tuple[int, str, str, int, int]:
    return line.time, line.fingerprint, line.purpose, line.commit, line.shards


def _check_complete(
    entries: Sequence[LogEntry], dataset_id: bytes, asked: bytes
) -> None:
    if any(entry.dataset_id != dataset_id for entry in entries):
        raise DisclosureMissing("the relay's account has entries of another dataset")
    if [entry.sequence for entry in entries] != list(range(len(entries))):
        raise DisclosureMissing("the relay's account of the dataset has a gap")
    if not entries or (entries[-1].kind, entries[-1].digest) != (
        Kind.ACCOUNTING,
        asked,
    ):
        raise DisclosureMissing(
            "the relay's account ends before the request was logged"
        )


def _matching(response: datasets_pb2.AccountResponse, entry: LogEntry) -> Disclosure:
    if not response.HasField("object"):
        raise DisclosureMissing(
            "the relay's account has a disclosure without a valid signature"
        )
    disclosure = verify_disclosure(response.object)
    if disclosure.digest != entry.digest:
        raise DisclosureMissing("a disclosure is not the one that was logged")
    return disclosure
