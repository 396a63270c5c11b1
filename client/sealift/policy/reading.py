"""How a source reads each leaf, by what a policy does with it.

A leaf is the dotted path of a value inside a column; list items have no name. Text formats do not
say whether 007 is a number: what a policy takes as an identifier is text, with every digit.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, IntEnum


class Reading(IntEnum):
    """What the identifiers of a dataset's records are, before they are hashed.

    A dataset stays with the reading that it was begun with, so that nobody's pseudonym changes.
    """

    NUMBERS = 1
    """What the source's types say: "007" in a column of numbers is 7. Of release 0.1."""
    TEXT = 2
    """Texts as they are, with every digit: policies of format 1."""
    TRIMMED = 3
    """Texts with every digit, without pads: policies of format 2."""


class ReadAs(Enum):
    """How a leaf of a text format is read."""

    PLAIN = "plain"
    """The type that its values show; 007 is the number 7. As in release 0.1."""
    INFERRED = "inferred"
    """The same, but text where numbers would lose digits."""
    NO_NUMBER = "no number"
    """The type that its values show, but text rather than numbers: a date as 20240506."""
    TEXT = "text"
    """Text, whatever its values are."""


ReadLeaf = Callable[[str], ReadAs]
"""Returns how the leaf of a path is read."""


def as_inferred(_path: str) -> ReadAs:
    """Read every leaf as the type that its values show."""
    return ReadAs.INFERRED


def as_plain(_path: str) -> ReadAs:
    """Read every leaf as release 0.1 did."""
    return ReadAs.PLAIN
