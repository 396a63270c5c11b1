"""Which checkpoint the relay publishes when calls have read the log at different times."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import RunningRelay

from sealift.session import Session
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_protocol.notes import Checkpoint, SignedNote
from sealift_relay.checkpoints import Publisher, load_log_key, write_log_key
from sealift_relay.store.log import LogHead
from sealift_relay.store.metadata import Metadata

MEMBER = Fingerprint(b"m" * 32)


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    opened = Metadata(f"sqlite:///{tmp_path / 'relay.db'}")
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture
def publisher(metadata: Metadata, tmp_path: Path) -> Iterator[Publisher]:
    made = Publisher(metadata.log, write_log_key(tmp_path), [])
    yield made
    made.close()


def grow(metadata: Metadata, number: int) -> None:
    metadata.statements.put(
        Kind.ENDORSEMENT,
        bytes([number]) * 32,
        b"signed",
        signer=MEMBER,
        subject=MEMBER,
        now=1,
    )


def test_a_checkpoint_is_published_once_and_only_when_the_log_has_grown(
    metadata: Metadata, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[bytes] = []
    honest = metadata.log.publish

    def recorded(checkpoint: bytes) -> None:
        published.append(checkpoint)
        honest(checkpoint)

    monkeypatch.setattr(metadata.log, "publish", recorded)
    for number in range(3):
        grow(metadata, number)
        read_twice = [metadata.log.head(), metadata.log.head()]
        for seen in [*read_twice, metadata.log.head()]:
            note, head = publisher.checkpoint(seen)
            assert (head.size, head.root) == (number + 1, seen.root)
            assert bytes(note) == published[-1]
        assert len(published) == number + 1


def test_a_call_that_read_a_smaller_log_gets_the_larger_ones_checkpoint(
    metadata: Metadata, publisher: Publisher
) -> None:
    grow(metadata, 1)
    smaller = metadata.log.head()
    grow(metadata, 2)
    newest = publisher.checkpoint(metadata.log.head())
    assert publisher.checkpoint(smaller) == newest
    assert newest[1].size == 2
    assert metadata.log.head().published == bytes(newest[0])


def test_another_process_publishes_what_was_published_before(
    metadata: Metadata, publisher: Publisher, tmp_path: Path
) -> None:
    grow(metadata, 1)
    note, head = publisher.checkpoint(metadata.log.head())
    other = Publisher(metadata.log, load_log_key(tmp_path), [])
    assert other.checkpoint(metadata.log.head()) == (note, head)
    other.close()


def test_proofs_lead_to_the_checkpoint_that_another_call_has_published_meanwhile(
    relay: RunningRelay, hospital: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata, publisher = relay.server._metadata, relay.server._publisher
    honest = publisher.checkpoint
    numbers = count()

    def overtaken(seen: LogHead) -> tuple[SignedNote, Checkpoint]:
        grow(metadata, next(numbers))
        assert honest(metadata.log.head())[1].size > seen.size
        return honest(seen)

    monkeypatch.setattr(publisher, "checkpoint", overtaken)
    hospital.push(pa.table({"value": [1]}), dataset="study")
    assert hospital.log.verify().size == metadata.log.head().size
    assert next(numbers) > 1
