"""Reads the guard of a rule: what a value must be to stay (docs/spec/policy.md, "Guards")."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sealift.policy.grammar import GUARD_TYPES, MISFITS, MOST_NUMBER, listed
from sealift.policy.model import Guard

GUARD_KEYS = ("type", "values", "code", "misfit", "min", "max")
"""The keys of a rule's table that make up its guard."""

_BY = ("type", "values", "code")
_MOST_VALUES = 10_000


class MistakeError(Exception):
    """A guard is not as the grammar says.

    Attributes:
        key: the key at fault.
        what: what is wrong.
        hint: what to do.
    """

    def __init__(self, key: str, what: str, hint: str) -> None:
        super().__init__(what)
        self.key, self.what, self.hint = key, what, hint


def read_guard(
    action: str, asked: Mapping[str, object], systems: Collection[str]
) -> Guard | None:
    """Return the guard of a rule; None without one.

    Args:
        action: the rule's action.
        asked: the keys of the guard in the rule's table.
        systems: names of the code systems.

    Raises:
        MistakeError: the keys are not a guard.
    """
    if not asked:
        return None
    by = [key for key in _BY if key in asked]
    if len(by) != 1:
        raise MistakeError(
            by[1] if by else next(iter(asked)),
            'a rule has one of "type", "values" and "code"',
            "remove the others" if by else 'add one of "type", "values" and "code"',
        )
    [key] = by
    if action == "drop":
        raise MistakeError(
            key, f'"{key}" has no effect on what is dropped', "remove it"
        )
    misfit = asked.get("misfit", MISFITS[0])
    if misfit not in MISFITS:
        raise MistakeError(
            "misfit", '"misfit" has an unknown value', "it is " + listed(MISFITS)
        )
    least, most = _limits(asked, asked[key])
    allowed = _allowed(key, asked[key], systems)
    return Guard(key, allowed, least, most, misfit == "refuse")


def _allowed(key: str, value: object, systems: Collection[str]) -> tuple[str, ...]:
    if key == "type":
        return _type(value)
    return _values(value) if key == "values" else _codes(value, systems)


def _type(value: object) -> tuple[str, ...]:
    if not isinstance(value, str) or value not in GUARD_TYPES:
        raise MistakeError(
            "type", '"type" has an unknown value', "it is " + listed(GUARD_TYPES)
        )
    return (value,)


def _values(value: object) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= _MOST_VALUES
        or not all(isinstance(one, str | int) and one != "" for one in value)
    ):
        raise MistakeError(
            "values",
            f'"values" must be a list of 1 to {_MOST_VALUES} texts or whole numbers',
            'such as values = ["F", "M"]',
        )
    texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in value]
    if len({text.casefold() for text in texts}) < len(texts):
        raise MistakeError("values", '"values" has one twice', "case does not count")
    return tuple(texts)


def _codes(value: object, systems: Collection[str]) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(n, str) and n in systems for n in names):
        raise MistakeError(
            "code", '"code" has an unknown code system', "known: " + listed([*systems])
        )
    return tuple(str(name) for name in names)


def _limits(asked: Mapping[str, object], kind: object) -> tuple[float, float]:
    limits = []
    for key, default in (("min", -MOST_NUMBER), ("max", MOST_NUMBER)):
        value = asked.get(key, default)
        if key in asked and kind != "numeric":
            raise MistakeError(
                key, f'"{key}" needs type = "numeric"', f"remove {key}, or add the type"
            )
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            # False for NaN and infinity, too.
            or not -1e300 <= value <= 1e300
        ):
            raise MistakeError(key, f'"{key}" must be a number', f"such as {key} = 100")
        limits.append(float(value))
    if limits[0] > limits[1]:
        raise MistakeError("min", '"min" is above "max"', "exchange the two")
    return limits[0], limits[1]
