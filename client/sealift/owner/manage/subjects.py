"""Find the shards that hold a person: keyed tags that only their author can read."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

import pyarrow as pa

from sealift.crypto.hkdf import derive
from sealift.crypto.signing import Identity
from sealift.owner.push.packing import PackedShard
from sealift.process.secret import Secret
from sealift_protocol.v1 import objects_pb2

TAG_SIZE = 8
# A shard with more distinct people than this is not tagged; it is searched instead.
MAX_SUBJECTS = 16_384


@dataclass(frozen=True, slots=True)
class SubjectTagger:
    """Tag the people in a shard.

    Attributes:
        column: the column that names the person a record is about.
        key: the HMAC-SHA256 key; it never leaves its author.
    """

    column: str = field(repr=False)
    key: Secret = field(repr=False)

    def tag(self, subject: str) -> bytes:
        """Return a person's tag, 8 bytes: the same for one subject, author and dataset."""
        return hmac.digest(self.key.view(), subject.encode(), "sha256")[:TAG_SIZE]

    def tags_of(self, shard: PackedShard, schema: pa.Schema) -> objects_pb2.SubjectTags:
        """Return the tags of all people in a packed shard."""
        payload = pa.py_buffer(shard.buffer[: shard.payload_size])
        place = schema.get_field_index(self.column)
        import pyarrow.compute as pc

        with pa.ipc.open_stream(payload) as reader:
            columns = [batch.column(place) for batch in reader]
        found = pc.unique(
            pa.chunked_array(columns, schema.field(place).type)
        ).drop_null()
        if len(found) > MAX_SUBJECTS:
            return objects_pb2.SubjectTags(search=True)
        tags = sorted({self.tag(as_subject(value)) for value in found.to_pylist()})
        return objects_pb2.SubjectTags(tags=b"".join(tags))

    def may_hold(self, tags: objects_pb2.SubjectTags, subject: str) -> bool:
        """Return whether a shard with these tags can hold a person's records."""
        wanted = self.tag(subject)
        listed = tags.tags
        return tags.search or any(
            listed[i : i + TAG_SIZE] == wanted for i in range(0, len(listed), TAG_SIZE)
        )


def as_subject(value: object) -> str:
    """Return a column's value as the text that names the person on the command line."""
    return value.hex() if isinstance(value, bytes) else str(value)


def subject_tagger(identity: Identity, dataset_id: bytes, column: str) -> SubjectTagger:
    """Return the tagger of one author and dataset."""
    key = derive(identity.tag_secret, b"sealift/1 subjects", salt=dataset_id)
    return SubjectTagger(column, key)
