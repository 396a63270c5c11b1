"""Finding the few that are bad among many, by halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")


def bad_places(values: Sequence[_T], good: Callable[[Sequence[_T]], bool]) -> list[int]:
    """Indices of the values that are bad by themselves.

    Args:
        values: to look through.
        good: whether all of some values are good.
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
    """Index of the first value that is bad together with all before it; None if there is none.

    Args:
        values: to look through.
        good: whether all of some values are good together.
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
