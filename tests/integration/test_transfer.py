"""Owner, relay and trainer together, and what happens when one of them fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from patience import PATIENCE
from shards import seal_shard

import sealift
from sealift.crypto.sealing import ShardContext
from sealift.crypto.signing import sign_commit
from sealift.history.disclosures import disclose
from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    Conflict,
    CorruptShard,
    EmptySource,
    InvalidArgument,
    MissingShard,
    NotTrusted,
    RelayStorageFull,
    RelayUnavailable,
    SchemaMismatch,
    SourceError,
    UnknownMember,
    WrongKey,
)
from sealift_protocol.ids import dataset_id_of
from sealift_protocol.v1 import shards_pb2, shards_pb2_grpc
from sealift_relay.app import Relay
from sealift_relay.store import blobs as blobs_module


def stored(relay) -> list[Path]:
    return [path for path in (relay.folder / "blobs").rglob("*") if path.is_file()]


def left_after_a_moment(relay) -> list[Path]:
    """The client learns that its call ended before the relay has tidied up behind it."""
    deadline = time.monotonic() + PATIENCE
    while stored(relay) and time.monotonic() < deadline:
        time.sleep(0.02)
    return stored(relay)


def test_a_second_push_of_the_same_schema_appends(
    hospital: Session, laboratory: Session, records: pa.Table
) -> None:
    first = hospital.push(records, dataset="study", to="laboratory")
    second = hospital.push(records, dataset="study")
    assert (first.created, first.commit, second.created, second.commit) == (
        True,
        0,
        False,
        1,
    )
    opened = laboratory.open_dataset("hospital/study")
    assert opened.to_table().equals(pa.concat_tables([records, records]))
    assert (opened.num_records, opened.num_shards) == (2000, 2)
    assert "2000 records" in repr(opened)


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"patient": ["x"]}, "3 columns and these records have 1"),
        ({"patient": ["x"], "age": [1], "score": [1.0]}, "column 2 is int32"),
        (
            {"patient": ["x"], "years": [1], "score": [1.0]},
            "column 2 has a different name",
        ),
    ],
)
def test_a_push_of_another_schema_is_refused(
    columns: dict[str, list[object]],
    what: str,
    relay,
    hospital: Session,
    records: pa.Table,
) -> None:
    hospital.push(records, dataset="study")
    before = stored(relay)
    with pytest.raises(SchemaMismatch, match=what):
        hospital.push(pa.table(columns), dataset="study")
    assert stored(relay) == before


def test_owners_open_their_own_datasets(hospital: Session, records: pa.Table) -> None:
    hospital.push(records, dataset="study", description="in words")
    opened = hospital.open_dataset("hospital/study")
    assert opened.to_table().equals(records)
    assert opened.description == "in words"
    [info] = hospital.datasets()
    assert (info.owner, info.name, info.records, info.commits) == (
        "hospital",
        "study",
        1000,
        1,
    )


def test_a_dataset_of_many_shards_and_types_comes_back_as_it_was(
    hospital: Session, laboratory: Session, tmp_path: Path
) -> None:
    rows = 3_000_000
    table = pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "value": pa.array([None, 1.5, float("inf")] * (rows // 3), pa.float64()),
            "text": ["", "ä", "longer than inline"] * (rows // 3),
            "list": pa.array([[], [1], None] * (rows // 3), pa.list_(pa.int16())),
            "flag": pa.array([True, None, False] * (rows // 3)),
        }
    )
    pq.write_table(table, tmp_path / "records.parquet")
    pushed = hospital.push(
        tmp_path / "records.parquet", dataset="types", to="laboratory"
    )
    assert pushed.shards > 1
    files = sealift.write_parquet(
        laboratory.open_dataset("hospital/types"), tmp_path / "out"
    )
    assert len(files) == pushed.shards
    assert pa.concat_tables([pq.read_table(path) for path in files]).equals(table)


def test_a_member_without_a_grant_is_refused(
    hospital: Session, laboratory: Session, records: pa.Table
) -> None:
    hospital.push(records, dataset="study")
    with pytest.raises(AccessDenied):
        laboratory.open_dataset("hospital/study")
    with pytest.raises(NotTrusted):
        laboratory.open_dataset("clinic/study")
    with pytest.raises(NotTrusted) as caught:
        laboratory.open_dataset("hospitl/study")
    assert (
        str(caught.value)
        == 'no fingerprint is pinned for "hospitl"; did you mean "hospital"?'
    )
    with pytest.raises(InvalidArgument):
        laboratory.open_dataset("study")


def test_an_unpinned_owners_dataset_is_listed_unopened(
    relay, hospital: Session, laboratory: Session, records: pa.Table
) -> None:
    hospital.push(records, dataset="study", to="laboratory")
    laboratory._connection.profile.trust.remove("hospital")
    [info] = laboratory.datasets()
    assert (info.trusted, info.name, info.owner) == (
        False,
        "",
        str(hospital.fingerprint),
    )


def test_an_unknown_recipient_is_refused(
    relay, hospital: Session, records: pa.Table
) -> None:
    with pytest.raises(NotTrusted):
        hospital.push(records, dataset="study", to="nobody")
    hospital.trust("nobody", str(hospital.fingerprint))
    with pytest.raises(UnknownMember):
        hospital.push(records, dataset="study", to="nobody")
    assert left_after_a_moment(relay) == []


def test_a_push_that_fails_in_the_middle_shows_nothing(
    relay, hospital: Session, records: pa.Table
) -> None:
    def breaks() -> Iterator[pa.RecordBatch]:
        batch = pa.record_batch({"value": pa.array(range(1 << 20), pa.int64())})
        for _ in range(20):
            yield batch
        raise SourceError("the source broke")

    reader = pa.RecordBatchReader.from_batches(
        pa.schema({"value": pa.int64()}), breaks()
    )
    with pytest.raises((SourceError, pa.ArrowException)):
        hospital.push(reader, dataset="study")
    assert hospital.datasets() == []
    with pytest.raises(EmptySource):
        hospital.push(records.slice(0, 0), dataset="study")
    assert hospital.datasets() == []


def test_a_wrong_private_key_is_told_from_corrupt_data(
    hospital: Session, laboratory: Session, records: pa.Table
) -> None:
    hospital.push(records, dataset="study", to="laboratory")
    keys = laboratory._connection.member.private_keys
    key_id = next(iter(keys))
    keys[key_id] = type(keys[key_id]).generate()  # type: ignore[index]
    with pytest.raises(WrongKey):
        laboratory.open_dataset("hospital/study")


# --- a relay that fails --------------------------------------------------------------------------


def test_a_relay_that_is_down_is_named(relay, hospital: Session, monkeypatch) -> None:
    monkeypatch.setattr("sealift.relay.transport._FIRST_DELAY", 0.01)
    relay.server.stop()
    with pytest.raises(RelayUnavailable):
        hospital.datasets()


def test_a_push_goes_on_when_the_relay_was_restarted(
    relay, hospital: Session, records: pa.Table
) -> None:
    hospital.push(records, dataset="study")
    relay.server.stop()
    restarted: list[Relay] = []

    def restart() -> None:
        time.sleep(0.5)
        again = Relay(relay.config)
        again.start()
        restarted.append(again)

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        assert hospital.push(records, dataset="study").commit == 1
    finally:
        thread.join()
        restarted[0].stop()


def test_a_relay_whose_disk_is_full_says_so_and_keeps_what_it_has(
    relay, hospital: Session, laboratory: Session, records: pa.Table, monkeypatch
) -> None:
    hospital.push(records, dataset="study", to="laboratory")

    def full_double_of_write(path: Path, pieces: Iterator[bytes]) -> None:
        path.write_bytes(next(pieces))
        raise OSError(28, "No space left on device")

    before = stored(relay)
    with monkeypatch.context() as patched:
        patched.setattr(blobs_module, "write_durably", full_double_of_write)
        with pytest.raises(RelayStorageFull):
            hospital.push(records, dataset="study")
    assert stored(relay) == before
    assert laboratory.open_dataset("hospital/study").to_table().equals(records)
    assert hospital.push(records, dataset="study").commit == 1


def test_a_damaged_blob_is_told_from_a_wrong_key(
    relay, hospital: Session, laboratory: Session, records: pa.Table
) -> None:
    hospital.push(records, dataset="study", to="laboratory")
    [blob] = stored(relay)
    content = bytearray(blob.read_bytes())
    content[1000] ^= 1
    blob.write_bytes(content)
    with pytest.raises(CorruptShard):
        laboratory.open_dataset("hospital/study").to_table()


def test_an_output_folder_appears_whole_or_not_at_all(
    relay, hospital: Session, laboratory: Session, records: pa.Table, tmp_path: Path
) -> None:
    hospital.push(records, dataset="study", to="laboratory")
    for blob in stored(relay):
        blob.unlink()
    opened = laboratory.open_dataset("hospital/study")
    (tmp_path / "here").mkdir()
    with pytest.raises(sealift.SealiftError):
        sealift.write_parquet(opened, tmp_path / "here" / "out")
    assert list((tmp_path / "here").iterdir()) == []


# --- the protocol of shards, through the generated classes ---------------------------------------


@pytest.fixture
def shards(hospital: Session) -> shards_pb2_grpc.ShardsStub:
    return shards_pb2_grpc.ShardsStub(hospital._connection.relay._channel)


@pytest.fixture
def dataset_id(hospital: Session) -> bytes:
    return dataset_id_of(hospital.fingerprint, b"s" * 16)


def upload(
    dataset_id: bytes, payload: bytes = b"x" * 9000, shard_id: bytes = b"i" * 16
):
    sealed = seal_shard(
        payload,
        epoch_key=sealift.Secret(b"k" * 32),
        context=ShardContext(dataset_id, shard_id, 1),
        log2_segment_size=12,
    )
    head = sealed.head
    segments = [
        sealed.data[
            head.segment_offset(i) : head.segment_offset(i)
            + head.sealed_segment_size(i)
        ]
        for i in range(head.segment_count)
    ]
    put_head = shards_pb2.PutHead(
        dataset_id=dataset_id, header=head.header_bytes, stored_size=head.stored_size
    )
    messages = [
        shards_pb2.PutRequest(head=put_head),
        *(shards_pb2.PutRequest(segment=segment) for segment in segments),
        shards_pb2.PutRequest(tail=shards_pb2.PutTail(digest=head.digest)),
    ]
    return sealed, messages


def test_the_generated_classes_speak_the_zero_copy_protocol(
    shards, dataset_id: bytes
) -> None:
    sealed, messages = upload(dataset_id)
    assert shards.Put(iter(messages), timeout=PATIENCE).digest == sealed.head.digest
    # The same again is harmless.
    assert shards.Put(iter(messages), timeout=PATIENCE).digest == sealed.head.digest


def test_a_stored_shard_is_served_from_any_segment(
    shards, hospital: Session, laboratory: Session
) -> None:
    table = pa.table({"value": pa.array(range(400_000), pa.int64())})
    pushed = hospital.push(table, dataset="study")
    opened = hospital.open_dataset("hospital/study")._opened
    [entry] = opened.shards
    request = shards_pb2.GetRequest(
        dataset_id=pushed.dataset_id,
        disclosure=disclose(hospital._connection.member, opened, purpose="test"),
        ranges=[
            shards_pb2.SegmentRange(shard_id=entry.shard_id, first=1, count=1),
            shards_pb2.SegmentRange(shard_id=entry.shard_id, first=2),
        ],
    )
    parts = list(shards.Get(request, timeout=PATIENCE))
    assert [part.WhichOneof("part") for part in parts[:3]] == [
        "head",
        "segment",
        "head",
    ]
    request.ranges[0].first = 99
    with pytest.raises(grpc.RpcError) as caught:
        list(shards.Get(request, timeout=PATIENCE))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    [status] = hospital._connection.relay.stat(
        pushed.dataset_id, [entry.shard_id, b"?" * 16]
    )
    assert (status.digest, status.committed) == (entry.digest, True)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda m: m[:-1], id="no-tail"),
        pytest.param(lambda m: m[:2], id="cut-off"),
        pytest.param(lambda m: m[1:], id="no-head"),
        pytest.param(lambda m: [m[0], m[2], m[1], *m[3:]], id="swapped"),
        pytest.param(lambda m: [*m[:-1], m[1], m[-1]], id="one-too-many"),
        pytest.param(lambda m: [*m, m[-1]], id="goes-on"),
        pytest.param(
            lambda m: [m[0], shards_pb2.PutRequest(segment=b"short"), *m[2:]],
            id="short",
        ),
        pytest.param(lambda m: [], id="nothing"),
    ],
)
def test_a_broken_upload_leaves_nothing(
    change, relay, shards, dataset_id: bytes
) -> None:
    _, messages = upload(dataset_id)
    with pytest.raises(grpc.RpcError):
        shards.Put(iter(change(messages)), timeout=PATIENCE)
    assert left_after_a_moment(relay) == []
    assert relay.server._metadata.shards.find(dataset_id, b"i" * 16) is None


@pytest.mark.limits(idle_stream_seconds=1)
def test_an_upload_that_stands_still_is_ended(relay, shards, dataset_id: bytes) -> None:
    _, messages = upload(dataset_id)

    def one_message_and_no_more() -> Iterator[shards_pb2.PutRequest]:
        yield messages[0]
        ended.wait(PATIENCE)

    ended = threading.Event()
    with pytest.raises(grpc.RpcError) as caught:
        shards.Put(one_message_and_no_more(), timeout=PATIENCE)
    assert caught.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
    ended.set()
    assert left_after_a_moment(relay) == []


def test_another_shard_under_a_known_id_is_refused(shards, dataset_id: bytes) -> None:
    _, messages = upload(dataset_id)
    shards.Put(iter(messages), timeout=PATIENCE)
    _, other = upload(dataset_id)
    with pytest.raises(grpc.RpcError) as caught:
        shards.Put(iter(other), timeout=PATIENCE)
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS


# --- compare-and-set -----------------------------------------------------------------------------


def test_a_push_that_lost_the_race_is_told_and_repeating_the_commit_is_harmless(
    hospital: Session,
) -> None:
    table = pa.table({"value": [1]})
    hospital.push(table, dataset="study")
    appended: list[tuple[object, ...]] = []
    honest = hospital._connection.relay.append

    def record(commit: object, grants: object) -> None:
        appended.append((commit, grants))
        honest(commit, grants)

    hospital._connection.relay.append = record  # type: ignore[method-assign]
    hospital.push(table, dataset="study")
    commit, grants = appended[-1]
    honest(commit, grants)
    opened = hospital.open_dataset("hospital/study")._opened
    assert opened.history.head.number == 1
    late = sign_commit(
        hospital._connection.member.identity,
        dataset_id=opened.dataset_id,
        number=1,
        parent=opened.history.commits[0].digest,
        time=int(time.time()),
        key_epoch=1,
        added=[],
        metadata=b"",
    )
    with pytest.raises(Conflict):
        honest(late, [])


def test_a_commit_that_names_a_missing_shard_is_refused(
    hospital: Session, monkeypatch
) -> None:
    table = pa.table({"value": [1]})
    monkeypatch.setattr(
        hospital._connection.relay, "put_shard", lambda messages: _digest_of(messages())
    )
    with pytest.raises(MissingShard):
        hospital.push(table, dataset="study")
    assert hospital.datasets() == []


def _digest_of(messages: Iterator[bytes]) -> bytes:
    *_, tail = messages
    return shards_pb2.PutRequest.FromString(tail).tail.digest


def test_a_relay_that_acknowledges_another_digest_is_caught(
    hospital: Session, monkeypatch
) -> None:
    monkeypatch.setattr(
        hospital._connection.relay, "put_shard", lambda messages: bytes(32)
    )
    with pytest.raises(CorruptShard):
        hospital.push(pa.table({"value": [1]}), dataset="study")
