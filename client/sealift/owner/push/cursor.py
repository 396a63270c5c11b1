"""Source cursors: how far an author has pushed its sources, stored in its commits.

docs/spec/objects.md, "Source cursor".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from sealift.crypto.metadata import open_cursor, open_metadata, seal_cursor
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset, read_history
from sealift.history.schemas import read_schema, write_schema
from sealift.process.secret import Secret
from sealift.relay.transport import RelayClient
from sealift_protocol.errors import CursorUnreadable, WrongKey
from sealift_protocol.objects.commits import Commit, verify_commit
from sealift_protocol.v1 import objects_pb2

# At most this many cursors are chained before one repeats all earlier ones.
_MAX_DEPTH = 64
# Above this size nothing is repeated: a commit has room for 16 MiB.
_MAX_WHOLE = 4 << 20
_PART_ID_SIZE = 16


@dataclass(frozen=True, slots=True)
class PartState:
    """What was pushed of a part.

    Attributes:
        size: size of the part when it was read.
        modified: its modification time at that point, in nanoseconds.
        digest: digest of the content before the mark.
        mark: where reading continues.
        complete: whether all of it was pushed.
    """

    size: int
    modified: int
    digest: bytes
    mark: str = field(repr=False)
    complete: bool


@dataclass(frozen=True, slots=True)
class PushedParts:
    """What an author has pushed of its sources, as of one of its commits.

    Attributes:
        parts: the parts by part id.
        commit: the commit; None if there is none.
        depth: number of earlier cursors that its cursor builds on.
        schema: the schema of the source before de-identification; None if nothing was pushed.
    """

    parts: Mapping[bytes, PartState] = field(default_factory=dict)
    commit: Commit | None = None
    depth: int = 0
    schema: pa.Schema | None = field(default=None, repr=False)


def part_id(name: str) -> bytes:
    """Return the 16 bytes that identify a part's name."""
    return hashlib.sha256(name.encode()).digest()[:_PART_ID_SIZE]


def read_pushed_parts(
    member: Member, opened: OpenedDataset, owner_secret: Secret
) -> PushedParts:
    """Return what the author has pushed into a dataset.

    Raises:
        CursorUnreadable: it was written under another secret: the keystore is an older copy.
        SealiftError: the relay does not serve a commit that is needed.
    """
    newest = last_cursor_commit(member, opened)
    if newest is None:
        return PushedParts()
    commits = {commit.number: commit for commit in opened.history.commits}
    chain: list[objects_pb2.SourceCursor] = []
    commit: Commit = newest
    while True:
        cursor = _open(commit, opened, owner_secret)
        chain.append(cursor)
        if not cursor.previous_commit:
            break
        number = cursor.previous_number
        commit = commits.get(number) or _fetch(member.relay, opened.dataset_id, number)
        if (
            commit.digest != cursor.previous_commit
            or commit.signer not in member.identities
        ):
            raise CursorUnreadable(
                "a source cursor names a commit that the relay does not serve"
            )
    parts: dict[bytes, PartState] = {}
    schema = None
    for cursor in reversed(chain):
        for part in cursor.parts:
            parts[part.name] = PartState(
                part.size, part.modified, part.digest, part.mark, part.complete
            )
        if cursor.arrow_schema:
            schema = read_schema(cursor.arrow_schema)
    return PushedParts(parts, newest, chain[0].depth, schema)


def last_cursor_commit(member: Member, opened: OpenedDataset) -> Commit | None:
    """Return the author's newest commit that carries a cursor."""
    history = opened.history
    found = _last_of(history.commits, member, opened)
    if found is None and history.commits[0].number > 0:
        # There is none since the last snapshot, so search from the beginning.
        whole, _ = read_history(member, opened.dataset_id, opened.trusted, whole=True)
        found = _last_of(whole.commits, member, opened)
    return found


def make_cursor(
    before: PushedParts,
    touched: Mapping[bytes, PartState],
    schema: pa.Schema,
    *,
    owner_secret: Secret,
    dataset_id: bytes,
) -> tuple[bytes, int]:
    """Seal the cursor of a commit that pushed more of some parts; return it and its depth.

    Args:
        before: what was pushed before the commit.
        touched: the parts that the commit reads from.
        schema: the schema of the source before de-identification.
        owner_secret: the author's secret.
        dataset_id: 16 bytes.
    """
    cursor = objects_pb2.SourceCursor(parts=_messages(touched))
    if (
        before.commit is None
        or before.schema is None
        or not before.schema.equals(schema)
    ):
        cursor.arrow_schema = write_schema(schema)
    if before.commit is not None:
        cursor.previous_number = before.commit.number
        cursor.previous_commit = before.commit.digest
        cursor.depth = before.depth + 1
        if cursor.depth >= _MAX_DEPTH:
            whole = objects_pb2.SourceCursor(
                parts=_messages({**before.parts, **touched}),
                arrow_schema=write_schema(schema),
            )
            if whole.ByteSize() <= _MAX_WHOLE:
                cursor = whole
    sealed = seal_cursor(cursor, owner_secret=owner_secret, dataset_id=dataset_id)
    return sealed, cursor.depth


def _messages(parts: Mapping[bytes, PartState]) -> list[objects_pb2.SourcePart]:
    return [
        objects_pb2.SourcePart(
            name=name,
            size=state.size,
            modified=state.modified,
            digest=state.digest,
            mark=state.mark,
            complete=state.complete,
        )
        for name, state in parts.items()
    ]


def _last_of(
    commits: list[Commit], member: Member, opened: OpenedDataset
) -> Commit | None:
    for commit in reversed(commits):
        key = opened.epoch_keys.get(commit.key_epoch)
        # A cursor is stored with the records it is about.
        own = commit.signer in member.identities and commit.added
        if own and key and open_metadata(commit, key).cursor:
            return commit
    return None


def _open(
    commit: Commit, opened: OpenedDataset, owner_secret: Secret
) -> objects_pb2.SourceCursor:
    metadata = open_metadata(commit, opened.epoch_keys[commit.key_epoch])
    try:
        return open_cursor(
            metadata.cursor, owner_secret=owner_secret, dataset_id=opened.dataset_id
        )
    except WrongKey:
        raise CursorUnreadable(
            "the record of earlier pushes was sealed under another secret"
        ) from None


def _fetch(relay: RelayClient, dataset_id: bytes, number: int) -> Commit:
    for signed in relay.get_commits(dataset_id, number, max(number, 1)):
        commit = verify_commit(signed)
        if commit.number == number and commit.dataset_id == dataset_id:
            return commit
    raise CursorUnreadable(
        "the relay does not serve a commit that a source cursor names"
    )
