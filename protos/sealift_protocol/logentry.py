"""Leaves of the log, each about one object (docs/spec/log.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sealift_protocol import signed as envelope
from sealift_protocol.errors import LogInvalid, UnsupportedVersion
from sealift_protocol.ids import ID_SIZE
from sealift_protocol.layout import DIGEST_SIZE

VERSION = 1
ENTRY_SIZE = 1 + 1 + 8 + ID_SIZE + 8 + DIGEST_SIZE
NO_DATASET = bytes(ID_SIZE)


class Kind(IntEnum):
    """The kind of object that an entry is about."""

    CARD = 1
    COMMIT = 2
    GRANT = 3
    REWRAP = 4
    ENDORSEMENT = 5
    SUCCESSION = 6
    IDENTITY_REVOCATION = 7
    DISCLOSURE = 8
    ACCOUNTING = 9
    PURGE_RECEIPT = 10

    @property
    def payload_type(self) -> str:
        """The payload type of the object."""
        return _PAYLOAD_TYPES[self]


_PAYLOAD_TYPES = {
    Kind.CARD: envelope.CARD,
    Kind.COMMIT: envelope.COMMIT,
    Kind.GRANT: envelope.GRANT,
    Kind.REWRAP: envelope.REWRAP,
    Kind.ENDORSEMENT: envelope.ENDORSEMENT,
    Kind.SUCCESSION: envelope.SUCCESSION,
    Kind.IDENTITY_REVOCATION: envelope.IDENTITY_REVOCATION,
    Kind.DISCLOSURE: envelope.DISCLOSURE,
    Kind.ACCOUNTING: envelope.ACCOUNTING,
    Kind.PURGE_RECEIPT: envelope.PURGE_RECEIPT,
}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One leaf.

    Attributes:
        kind: kind of object.
        time: the relay's time when it logged the object, Unix seconds.
        dataset_id: 16 bytes; zeros for objects without a dataset.
        sequence: number of the entry within its dataset, from 0; 0 for objects without a dataset.
        digest: object digest, 32 bytes.
    """

    kind: Kind
    time: int
    dataset_id: bytes
    sequence: int
    digest: bytes

    def pack(self) -> bytes:
        """Return the leaf, 66 bytes."""
        return b"".join(
            (
                bytes([VERSION, self.kind]),
                self.time.to_bytes(8, "big"),
                self.dataset_id,
                self.sequence.to_bytes(8, "big"),
                self.digest,
            )
        )

    @classmethod
    def unpack(cls, entry: bytes) -> LogEntry:
        """Parse a leaf.

        Raises:
            LogInvalid: the leaf does not have the format.
            UnsupportedVersion: the leaf has an unknown version or kind.
        """
        if len(entry) != ENTRY_SIZE:
            raise LogInvalid(
                f"a log entry has {len(entry)} bytes instead of {ENTRY_SIZE}"
            )
        if entry[0] != VERSION:
            raise UnsupportedVersion(f"a log entry has the unknown version {entry[0]}")
        try:
            kind = Kind(entry[1])
        except ValueError:
            raise UnsupportedVersion(
                f"a log entry has the unknown kind {entry[1]}"
            ) from None
        return cls(
            kind=kind,
            time=int.from_bytes(entry[2:10], "big"),
            dataset_id=entry[10:26],
            sequence=int.from_bytes(entry[26:34], "big"),
            digest=entry[34:],
        )
