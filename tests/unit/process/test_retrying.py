"""One policy of retries, and the loop that follows it."""

from __future__ import annotations

import pytest

from sealift.process.retrying import Retries, RetryPolicy, retrying


class Clock:
    """Time that passes only while something sleeps."""

    def __init__(self) -> None:
        self.now = 50.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


class Passing(Exception):
    pass


def always_failing() -> None:
    raise Passing


def failing_times(count: int):
    left = [count]

    def operation() -> str:
        if left[0]:
            left[0] -= 1
            raise Passing
        return "done"

    return operation


def run(operation, policy: RetryPolicy, clock: Clock, noted=lambda *_: None):
    return retrying(
        operation,
        lambda error: isinstance(error, Passing),
        policy,
        noted=noted,
        sleep=clock.sleep,
        clock=clock,
    )


def test_delays_double_up_to_the_longest_and_are_jittered_downwards() -> None:
    policy = RetryPolicy(first_delay=0.2, max_delay=5, jitter=0.5)
    longest = [policy.delay(n, lambda: 0.0) for n in range(1, 8)]
    assert longest == pytest.approx([0.4, 0.8, 1.6, 3.2, 5, 5, 5])
    assert policy.delay(1, lambda: 1.0) == pytest.approx(0.2)
    assert policy.delay(10**6, lambda: 1.0) == pytest.approx(2.5)


@pytest.mark.parametrize(("failures", "waits"), [(0, 0), (1, 1), (3, 3)])
def test_what_fails_in_passing_is_repeated(failures: int, waits: int) -> None:
    clock = Clock()
    assert run(failing_times(failures), RetryPolicy(attempts=4), clock) == "done"
    assert len(clock.slept) == waits


def test_it_gives_up_after_the_attempts_when_there_is_no_patience() -> None:
    clock = Clock()
    with pytest.raises(Passing):
        run(failing_times(4), RetryPolicy(attempts=4), clock)
    assert len(clock.slept) == 3


def test_patience_goes_beyond_the_attempts() -> None:
    clock = Clock()
    policy = RetryPolicy(attempts=4, patience=60)
    with pytest.raises(Passing):
        run(always_failing, policy, clock)
    assert 60 <= clock.now - 50 <= 65
    assert len(clock.slept) > 4


def test_progress_renews_attempts_and_patience() -> None:
    clock = Clock()
    retries = Retries(
        RetryPolicy(attempts=2, patience=10), sleep=clock.sleep, clock=clock
    )
    error = Passing()
    noted: list[int] = []

    def fail() -> None:
        retries.wait_or_raise(
            error, noted=lambda _, failures, __: noted.append(failures)
        )

    fail()
    clock.now += 20
    retries.progressed()
    fail()
    fail()
    clock.now += 20
    with pytest.raises(Passing) as caught:
        fail()
    assert caught.value is error
    assert noted == [1, 1, 2]


def test_what_does_not_pass_is_raised_at_once() -> None:
    clock = Clock()

    def operation() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        run(operation, RetryPolicy(attempts=9, patience=9), clock)
    assert clock.slept == []


def test_each_wait_is_noted_before_it_begins() -> None:
    clock = Clock()
    noted: list[tuple[str, int, float]] = []

    def note(error: Exception, failures: int, delay: float) -> None:
        noted.append((type(error).__name__, failures, delay))
        assert len(clock.slept) == failures - 1

    run(failing_times(2), RetryPolicy(attempts=3), clock, note)
    assert noted == [("Passing", n + 1, clock.slept[n]) for n in range(2)]
