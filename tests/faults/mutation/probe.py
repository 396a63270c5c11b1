"""Notes which test reached which check; mutate.py puts a call of `reached` before each of them.

It imports nothing but what Python has loaded already: it runs inside the product's processes.
"""

from __future__ import annotations

import json
import os
from typing import Any

NOTES = "SEALIFT_MUTATION_NOTES"

# As they are before a test replaces them.
_write, _open, _close = os.write, os.open, os.close
# A check that a test reaches more often than this is noted no further.
MOST = 1000
_times: dict[tuple[str, str], int] = {}


def reached(key: str) -> None:
    """A check is about to raise, in the test's process or in one that a test started."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    times = _times[key, test] = _times.get((key, test), 0) + 1
    if times <= MOST:
        note(reached=key, test=test)


def note(**line: Any) -> None:
    """Appends a JSON line to the notes of this run, and which of xdist's workers it is from."""
    line["worker"] = os.environ.get("PYTEST_XDIST_WORKER", "")
    file = _open(os.environ[NOTES], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        _write(file, json.dumps(line).encode() + b"\n")
    finally:
        _close(file)
