"""Writes tests/vectors/shard/: good shards, and one bad file for every check that can fail.

The arithmetic is this script's own, for the library would refuse to make the bad files.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

EPOCH_KEY = hashlib.sha256(b"vector epoch key").digest()
OTHER_KEY = hashlib.sha256(b"another epoch key").digest()
DATASET_ID = hashlib.sha256(b"vector dataset").digest()[:16]
SHARD_ID = hashlib.sha256(b"vector shard").digest()[:16]
SALT = hashlib.sha256(b"vector salt").digest()
KEY_EPOCH = 3
LOG2 = 12
SEGMENT = 1 << LOG2


def padme(length: int) -> int:
    exponent = length.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-length // step) * step


def stream(size: int) -> bytes:
    return b"".join(
        hashlib.sha256(b"payload%d" % i).digest() for i in range(-(-size // 32))
    )[:size]


def plain(payload: bytes) -> bytes:
    total = padme(len(payload) + 8)
    return payload.ljust(total - 8, b"\0") + len(payload).to_bytes(8, "big")


def front(
    magic: bytes = b"sealift1",
    suite: int = 1,
    log2: int = LOG2,
    reserved: bytes = bytes(6),
) -> bytes:
    return (
        magic
        + bytes([suite, log2])
        + reserved
        + DATASET_ID
        + SHARD_ID
        + KEY_EPOCH.to_bytes(8, "big")
        + SALT
    )


def seal(
    plaintext: bytes,
    header_front: bytes,
    *,
    segment: int = SEGMENT,
    last_flags: bool = True,
) -> list[bytes]:
    """The header and the segments of a shard."""
    okm = HKDF(SHA256(), 64, salt=SALT, info=b"sealift/1 shard" + header_front).derive(
        EPOCH_KEY
    )
    cipher = AESGCM(okm[:32])
    pieces = [plaintext[i : i + segment] for i in range(0, len(plaintext), segment)]
    parts = [header_front + okm[32:]]
    for index, piece in enumerate(pieces):
        last = last_flags and index == len(pieces) - 1
        parts.append(
            cipher.encrypt(index.to_bytes(11, "big") + bytes([last]), piece, None)
        )
    return parts


def vector(
    comment: str, expect: str, parts: list[bytes], **changes: object
) -> dict[str, object]:
    digests = b"".join(blake3(part).digest() for part in parts[1:])
    made: dict[str, object] = {
        "comment": comment,
        "expect": expect,
        "epoch_key": EPOCH_KEY.hex(),
        "dataset_id": DATASET_ID.hex(),
        "shard_id": SHARD_ID.hex(),
        "key_epoch": KEY_EPOCH,
        "shard_digest": blake3(parts[0] + digests).hexdigest(),
        "segment_digests": digests.hex(),
        "shard": b"".join(parts).hex(),
    }
    return {**made, **changes}


def flip(data: bytes, position: int, mask: int = 1) -> bytes:
    changed = bytearray(data)
    changed[position] ^= mask
    return bytes(changed)


def good_vectors() -> dict[str, dict[str, object]]:
    sizes = {
        "good-empty": 0,
        "good-one-byte": 1,
        "good-one-segment": 1000,
        "good-full-segment": SEGMENT - 8,
        "good-two-segments": SEGMENT,
        "good-many-segments": 3 * SEGMENT + 17,
    }
    made = {}
    for name, size in sizes.items():
        payload = stream(size)
        parts = seal(plain(payload), front())
        made[name] = vector(
            f"a payload of {size} bytes", "ok", parts, payload=payload.hex()
        )
    return made


def bad_vectors() -> dict[str, dict[str, object]]:
    base = seal(plain(stream(2 * SEGMENT)), front())
    header, *segments = base
    short = plain(stream(100))
    bad_length = short[:-8] + (len(short) - 7).to_bytes(8, "big")
    bad_padding = short[:-9] + b"\x01" + short[-8:]
    unpadded = stream(1003 - 8) + (1003 - 8).to_bytes(8, "big")

    def resealed(
        name: str, expect: str, header_front: bytes, comment: str
    ) -> tuple[str, dict[str, object]]:
        return name, vector(comment, expect, seal(short, header_front))

    made = dict(
        [
            resealed(
                "bad-magic",
                "malformed",
                front(magic=b"seaLift1"),
                "the magic is another",
            ),
            resealed(
                "bad-version",
                "unsupported",
                front(magic=b"sealift2"),
                "format version 2",
            ),
            resealed(
                "bad-suite", "unsupported", front(suite=2), "a suite that is not known"
            ),
            resealed(
                "bad-segment-size", "malformed", front(log2=21), "segments of 2 MiB"
            ),
            resealed(
                "bad-reserved",
                "malformed",
                front(reserved=b"\0\0\0\0\0\1"),
                "a reserved bit is set",
            ),
        ]
    )
    made["bad-truncated-header"] = vector(
        "the shard ends inside its header",
        "malformed",
        [header[:119]],
        segment_digests="",
    )
    made["bad-size"] = vector(
        "a last segment of fewer than 8 bytes of plaintext",
        "malformed",
        [header, bytes(7 + 16)],
    )
    made["bad-size-not-padded"] = vector(
        "a plaintext size that Padmé never gives", "malformed", seal(unpadded, front())
    )
    made["bad-digest-list"] = vector(
        "the digest list lacks a segment",
        "malformed",
        base,
        segment_digests=b"".join(blake3(part).digest() for part in segments[:-1]).hex(),
    )
    made["bad-shard-digest"] = vector(
        "the commit names another digest", "corrupt", base, shard_digest=bytes(32).hex()
    )
    made["bad-dataset-id"] = vector(
        "the commit is of another dataset", "context", base, dataset_id=bytes(16).hex()
    )
    made["bad-shard-id"] = vector(
        "the commit names another shard", "context", base, shard_id=bytes(16).hex()
    )
    made["bad-key-epoch"] = vector(
        "the commit names another key epoch", "context", base, key_epoch=4
    )
    made["bad-commitment"] = vector(
        "a bit of the key commitment is flipped",
        "wrong key",
        [flip(header, 119), *segments],
    )
    made["bad-epoch-key"] = vector(
        "another epoch key", "wrong key", base, epoch_key=OTHER_KEY.hex()
    )
    made["bad-segment-digest"] = {
        **vector("a segment was changed after its digest was taken", "corrupt", base),
        "shard": flip(b"".join(base), 500).hex(),
    }
    made["bad-segments-swapped"] = {
        **vector("two segments were swapped, the digest list was not", "corrupt", base),
        "shard": b"".join([header, segments[1], segments[0], *segments[2:]]).hex(),
    }
    made["bad-tag"] = vector(
        "a tag is wrong although every digest fits",
        "corrupt",
        [header, flip(segments[0], SEGMENT + 3), *segments[1:]],
    )
    made["bad-last-flag"] = vector(
        "the last segment is not marked as the last",
        "corrupt",
        seal(plain(stream(2 * SEGMENT)), front(), last_flags=False),
    )
    made["bad-length"] = vector(
        "the payload is longer than the plaintext", "corrupt", seal(bad_length, front())
    )
    made["bad-padding"] = vector(
        "a padding byte is not zero", "corrupt", seal(bad_padding, front())
    )
    return made


def render() -> dict[str, str]:
    """File names and their content."""
    made = {**good_vectors(), **bad_vectors()}
    return {
        f"{name}.json": json.dumps(made[name], indent=1) + "\n" for name in sorted(made)
    }


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in render().items():
        (folder / name).write_text(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "shard")
