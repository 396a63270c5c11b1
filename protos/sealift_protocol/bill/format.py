"""The bill of materials of a training run as typed data: verified first, then parsed.

docs/spec/bill.md. The document is a DSSE envelope in JSON with a JSON payload, so that anyone who
finds it next to a checkpoint can read it without Sealift.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    InvalidArgument,
    MalformedObject,
    UnsupportedVersion,
    WrongSigner,
)
from sealift_protocol.ids import ID_SIZE, Fingerprint
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.objects.commits import ShardEntry
from sealift_protocol.signatures import PUBLIC_KEY_SIZES
from sealift_protocol.strictjson import (
    MAX_WHOLE,
    parse_json,
    read_base64,
    read_fields,
    read_fingerprint,
    read_flag,
    read_hex,
    read_list,
    read_text,
    read_whole,
)
from sealift_protocol.v1 import objects_pb2

MAX_TEXT = 2 << 20
_VERSION = 1
_SHARDS_LABEL = b"sealift/1 bill shards"


@dataclass(frozen=True, slots=True)
class BilledDataset:
    """The records that one commit of one dataset gave to a training run.

    Attributes:
        dataset_id: 16 bytes.
        owner: the owner as of that commit.
        commit: number of the commit.
        commit_digest: object digest of the commit, 32 bytes.
        expired_by: shards whose retention ended at or before this time (Unix seconds) are not
            included; 0 if every live shard is.
        shards: number of shards.
        shards_digest: `shards_digest` of the shards, 32 bytes.
        records: number of records in the shards.
        policies: SHA-256 of the policies that the records were de-identified under; an empty value
            for records without a policy.
        disclosures: object digests of the disclosures under which they were fetched.
        weight: share in a weighted mix; None if each training epoch takes all records.
    """

    dataset_id: bytes
    owner: Fingerprint
    commit: int
    commit_digest: bytes
    expired_by: int
    shards: int
    shards_digest: bytes
    records: int
    policies: tuple[bytes, ...]
    disclosures: tuple[bytes, ...]
    weight: float | None


@dataclass(frozen=True, slots=True)
class BilledRun:
    """Training epochs that were started with the same settings.

    Attributes:
        order: name of the algorithm that orders records, such as "sealift-order-1".
        seed: seed of the order.
        shuffle: whether records were shuffled; if not, `seed` and `shuffle_block` have no meaning.
        shuffle_block: number of shards that are mixed at a time.
        epochs: pairs of first and last training epoch, in the order in which they were started.
        batch_size: records in a batch; 0 for the batches in the shards.
        world: number of ranks that shared the order.
        columns_digest: `columns_digest` of the columns read, 32 bytes; None for all columns.
        filter_digest: `filter_digest` of the expression that chose records, 32 bytes; empty
            without a filter.
    """

    order: str
    seed: int
    shuffle: bool
    shuffle_block: int
    epochs: tuple[tuple[int, int], ...]
    batch_size: int
    world: int
    columns_digest: bytes | None
    filter_digest: bytes


@dataclass(frozen=True, slots=True)
class BilledFile:
    """A file, such as a checkpoint, by SHA-256 (32 bytes) and size in bytes."""

    sha256: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill of materials.

    Attributes:
        time: time of signing, Unix seconds.
        trainer: the identity that signs it.
        datasets: the datasets trained on, at least one.
        runs: the settings of the training epochs, as far as the trainer states them.
        checkpoint: the resulting file, if the trainer names it.
        note: a text by the trainer.
        digest: object digest, 32 bytes; empty before signing.
    """

    time: int
    trainer: Fingerprint
    datasets: tuple[BilledDataset, ...]
    runs: tuple[BilledRun, ...]
    checkpoint: BilledFile | None
    note: str
    digest: bytes = field(default=b"", compare=False)


def shards_digest(dataset_id: bytes, shards: Iterable[ShardEntry]) -> bytes:
    """Return SHA-256 over a label, the dataset id, and each shard's id and digest, 32 bytes."""
    digest = hashlib.sha256(_SHARDS_LABEL + dataset_id)
    for entry in shards:
        digest.update(entry.shard_id + entry.digest)
    return digest.digest()


