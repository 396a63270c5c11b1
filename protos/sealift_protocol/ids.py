"""Identifiers: fingerprints that people compare, and opaque ids that the relay sees."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass

from sealift_protocol.errors import InvalidArgument

ID_SIZE = 16
FINGERPRINT_SIZE = 32
_GROUP = 4
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True, order=True)
class Fingerprint:
    """SHA-256 of an identity's public key under a label, which people compare.

    Attributes:
        digest: 32 bytes.
    """

    digest: bytes

    def __post_init__(self) -> None:
        if len(self.digest) != FINGERPRINT_SIZE:
            raise InvalidArgument(
                f"a fingerprint must have {FINGERPRINT_SIZE} bytes, not {len(self.digest)}"
            )

    @classmethod
    def of(cls, identity_public_key: bytes) -> Fingerprint:
        """Return the fingerprint of an identity's public key, of either algorithm."""
        return cls(hashlib.sha256(b"sealift/1 identity" + identity_public_key).digest())

    @classmethod
    def parse(cls, text: str) -> Fingerprint:
        """Parse a fingerprint as `str` writes it; case, spaces and dashes do not matter.

        Raises:
            InvalidArgument: the text is not a whole fingerprint.
        """
        compact = re.sub(r"[\s-]", "", text).upper()
        try:
            digest = base64.b32decode(compact + "=" * (-len(compact) % 8))
        except ValueError:
            digest = b""
        if len(digest) != FINGERPRINT_SIZE or str(cls(digest)) != _grouped(
            compact.lower()
        ):
            raise InvalidArgument(
                "the text is not a whole fingerprint",
                hint="copy all 13 groups that `sealift identity` shows",
            )
        return cls(digest)

    def __str__(self) -> str:
        """Return lower-case base32 (RFC 4648) in 13 groups of four."""
        return _grouped(base64.b32encode(self.digest).decode().rstrip("=").lower())


def _grouped(text: str) -> str:
    return "-".join(text[i : i + _GROUP] for i in range(0, len(text), _GROUP))


def new_id() -> bytes:
    """Return a random 16-byte id."""
    return secrets.token_bytes(ID_SIZE)


def dataset_id_of(owner: Fingerprint, salt: bytes) -> bytes:
    """Return the dataset id (16 bytes) for an owner's commit 0 with this salt.

    The id commits to the owner, so that no one else can put their own commit 0 under a dataset
    whose shards carry the id in their headers.
    """
    return hashlib.sha256(b"sealift/1 dataset" + owner.digest + salt).digest()[:ID_SIZE]


def key_id_of(suite: int, public_key: bytes) -> bytes:
    """Return the id (16 bytes) of a recipient key."""
    return hashlib.sha256(b"sealift/1 key id" + bytes([suite]) + public_key).digest()[
        :ID_SIZE
    ]


def member_uri(name: str) -> str:
    """The URI by which a member's TLS certificate names the member (certs/profile.toml)."""
    return f"sealift:member:{name}"


def check_name(name: str, what: str = "a member's name") -> str:
    """Return the name if it is valid.

    Raises:
        InvalidArgument: the name is not 1 to 64 of a-z, 0-9, dot, dash and underscore.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgument(
            f"{what} must have 1 to 64 of a-z 0-9 . - _ and begin and end with a letter or digit"
        )
    return name
