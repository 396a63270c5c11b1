"""What a leaf of the log says about an object (docs/spec/log.md)."""

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
    """Which object an entry is about."""

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
        kind: which object.
        time: the relay's clock when it logged the object, Unix seconds.
        dataset_id: 16 bytes; zeros for objects of no dataset.
        sequence: counts the entries of that dataset from 0; 0 for objects of no dataset.
        digest: object digest, 32 bytes.
    """

    kind: Kind
    time: int
    dataset_id: bytes
    sequence: int
    digest: bytes

    def pack(self) -> bytes:
        """The leaf, 66 bytes."""
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
        """Reads a leaf.

        Raises:
            LogInvalid: it does not have its format.
            UnsupportedVersion: it has a version or a kind that is not known.
        """
        if len(entry) != ENTRY_SIZE:
            raise LogInvalid(
                f"a log entry has {len(entry)} bytes instead of {ENTRY_SIZE}"
            )
        if entry[0] != VERSION:
            raise UnsupportedVersion(
                f"a log entry has version {entry[0]}, which is not known"
            )
        try:
            kind = Kind(entry[1])
        except ValueError:
            raise UnsupportedVersion(
                f"a log entry is of kind {entry[1]}, unknown here"
            ) from None
        return cls(
            kind=kind,
            time=int.from_bytes(entry[2:10], "big"),
            dataset_id=entry[10:26],
            sequence=int.from_bytes(entry[26:34], "big"),
            digest=entry[34:],
        )