def columns_digest(names: Iterable[str]) -> bytes:
    """Return SHA-256 over names in the order read, each after its length, 32 bytes.

    Raises:
        InvalidArgument: a name cannot be encoded in UTF-8.
    """
    digest = hashlib.sha256()
    for name in names:
        written = _utf8(name)
        digest.update(len(written).to_bytes(4, "big") + written)
    return digest.digest()


def filter_digest(text: str) -> bytes:
    """Return SHA-256 over a filter's text, 32 bytes; empty for an empty text (no filter).

    Raises:
        InvalidArgument: the text cannot be encoded in UTF-8.
    """
    return hashlib.sha256(_utf8(text)).digest() if text else b""


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            "a column's name or a filter cannot be encoded in UTF-8"
        ) from None


def write_payload(bill: Bill) -> bytes:
    """Return the bytes that the trainer signs."""
    document = {
        "version": _VERSION,
        "time": bill.time,
        "trainer": str(bill.trainer),
        "datasets": [
            {
                "dataset_id": part.dataset_id.hex(),
                "owner": str(part.owner),
                "commit": part.commit,
                "commit_digest": part.commit_digest.hex(),
                "expired_by": part.expired_by,
                "shards": part.shards,
                "shards_digest": part.shards_digest.hex(),
                "records": part.records,
                "policies": [policy.hex() for policy in part.policies],
                "disclosures": [digest.hex() for digest in part.disclosures],
                "weight": part.weight,
            }
            for part in bill.datasets
        ],
        "runs": [
            {
                "order": run.order,
                "seed": run.seed,
                "shuffle": run.shuffle,
                "shuffle_block": run.shuffle_block,
                "training_epochs": run.epochs,
                "batch_size": run.batch_size,
                "world": run.world,
                "columns_digest": None
                if run.columns_digest is None
                else run.columns_digest.hex(),
                "filter_digest": run.filter_digest.hex(),
            }
            for run in bill.runs
        ],
        "checkpoint": None
        if bill.checkpoint is None
        else {"sha256": bill.checkpoint.sha256.hex(), "size": bill.checkpoint.size},
        "note": bill.note,
    }
    return json.dumps(document).encode()


