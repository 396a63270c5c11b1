"""Finds the few bad values among many by bisection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")


def bad_places(values: Sequence[_T], good: Callable[[Sequence[_T]], bool]) -> list[int]:
    """Return the indices of the values that are bad by themselves.

    Args:
        values: the values to search.
        good: returns whether all of some values are good.
    """
    found: list[int] = []
    waiting = [(0, len(values))]
    while waiting:
        start, end = waiting.pop()
        if start == end or good(values[start:end]):
            continue
        if end - start == 1:
            found.append(start)
            continue
        middle = (start + end) // 2
        waiting += [(middle, end), (start, middle)]
    return found


def first_bad(values: Sequence[_T], good: Callable[[Sequence[_T]], bool]) -> int | None:
    """Return the index of the first value that makes those up to it bad; None if all are good.

    Args:
        values: the values to search.
        good: returns whether some values are good together.
    """
    if good(values):
        return None
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if good(values[: middle + 1]):
            low = middle + 1
        else:
            high = middle
    return low
