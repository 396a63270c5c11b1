"""Reports an unexpected exception by its type and place, never by its text.

The text of an exception of another library may quote the value that it could not handle.
"""

from __future__ import annotations

import os

DEBUG_VARIABLE = "SEALIFT_DEBUG"
REPORT = (
    f"report this line; {DEBUG_VARIABLE}=1 shows the whole traceback, which may quote "
    "records"
)


def debugging() -> bool:
    """Whether the user has asked for full tracebacks, which may hold values."""
    return os.environ.get(DEBUG_VARIABLE) == "1"


def crash_place(error: BaseException) -> str:
    """The type of an exception and the line that raised it."""
    import traceback

    frames = [
        (frame.f_globals.get("__name__", "?"), line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    # Our innermost frame helps a developer more than the innermost frame of a library.
    ours = [
        frame for frame in frames if frame[0].partition(".")[0].startswith("sealift")
    ]
    place = (ours or frames or [("?", 0)])[-1]
    return f"unexpected ({type(error).__name__} at {place[0]}:{place[1]})"


def describe_crash(error: BaseException) -> str:
    """One line about an unexpected exception."""
    return f"error: {crash_place(error)}; hint: {REPORT}"
