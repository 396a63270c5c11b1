"""A table of an SQLite file, opened read only."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from sealift_protocol.errors import SourceError


def query_of(path: Path, table: str, notice: Callable[[str], None]) -> str:
    """Return the query of a file's one table, or of the table that was chosen.

    Raises:
        SourceError: it is no SQLite file, or has several tables or none of the name.
    """
    try:
        base = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        try:
            names = [
                str(name)
                for (name,) in base.execute(
                    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
                    "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
                )
            ]
        finally:
            base.close()
    except sqlite3.Error:
        raise SourceError(
            "this is not an SQLite file that can be read", path=path
        ) from None
    if not table and len(names) == 1:
        table = names[0]
    if table not in names:
        notice("the tables of the file: " + ", ".join(names))
        raise SourceError(
            "the SQLite file has no table of that name"
            if table
            else f"the SQLite file has {len(names)} tables",
            path=path,
            hint="choose one with `table`, or give a `query`",
        )
    quoted = table.replace('"', '""')
    return f'SELECT * FROM "{quoted}"'  # noqa: S608 - the name is one of the file's, and quoted
