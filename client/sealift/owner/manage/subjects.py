"""Find the shards that hold a person: keyed tags that only their author can read."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import pyarrow as pa

from sealift.crypto.hkdf import derive
from sealift.crypto.signing import Identity
from sealift.formats.arrowtypes import is_bytes
from sealift.owner.push.packing import PackedShard
from sealift.process.secret import Secret
from sealift_protocol.v1 import objects_pb2

TAG_SIZE = 8
# A shard with more distinct people than this is not tagged; it is searched instead.
MAX_SUBJECTS = 16_384
# A whole number that another program wrote as a fraction.
_WHOLE = r"^([+-]?[0-9]+)\.0+$"


@dataclass(frozen=True, slots=True)
class SubjectTagger:
    """Tag the people in a shard.

    Attributes:
        column: the column that names the person a record is about.
        key: the HMAC-SHA256 key; it never leaves its author.
        key_check: identifies the key, 8 bytes.
    """

    column: str = field(repr=False)
    key: Secret = field(repr=False)
    key_check: bytes

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
            return objects_pb2.SubjectTags(search=True, key_check=self.key_check)
        tags = sorted({self.tag(subject) for subject in subjects_of(found).to_pylist()})
        return objects_pb2.SubjectTags(tags=b"".join(tags), key_check=self.key_check)

    def may_hold(
        self, tags: objects_pb2.SubjectTags, subjects: Collection[str]
    ) -> bool:
        """Return whether a shard with these tags can hold records of a person.

        Args:
            tags: the shard's tags; those of another key, or of an unknown one, exclude nobody.
            subjects: the person's names in the column, as `subjects_of` writes them.
        """
        if tags.search or tags.key_check != self.key_check:
            return True
        wanted = {self.tag(subject) for subject in subjects}
        listed = tags.tags
        return any(
            listed[i : i + TAG_SIZE] in wanted for i in range(0, len(listed), TAG_SIZE)
        )


def is_exact(tags: objects_pb2.SubjectTags) -> bool:
    """Return whether a shard holds no bytes but those of its records: 0.1 left others in."""
    return bool(tags.key_check)


def subjects_of(values: pa.Array) -> pa.Array:
    """Return the texts that name the people in a column: one for 17, 17.0 and "17".

    Args:
        values: the column's values; nulls name nobody, and stay null.
    """
    import pyarrow.compute as pc

    from sealift.owner.deidentify.texts import has_text, texts_of

    if has_text(values.type):
        texts = texts_of(values)
    else:
        found = values.to_pylist()
        texts = pa.array([None if v is None else str(v) for v in found], pa.string())
    return pc.replace_substring_regex(texts, _WHOLE, r"\1")


def subject_named(name: str, kind: pa.DataType) -> str:
    """Return the text of `subjects_of` for a person whom someone names.

    Args:
        name: the person, as typed.
        kind: type of the column. Where it holds numbers, 017 and 17 are one.
    """
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        try:
            number = Decimal(name)
        except InvalidOperation:
            return name
        text = format(number, "f") if number.is_finite() else name
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if is_bytes(kind):
        return name.lower()
    [found] = subjects_of(pa.array([name])).to_pylist()
    return str(found)


def subject_tagger(identity: Identity, dataset_id: bytes, column: str) -> SubjectTagger:
    """Return the tagger of one author and dataset."""
    key = derive(identity.tag_secret, b"sealift/1 subjects", salt=dataset_id)
    check = derive(
        identity.tag_secret,
        b"sealift/1 subjects key check",
        salt=dataset_id,
        size=TAG_SIZE,
    )
    return SubjectTagger(column, key, check.reveal())