def write_envelope(signed: objects_pb2.Signed) -> str:
    """Return a signed bill as the JSON document that `verify_bill` reads."""
    document = {
        "payloadType": signed.payload_type,
        "payload": base64.b64encode(signed.payload).decode(),
        "signatures": [
            {
                "keyid": signed.signer.hex(),
                "sig": base64.b64encode(signed.signature).decode(),
            }
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def verify_bill(text: str) -> Bill:
    """Verify and parse a bill; the caller decides whether to trust its signer.

    Raises:
        MalformedObject: the document is not a bill.
        UnsupportedVersion: the bill has an unknown version.
        SignatureInvalid: the content is not what was signed.
        WrongSigner: the bill is not signed by the trainer that it names.
    """
    if len(text) > MAX_TEXT:
        raise MalformedObject("the bill of materials is longer than the format allows")
    outer = read_fields(parse_json(text), ("payloadType", "payload", "signatures"))
    signatures = read_list(
        outer["signatures"], lambda item: read_fields(item, ("keyid", "sig"))
    )
    if len(signatures) != 1:
        raise MalformedObject("a bill of materials must have one signature")
    signed = objects_pb2.Signed(
        payload_type=read_text(outer["payloadType"]),
        payload=read_base64(outer["payload"]),
        signer=read_hex(signatures[0]["keyid"], *PUBLIC_KEY_SIZES),
        signature=read_base64(signatures[0]["sig"]),
    )
    verified = envelope.verify(signed, envelope.BILL_OF_MATERIALS)
    try:
        payload = parse_json(verified.payload.decode())
    except UnicodeDecodeError:
        raise MalformedObject("the bill of materials is not UTF-8 text") from None
    bill = _bill(payload, verified.digest)
    if bill.trainer != verified.signer:
        raise WrongSigner(
            "the bill of materials is not signed by the trainer that it names"
        )
    return bill


def _bill(payload: object, digest: bytes) -> Bill:
    if (
        isinstance(payload, dict)
        and read_whole(payload.get("version", _VERSION)) != _VERSION
    ):
        raise UnsupportedVersion("the bill of materials has an unknown version")
    names = ("version", "time", "trainer", "datasets", "runs", "checkpoint", "note")
    fields = read_fields(payload, names)
    datasets = read_list(fields["datasets"], _dataset)
    if not datasets or not _distinct(
        [(part.dataset_id, part.commit) for part in datasets]
    ):
        raise MalformedObject(
            "the bill of materials names no dataset, or the same commit twice"
        )
    return Bill(
        time=read_whole(fields["time"]),
        trainer=read_fingerprint(fields["trainer"]),
        datasets=datasets,
        runs=read_list(fields["runs"], _run),
        checkpoint=None
        if fields["checkpoint"] is None
        else _file(fields["checkpoint"]),
        note=read_text(fields["note"]),
        digest=digest,
    )


def _dataset(value: object) -> BilledDataset:
    names = (
        *("dataset_id", "owner", "commit", "commit_digest", "expired_by", "shards"),
        *("shards_digest", "records", "policies", "disclosures", "weight"),
    )
    fields = read_fields(value, names)
    part = BilledDataset(
        dataset_id=read_hex(fields["dataset_id"], ID_SIZE),
        owner=read_fingerprint(fields["owner"]),
        commit=read_whole(fields["commit"]),
        commit_digest=read_hex(fields["commit_digest"], DIGEST_SIZE),
        expired_by=read_whole(fields["expired_by"]),
        shards=read_whole(fields["shards"]),
        shards_digest=read_hex(fields["shards_digest"], DIGEST_SIZE),
        records=read_whole(fields["records"]),
        policies=read_list(
            fields["policies"], lambda item: read_hex(item, DIGEST_SIZE, 0)
        ),
        disclosures=read_list(
            fields["disclosures"], lambda item: read_hex(item, DIGEST_SIZE)
        ),
        weight=None if fields["weight"] is None else _weight(fields["weight"]),
    )
    if not _distinct(part.policies) or not _distinct(part.disclosures):
        raise MalformedObject(
            "the bill of materials names a policy or a disclosure twice"
        )
    return part


def _run(value: object) -> BilledRun:
    names = (
        *("order", "seed", "shuffle", "shuffle_block", "training_epochs"),
        *("batch_size", "world", "columns_digest", "filter_digest"),
    )
    fields = read_fields(value, names)
    columns = fields["columns_digest"]
    return BilledRun(
        order=read_text(fields["order"]),
        seed=read_whole(fields["seed"]),
        shuffle=read_flag(fields["shuffle"]),
        shuffle_block=read_whole(fields["shuffle_block"]),
        epochs=read_list(fields["training_epochs"], _span),
        batch_size=read_whole(fields["batch_size"]),
        world=read_whole(fields["world"]),
        columns_digest=None if columns is None else read_hex(columns, DIGEST_SIZE),
        filter_digest=read_hex(fields["filter_digest"], DIGEST_SIZE, 0),
    )


def _span(value: object) -> tuple[int, int]:
    ends = read_list(value, read_whole)
    if len(ends) != 2 or ends[1] < ends[0]:
        raise MalformedObject("training epochs must be pairs of first and last")
    return ends[0], ends[1]


def _file(value: object) -> BilledFile:
    fields = read_fields(value, ("sha256", "size"))
    return BilledFile(
        read_hex(fields["sha256"], DIGEST_SIZE), read_whole(fields["size"])
    )


def _weight(value: object) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value <= MAX_WHOLE
    ):
        raise MalformedObject("a dataset's weight must be a number above 0")
    return float(value)


def _distinct(items: Sequence[object]) -> bool:
    return len(set(items)) == len(items)
