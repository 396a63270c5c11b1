"""Writes tests/vectors/log/: trees, proofs, entries and checkpoints, good and bad.

The arithmetic is this script's own, straight from RFC 6962 section 2.1 and the C2SP documents.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# The leaves by which implementations of Certificate Transparency have compared their trees.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LOG_SEED = hashlib.sha256(b"vector log").digest()
WITNESS_SEED = hashlib.sha256(b"vector witness").digest()
WITNESS_NAME = "witness.example/w1"
TIME = 1_767_225_600


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return sha(b"\x00" + leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\x01" + root(leaves[:split]) + root(leaves[split:]))


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path(index, leaves[:split]), root(leaves[split:])]
    return [*path(index - split, leaves[split:]), root(leaves[:split])]


def proof(old: int, leaves: list[bytes], complete: bool = True) -> list[bytes]:
    if old == len(leaves):
        return [] if complete else [root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= split:
        return [*proof(old, leaves[:split], complete), root(leaves[split:])]
    return [*proof(old - split, leaves[split:], False), root(leaves[:split])]


def hexes(items: list[bytes]) -> list[str]:
    return [item.hex() for item in items]


def tree() -> dict[str, object]:
    sizes = range(1, len(LEAVES) + 1)
    return {
        "comment": "RFC 6962 section 2.1; the roots are those that other implementations publish",
        "leaves": hexes(LEAVES),
        "roots": hexes([root(LEAVES[:size]) for size in range(len(LEAVES) + 1)]),
        "inclusion": [
            {"index": index, "size": size, "proof": hexes(path(index, LEAVES[:size]))}
            for size in sizes
            for index in range(size)
        ],
        "consistency": [
            {"old_size": old, "size": size, "proof": hexes(proof(old, LEAVES[:size]))}
            for size in sizes
            for old in range(1, size + 1)
        ],
    }


def entry(
    kind: int, dataset: bytes, sequence: int, digest: bytes, version: int = 1
) -> bytes:
    numbers = TIME.to_bytes(8, "big"), sequence.to_bytes(8, "big")
    return bytes([version, kind]) + numbers[0] + dataset + numbers[1] + digest


def entries() -> dict[str, object]:
    dataset = sha(b"vector dataset")[:16]
    names = [
        "card",
        "commit",
        "grant",
        "rewrap",
        "endorsement",
        "succession",
        "identity-revocation",
        "disclosure",
        "accounting",
        "purge-receipt",
    ]
    of_members = {"card", "endorsement", "succession", "identity-revocation"}
    good = []
    for kind, name in enumerate(names, 1):
        fields = {
            "dataset_id": bytes(16) if name in of_members else dataset,
            "sequence": 0 if name in of_members else kind,
            "digest": sha(name.encode()),
        }
        packed = entry(kind, fields["dataset_id"], fields["sequence"], fields["digest"])
        good.append(
            {
                "kind": name,
                "number": kind,
                "time": TIME,
                "dataset_id": fields["dataset_id"].hex(),
                "sequence": fields["sequence"],
                "digest": fields["digest"].hex(),
                "entry": packed.hex(),
                "leaf_hash": sha(b"\x00" + packed).hex(),
            }
        )
    packed = bytes.fromhex(good[0]["entry"])
    bad = [
        ("version 2", "UNSUPPORTED_VERSION", b"\x02" + packed[1:]),
        ("kind 0", "UNSUPPORTED_VERSION", packed[:1] + b"\x00" + packed[2:]),
        ("kind 11", "UNSUPPORTED_VERSION", packed[:1] + b"\x0b" + packed[2:]),
        ("a byte short", "LOG_INVALID", packed[:-1]),
        ("a byte long", "LOG_INVALID", packed + b"\x00"),
    ]
    return {
        "comment": "leaves of the log, docs/spec/log.md section 1",
        "good": good,
        "bad": [{"comment": c, "expect": e, "entry": b.hex()} for c, e, b in bad],
    }


def public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def verifier_key(name: str, kind: int, key: bytes) -> str:
    digest = sha(name.encode() + b"\n" + bytes([kind]) + key)[:4]
    return f"{name}+{digest.hex()}+{base64.b64encode(bytes([kind]) + key).decode()}"


def line(name: str, kind: int, seed: bytes, signed: bytes, front: bytes = b"") -> str:
    digest = sha(name.encode() + b"\n" + bytes([kind]) + public(seed))[:4]
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(signed)
    return f"— {name} {base64.b64encode(digest + front + signature).decode()}\n"


def checkpoint() -> dict[str, object]:
    origin = "sealift-log/" + sha(b"sealift/1 log" + public(LOG_SEED)).hex()[:32]
    head = base64.b64encode(root(LEAVES)).decode()

    def signed(text: str, seed: bytes = LOG_SEED, name: str = origin) -> str:
        return text + "\n" + line(name, 1, seed, text.encode())

    text = f"{origin}\n{len(LEAVES)}\n{head}\n"
    note = signed(text)
    message = f"cosignature/v1\ntime {TIME}\n{text}".encode()
    cosigned = note + line(
        WITNESS_NAME, 4, WITNESS_SEED, message, TIME.to_bytes(8, "big")
    )
    bad = {
        "another key under the same name": text
        + "\n"
        + line(origin, 1, WITNESS_SEED, text.encode()),
        "a size that was changed": note.replace(f"\n{len(LEAVES)}\n", "\n9\n", 1),
        "a root that was changed": note.replace(
            head, base64.b64encode(bytes(32)).decode(), 1
        ),
        "another log's": signed("another\n8\n" + head + "\n"),
        "a size with a leading zero": signed(f"{origin}\n08\n{head}\n"),
        "a negative size": signed(f"{origin}\n-8\n{head}\n"),
        "a root of 31 bytes": signed(
            f"{origin}\n8\n{base64.b64encode(bytes(31)).decode()}\n"
        ),
        "no root": signed(f"{origin}\n8\n"),
        "no signature": text,
        "a hyphen for the dash": note.replace("— ", "- "),
        "a signature that is not base64": note[:-3] + "!\n",
        "a signature in another spelling": _respelled(note),
    }
    return {
        "comment": "docs/spec/log.md sections 3 and 4",
        "log_seed": LOG_SEED.hex(),
        "log_key": verifier_key(origin, 1, public(LOG_SEED)),
        "size": len(LEAVES),
        "root": root(LEAVES).hex(),
        "note": note,
        "witness_seed": WITNESS_SEED.hex(),
        "witness_key": verifier_key(WITNESS_NAME, 4, public(WITNESS_SEED)),
        "cosigned_at": TIME,
        "cosigned": cosigned,
        "bad": [
            {"comment": comment, "note": content} for comment, content in bad.items()
        ],
    }


def _respelled(note: str) -> str:
    """The last base64 digit before the padding has unused bits: set one."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    place = note.rindex("=") - 1
    while note[place] == "=":
        place -= 1
    other = alphabet[alphabet.index(note[place]) ^ 1]
    return note[:place] + other + note[place + 1 :]


def render() -> dict[str, str]:
    """File name to content."""
    made = {
        "tree.json": tree(),
        "entries.json": entries(),
        "checkpoint.json": checkpoint(),
    }
    return {
        name: json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        for name, content in made.items()
    }


if __name__ == "__main__":
    folder = Path(__file__).parent / "log"
    folder.mkdir(exist_ok=True)
    for name, content in render().items():
        (folder / name).write_text(content)
    sys.stdout.write(f"{len(render())} files\n")
