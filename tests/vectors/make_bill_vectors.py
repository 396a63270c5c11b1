"""Writes tests/vectors/bill/: bills of materials that verify, and some that must not.

The arithmetic and the JSON are this script's own; nothing of Sealift is imported.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TIME = 1_767_225_600
TYPE = "application/vnd.sealift.bill-of-materials.v1+json"


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


TRAINER_SEED, OTHER_SEED = sha(b"vector trainer"), sha(b"vector other trainer")
OWNER_SEED = sha(b"vector owner")
DATASET = sha(b"vector dataset")[:16]
COLUMNS, FILTER = ["age", "Größe"], "(Größe > 1.8)"
SHARDS = [
    (sha(b"vector shard %d" % i)[:16], sha(b"vector shard digest %d" % i))
    for i in range(3)
]


def public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def fingerprint(seed: bytes) -> str:
    digest = sha(b"sealift/1 identity" + public(seed))
    text = base64.b32encode(digest).decode().rstrip("=").lower()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def shards_digest(shards: list[tuple[bytes, bytes]]) -> bytes:
    return sha(b"sealift/1 bill shards" + DATASET + b"".join(i + d for i, d in shards))


def columns_digest(names: list[str]) -> bytes:
    written = [name.encode() for name in names]
    return sha(b"".join(struct.pack(">I", len(name)) + name for name in written))


def encode(payload_type: str, payload: bytes) -> bytes:
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(
    payload: bytes, seed: bytes = TRAINER_SEED, payload_type: str = TYPE
) -> dict[str, Any]:
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(
        encode(payload_type, payload)
    )
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": public(seed).hex(), "sig": base64.b64encode(signature).decode()},
        ],
    }


def smallest() -> dict[str, Any]:
    return {
        "version": 1,
        "time": TIME,
        "trainer": fingerprint(TRAINER_SEED),
        "datasets": [
            {
                "dataset_id": DATASET.hex(),
                "owner": fingerprint(OWNER_SEED),
                "commit": 0,
                "commit_digest": sha(b"vector commit 0").hex(),
                "expired_by": 0,
                "shards": 0,
                "shards_digest": shards_digest([]).hex(),
                "records": 0,
                "policies": [],
                "disclosures": [],
                "weight": None,
            }
        ],
        "runs": [],
        "checkpoint": None,
        "note": "",
    }


def full() -> dict[str, Any]:
    bill = smallest()
    bill["datasets"] = [
        {
            "dataset_id": DATASET.hex(),
            "owner": fingerprint(OWNER_SEED),
            "commit": 12,
            "commit_digest": sha(b"vector commit 12").hex(),
            "expired_by": TIME - 60,
            "shards": 3,
            "shards_digest": shards_digest(SHARDS).hex(),
            "records": 60,
            "policies": ["", sha(b"vector policy").hex()],
            "disclosures": [sha(b"vector disclosure %d" % i).hex() for i in range(2)],
            "weight": 2.5,
        },
        smallest()["datasets"][0],
    ]
    bill["datasets"][1]["weight"] = 1
    bill["runs"] = [
        {
            "order": "sealift-order-1",
            "seed": 2**64 - 1,
            "shuffle": True,
            "shuffle_block": 8,
            "training_epochs": [[0, 3], [3, 9]],
            "batch_size": 256,
            "world": 4,
            "columns_digest": columns_digest(COLUMNS).hex(),
            "filter_digest": sha(FILTER.encode()).hex(),
        },
        {
            "order": "sealift-order-1",
            "seed": 0,
            "shuffle": False,
            "shuffle_block": 8,
            "training_epochs": [[0, 0]],
            "batch_size": 0,
            "world": 1,
            "columns_digest": None,
            "filter_digest": "",
        },
    ]
    bill["checkpoint"] = {"sha256": sha(b"vector checkpoint").hex(), "size": 17}
    bill["note"] = "first run, 5 °C"
    return bill


def good() -> list[dict[str, Any]]:
    made = []
    texts = [{"columns": COLUMNS, "filter": FILTER}, {"columns": None, "filter": ""}]
    for name, bill, shards, runs in (
        ("the smallest", smallest(), [], []),
        ("every field", full(), SHARDS, texts),
    ):
        payload = json.dumps(bill, ensure_ascii=name == "the smallest").encode()
        made.append(
            {
                "name": name,
                "payload": payload.decode(),
                "shards": [{"shard_id": i.hex(), "digest": d.hex()} for i, d in shards],
                "runs": runs,
                "document": json.dumps(sign(payload), indent=1) + "\n",
                "object_digest": sha(
                    encode(TYPE, payload) + public(TRAINER_SEED)
                ).hex(),
            }
        )
    return made


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    """A validly signed bill in which one field is another."""
    bill = full()
    place: Any = bill
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return sign(json.dumps(bill).encode())


def bad() -> list[dict[str, Any]]:
    honest = sign(json.dumps(full()).encode())
    text = json.dumps(honest)
    cases: list[tuple[str, str, dict[str, Any] | str]] = []

    def case(name: str, error: str, document: dict[str, Any] | str) -> None:
        cases.append((name, error, document))

    def envelope(name: str, error: str, **fields: Any) -> None:
        case(name, error, {**copy.deepcopy(honest), **fields})

    other = sign(json.dumps(full()).encode(), OTHER_SEED)
    changed_payload = json.dumps({**full(), "note": "second run"}).encode()
    signature = honest["signatures"][0]
    envelope(
        "another payload under the signature",
        "SIGNATURE_INVALID",
        payload=base64.b64encode(changed_payload).decode(),
    )
    envelope("the signature of another", "SIGNATURE_INVALID",
             signatures=[{**signature, "sig": other["signatures"][0]["sig"]}])  # fmt: skip
    envelope("the key of another", "SIGNATURE_INVALID",
             signatures=[{**signature, "keyid": other["signatures"][0]["keyid"]}])  # fmt: skip
    case("another's signature on a bill of this trainer", "WRONG_SIGNER", other)
    envelope("two signatures", "MALFORMED_OBJECT", signatures=[signature, signature])
    envelope("no signature", "MALFORMED_OBJECT", signatures=[])
    envelope(
        "something beside what is signed", "MALFORMED_OBJECT", dataset="hospital/icu"
    )
    # 64 bytes end in two letters of padding.
    envelope("a signature in base64 without padding", "MALFORMED_OBJECT",
             signatures=[{**signature, "sig": signature["sig"].rstrip("=")}])  # fmt: skip
    envelope("a payload that is no text", "MALFORMED_OBJECT", payload=None)
    envelope("a key in capitals", "MALFORMED_OBJECT",
             signatures=[{**signature, "keyid": signature["keyid"].upper()}])  # fmt: skip
    envelope("a key that is too short", "MALFORMED_OBJECT",
             signatures=[{**signature, "keyid": signature["keyid"][:-2]}])  # fmt: skip
    # 64 bytes leave four bits of the last letter unused.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(signature["sig"][-3]) + 1]
    envelope(
        "a signature in base64 with bits that mean nothing",
        "MALFORMED_OBJECT",
        signatures=[{**signature, "sig": signature["sig"][:-3] + last + "=="}],
    )
    case(
        "a later version of the payload type",
        "UNSUPPORTED_VERSION",
        sign(b"{}", payload_type=TYPE.replace("v1", "v2")),
    )
    case(
        "the payload type of a disclosure",
        "MALFORMED_OBJECT",
        sign(b"{}", payload_type="application/vnd.sealift.disclosure.v1+protobuf"),
    )
    case("nothing", "MALFORMED_OBJECT", "")
    case("half of it", "MALFORMED_OBJECT", text[: len(text) // 2])
    case("a list", "MALFORMED_OBJECT", f"[{text}]")
    case("brackets without end", "MALFORMED_OBJECT", "[" * 5_000)
    case("a field twice", "MALFORMED_OBJECT", text[:-1] + ', "payload": ""}')
    case("a payload that is not UTF-8", "MALFORMED_OBJECT", sign(b'"\xff"'))
    case("a payload that is not JSON", "MALFORMED_OBJECT", sign(b"version: 1"))
    case("a payload that is no object", "MALFORMED_OBJECT", sign(b"[]"))
    case("a payload without fields", "MALFORMED_OBJECT", sign(b"{}"))
    case("a later version", "UNSUPPORTED_VERSION", changed(["version"], 2))
    case("a version that is true", "MALFORMED_OBJECT", changed(["version"], True))
    case("a field more", "MALFORMED_OBJECT", changed(["approved"], True))
    case("no dataset", "MALFORMED_OBJECT", changed(["datasets"], []))
    case(
        "a commit twice",
        "MALFORMED_OBJECT",
        changed(["datasets"], smallest()["datasets"] * 2),
    )
    case("a trainer in capitals", "MALFORMED_OBJECT",
         changed(["trainer"], fingerprint(TRAINER_SEED).upper()))  # fmt: skip
    case(
        "a trainer who is none", "MALFORMED_OBJECT", changed(["trainer"], "laboratory")
    )
    case("a time before 1970", "MALFORMED_OBJECT", changed(["time"], -1))
    case("a note that is a number", "MALFORMED_OBJECT", changed(["note"], 1))
    case("half a surrogate pair", "MALFORMED_OBJECT", changed(["note"], "\ud800"))
    case("a checkpoint without size", "MALFORMED_OBJECT",
         changed(["checkpoint"], {"sha256": "00" * 32}))  # fmt: skip
    dataset, run = ["datasets", 0], ["runs", 0]
    for name, value in (
        ("beyond 64 bits", 2**64),
        ("with a fraction", 12.0),
        ("as text", "12"),
    ):
        case(
            f"a commit {name}", "MALFORMED_OBJECT", changed([*dataset, "commit"], value)
        )
    case(
        "a short digest",
        "MALFORMED_OBJECT",
        changed([*dataset, "commit_digest"], "00" * 31),
    )
    case(
        "digits that are not hex",
        "MALFORMED_OBJECT",
        changed([*dataset, "dataset_id"], "xy" * 16),
    )
    case(
        "policies that are no list",
        "MALFORMED_OBJECT",
        changed([*dataset, "policies"], "00" * 32),
    )
    case(
        "a policy twice", "MALFORMED_OBJECT", changed([*dataset, "policies"], ["", ""])
    )
    case(
        "an empty disclosure",
        "MALFORMED_OBJECT",
        changed([*dataset, "disclosures"], [""]),
    )
    case("a disclosure twice", "MALFORMED_OBJECT",
         changed([*dataset, "disclosures"], ["00" * 32] * 2))  # fmt: skip
    for value in (0, -1, True, "1", float("nan"), float("inf"), 10**400):
        case(f"the weight {str(value)[:4]} as {type(value).__name__}", "MALFORMED_OBJECT",
             changed([*dataset, "weight"], value))  # fmt: skip
    case("a shuffle that is 1", "MALFORMED_OBJECT", changed([*run, "shuffle"], 1))
    for name, value in (
        ("as names", COLUMNS),
        ("of no length", ""),
        ("cut", "00" * 31),
    ):
        case(
            f"columns {name}",
            "MALFORMED_OBJECT",
            changed([*run, "columns_digest"], value),
        )
    for name, value in (
        ("as text", FILTER),
        ("that is null", None),
        ("cut", "00" * 31),
    ):
        case(
            f"a filter {name}",
            "MALFORMED_OBJECT",
            changed([*run, "filter_digest"], value),
        )
    for spans in ([[3, 0]], [[0]], [0, 3], [[0, 1, 2]]):
        case(f"the training epochs {spans}", "MALFORMED_OBJECT",
             changed([*run, "training_epochs"], spans))  # fmt: skip
    return [
        {
            "name": name,
            "reason": error,
            "document": document if isinstance(document, str) else json.dumps(document),
        }
        for name, error, document in cases
    ]


def render() -> dict[str, str]:
    """File name to content."""
    made = {"good.json": good(), "bad.json": bad()}
    return {
        name: json.dumps(content, indent=1) + "\n" for name, content in made.items()
    }


if __name__ == "__main__":
    folder = Path(__file__).parent / "bill"
    folder.mkdir(exist_ok=True)
    for name, content in render().items():
        (folder / name).write_text(content)
    sys.stdout.write(f"{len(render())} files\n")
