"""A relay that lies: it has all ciphertext and answers what it likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sealift.session import Session
from sealift_protocol.v1 import shards_pb2


class LyingRelay:
    """Passes calls on to the real relay and changes the answers of those named in `lies`."""

    def __init__(self, honest: Any) -> None:
        self._honest = honest
        self.lies: dict[str, Callable[[Any], Any]] = {}

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self._honest, name)
        lie = self.lies.get(name)
        if lie is None:
            return honest
        return lambda *arguments, **options: lie(honest(*arguments, **options))

    def change_segments(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Changes the ciphertext segments of every shard that is fetched."""

        def lie(messages: Iterator[bytes]) -> Iterator[bytes]:
            received = list(messages)
            heads = [m for m in received if _is_head(m)]
            yield heads[0]
            yield from change([m for m in received if not _is_head(m)])

        self.lies["get_segments"] = lie

    def change_head(self, change: Callable[[shards_pb2.ShardHead], None]) -> None:
        """Changes the head of every shard that is fetched."""

        def lie(messages: Iterator[bytes]) -> Iterator[bytes]:
            for message in messages:
                if _is_head(message):
                    parsed = shards_pb2.GetResponse.FromString(message)
                    change(parsed.head)
                    yield parsed.SerializeToString()
                else:
                    yield message

        self.lies["get_segments"] = lie


def _is_head(message: bytes) -> bool:
    return shards_pb2.GetResponse.FromString(message).WhichOneof("part") == "head"


def put_in_front(session: Session) -> LyingRelay:
    lying = LyingRelay(session._connection.relay)
    session._connection.relay = lying
    session._connection.reload()
    return lying


@pytest.fixture
def lying_relay(laboratory: Session) -> LyingRelay:
    """The relay as the laboratory sees it from now on."""
    return put_in_front(laboratory)


@pytest.fixture
def lying_to_hospital(hospital: Session) -> LyingRelay:
    return put_in_front(hospital)


@pytest.fixture
def study(hospital: Session, laboratory: Session) -> pa.Table:
    """A dataset of one shard of several segments, pushed to the laboratory."""
    table = pa.table({"value": pa.array(np.arange(400_000))})
    hospital.push(table, dataset="study", to="laboratory")
    return table
