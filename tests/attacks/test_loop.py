"""A relay, a disk or an owner that attacks a training loop: exact records, or a named error."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import sealift
from sealift.history.disclosures import Fetch
from sealift.process.buffers import BufferPools
from sealift.session import Session
from sealift.trainer.engine import sealed as sealed_module
from sealift.trainer.engine.lookup import RandomAccess
from sealift.trainer.engine.reading import Readable
from sealift.trainer.engine.sealed import SealedDataset
from sealift.trainer.forms.gathering import Gathered
from sealift_protocol import framing
from sealift_protocol.errors import CorruptShard, MalformedObject
from sealift_protocol.layout import ShardHead
from sealift_protocol.objects.commits import ShardEntry

SHARDS = 4
ROWS = 100


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_module, "_FIRST_DELAY", 0.001)


@pytest.fixture
def cohort(hospital: Session, laboratory: Session) -> list[int]:
    """Four shards; returns all numbers in them."""
    for shard in range(SHARDS):
        values = range(shard * ROWS, (shard + 1) * ROWS)
        hospital.push(pa.table({"value": values}), dataset="cohort", to="laboratory")
    return list(range(SHARDS * ROWS))


def flip_in_shard(lying: Any, number: int, *, times: int = 10**9) -> Callable[[], int]:
    """Changes the first segment of one shard, the first `times` times that it is fetched."""
    changed = 0
    targets: list[bytes] = []

    def lie(messages: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal changed
        hit = False
        for message in messages:
            parsed = framing.parse_get(message)
            if not isinstance(parsed, memoryview):
                if parsed.head.header not in targets:
                    targets.append(parsed.head.header)
                hit = targets.index(parsed.head.header) == number
                yield message
            elif hit and changed < times:
                changed += 1
                yield message[:-1] + bytes([message[-1] ^ 1])
            else:
                yield message

    lying.lies["get_segments"] = lie
    return lambda: changed


def values(batches: Any) -> list[int]:
    return [value for batch in batches for value in np.asarray(batch["value"]).tolist()]


# --- what the relay sends ------------------------------------------------------------------------


def test_a01_a_loop_asks_again_for_what_was_changed_on_the_way(
    cohort: list[int], laboratory: Session, lying_relay
) -> None:
    expected = values(
        laboratory.open_dataset("hospital/cohort", cache=None).numpy(32, shuffle=True)
    )
    changed = flip_in_shard(lying_relay, 1, times=2)
    dataset = laboratory.open_dataset("hospital/cohort", cache=None)
    assert values(dataset.numpy(32, shuffle=True)) == expected
    assert changed() == 2
    assert dataset.counters["refetched"] == 2
    assert not dataset.counters["skipped_records"]


@pytest.mark.parametrize("on_corrupt", ["raise", "refetch"])
def test_a01_what_stays_changed_ends_the_loop_by_name(
    cohort: list[int], laboratory: Session, lying_relay, on_corrupt: str
) -> None:
    changed = flip_in_shard(lying_relay, 1)
    dataset = laboratory.open_dataset(
        "hospital/cohort", cache=None, on_corrupt=on_corrupt
    )
    seen: list[int] = []
    with pytest.raises(CorruptShard):
        seen.extend(values(iter(dataset.numpy(10))))
    assert changed() == (1 if on_corrupt == "raise" else 4)


def test_a01_a_loop_may_go_on_without_the_shard_that_stays_changed(
    cohort: list[int], laboratory: Session, lying_relay
) -> None:
    flip_in_shard(lying_relay, 1)
    for options in ({"batch_size": 32}, {"batch_size": 32, "shuffle": True}, {}):
        dataset = laboratory.open_dataset(
            "hospital/cohort", cache=None, on_corrupt="skip"
        )
        found = values(dataset.numpy(**options))
        missing = sorted(set(cohort) - set(found))
        assert len(found) == len(set(found)) == (SHARDS - 1) * ROWS
        assert missing == list(range(missing[0], missing[0] + ROWS))
        assert dataset.counters["skipped_records"] == ROWS
        assert dataset.counters["skipped_shards"] == 1


def test_a01_a_changed_segment_never_enters_the_cache(
    cohort: list[int], laboratory: Session, lying_relay
) -> None:
    flip_in_shard(lying_relay, 0)
    with pytest.raises(CorruptShard):
        laboratory.open_dataset("hospital/cohort", on_corrupt="raise").to_table()
    lying_relay.lies.clear()
    dataset = laboratory.open_dataset("hospital/cohort")
    assert values(dataset.numpy()) == cohort
    assert not dataset.counters["cache_corrupt"]


def test_a13_a_relay_that_stops_in_every_shard_is_asked_for_the_rest_only(
    hospital: Session, laboratory: Session, lying_relay
) -> None:
    table = pa.table({"value": range(400_000)})
    hospital.push(table, dataset="large", to="laboratory")
    streams: list[int] = []

    def lie(messages: Iterator[bytes]) -> Iterator[bytes]:
        streams.append(0)
        for count, message in enumerate(messages):
            if count == 2:
                raise sealift.errors.RelayUnavailable("the connection was cut")
            streams[-1] += count > 0
            yield message

    lying_relay.lies["get_segments"] = lie
    dataset = laboratory.open_dataset("hospital/large", cache=None)
    assert dataset.to_table().equals(table)
    # One segment a stream, none of them twice.
    assert streams == [1] * len(streams)
    assert dataset.counters["fetched_bytes"] < table.nbytes * 1.2


# --- what the disk holds -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_a30_a_cache_that_somebody_changed_is_never_believed(
    cohort: list[int], laboratory: Session, seed: int
) -> None:
    dataset = laboratory.open_dataset("hospital/cohort")
    assert values(dataset.numpy()) == cohort
    files = [
        path
        for path in Path(os.environ["SEALIFT_CACHE"]).rglob("*/*")
        if path.is_file()
    ]
    pick = random.Random(seed)
    for file in files:
        content = bytearray(file.read_bytes())
        kind = pick.choice(["flip", "cut", "zero", "swap", "grow", "noise"])
        place = pick.randrange(len(content))
        if kind == "flip":
            content[place] ^= 1 << pick.randrange(8)
        elif kind == "cut":
            content = content[:place]
        elif kind == "zero":
            content[place:] = bytes(len(content) - place)
        elif kind == "swap":
            content = bytearray(pick.choice(files).read_bytes())
        elif kind == "grow":
            content += pick.randbytes(1000)
        else:
            content = bytearray(pick.randbytes(len(content)))
        file.write_bytes(content)
    assert values(dataset.numpy(32)) == cohort


# --- what an owner sealed ------------------------------------------------------------------------


class _Given:
    """Stands for a loader: the payload is there already, as an owner may have sealed it."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def load(self, shards: list[Any], wanted: list[Any], *, declare: Any = ()) -> None:
        for shard in shards:
            size = 1 << 20
            shard.head = ShardHead(
                type("Header", (), {"segment_size": size})(),  # type: ignore[arg-type]
                b"",
                bytes(32 * -(-len(self._payload) // size)),
                0,
                len(self._payload),
            )
            shard.buffer = memoryview(bytearray(self._payload))
            shard._open = set(range(shard.head.segment_count))


def random_access(payload: bytes, schema: pa.Schema, rows: int) -> RandomAccess:
    entry = ShardEntry(bytes(16), 1, len(payload), bytes(32))
    fetch = Fetch(bytes(16), 1, bytes(32), 1, "")
    sealed = SealedDataset(fetch, (entry,), {}, None, None)  # type: ignore[arg-type]
    counts = np.array([rows])
    readable = Readable(sealed, schema, None, counts, counts, None, _Given(payload))  # type: ignore[arg-type]
    return RandomAccess([readable], schema, BufferPools(1 << 20), 1 << 20)


def written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        for batch in table.to_batches():
            stream.write_batch(batch)
    return sink.getvalue().to_pybytes()


NESTED = pa.table(
    {
        "text": [f"text {n}" * (n % 4) for n in range(50)],
        "list": [[str(k) for k in range(n % 3)] for n in range(50)],
        "number": range(50),
    }
)


def take(payload: bytes, rows: int = 50) -> pa.RecordBatch:
    access = random_access(payload, NESTED.schema, rows)
    wanted = np.array([49, 0, 17])
    found = Gathered(
        access.parts(wanted, declare_all=True), NESTED.schema, "arrow", None
    )
    return found.batch(0, 3)


def test_records_by_number_come_out_of_a_payload() -> None:
    assert take(written(NESTED)).to_pylist() == NESTED.take([49, 0, 17]).to_pylist()


@pytest.mark.parametrize("seed", range(10))
def test_a25_records_by_number_of_a_lying_payload_are_refused_or_harmless(
    seed: int,
) -> None:
    pick = random.Random(seed)
    honest = written(NESTED)
    refused = 0
    for _ in range(60):
        payload = bytearray(honest)
        for _ in range(pick.randint(1, 4)):
            place = pick.randrange(0, len(payload) - 4)
            if pick.random() < 0.5:
                payload[place] ^= 1 << pick.randrange(8)
            else:
                lie = pick.choice([-1, 2**31 - 1, -(2**31), 10**6])
                struct.pack_into("<i", payload, place, lie)
        try:
            take(bytes(payload)).validate(full=True)
        except MalformedObject:
            refused += 1
    assert 0 < refused < 60


def test_a25_offsets_that_lead_outside_are_refused() -> None:
    table = pa.table({"text": ["abcde"] * 3})
    honest = written(table)
    offsets, lie = (
        np.array(o, np.int32).tobytes() for o in ((0, 5, 10, 15), (0, 5, 10, 10**6))
    )
    assert honest.count(offsets) == 1
    found = random_access(honest, table.schema, 3).parts(
        np.array([2]), declare_all=True
    )
    assert found[0].batch.to_pylist() == [{"text": "abcde"}]
    # Nor is any other record of the record batch given out: all of it is validated.
    for wanted in (0, 2):
        access = random_access(honest.replace(offsets, lie), table.schema, 3)
        with pytest.raises(MalformedObject):
            access.parts(np.array([wanted]), declare_all=True)


def test_a25_a_payload_with_fewer_records_than_its_commit_says_is_refused() -> None:
    with pytest.raises(MalformedObject, match="fewer records"):
        random_access(written(NESTED), NESTED.schema, 90).parts(
            np.array([80]), declare_all=True
        )


def test_compressed_buffers_are_read_whole() -> None:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, NESTED.schema, options=options) as stream:
        stream.write_table(NESTED)
    assert (
        take(sink.getvalue().to_pybytes()).to_pylist()
        == NESTED.take([49, 0, 17]).to_pylist()
    )
