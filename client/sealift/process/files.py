"""Durable, private files."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_MAX_CONTENTS = 64
_contents: dict[Path, tuple[tuple[int, ...], bytes]] = {}


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a whole file, readable by its owner only; it is durable on return."""
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the directory entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_again(path: Path) -> bytes:
    """Return the content of a small file, read again only when the file has changed.

    The content stays in memory, so the file must not hold a secret.

    Raises:
        OSError: the file cannot be read.
    """
    found = identity_of(path.stat())
    known = _contents.get(path)
    if known is not None and known[0] == found:
        return known[1]
    with path.open("rb") as file:
        known = identity_of(os.fstat(file.fileno())), file.read()
    if len(_contents) >= _MAX_CONTENTS:
        _contents.clear()
    _contents[path] = known
    return known[1]


def identity_of(status: os.stat_result) -> tuple[int, ...]:
    """Return a key that differs after a file is replaced or changed."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
