"""Writes tests/vectors/objects/: one of every signed object, and what is derived from objects.

The arithmetic is this script's own; only the protobuf encoding comes from the generated classes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from google.protobuf.message import Message
from mnemonic import Mnemonic

from sealift_protocol.v1 import objects_pb2

TIME = 1_767_225_600


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


OWNER_SEED, TRAINER_SEED = sha(b"vector owner"), sha(b"vector trainer")
LOG_SEED = sha(b"vector log")
EPOCH_KEY = sha(b"vector epoch key")
GENESIS_SALT = sha(b"vector genesis salt")[:16]
SEALING_SALT = sha(b"vector salt")
SHARDS = [sha(b"vector shard %d" % i)[:16] for i in range(3)]
DIGESTS = [sha(b"vector shard digest %d" % i) for i in range(3)]


def public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def fingerprint(seed: bytes) -> bytes:
    return sha(b"sealift/1 identity" + public(seed))


OWNER, TRAINER = fingerprint(OWNER_SEED), fingerprint(TRAINER_SEED)
DATASET = sha(b"sealift/1 dataset" + OWNER + GENESIS_SALT)[:16]
X25519_KEY = sha(b"vector X25519 public key")
OWNER_SECRET = sha(b"vector owner secret")
KEY_ID = sha(b"sealift/1 key id" + b"\x02" + X25519_KEY)[:16]


def number(value: int, size: int = 8) -> bytes:
    return value.to_bytes(size, "big")


def seal(info: bytes, plaintext: bytes, key: bytes | None = None) -> bytes:
    """docs/spec/objects.md: salt, commitment, AES-256-GCM over the padded plaintext."""
    okm = HKDF(SHA256(), 64, salt=SEALING_SALT, info=info).derive(key or EPOCH_KEY)
    length = len(plaintext) + 8
    exponent = length.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    padded = plaintext.ljust(-(-length // step) * step - 8, b"\0") + number(
        len(plaintext)
    )
    return SEALING_SALT + okm[32:] + AESGCM(okm[:32]).encrypt(bytes(12), padded, None)


def sign(seed: bytes, kind: str, message: Message) -> dict[str, object]:
    payload = message.SerializeToString(deterministic=True)
    payload_type = f"application/vnd.sealift.{kind}.v1+protobuf"
    encoded = b"DSSEv1 %d %b %d %b" % (
        len(payload_type),
        payload_type.encode(),
        len(payload),
        payload,
    )
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(encoded)
    return {
        "payload_type": payload_type,
        "payload": payload.hex(),
        "signer": public(seed).hex(),
        "signature": signature.hex(),
        "digest": sha(encoded + public(seed)).hex(),
    }


def entries(indices: list[int]) -> list[objects_pb2.ShardEntry]:
    return [
        objects_pb2.ShardEntry(
            shard_id=SHARDS[i], key_epoch=1, stored_size=4096 + i, digest=DIGESTS[i]
        )
        for i in indices
    ]


def metadata(commit: int, **fields: object) -> bytes:
    info = b"sealift/1 commit metadata" + DATASET + number(commit) + number(1)
    message = objects_pb2.CommitMetadata(**fields)
    return seal(info, message.SerializeToString(deterministic=True))


def grant() -> tuple[objects_pb2.Grant, bytes]:
    message = objects_pb2.Grant(
        dataset_id=DATASET,
        key_epoch=1,
        grantor=OWNER,
        recipient=TRAINER,
        key_id=KEY_ID,
        suite=2,
        wrapped_key=bytes(range(80)),
        not_before=TIME,
        not_after=TIME + 86_400,
        purpose="sepsis model",
    )
    context = b"".join(
        (
            b"sealift/1 grant",
            DATASET,
            number(1),
            OWNER,
            TRAINER,
            KEY_ID,
            b"\x02",
            number(TIME),
            number(TIME + 86_400),
            number(12, 4),
            b"sepsis model",
        )
    )
    return message, context


def page() -> bytes:
    counts = objects_pb2.RecordCounts(counts=[10, 20, 30])
    sealed = seal(
        b"sealift/1 record counts" + DATASET + number(1),
        counts.SerializeToString(deterministic=True),
    )
    message = objects_pb2.SnapshotPage(
        shards=entries([0, 1, 2]), key_epoch=1, record_counts=sealed
    )
    return message.SerializeToString(deterministic=True)


def cursor() -> bytes:
    message = objects_pb2.SourceCursor(
        parts=[
            objects_pb2.SourcePart(
                name=sha(b"/exports/visits.csv")[:16],
                size=4096,
                modified=1_767_225_600_000_000_000,
                digest=bytes(range(16)),
                mark="2048",
            )
        ],
        previous_number=2,
        previous_commit=DIGESTS[0],
        depth=1,
    )
    plaintext = message.SerializeToString(deterministic=True)
    return seal(b"sealift/1 source cursor" + DATASET, plaintext, OWNER_SECRET)


def objects() -> dict[str, dict[str, object]]:
    card = objects_pb2.Card(
        name="laboratory",
        version=1,
        time=TIME,
        recipient_keys=[
            objects_pb2.RecipientKey(
                key_id=KEY_ID,
                suite=2,
                public_key=X25519_KEY,
                not_before=TIME,
                not_after=TIME + 31_536_000,
            )
        ],
    )
    genesis = objects_pb2.Genesis(salt=GENESIS_SALT, owner=OWNER)
    made: dict[str, dict[str, object]] = {"card": sign(TRAINER_SEED, "card", card)}
    made["grant"] = sign(OWNER_SEED, "grant", grant()[0])
    granted = objects_pb2.GrantEntry(
        digest=bytes.fromhex(str(made["grant"]["digest"])),
        recipient=TRAINER,
        key_epoch=1,
        not_before=TIME,
        not_after=TIME + 86_400,
    )
    first = objects_pb2.Commit(
        dataset_id=DATASET,
        time=TIME,
        key_epoch=1,
        added=entries([0, 1]),
        metadata=metadata(
            0, name="icu", record_counts=[10, 20], subject_column="patient"
        ),
        genesis=genesis,
        granted=[granted],
    )
    made["commit 0"] = sign(OWNER_SEED, "commit", first)
    second = objects_pb2.Commit(
        dataset_id=DATASET,
        number=1,
        parent=bytes.fromhex(str(made["commit 0"]["digest"])),
        time=TIME + 60,
        key_epoch=1,
        added=entries([2]),
        metadata=metadata(1, name="icu", record_counts=[30], subject_column="patient"),
        snapshot=objects_pb2.Snapshot(
            genesis=genesis, owner=OWNER, pages=[sha(page())], grants=[granted]
        ),
    )
    made["commit 1, with a snapshot"] = sign(OWNER_SEED, "commit", second)
    third = objects_pb2.Commit(
        dataset_id=DATASET,
        number=2,
        parent=bytes.fromhex(str(made["commit 1, with a snapshot"]["digest"])),
        time=TIME + 120,
        key_epoch=1,
        removed=[SHARDS[0]],
        metadata=metadata(2),
        revoked=[TRAINER],
        co_owners=objects_pb2.CoOwners(fingerprints=[sha(b"a co-owner")]),
        erasure=True,
    )
    made["commit 2, which revokes and erases"] = sign(OWNER_SEED, "commit", third)
    commit = bytes.fromhex(str(made["commit 1, with a snapshot"]["digest"]))
    nonce = sha(b"vector nonce")[:16]
    others: list[tuple[bytes, str, Message]] = [
        (
            TRAINER_SEED,
            "rewrap",
            objects_pb2.Rewrap(
                grant=granted.digest,
                dataset_id=DATASET,
                key_id=KEY_ID,
                suite=2,
                wrapped_key=bytes(range(80)),
            ),
        ),
        (
            OWNER_SEED,
            "endorsement",
            objects_pb2.Endorsement(
                member=TRAINER, name="laboratory", time=TIME, not_after=TIME + 86_400
            ),
        ),
        (
            TRAINER_SEED,
            "succession",
            objects_pb2.Succession(
                name="laboratory", successor=public(LOG_SEED), time=TIME
            ),
        ),
        (
            TRAINER_SEED,
            "identity-revocation",
            objects_pb2.IdentityRevocation(
                name="laboratory", time=TIME, reason="laptop stolen"
            ),
        ),
        (
            TRAINER_SEED,
            "disclosure",
            objects_pb2.Disclosure(
                dataset_id=DATASET,
                number=1,
                commit=commit,
                shard_ids=b"".join(SHARDS[:2]),
                shard_count=2,
                purpose="sepsis model",
                time=TIME,
                nonce=nonce,
            ),
        ),
        (
            OWNER_SEED,
            "accounting",
            objects_pb2.Accounting(dataset_id=DATASET, time=TIME, nonce=nonce),
        ),
        (
            TRAINER_SEED,
            "purge-receipt",
            objects_pb2.PurgeReceipt(
                dataset_id=DATASET, number=1, commit=commit, time=TIME
            ),
        ),
        (
            LOG_SEED,
            "deletion-receipt",
            objects_pb2.DeletionReceipt(
                dataset_id=DATASET,
                commit=commit,
                shards=2,
                bytes=8193,
                grants=1,
                time=TIME,
            ),
        ),
        (
            OWNER_SEED,
            "probe",
            objects_pb2.Probe(
                recipient=TRAINER,
                key_id=KEY_ID,
                suite=2,
                wrapped_key=bytes(range(80)),
                sealed=bytes(1040),
                time=TIME,
            ),
        ),
        (
            TRAINER_SEED,
            "probe-answer",
            objects_pb2.ProbeAnswer(
                probe=sha(b"a probe"), opened=sha(bytes(1024)), time=TIME
            ),
        ),
    ]
    for seed, kind, message in others:
        made[kind] = sign(seed, kind, message)
    return made


def derived() -> dict[str, object]:
    subjects_key = HKDF(SHA256(), 32, salt=DATASET, info=b"sealift/1 subjects").derive(
        OWNER_SEED
    )
    grant_digest = bytes.fromhex(str(objects()["grant"]["digest"]))
    probe_context = b"sealift/1 probe" + OWNER + TRAINER + KEY_ID + number(TIME)
    master = sha(b"vector recovery master")
    expand = [
        HKDF(SHA256(), 32, salt=None, info=b"sealift/1 recovery " + label).derive(
            master
        )
        for label in (b"identity", b"recipient key")
    ]
    return {
        "comment": "docs/spec/objects.md",
        "owner_seed": OWNER_SEED.hex(),
        "trainer_seed": TRAINER_SEED.hex(),
        "owner_fingerprint": OWNER.hex(),
        "trainer_fingerprint": TRAINER.hex(),
        "trainer_fingerprint_words": str(Mnemonic("english").to_mnemonic(TRAINER)),
        "genesis_salt": GENESIS_SALT.hex(),
        "dataset_id": DATASET.hex(),
        "x25519_public_key": X25519_KEY.hex(),
        "x25519_key_id": KEY_ID.hex(),
        "grant_context": grant()[1].hex(),
        "rewrap_context": (b"sealift/1 rewrap" + grant_digest + KEY_ID).hex(),
        "probe_context": probe_context.hex(),
        "epoch_key": EPOCH_KEY.hex(),
        "snapshot_page": page().hex(),
        "snapshot_page_digest": sha(page()).hex(),
        "record_counts": [10, 20, 30],
        "subject": "patient-17",
        "subject_tag": hmac.digest(subjects_key, b"patient-17", "sha256")[:8].hex(),
        "subject_key_check": HKDF(
            SHA256(), 8, salt=DATASET, info=b"sealift/1 subjects key check"
        )
        .derive(OWNER_SEED)
        .hex(),
        "owner_secret": OWNER_SECRET.hex(),
        "source_cursor": cursor().hex(),
        "source_part": "/exports/visits.csv",
        "recovery_master": master.hex(),
        "recovery_identity_seed": expand[0].hex(),
        "recovery_x_wing_seed": expand[1].hex(),
    }


def render() -> dict[str, str]:
    """File name to content."""
    made = {"signed.json": objects(), "derived.json": derived()}
    return {
        name: json.dumps(content, indent=1) + "\n" for name, content in made.items()
    }


if __name__ == "__main__":
    folder = Path(__file__).parent / "objects"
    folder.mkdir(exist_ok=True)
    for name, content in render().items():
        (folder / name).write_text(content)
    sys.stdout.write(f"{len(render())} files\n")
