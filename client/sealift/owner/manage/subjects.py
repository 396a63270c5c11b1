"""Which shards hold a person: keyed tags, sealed with the commit, that only their author reads."""

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
# More distinct people than this in one shard are not listed; the shard is searched instead.
MAX_SUBJECTS = 16_384


@dataclass(frozen=True, slots=True)
class SubjectTagger:
    """Tags the people in a shard.

    Attributes:
        column: names the person that a record is about.
        key: of HMAC-SHA256; never leaves its author.
    """

    column: str = field(repr=False)
    key: Secret = field(repr=False)

    def tag(self, subject: str) -> bytes:
        """A person's tag, 8 bytes: equal for equal subjects of one author and dataset."""
        return hmac.digest(self.key.view(), subject.encode(), "sha256")[:TAG_SIZE]

    def tags_of(self, shard: PackedShard, schema: pa.Schema) -> objects_pb2.SubjectTags:
        """The tags of everybody in a packed shard."""
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
        """Whether a shard with these tags can hold a person's records."""
        wanted = self.tag(subject)
        listed = tags.tags
        return tags.search or any(
            listed[i : i + TAG_SIZE] == wanted for i in range(0, len(listed), TAG_SIZE)
        )


def as_subject(value: object) -> str:
    """A column's value as the text by which a person is named on the command line."""
    return value.hex() if isinstance(value, bytes) else str(value)


def subject_tagger(identity: Identity, dataset_id: bytes, column: str) -> SubjectTagger:
    """The tagger of one author and dataset."""
    key = derive(identity.tag_secret, b"sealift/1 subjects", salt=dataset_id)
    return SubjectTagger(column, key)
