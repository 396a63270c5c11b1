"""A limit on bytes a second, and patience with a relay that is away."""

from __future__ import annotations

import grpc
import pytest

from sealift.owner.push.pacing import Pace
from sealift.relay.transport import retry
from sealift_protocol.errors import InvalidArgument, RelayUnavailable


class Clock:
    """Time that passes only during a sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_bytes_go_at_the_rate_that_was_chosen() -> None:
    clock = Clock()
    pace = Pace(1000, clock=clock, sleep=clock.sleep)
    for _ in range(100):
        pace.take(500)
    assert clock.now - 100 == pytest.approx(50, abs=1)


def test_a_pause_is_not_made_up_for_by_a_burst() -> None:
    clock = Clock()
    pace = Pace(1000, clock=clock, sleep=clock.sleep)
    pace.take(1000)
    clock.now += 3600
    before = clock.now
    for _ in range(10):
        pace.take(1000)
    assert clock.now - before == pytest.approx(9, abs=1)


def test_no_limit_never_sleeps() -> None:
    clock = Clock()
    pace = Pace(0, clock=clock, sleep=clock.sleep)
    pace.take(1 << 40)
    assert clock.now == 100


class Broken(grpc.RpcError):
    pass


def away(clock: Clock, until: float) -> str:
    if clock.now < until:
        raise Broken
    return "answer"


def test_a_call_is_repeated_as_long_as_patience_lasts() -> None:
    clock = Clock()
    answer = retry(
        lambda: away(clock, 100 + 300),
        named=lambda _: RelayUnavailable("away"),
        patience=600,
        sleep=clock.sleep,
        clock=clock,
    )
    assert answer == "answer"


def test_patience_ends() -> None:
    clock = Clock()
    with pytest.raises(RelayUnavailable):
        retry(
            lambda: away(clock, 1e9),
            named=lambda _: RelayUnavailable("away"),
            patience=60,
            sleep=clock.sleep,
            clock=clock,
        )
    assert 60 <= clock.now - 100 < 70


def test_what_repeating_cannot_mend_is_raised_at_once() -> None:
    clock = Clock()
    with pytest.raises(InvalidArgument):
        retry(
            lambda: away(clock, 1e9),
            named=lambda _: InvalidArgument("no"),
            patience=60,
            sleep=clock.sleep,
            clock=clock,
        )
    assert clock.now == 100
