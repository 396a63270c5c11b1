"""Audit the whole log: recompute every hash, verify every object this member may see.

Source: RFC 6962 section 5.3 (monitors), C2SP tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sealift.history.member import Member
from sealift_protocol import signed as envelope
from sealift_protocol.errors import LogInvalid
from sealift_protocol.logentry import NO_DATASET, Kind, LogEntry
from sealift_protocol.merkle import HASH_SIZE, TILE_WIDTH, leaf_hash, tree_root
from sealift_protocol.objects.commits import verify_commit
from sealift_protocol.v1 import objects_pb2

_ENTRIES_A_CALL = 4096
_DESTROYED_WITH_THEIR_DATASET = (Kind.GRANT, Kind.REWRAP)


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit verified.

    Attributes:
        size: number of entries in the log.
        root: root hash of the log, 32 bytes.
        witnesses: number of signatures on the checkpoint besides the log's own.
        kinds: number of objects of each kind; empty if only hashes were audited.
        destroyed: number of grants and rewraps that deletions destroyed.
    """

    size: int
    root: bytes
    witnesses: int
    kinds: dict[Kind, int]
    destroyed: int


def audit_hashes(member: Member, progress: Callable[[int], None]) -> Audit:
    """Compute the log's root from every leaf hash. Any member may do this.

    Raises:
        LogInvalid: the hashes do not give the root that the log signed.
    """
    note, checkpoint = member.log.advance()
    hashes: list[bytes] = []
    for index in range(-(-checkpoint.size // TILE_WIDTH)):
        tile = member.relay.get_tile(0, index)
        hashes += [tile[i : i + HASH_SIZE] for i in range(0, len(tile), HASH_SIZE)]
        progress(min(len(hashes), checkpoint.size))
    if tree_root(hashes[: checkpoint.size]) != checkpoint.root:
        raise LogInvalid("the log's hashes do not lead to the root that it signed")
    return Audit(checkpoint.size, checkpoint.root, len(note.signatures) - 1, {}, 0)


def audit_entries(member: Member, progress: Callable[[int], None]) -> Audit:
    """Compute the root from the entries themselves, and verify every object. For auditors.

    Every signature is verified; the entries of each dataset are numbered without a gap; and
    no two commits of a dataset have the same number, or a parent other than the one before.

    Raises:
        LogInvalid: an entry or hash of the log is not what it should be.
        VerificationError: an object has no valid signature.
    """
    note, checkpoint = member.log.advance()
    hashes: list[bytes] = []
    kinds: dict[Kind, int] = {}
    sequences: dict[bytes, int] = {}
    heads: dict[bytes, tuple[int, bytes]] = {}
    destroyed = 0
    while len(hashes) < checkpoint.size:
        count = min(_ENTRIES_A_CALL, checkpoint.size - len(hashes))
        responses = member.relay.get_entries(len(hashes), count)
        if not responses:
            raise LogInvalid("the relay does not serve every entry of its log")
        for response in responses:
            entry = LogEntry.unpack(response.entry)
            hashes.append(leaf_hash(response.entry))
            kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
            _check_sequence(entry, sequences)
            if not response.HasField("object"):
                if entry.kind not in _DESTROYED_WITH_THEIR_DATASET:
                    raise LogInvalid("the relay withholds an object that the log names")
                destroyed += 1
                continue
            verified = envelope.verify(response.object, entry.kind.payload_type)
            if verified.digest != entry.digest:
                raise LogInvalid(
                    f"entry {len(hashes) - 1} of the log is about another object"
                )
            if entry.kind is Kind.COMMIT:
                _check_chain(response.object, heads)
        progress(len(hashes))
    if tree_root(hashes[: checkpoint.size]) != checkpoint.root:
        raise LogInvalid("the log's entries do not lead to the root that it signed")
    return Audit(
        checkpoint.size, checkpoint.root, len(note.signatures) - 1, kinds, destroyed
    )


def _check_sequence(entry: LogEntry, sequences: dict[bytes, int]) -> None:
    if entry.dataset_id == NO_DATASET:
        return
    expected = sequences.get(entry.dataset_id, 0)
    if entry.sequence != expected:
        raise LogInvalid("the log numbers a dataset's entries with a gap, or twice")
    sequences[entry.dataset_id] = expected + 1


def _check_chain(
    signed: objects_pb2.Signed, heads: dict[bytes, tuple[int, bytes]]
) -> None:
    commit = verify_commit(signed)
    number, parent = heads.get(commit.dataset_id, (-1, b""))
    if commit.number != number + 1 or (commit.parent != parent and commit.number):
        raise LogInvalid("the log has two histories of one dataset")
    heads[commit.dataset_id] = (commit.number, commit.digest)
