"""Erase one person: every shard that holds a byte of the person is sealed again without it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from sealift.crypto.metadata import open_metadata
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.history.records import read_batches
from sealift.owner.manage.resealing import open_again, replacement, seal_again
from sealift.owner.manage.subjects import is_exact, subject_tagger, subjects_of
from sealift.owner.push.committing import Committed, append
from sealift_protocol.errors import InvalidArgument
from sealift_protocol.objects.commits import ShardEntry
from sealift_protocol.v1 import objects_pb2


@dataclass(frozen=True, slots=True)
class Erased:
    """The result of erasing a person.

    Attributes:
        records: number of the person's records that were removed.
        shards: number of shards that were replaced: those with the person's records, and those
            of release 0.1 that may hold bytes of them.
        searched: number of shards that were opened to search.
        committed: the commit, or None if nothing was found.
        quarantined: number of records removed from the owner's quarantine; None if it could not
            be searched, since only the person's pseudonym was given.
    """

    records: int
    shards: int
    searched: int
    committed: Committed | None
    quarantined: int | None = 0


@dataclass(frozen=True, slots=True)
class _Listed:
    """A live shard, with the tags that its author gave it."""

    entry: ShardEntry
    tags: objects_pb2.SubjectTags = field(repr=False)
    own: bool


def check_subjects(opened: OpenedDataset) -> None:
    """Check that people can be found in a dataset.

    Raises:
        InvalidArgument: it has no subject column.
    """
    if not opened.subject_column:
        raise InvalidArgument(
            "the dataset has no subject column, so a person cannot be found in it",
            hint="push with `subject_column`; for this dataset, push it again without the "
            "person and delete the old one",
        )


def erase_subject(
    member: Member, opened: OpenedDataset, names: Collection[str]
) -> Erased:
    """Reseal the shards that hold a person without that person, and destroy the old shards.

    Args:
        member: the member who erases; it can read the tags of shards that it pushed.
        opened: the dataset, with its history from commit 0.
        names: the values that name the person in the subject column, as `subjects_of` writes
            them.

    Raises:
        InvalidArgument: the dataset has no subject column.
    """
    check_subjects(opened)
    shards = _listed(member, opened)
    tagger = subject_tagger(member.identity, opened.dataset_id, opened.subject_column)
    candidates = [
        shard.entry
        for shard in shards
        if not shard.own or tagger.may_hold(shard.tags, names)
    ]
    if not candidates:
        return Erased(0, 0, 0, None)
    column = opened.schema.get_field_index(opened.subject_column)
    old = {shard.entry.shard_id for shard in shards if not is_exact(shard.tags)}
    hits = _holding(member, opened, candidates, old, column, names)
    if not hits:
        return Erased(0, 0, len(candidates), None)

    def without(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(_others(batch.column(column), names))

    entries = _with_neighbours([shard.entry for shard in shards], hits, old)
    sealed = seal_again(member, opened, entries, "erasure", without)
    committed = append(
        member,
        opened,
        lambda _: replacement(opened, entries, sealed, erasure=True),
    )
    return Erased(sum(hits.values()), len(entries), len(candidates), committed)


def erase_mentions(
    member: Member, quarantine: OpenedDataset, names: Collection[str]
) -> int:
    """Erase the records of a quarantine that mention a person; return their number.

    Records there are kept as the source had them, so a name is searched as a word of its own:
    in the text, in the bytes of a file, and in the file's name.

    Args:
        member: the owner.
        quarantine: the quarantine's dataset.
        names: the person's names in the source.
    """
    wanted = _mention_of(names)
    hits: dict[bytes, int] = {}
    for entry, payload in open_again(
        member, quarantine, quarantine.shards, "erasure: searching"
    ):
        for batch in read_batches(payload, quarantine.schema):
            count = sum(_mentions(batch, wanted))
            if count:
                hits[entry.shard_id] = hits.get(entry.shard_id, 0) + count
    if not hits:
        return 0

    def without(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pa.array([not found for found in _mentions(batch, wanted)]))

    # A shard that is not exact may hold bytes of any record that was sealed with it.
    entries = list(quarantine.shards)
    sealed = seal_again(member, quarantine, entries, "erasure", without)
    append(
        member,
        quarantine,
        lambda _: replacement(quarantine, entries, sealed, erasure=True),
    )
    return sum(hits.values())


# --- where a person is -----------------------------------------------------------------------


def _listed(member: Member, opened: OpenedDataset) -> list[_Listed]:
    """Return the live shards, in the dataset's order."""
    tags: dict[bytes, tuple[objects_pb2.SubjectTags, bool]] = {}
    live = {entry.shard_id for entry in opened.shards}
    for commit in opened.history.commits:
        if not any(entry.shard_id in live for entry in commit.added):
            continue
        metadata = open_metadata(commit, opened.epoch_keys[commit.key_epoch])
        own = commit.signer in member.identities
        # A commit without tags is searched, like one under an unknown key.
        unknown = [objects_pb2.SubjectTags()] * len(commit.added)
        said = [*metadata.subjects, *unknown]
        for entry, found in zip(commit.added, said, strict=False):
            tags[entry.shard_id] = found, own
    return [_Listed(entry, *tags[entry.shard_id]) for entry in opened.shards]


