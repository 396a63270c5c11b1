"""Pseudonyms: HMAC-SHA256 of a value's text, under a key that only the owner has.

Sources: HMAC, RFC 2104; HKDF, RFC 5869; the encodings, docs/spec/policy.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from sealift.crypto.hkdf import derive
from sealift.owner.deidentify.memo import Memo
from sealift.owner.deidentify.texts import as_bytes, for_present, texts_of
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

KEY_SIZE = 32
PSEUDONYM_SIZE = 16
"""Bytes of the HMAC in a pseudonym, written as twice as many hexadecimal characters."""


def derive_key(secret: Secret, purpose: bytes, domain: str = "") -> Secret:
    """Derive a 32-byte key from the owner's secret.

    Args:
        secret: 32 bytes, which outlive the owner's identities.
        purpose: a label such as b"sealift/1 pseudonym".
        domain: values of different domains cannot be linked.

    Raises:
        InvalidArgument: the secret is not 32 bytes.
    """
    if len(secret) != KEY_SIZE:
        raise InvalidArgument(f"the de-identification secret must be {KEY_SIZE} bytes")
    return derive(secret, purpose + domain.encode(), size=KEY_SIZE)


def digests_of(key: Secret, texts: list[bytes]) -> list[bytes]:
    """Return the HMAC-SHA256 of each text, 32 bytes."""
    # Copying one prepared state saves hashing the two blocks of the key.
    prepared = HMAC(key.view(), SHA256())
    digests = []
    for text in texts:
        state = prepared.copy()
        state.update(text)
        digests.append(state.finalize())
    return digests


class Pseudonyms:
    """Makes the pseudonyms of one owner and domain: 32 hexadecimal characters a value."""

    def __init__(
        self,
        secret: Secret,
        domain: str = "",
        *,
        texts: Callable[[pa.Array], pa.Array] = texts_of,
    ) -> None:
        """Derive the key.

        Args:
            secret: the owner's 32-byte secret.
            domain: values of different domains get unrelated pseudonyms.
            texts: makes of the text of each value what is hashed, or null.

        Raises:
            InvalidArgument: the secret is not 32 bytes.
        """
        self._key = derive_key(secret, b"sealift/1 pseudonym", domain)
        self._texts = texts
        self._memo = Memo()

    def apply(self, values: pa.Array) -> pa.Array:
        """Return the pseudonym of each value, as text; nulls stay null."""
        return self._memo.apply(texts_of(values), self._hash)

    def _hash(self, texts: pa.Array) -> pa.Array:
        return for_present(self._texts(texts), self._pseudonyms)

    def _pseudonyms(self, texts: pa.Array) -> pa.Array:
        digests = digests_of(self._key, as_bytes(texts))
        shown = b"".join([digest[:PSEUDONYM_SIZE] for digest in digests]).hex().encode()
        offsets = np.arange(len(digests) + 1, dtype=np.int32) * (2 * PSEUDONYM_SIZE)
        buffers = (pa.py_buffer(offsets), pa.py_buffer(shown))
        return pa.StringArray.from_buffers(len(digests), *buffers)
