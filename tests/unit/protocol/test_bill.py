"""Bills of materials: against vectors, out of form, any byte changed, held against a history."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DOCS, VECTORS

from sealift.crypto.signing import Identity
from sealift.history.bills import (
    BillCheck,
    Outcome,
    check_bill,
    check_checkpoint,
    verify_bill,
)
from sealift.process.secret import Secret
from sealift.trainer.bill import make_bill, measure_file
from sealift.trainer.engine.plan import Plan, Run
from sealift_protocol import signed as envelope
from sealift_protocol.bill import format as formats
from sealift_protocol.bill.format import (
    Bill,
    BilledDataset,
    BilledFile,
    columns_digest,
    filter_digest,
    shards_digest,
)
from sealift_protocol.bill.rules import (
    CLOCK_SKEW,
    check_commit,
    check_fetches,
    check_shards,
)
from sealift_protocol.errors import (
    BY_REASON,
    ContextMismatch,
    DisclosureMissing,
    HistoryInvalid,
    InvalidArgument,
    MalformedObject,
    SignatureInvalid,
    VerificationError,
    WrongSigner,
)
from sealift_protocol.history import History
from sealift_protocol.objects.accounting import Disclosure
from sealift_protocol.objects.commits import Commit, Genesis, ShardEntry
from sealift_protocol.v1 import objects_pb2

BILLS = VECTORS / "bill"
GOOD = json.loads((BILLS / "good.json").read_text())
BAD = json.loads((BILLS / "bad.json").read_text())
TRAINER, OWNER, OTHER = (Identity.of_seed(Secret(bytes([n]) * 32)) for n in range(3))
TIME = 1_767_225_600
DATASET = b"d" * 16


def now() -> datetime:
    return datetime.fromtimestamp(TIME, UTC)


def run(
    *,
    batch_size: int | None = 32,
    columns: tuple[str, ...] | None = None,
    filter: str = "",  # noqa: A002 - what it is called
    **settings: Any,
) -> Run:
    plan = Plan(batch_size or 1, **{"shuffle": True, "seed": 7, **settings})
    return Run(plan, columns, filter, batched=batch_size is not None)


def shard(name: int, not_after: int = 0) -> ShardEntry:
    return ShardEntry(bytes([name]) * 16, 1, 100, bytes([name]) * 32, not_after)


PART = BilledDataset(
    dataset_id=DATASET,
    owner=OWNER.fingerprint,
    commit=1,
    commit_digest=bytes([1]) * 32,
    expired_by=0,
    shards=2,
    shards_digest=shards_digest(DATASET, [shard(1), shard(2)]),
    records=60,
    policies=(b"", b"p" * 32),
    disclosures=(b"f" * 32,),
    weight=None,
)


def made(
    *parts: BilledDataset, runs: tuple[Run, ...] = (run(),), **options: Any
) -> str:
    return make_bill(TRAINER, now, parts or (PART,), runs, **options)


def payload_of(text: str) -> bytes:
    return base64.b64decode(json.loads(text)["payload"])


def signed_again(text: str, payload: bytes, signer: Identity = TRAINER) -> str:
    return formats.write_envelope(signer.sign(envelope.BILL_OF_MATERIALS, payload))


# --- the format ----------------------------------------------------------------------------------


def test_the_vectors_are_what_their_script_writes(vector_script) -> None:
    made = vector_script("make_bill_vectors").render()
    assert {path.name: path.read_text() for path in BILLS.glob("*.json")} == made


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_a_bill_of_the_vectors_verifies(vector: dict[str, Any]) -> None:
    bill = formats.verify_bill(vector["document"])
    shown = json.loads(vector["payload"])
    first, dataset = bill.datasets[0], shown["datasets"][0]
    entries = [
        ShardEntry(bytes.fromhex(s["shard_id"]), 1, 1, bytes.fromhex(s["digest"]))
        for s in vector["shards"]
    ]
    assert shards_digest(first.dataset_id, entries) == first.shards_digest
    for run, said in zip(bill.runs, vector["runs"], strict=True):
        names = said["columns"]
        assert run.columns_digest == (None if names is None else columns_digest(names))
        assert run.filter_digest == filter_digest(said["filter"])
    assert bill.digest.hex() == vector["object_digest"]
    assert json.loads(formats.write_payload(bill)) == shown
    assert (str(first.owner), first.commit, first.records) == (
        dataset["owner"],
        dataset["commit"],
        dataset["records"],
    )


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_a_bad_bill_of_the_vectors_is_refused_by_name(vector: dict[str, Any]) -> None:
    with pytest.raises(BY_REASON[vector["reason"]]):
        formats.verify_bill(vector["document"])


def test_what_is_made_is_what_is_read() -> None:
    text = made(
        replace(PART, weight=2.5),
        replace(PART, commit=3, policies=(), disclosures=()),
        runs=(
            run(epoch=0, columns=("age", "Größe"), filter="(age > 18)"),
            run(batch_size=None),
        ),
        note="first\nrun",
    )
    bill = formats.verify_bill(text)
    assert bill.trainer == TRAINER.fingerprint
    assert (bill.time, bill.note, bill.checkpoint) == (TIME, "first\nrun", None)
    assert bill.datasets[0] == replace(PART, weight=2.5)
    assert [part.commit for part in bill.datasets] == [1, 3]
    chosen, plain = bill.runs
    assert chosen.columns_digest == columns_digest(["age", "Größe"])
    assert chosen.filter_digest == hashlib.sha256(b"(age > 18)").digest()
    assert (plain.columns_digest, plain.filter_digest, plain.batch_size) == (
        None,
        b"",
        0,
    )
    assert {run.order for run in bill.runs} == {"sealift-order-1"}


def test_a_bill_does_not_show_names_of_columns_or_a_filter() -> None:
    text = made(
        runs=(run(columns=("canary-name", "Kanarienvögel"), filter="(canary == 4711)"),)
    )
    shown = payload_of(text) + text.encode() + repr(formats.verify_bill(text)).encode()
    for secret in ("canary", "4711", "Kanarien", "vögel", r"v\u00f6gel"):
        assert secret.encode() not in shown


def test_the_digest_of_columns_is_of_whole_names_in_their_order() -> None:
    name = b"\0\0\0\1a\0\0\0\x03\xc3\xa9b"
    assert columns_digest(["a", "éb"]) == hashlib.sha256(name).digest()
    alike = (["ab", "c"], ["a", "bc"], ["abc"], ["c", "ab"], ["ab", "c", ""], [])
    assert len({columns_digest(names) for names in alike}) == len(alike)
    # Letters that look alike are different letters.
    assert columns_digest(["\u00e9"]) != columns_digest(["e\u0301"])


def test_runs_that_read_otherwise_are_other_runs() -> None:
    ways = (
        run(),
        run(columns=("a",)),
        run(columns=()),
        run(filter="x"),
        run(columns=("b",)),
    )
    assert len(formats.verify_bill(made(runs=ways * 2)).runs) == len(ways)


def test_anybody_can_read_a_bill_without_sealift() -> None:
    outer = json.loads(made())
    assert outer["payloadType"] == "application/vnd.sealift.bill-of-materials.v1+json"
    assert (
        json.loads(base64.b64decode(outer["payload"]))["datasets"][0]["records"] == 60
    )
    assert bytes.fromhex(outer["signatures"][0]["keyid"]) == TRAINER.public_key


def test_a_thousand_training_epochs_take_a_line() -> None:
    runs = [
        one for n in range(1000) for one in (run(epoch=n), run(epoch=0, shuffle=False))
    ]
    short, long = made(), made(runs=tuple(runs))
    bill = formats.verify_bill(long)
    assert [run.shuffle for run in bill.runs] == [True, False]
    assert bill.runs[0].epochs == ((0, 999),)
    assert bill.runs[1].epochs == ((0, 0),) * 1000
    resumed = formats.verify_bill(
        made(runs=tuple(run(epoch=n) for n in (0, 1, 1, 2, 7)))
    )
    assert resumed.runs[0].epochs == ((0, 1), (1, 2), (7, 7))
    assert len(made(runs=tuple(run(epoch=n) for n in range(1000)))) < len(short) + 10


@pytest.mark.parametrize(
    "runs",
    [
        (run(seed=-1),),
        (run(seed=2**64),),
    ],
)
def test_what_cannot_stand_in_a_bill_is_the_callers_error(
    runs: tuple[Run, ...],
) -> None:
    with pytest.raises(InvalidArgument, match="cannot be made"):
        made(runs=runs)


@pytest.mark.parametrize(
    "broken", [run(filter="x\ud800"), run(columns=("a", "x\udfff"))]
)
def test_half_a_letter_has_no_digest(broken: Run) -> None:
    with pytest.raises(InvalidArgument, match="cannot be encoded") as refused:
        made(runs=(broken,))
    assert "x" not in str(refused.value)


@pytest.mark.parametrize(
    "parts",
    [
        (PART, PART),
        (replace(PART, weight=0.0),),
        (replace(PART, weight=float("nan")),),
        (replace(PART, commit_digest=b"short"),),
    ],
)
def test_datasets_that_cannot_be_billed_are_the_callers_error(parts) -> None:
    with pytest.raises(InvalidArgument, match="cannot be made"):
        made(*parts)
    with pytest.raises(InvalidArgument, match="cannot be made"):
        make_bill(TRAINER, now, (), ())


def test_a_bill_beyond_any_honest_size_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        made(note="x" * (2 << 20))
    with pytest.raises(MalformedObject, match="longer"):
        formats.verify_bill(" " * (2 << 20) + made())


def test_a_checkpoint_stands_in_it_by_digest_and_size_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret-project-name.pt"
    file.write_bytes(b"weights" * 100_000)
    text = made(checkpoint=file)
    bill = formats.verify_bill(text)
    assert bill.checkpoint == BilledFile(
        hashlib.sha256(file.read_bytes()).digest(), 700_000
    )
    assert b"secret-project-name" not in payload_of(text)
    assert check_checkpoint(bill, measure_file(file)).outcome is Outcome.OK
    file.write_bytes(b"weights" * 99_999)
    failed = check_checkpoint(bill, measure_file(file))
    assert failed.outcome is Outcome.FAILED
    assert isinstance(failed.error, ContextMismatch)
    assert (
        check_checkpoint(replace(bill, checkpoint=None), measure_file(file)).error
        is not None
    )
    for missing in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(InvalidArgument) as refused:
            made(checkpoint=missing)
        assert str(missing) not in str(refused.value)


# --- tampering -----------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.data())
def test_a01_any_changed_byte_of_what_was_signed_is_refused(
    data: st.DataObject,
) -> None:
    text = GOOD[1]["document"]
    outer = json.loads(text)
    payload = bytearray(base64.b64decode(outer["payload"]))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    outer["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(SignatureInvalid):
        formats.verify_bill(json.dumps(outer))


@settings(max_examples=300)
@given(st.data())
def test_a01_any_changed_letter_of_a_bill_is_refused_or_says_the_same(
    data: st.DataObject,
) -> None:
    text = GOOD[1]["document"]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(max_codepoint=0x17F))
    changed = text[:place] + letter + text[place + 1 :]
    try:
        bill = formats.verify_bill(changed)
    except VerificationError:
        return
    assert changed.split() == text.split()
    assert bill.digest.hex() == GOOD[1]["object_digest"]


@given(
    st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1"))
)
def test_any_text_is_a_bill_or_a_named_error(text: str) -> None:
    with pytest.raises(VerificationError):
        formats.verify_bill(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=5,
)


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        inner = [
            p for key, item in value.items() for p in places_of(item, (*path, key))
        ]
    elif isinstance(value, list):
        inner = [p for n, item in enumerate(value) for p in places_of(item, (*path, n))]
    return [path, *inner] if path else inner


@settings(max_examples=300)
@given(st.sampled_from(places_of(json.loads(GOOD[1]["payload"]))), JSON)
def test_a_trainer_who_signs_anything_at_any_place_makes_a_bill_or_a_named_error(
    path: tuple[Any, ...], value: object
) -> None:
    document = json.loads(GOOD[1]["payload"])
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    payload = json.dumps({**document, "trainer": str(TRAINER.fingerprint)}).encode()
    try:
        bill = formats.verify_bill(signed_again("", payload))
    except VerificationError:
        return
    # Whatever is read is what was signed, and nothing of it was left unread.
    assert json.loads(formats.write_payload(bill)) == json.loads(payload)


def test_a01_another_trainers_bill_is_not_this_trainers() -> None:
    text = made()
    assert verify_bill(text, trainers={TRAINER.fingerprint, OTHER.fingerprint})
    with pytest.raises(WrongSigner):
        verify_bill(text, trainers={OTHER.fingerprint})
    # Another signs the same words; it does not become that trainer's, nor its own.
    for trainers in ({TRAINER.fingerprint}, {OTHER.fingerprint}):
        with pytest.raises(WrongSigner):
            verify_bill(signed_again(text, payload_of(text), OTHER), trainers=trainers)


def test_a01_a_signature_on_another_object_is_none_on_a_bill() -> None:
    text = made()
    signed = TRAINER.sign(envelope.DISCLOSURE, payload_of(text))
    signed.payload_type = envelope.BILL_OF_MATERIALS
    with pytest.raises(SignatureInvalid):
        formats.verify_bill(formats.write_envelope(signed))
    with pytest.raises(MalformedObject):
        formats.verify_bill(
            formats.write_envelope(TRAINER.sign(envelope.DISCLOSURE, payload_of(text)))
        )


def test_somebody_has_to_say_who_the_trainer_should_be() -> None:
    with pytest.raises(InvalidArgument):
        verify_bill(made())


def test_what_was_checked_has_names() -> None:
    bill, checks = check_bill(made(), trainers={TRAINER.fingerprint})
    assert bill.datasets == (PART,)
    assert [check.name for check in checks] == ["signature", "trainer"]
    assert all(
        isinstance(check, BillCheck) and check.outcome is Outcome.OK for check in checks
    )


# --- against a history ---------------------------------------------------------------------------


def commit(number: int, *added: ShardEntry, removed: tuple[bytes, ...] = ()) -> Commit:
    return Commit(
        dataset_id=DATASET,
        number=number,
        parent=bytes([number - 1]) * 32 if number else b"",
        time=TIME - 1000 + number,
        key_epoch=1,
        added=added,
        removed=removed,
        metadata=b"",
        genesis=None if number else Genesis(b"s" * 16, OWNER.fingerprint, ()),
        granted=(),
        revoked=(),
        co_owners=None,
        snapshot=None,
        erasure=False,
        deletion=False,
        signer=OWNER.fingerprint,
        digest=bytes([number]) * 32,
    )


def history(*commits: Commit) -> History:
    made = History(DATASET, OWNER.fingerprint)
    for item in commits:
        made.append(item)
    return made


WHOLE = (
    commit(0, shard(1)),
    commit(1, shard(2)),
    commit(2, shard(3), removed=(bytes([1]) * 16,)),
)


def test_the_bill_of_a_commit_that_is_not_the_newest_fits() -> None:
    assert check_commit(history(*WHOLE), PART, TIME).number == 1
    assert check_shards(history(*WHOLE[:2]), PART) == [shard(1), shard(2)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"commit": 3}, HistoryInvalid),
        ({"commit": 2**64 - 1}, HistoryInvalid),
        ({"commit": 0}, HistoryInvalid),
        ({"commit_digest": bytes(32)}, HistoryInvalid),
        ({"dataset_id": b"e" * 16}, ContextMismatch),
        ({"expired_by": TIME + CLOCK_SKEW + 1}, ContextMismatch),
    ],
)
def test_a_commit_that_is_not_in_the_history_is_named(change, error) -> None:
    with pytest.raises(error):
        check_commit(history(*WHOLE), replace(PART, **change), TIME)


def test_a_bill_cannot_be_older_than_its_commit() -> None:
    newest = WHOLE[1].time
    assert check_commit(history(*WHOLE), PART, newest - CLOCK_SKEW)
    with pytest.raises(ContextMismatch, match="older"):
        check_commit(history(*WHOLE), PART, newest - CLOCK_SKEW - 1)


@pytest.mark.parametrize(
    "change",
    [
        {"shards": 1},
        {"shards": 3},
        {"shards_digest": bytes(32)},
        {"shards_digest": shards_digest(DATASET, [shard(2), shard(1)])},
        {"shards_digest": shards_digest(DATASET, [shard(1)]), "shards": 1},
        {"shards_digest": shards_digest(b"e" * 16, [shard(1), shard(2)])},
        {
            "shards_digest": shards_digest(
                DATASET, [shard(1), replace(shard(2), digest=bytes(32))]
            )
        },
        {"owner": OTHER.fingerprint},
    ],
)
def test_other_shards_or_another_owner_than_the_commits_are_named(change) -> None:
    with pytest.raises(ContextMismatch):
        check_shards(history(*WHOLE[:2]), replace(PART, **change))


def test_shards_past_their_retention_are_left_out_as_the_trainer_left_them_out() -> (
    None
):
    kept, short, shorter = shard(1), shard(2, TIME - 100), shard(3, TIME - 200)
    then = history(commit(0, kept, short, shorter))
    for expired_by, live in ((0, 3), (TIME - 201, 3), (TIME - 200, 2), (TIME - 100, 1)):
        entries = [e for e in (kept, short, shorter) if e.kept_at(expired_by)]
        assert len(entries) == live
        part = replace(
            PART,
            expired_by=expired_by,
            shards=live,
            shards_digest=shards_digest(DATASET, entries),
        )
        assert check_shards(then, part) == entries


# --- against an account --------------------------------------------------------------------------


def fetch(number: int = 1, *shard_ids: bytes, **change: Any) -> Disclosure:
    made = Disclosure(
        dataset_id=DATASET,
        number=number,
        commit=bytes([number]) * 32,
        shard_ids=frozenset(shard_ids),
        shard_count=len(shard_ids) or 2,
        purpose="",
        time=TIME,
        signer=TRAINER.fingerprint,
        digest=b"f" * 32,
    )
    return replace(made, **change)


def covered(*made: Disclosure, part: BilledDataset = PART) -> set[bytes]:
    return check_fetches(
        history(*WHOLE),
        part,
        [shard(1), shard(2)],
        {item.digest: item for item in made},
        {TRAINER.fingerprint},
        TIME,
    )


def test_disclosures_cover_what_they_name_and_what_was_live_then() -> None:
    first, second = bytes([1]) * 16, bytes([2]) * 16
    assert covered(fetch()) == {first, second}
    assert covered(fetch(1, second)) == {second}
    assert covered(fetch(2)) == {second}
    assert covered(fetch(2, first)) == set()
    both = replace(PART, disclosures=(b"f" * 32, b"g" * 32))
    assert covered(fetch(1, first), fetch(1, second, digest=b"g" * 32), part=both) == {
        first,
        second,
    }


@pytest.mark.parametrize(
    ("made", "error"),
    [
        (fetch(digest=b"g" * 32), DisclosureMissing),
        (fetch(signer=OTHER.fingerprint), WrongSigner),
        (fetch(dataset_id=b"e" * 16), ContextMismatch),
        (fetch(0), ContextMismatch),
        (fetch(commit=bytes(32)), HistoryInvalid),
        (fetch(3), HistoryInvalid),
        (fetch(time=TIME + CLOCK_SKEW + 1), ContextMismatch),
    ],
)
def test_a14_a_disclosure_that_does_not_back_the_bill_is_named(
    made: Disclosure, error
) -> None:
    with pytest.raises(error):
        covered(made)


def test_the_specification_names_every_field() -> None:
    spec = (DOCS / "spec/bill.md").read_text()
    bill = formats.verify_bill(GOOD[1]["document"])
    assert isinstance(bill, Bill)
    document = json.loads(formats.write_payload(bill))
    for fields in (
        document,
        document["datasets"][0],
        document["runs"][0],
        document["checkpoint"],
    ):
        for name in fields:
            assert f"`{name}`" in spec, name
    assert envelope.BILL_OF_MATERIALS in spec
    assert "sealift/1 bill shards" in spec
    assert objects_pb2.Signed.DESCRIPTOR.name in spec
