"""A pattern, which finds identifiers of one type in a text."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of one type.

    Its group `x`, and `y` and `z` if present, are scrubbed; the rest of the match is context.
    All repeats are bounded, so that no text makes a pattern slow.

    Attributes:
        kind: the entity type.
        score: the higher of two overlapping matches wins; 0 to 1, as in Presidio.
        regex: the compiled expression.
        spreads: whether a match is also looked for in the rest of the text.
    """

    kind: str
    score: float
    regex: re.Pattern[str]
    spreads: bool = False
