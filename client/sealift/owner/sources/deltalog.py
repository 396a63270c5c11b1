"""The log of a Delta table: which of the folder's files are its records today.

The Delta transaction log protocol (delta-io/delta, PROTOCOL.md): `_delta_log/N.json` holds the
actions of version N, one on each line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sealift_protocol.errors import SourceError

LOG = "_delta_log"
_VERSION = re.compile(r"(\d{20})\.json")
_EXPORT = "write the table out as Parquet with the program that made it, and push that"


def live_files(folder: Path) -> frozenset[Path]:
    """Return the files that are in the newest version of a Delta table.

    Raises:
        SourceError: the log cannot be followed, or the table needs more than whole files.
    """
    found = sorted(
        (int(match[1]), path)
        for path in (folder / LOG).iterdir()
        if (match := _VERSION.fullmatch(path.name))
    )
    if [number for number, _ in found] != list(range(len(found))) or not found:
        raise _refused("its log does not begin at version 0", folder)
    live: set[str] = set()
    for _, path in found:
        for action in _actions(path):
            if "remove" in action:
                live.discard(action["remove"]["path"])
            if "add" in action:
                if action["add"].get("deletionVector"):
                    raise _refused("it has deletion vectors", folder)
                live.add(action["add"]["path"])
            settings = action.get("metaData", {}).get("configuration", {})
            if settings.get("delta.columnMapping.mode", "none") != "none":
                raise _refused("its columns are stored under other names", folder)
    if any("://" in name or name.startswith("/") for name in live):
        raise _refused("some of its files are outside the folder", folder)
    return frozenset(folder / unquote(name) for name in live)


def _actions(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield json.loads(line)
    except (OSError, ValueError):
        raise SourceError(
            "the log of the Delta table cannot be read", path=path, hint=_EXPORT
        ) from None


def _refused(why: str, folder: Path) -> SourceError:
    return SourceError(
        f"this Delta table cannot be read from its files: {why}, and records that it has deleted "
        "would be pushed",
        path=folder,
        hint=_EXPORT,
    )
