"""The grammar of a policy's rules: each action with its settings, their types and limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

SettingValue = str | int | float | list[str]

FORMAT_2 = 2
PAN = "pan"
"""The value of `alphabet` for the numbers of payment cards."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of an action.

    Attributes:
        what: the allowed values, described for people.
        allowed: returns whether a value from the TOML file is allowed.
        default: the value if none is given; None if the setting is required.
    """

    what: str
    allowed: Callable[[object], bool]
    default: SettingValue | None = None


def _whole(least: int, most: int, default: int | None = None) -> Setting:
    return Setting(
        f"a whole number from {least} to {most}",
        # A bool is an int in Python, but not in TOML.
        lambda value: (
            isinstance(value, int)
            and not isinstance(value, bool)
            and least <= value <= most
        ),
        default,
    )


def _positive() -> Setting:
    return Setting(
        "a number above 0 and at most 1e15",
        # False for NaN, infinity and bools.
        lambda value: (
            not isinstance(value, bool)
            and isinstance(value, (int, float))
            and 0 < value <= 1e15
        ),
    )


def _one_of(*choices: str, default: str | None = None) -> Setting:
    named = " or ".join(f'"{choice}"' for choice in choices)
    return Setting(
        named, lambda value: isinstance(value, str) and value in choices, default
    )


def _optional(*choices: str) -> Setting:
    """A choice that may be left out; its value is then the empty text."""
    named = " or ".join(f'"{choice}"' for choice in choices)
    return Setting(named, lambda value: isinstance(value, str) and value in choices, "")


def _text(most: int, default: str | None = None) -> Setting:
    return Setting(
        f"a text of at most {most} characters",
        lambda value: isinstance(value, str) and len(value) <= most,
        default,
    )


_ENDS = {"keep_first": _whole(0, 1000, 0), "keep_last": _whole(0, 1000, 0)}
_DOMAIN = _text(200, "")
_NAME = Setting(
    "the name of a column", lambda value: isinstance(value, str) and bool(value)
)
_ONE_CHARACTER = Setting(
    "one character", lambda value: isinstance(value, str) and len(value) == 1, "*"
)
_NAMES = Setting(
    "a list of names in quotes",
    lambda value: (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, str) and item for item in value)
    ),
    # An empty list means all types that the scrubber knows.
    [],
)

GENERALISATIONS: dict[str, Mapping[str, Setting]] = {
    "age-band": {"width": _whole(1, 90, 5)},
    "zip3": {},
    "year": {"oldest": _whole(0, 150, 0)},
    "month": {},
    "band": {"width": _positive()},
    "decimals": {"digits": _whole(0, 15)},
}
"""The targets of the action "generalise", with the settings of each."""

ACTIONS: dict[str, Mapping[str, Setting]] = {
    "drop": {},
    "keep": {},
    "mask": {**_ENDS, "with": _ONE_CHARACTER},
    "hash": {"domain": _DOMAIN},
    "tokenise": {
        "alphabet": _one_of("digits", "letters", "alphanumeric", default="digits"),
        **_ENDS,
        "domain": _DOMAIN,
    },
    "generalise": {"to": _one_of(*GENERALISATIONS)},
    "shift": {"by": _NAME, "days": _whole(1, 36_500, 365)},
    "noise": {
        "scale": _positive(),
        "distribution": _one_of("laplace", "gaussian", default="laplace"),
    },
    "scrub": {"entities": _NAMES},
}
"""Every action with its settings; those of "generalise" depend on `to`."""


_PREFIX = re.compile("[0-9]{3}")
_AREAS = Setting(
    "a list of the first three digits of ZIP codes, in quotes",
    lambda value: (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, str) and _PREFIX.fullmatch(item) for item in value)
    ),
    # An empty list means the areas of the newest census that Sealift knows.
    [],
)
_ORDER = _optional("mdy", "dmy", "ymd")
_MISSING = _one_of("null", "refuse", default="null")

_FORMAT_2: dict[str, Mapping[str, Setting]] = {
    "hash": {"missing": _MISSING},
    "tokenise": {
        "alphabet": _one_of("digits", "letters", "alphanumeric", PAN, default="digits"),
        "missing": _MISSING,
    },
    "shift": {"order": _ORDER},
}
"""The settings that an action has in files of format 2 only."""

_FORMAT_2_GENERALISATIONS: dict[str, Mapping[str, Setting]] = {
    "zip3": {"areas": _AREAS},
    "year": {"order": _ORDER, "of": _one_of("event", "birth", default="event")},
    "month": {"order": _ORDER},
}


def settings_of(
    action: str, given: Mapping[str, object], form: int = 1
) -> Mapping[str, Setting]:
    """Return the settings of an action.

    Args:
        action: a key of `ACTIONS`.
        given: the settings in the file; `to` and `alphabet` decide which others there are.
        form: the policy's format.
    """
    settings = dict(ACTIONS[action])
    if form >= FORMAT_2:
        settings |= _FORMAT_2.get(action, {})
    to = given.get("to")
    if action == "generalise" and isinstance(to, str):
        settings |= GENERALISATIONS.get(to, {})
        if form >= FORMAT_2:
            settings |= _FORMAT_2_GENERALISATIONS.get(to, {})
    if action == "tokenise" and form >= FORMAT_2 and given.get("alphabet") == PAN:
        # The last digit of a card number is its check digit, which is never kept.
        settings["keep_first"] = _whole(0, 8, 6)
        del settings["keep_last"]
    return settings


GUARD_TYPES = ("numeric", "boolean", "date", "binary")
"""The values of the guard `type`."""

MISFITS = ("null", "refuse")
"""What happens to a value that does not fit its guard; the first is the default."""

MOST_NUMBER = 999_999.0
"""The largest number, and with a minus the smallest, of the guard `type = "numeric"` without
`min` or `max`. Telephone numbers, card numbers, most numbers of persons, dates written as
20240131 and seconds since 1970 are larger."""


def listed(words: Sequence[str]) -> str:
    """Join words for a hint."""
    return ", ".join(words) or "none"