def _holding(
    member: Member,
    opened: OpenedDataset,
    entries: Collection[ShardEntry],
    old: Collection[bytes],
    column: int,
    names: Collection[str],
) -> dict[bytes, int]:
    """Count a person's records in each shard that holds any, or holds bytes of the name."""
    hits: dict[bytes, int] = {}
    left_over = re.compile(b"|".join(re.escape(name.encode()) for name in names))
    for entry, payload in open_again(
        member, opened, list(entries), "erasure: searching"
    ):
        count = 0
        for batch in read_batches(payload, opened.schema):
            others = _others(batch.column(column), names)
            count += batch.num_rows - others.true_count
        if count or (entry.shard_id in old and left_over.search(payload)):
            hits[entry.shard_id] = count
    return hits


def _with_neighbours(
    shards: list[ShardEntry], hits: Mapping[bytes, int], old: Collection[bytes]
) -> list[ShardEntry]:
    """Return the shards to seal again: those that were found, and 0.1's beside them.

    Release 0.1 wrote up to 63 bytes, and all of some arrays, of the records beside a shard's.
    """
    found = [shard.shard_id in hits for shard in shards]
    beside = [
        shard.shard_id in old and any(found[max(place - 1, 0) : place + 2])
        for place, shard in enumerate(shards)
    ]
    return [
        shard
        for shard, here, near in zip(shards, found, beside, strict=True)
        if here or near
    ]


def _others(values: pa.Array, names: Collection[str]) -> pa.Array:
    """Return for each record whether it is of another person."""
    import pyarrow.compute as pc

    subjects = subjects_of(values)
    wanted = pa.array(sorted(names), subjects.type)
    return pc.invert(pc.is_in(subjects, value_set=wanted))


# --- quarantined records ---------------------------------------------------------------------


def _mention_of(names: Collection[str]) -> re.Pattern[bytes]:
    """Return what finds a person in a source's bytes: as a word, or in 16-bit characters."""
    forms = []
    for name in names:
        for encoding in ("utf-8", "latin-1"):
            text = re.escape(name.encode(encoding, "replace"))
            forms.append(b"(?<![0-9A-Za-z])" + text + b"(?![0-9A-Za-z])")
        forms += [re.escape(name.encode(wide)) for wide in ("utf-16-le", "utf-16-be")]
    return re.compile(b"|".join(dict.fromkeys(forms)))


def _mentions(batch: pa.RecordBatch, wanted: re.Pattern[bytes]) -> list[bool]:
    files = batch.column(batch.schema.get_field_index("file")).to_pylist()
    contents = batch.column(batch.schema.get_field_index("content")).to_pylist()
    return [
        bool(wanted.search((file or "").encode()) or wanted.search(_text_of(content)))
        for file, content in zip(files, contents, strict=True)
    ]


def _text_of(content: bytes | None) -> bytes:
    """Return a quarantined record's bytes; of a record in Arrow, its values as text too."""
    content = content or b""
    try:
        with pa.ipc.open_stream(content) as reader:
            columns = [column for batch in reader for column in batch.columns]
    except (pa.ArrowException, OSError, EOFError):
        return content
    texts = []
    for column in columns:
        try:
            found = subjects_of(column).to_pylist()
        except (pa.ArrowException, UnicodeDecodeError):
            # The value that no reader accepts; its bytes are searched as they are.
            continue
        texts += [text for text in found if text is not None]
    return b"\n".join([content, *(text.encode() for text in texts)])
