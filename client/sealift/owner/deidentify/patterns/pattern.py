"""A pattern: what finds identifiers of one type in a text."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of one type.

    Its group `x`, and `y` and `z` if it has them, are what is scrubbed; the rest is context.
    Patterns have bounded repeats only, so that no text makes them slow.

    Attributes:
        kind: the type.
        score: which of two that overlap wins; 0 to 1, as in Presidio.
        regex: compiled.
        spreads: whether what was found is looked for in the whole text.
    """

    kind: str
    score: float
    regex: re.Pattern[str]
    spreads: bool = False
