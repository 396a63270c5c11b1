"""What may befall resealing and erasing in the middle: they wait as long as a push does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from sealift.session import Session
from sealift_protocol.errors import RelayUnavailable
from sealift_relay.app import Relay

PEOPLE = pa.table({"person": [f"p{i % 5}" for i in range(50)], "value": range(50)})


@pytest.fixture
def stop_before_fetching(
    relay, hospital: Session, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[float], None]]:
    """Stops the relay as the first shard is asked for, and starts it again after seconds."""
    # Without patience a call would give up at once.
    monkeypatch.setattr("sealift.relay.transport._ATTEMPTS", 1)
    monkeypatch.setattr("sealift.relay.transport._MAX_DELAY", 0.3)
    running: list[Relay] = []
    threads: list[threading.Thread] = []

    def arrange(seconds: float) -> None:
        def restart() -> None:
            time.sleep(seconds)
            again = Relay(relay.config)
            again.start()
            running.append(again)

        ask = hospital._connection.relay.get_segments

        def get_segments(request):
            if not threads:
                relay.server.stop()
                threads.append(threading.Thread(target=restart))
                threads[0].start()
            return ask(request)

        monkeypatch.setattr(hospital._connection.relay, "get_segments", get_segments)

    yield arrange
    for thread in threads:
        thread.join()
    for server in running:
        server.stop()


def test_resealing_outlasts_a_relay_that_is_away(
    hospital: Session, stop_before_fetching
) -> None:
    hospital.push(PEOPLE, dataset="study", subject_column="person")
    hospital.dataset("study").rotate()
    stop_before_fetching(1.5)
    assert hospital.dataset("study").reseal() is not None
    assert hospital.open_dataset("hospital/study").to_table() == PEOPLE


def test_erasing_outlasts_a_relay_that_is_away(
    hospital: Session, stop_before_fetching
) -> None:
    hospital.push(PEOPLE, dataset="study", subject_column="person")
    stop_before_fetching(1.5)
    erased, _ = hospital.dataset("study").erase("p3")
    assert erased.records == 10


def test_how_long_they_wait_is_an_option(
    hospital: Session, stop_before_fetching
) -> None:
    hospital.push(PEOPLE, dataset="study", subject_column="person")
    stop_before_fetching(1.5)
    with pytest.raises(RelayUnavailable):
        hospital.dataset("study").erase("p3", retry_seconds=0)
    assert hospital._connection.relay.patience == 0
