"""Searches everything that others hold for what they must not know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa


def search(
    folders: Sequence[Path], plaintext: Path, table: pa.Table, words: set[str]
) -> list[str]:
    """Returns and prints which words, and which files with values of the table, are found.

    Args:
        folders: every file below them is searched, and so are the file names.
        plaintext: a file that must be full of hits; otherwise the search itself is broken.
        table: its float64 values are searched for.
        words: searched for as UTF-8.
    """
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    held = {path: path.name.encode() + b"\0" + path.read_bytes() for path in files}
    values = telling_values(table)
    found = sorted(
        w for w in words if any(w.encode() in content for content in held.values())
    )
    found += [path.name for path, content in held.items() if contains(content, values)]
    print(f"  {len(held)} files, {sum(map(len, held.values())):,} bytes")
    print(f"  searched for {len(words):,} names and {len(values):,} different values")
    print(f"  found: {found or 'nothing'}")
    control = plaintext.read_bytes()
    if not contains(control, values) or not any(
        word.encode() in control for word in words
    ):
        return ["the search itself is broken"]
    return found


def telling_values(table: pa.Table) -> np.ndarray:
    """The measurements as the bits of a float64, except round ones, which are mostly zero bytes.

    17.0 has two bytes that are not zero, and any file with a counter in it would "contain" it.
    """
    columns = [
        table[field.name] for field in table.schema if field.type == pa.float64()
    ]
    values = np.unique(np.concatenate([column.to_numpy() for column in columns]))
    whole = np.count_nonzero(values.view(np.uint8).reshape(-1, 8), axis=1) >= 6
    return values[whole].view(np.uint64)


def contains(content: bytes, values: np.ndarray) -> bool:
    """Whether the bytes contain any of the values, at any offset."""
    for shift in range(min(8, len(content))):
        whole = (len(content) - shift) // 8
        words = np.frombuffer(content, np.uint64, count=whole, offset=shift)
        if np.isin(words, values).any():
            return True
    return False
