"""Retries of transient failures: one policy, and one loop that follows it.

Source: Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")
# Called with the failure, the number of failures in a row, and the delay in seconds.
Noted: TypeAlias = Callable[[Exception, int, float], None]
# 2**10 times any first delay exceeds any maximum delay, and no float overflows.
_MAX_DOUBLINGS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and for how long, an operation is retried.

    An operation fails for good when `attempts` have failed in a row and `patience` is over.

    Attributes:
        attempts: the minimum number of attempts.
        patience: seconds since the first attempt, or since the last progress.
        first_delay: the delay after a first failure is at most twice this, in seconds; each
            further delay is twice as long.
        max_delay: the longest delay, in seconds.
        jitter: the random share of a delay, 0 to 1, so that clients that failed together do not
            retry together.
    """

    attempts: int = 1
    patience: float = 0.0
    first_delay: float = 0.2
    max_delay: float = 5.0
    jitter: float = 0.5

    def is_over(self, failures: int, seconds: float) -> bool:
        """Return whether to give up after `failures` in a row over `seconds`."""
        return failures >= self.attempts and seconds >= self.patience

    def delay(
        self, failures: int, chance: Callable[[], float] = random.random
    ) -> float:
        """Return the seconds to wait after `failures` in a row; `chance` is in [0, 1)."""
        doublings = min(failures, _MAX_DOUBLINGS)
        longest = min(self.max_delay, self.first_delay * 2.0**doublings)
        return longest * (1 - self.jitter * chance())


class Retries:
    """Counts the failures of one operation and waits between its attempts."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start counting at the first attempt.

        Args:
            policy: when to give up, and how long to wait.
            sleep: waits for a number of seconds; an exception it raises ends the operation.
            clock: seconds from any origin.
        """
        self.failures = 0
        self._policy = policy
        self._sleep = sleep
        self._clock = clock
        self._since = clock()

    def progressed(self) -> None:
        """Reset the failure count and the patience, after progress."""
        self.failures = 0
        self._since = self._clock()

    def wait_or_raise(
        self,
        error: Exception,
        *,
        noted: Noted,
    ) -> None:
        """Wait before the next attempt, or raise the failure if no attempt is left.

        Args:
            error: the failure of the last attempt.
            noted: called before the wait.
        """
        self.failures += 1
        if self._policy.is_over(self.failures, self._clock() - self._since):
            raise error
        delay = self._policy.delay(self.failures)
        noted(error, self.failures, delay)
        self._sleep(delay)


def retrying(
    operation: Callable[[], _T],
    passing: Callable[[Exception], bool],
    policy: RetryPolicy,
    *,
    noted: Noted,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> _T:
    """Return the result of an operation, retried while its failures are transient.

    Args:
        operation: may be called several times.
        passing: whether a failure is transient.
        policy: when to give up, and how long to wait.
        noted: called before each wait.
        sleep: waits for a number of seconds.
        clock: seconds from any origin.

    Raises:
        Exception: the last failure, or the first that is not transient.
    """
    retries = Retries(policy, sleep=sleep, clock=clock)
    while True:
        try:
            return operation()
        except Exception as error:
            if not passing(error):
                raise
            failure = error
        retries.wait_or_raise(failure, noted=noted)
