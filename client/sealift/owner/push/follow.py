"""Follow a folder: push new files by size or by time, until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from sealift.owner.push.push import Pushed, PushLimits
from sealift.owner.sources.fileset import find_files
from sealift.process.log import log
from sealift_protocol.errors import EmptySource, SourceError

_POLL_SECONDS = 1.0


def follow_folder(
    folder: Path,
    push_once: Callable[[], Pushed],
    *,
    limits: PushLimits,
    stop: threading.Event,
    settle_seconds: float,
    pushed: Callable[[Pushed], None],
    between: Callable[[], None] = lambda: None,
) -> int:
    """Push again and again; return the number of records pushed.

    Args:
        folder: the folder to watch.
        push_once: pushes what is new in it.
        limits: push after this many bytes, or this many seconds after the first new byte.
        stop: ends the loop. A push in progress commits what it has; the rest is left for
            the next run.
        settle_seconds: a file is taken once it has not changed for this long.
        pushed: called after each push.
        between: called before each push.

    Raises:
        SourceError: the folder does not exist.
        SealiftError: a push failed; what is committed stays.
    """
    if not folder.is_dir():
        raise SourceError("there is no such folder", path=folder, hint="check the path")
    records = 0
    taken: dict[Path, tuple[int, int]] = {}
    waiting_since: float | None = None
    while not stop.is_set():
        seen = _settled(folder, settle_seconds)
        fresh = [
            size
            for path, (size, time_) in seen.items()
            if taken.get(path) != (size, time_)
        ]
        now = time.monotonic()
        if fresh and waiting_since is None:
            waiting_since = now
        due = waiting_since is not None and (
            now - waiting_since >= limits.commit_seconds
            or (limits.commit_bytes and sum(fresh) >= limits.commit_bytes)
        )
        if not due:
            stop.wait(min(_POLL_SECONDS, max(0.05, limits.commit_seconds)))
            continue
        between()
        try:
            done = push_once()
        except EmptySource:
            log.info("find_nothing")
        else:
            records += done.records
            if done.records:
                pushed(done)
        taken, waiting_since = seen, None
    return records


def _settled(folder: Path, settle_seconds: float) -> dict[Path, tuple[int, int]]:
    found = {}
    _, paths = find_files(str(folder), settle_seconds=settle_seconds)
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            # It was removed after the listing.
            continue
        found[path] = (status.st_size, status.st_mtime_ns)
    return found
