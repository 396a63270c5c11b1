"""How many database transactions a call costs the relay, and what none of them may skip."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
import sqlalchemy as sa
import structlog
from conftest import RunningRelay
from shards import seal_shard

from sealift.crypto.sealing import ShardContext
from sealift.process.secret import Secret
from sealift.session import Session
from sealift_protocol.errors import RelayError
from sealift_protocol.ids import dataset_id_of
from sealift_protocol.layout import ShardHead
from sealift_protocol.status import from_rpc_error
from sealift_protocol.v1 import shards_pb2, shards_pb2_grpc
from sealift_relay import peer
from sealift_relay.store.members import Quota
from sealift_relay.store.metadata import Metadata

ROWS = pa.table({"person": [f"person-{i}" for i in range(20)], "value": range(20)})

COSTS = {
    "Enrolment/Enrol": 2,
    "Directory/WhoAmI": 1,
    "Directory/GetCard": 1,
    "Directory/PutCard": 2,
    "Datasets/List": 1,
    "Datasets/GetCommits": 1,
    "Datasets/GetGrants": 1,
    "Datasets/PutRewraps": 2,
    "Datasets/Disclose": 2,
    # The account is read when the question is in the log.
    "Datasets/Account": 3,
    # What a commit removed is looked up and marked when the commit is durable.
    "Datasets/Append": 4,
    "Shards/Put": 2,
    "Shards/Get": 1,
    # A checkpoint is written when the log has grown.
    "Log/Prove": 2,
    "Log/GetTile": 1,
    "Log/GetEntries": 1,
}


class Transactions:
    """Counts the transactions of each call, as SQLAlchemy announces them."""

    def __init__(self) -> None:
        self._by_call: Counter[tuple[str, str]] = Counter()

    def count(self, _connection: sa.Connection) -> None:
        call = structlog.contextvars.get_contextvars()
        if "method" in call:  # The sweeper's are of no call.
            self._by_call[call["method"], call["request_id"]] += 1

    def take(self) -> dict[str, list[int]]:
        """The transactions of each call since the last time, by method, fewest first."""
        found: dict[str, list[int]] = {}
        for (method, _), count in self._by_call.items():
            found.setdefault(method, []).append(count)
        self._by_call.clear()
        return {method: sorted(counts) for method, counts in found.items()}


@pytest.fixture
def transactions(relay: RunningRelay) -> Iterator[Transactions]:
    engine = relay.server._metadata.database._engine
    counted = Transactions()
    sa.event.listen(engine, "begin", counted.count)
    yield counted
    sa.event.remove(engine, "begin", counted.count)


@pytest.fixture
def shards(hospital: Session) -> shards_pb2_grpc.ShardsStub:
    return shards_pb2_grpc.ShardsStub(hospital._connection.relay._channel)


def upload(
    dataset_id: bytes, shard_id: bytes = b"i" * 16
) -> tuple[ShardHead, list[shards_pb2.PutRequest]]:
    """A shard of one segment, as the messages that store it."""
    sealed = seal_shard(
        b"x" * 100,
        epoch_key=Secret(b"k" * 32),
        context=ShardContext(dataset_id, shard_id, 1),
        log2_segment_size=12,
    )
    head = sealed.head
    put_head = shards_pb2.PutHead(
        dataset_id=dataset_id, header=head.header_bytes, stored_size=head.stored_size
    )
    return head, [
        shards_pb2.PutRequest(head=put_head),
        shards_pb2.PutRequest(segment=sealed.data[head.segment_offset(0) :]),
        shards_pb2.PutRequest(tail=shards_pb2.PutTail(digest=head.digest)),
    ]


def reason(caught: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    return from_rpc_error(caught.value).reason


# --- counts --------------------------------------------------------------------------------------


def test_a_stored_shard_costs_two_transactions(
    hospital: Session, shards: shards_pb2_grpc.ShardsStub, transactions: Transactions
) -> None:
    dataset_id = dataset_id_of(hospital.fingerprint, b"s" * 16)
    hospital._connection.relay.who_am_i()
    transactions.take()
    for number in range(3):
        head, messages = upload(dataset_id, bytes([number]) * 16)
        assert shards.Put(iter(messages), timeout=5).digest == head.digest
    assert transactions.take() == {"Shards/Put": [2, 2, 2]}


def test_a_shard_that_is_stored_already_costs_one(
    hospital: Session, shards: shards_pb2_grpc.ShardsStub, transactions: Transactions
) -> None:
    head, messages = upload(dataset_id_of(hospital.fingerprint, b"s" * 16))
    shards.Put(iter(messages), timeout=5)
    transactions.take()
    assert shards.Put(iter(messages), timeout=5).digest == head.digest
    assert transactions.take() == {"Shards/Put": [1]}


def test_a_call_reads_in_one_transaction_and_writes_in_another(
    relay: RunningRelay,
    hospital: Session,
    laboratory: Session,
    transactions: Transactions,
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory", subject_column="person")
    laboratory.open_dataset("hospital/study").to_table()
    laboratory.keys.rotate()
    hospital.dataset("study").disclosures()
    hospital.dataset("study").revoke("laboratory")
    hospital.dataset("study").erase("person-1")
    hospital.log.verify()
    with relay.join("auditor", "auditor") as auditor:
        auditor.log.verify()
    most = {method: counts[-1] for method, counts in transactions.take().items()}
    assert len(most) >= 12
    assert most == {method: COSTS[method] for method in most}


def test_a_commit_that_removes_nothing_costs_two_transactions(
    hospital: Session, transactions: Transactions
) -> None:
    for _ in range(2):
        hospital.push(ROWS, dataset="study")
    assert transactions.take()["Datasets/Append"] == [2, 2]


def test_a_long_history_is_read_a_page_a_transaction(
    relay: RunningRelay,
    hospital: Session,
    transactions: Transactions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(5):
        pushed = hospital.push(ROWS, dataset="study")
    monkeypatch.setattr("sealift_relay.services.datasets._PAGE", 2)
    transactions.take()
    commits = list(hospital._connection.relay.get_commits(pushed.dataset_id))
    assert len(commits) == 5
    assert transactions.take() == {"Datasets/GetCommits": [3]}


def test_stores_that_read_together_do_not_write(tmp_path: Path) -> None:
    metadata = Metadata(f"sqlite:///{tmp_path / 'relay.db'}")
    metadata.upgrade()
    with metadata.reading() as seen:
        assert seen.members.everybody() == []
        with pytest.raises(RelayError):
            seen.members.revoke("hospital", 1)
    metadata.close()


# --- what is checked all the same ----------------------------------------------------------------


def test_an_upload_of_a_revoked_member_is_refused_when_it_says_what_it_stores(
    relay: RunningRelay, hospital: Session, shards: shards_pb2_grpc.ShardsStub
) -> None:
    metadata = relay.server._metadata
    dataset_id = dataset_id_of(hospital.fingerprint, b"s" * 16)
    _, messages = upload(dataset_id)
    hospital._connection.relay.who_am_i()
    for refuse, expected in (
        (metadata.members.suspend, "MEMBER_SUSPENDED"),
        (metadata.members.revoke, "NOT_AUTHENTICATED"),
    ):
        assert refuse("hospital", int(time.time()))
        with pytest.raises(grpc.RpcError) as caught:
            shards.Put(iter(messages), timeout=5)
        assert reason(caught) == expected
    assert metadata.shards.find(dataset_id, b"i" * 16) is None


@pytest.fixture
def silence() -> Iterator[Iterator[shards_pb2.PutRequest]]:
    """An upload whose first message does not come."""
    over = threading.Event()

    def messages() -> Iterator[shards_pb2.PutRequest]:
        over.wait()
        yield from ()

    yield messages()
    over.set()


# The relay waits two seconds for a message, and then cancels the call.
@pytest.mark.limits(idle_stream_seconds=2)
@pytest.mark.parametrize("accepted", ["long ago", "refused since"])
def test_an_upload_of_a_revoked_member_that_says_nothing_holds_no_thread(
    accepted: str,
    relay: RunningRelay,
    hospital: Session,
    shards: shards_pb2_grpc.ShardsStub,
    silence: Iterator[shards_pb2.PutRequest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hospital._connection.relay.who_am_i()
    relay.server._metadata.members.revoke("hospital", int(time.time()))
    if accepted == "long ago":
        monkeypatch.setattr(peer, "ACCEPTED_SECONDS", 0.0)
    else:
        with pytest.raises(grpc.RpcError):
            shards.Put(iter(upload(bytes(16))[1]), timeout=5)
    with pytest.raises(grpc.RpcError) as caught:
        shards.Put(silence, timeout=60)
    assert reason(caught) == "NOT_AUTHENTICATED"


@pytest.mark.limits(idle_stream_seconds=2)
def test_an_upload_counts_once_towards_the_rate(
    relay: RunningRelay,
    hospital: Session,
    shards: shards_pb2_grpc.ShardsStub,
    silence: Iterator[shards_pb2.PutRequest],
) -> None:
    relay.server._metadata.members.set_quota("hospital", Quota(calls_a_minute=3))
    dataset_id = dataset_id_of(hospital.fingerprint, b"s" * 16)
    for number in range(3):
        shards.Put(iter(upload(dataset_id, bytes([number]) * 16)[1]), timeout=5)
    # It counts before its first message is there.
    with pytest.raises(grpc.RpcError) as caught:
        shards.Put(silence, timeout=60)
    assert reason(caught) == "RELAY_BUSY"


def test_a_shard_of_anothers_dataset_is_refused_before_a_byte_is_stored(
    relay: RunningRelay,
    hospital: Session,
    shards: shards_pb2_grpc.ShardsStub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with relay.join("clinic", "owner") as clinic:
        dataset_id = clinic.push(ROWS, dataset="study").dataset_id
    staged: list[object] = []
    monkeypatch.setattr(relay.server._blobs, "stage", staged.append)
    _, messages = upload(dataset_id)
    with pytest.raises(grpc.RpcError) as caught:
        shards.Put(iter(messages), timeout=5)
    assert reason(caught) == "ACCESS_DENIED"
    assert staged == []
