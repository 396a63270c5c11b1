"""Writes tests/vectors/journal/journal.json: journals of reversals, and some to refuse.

The arithmetic and the JSON are this script's own; nothing of Sealift is imported.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET = hashlib.sha256(b"vector owner secret").digest()
ENTRIES = [
    {
        "time": 1_767_225_600 + number,
        "who": "mueller",
        "why": f"incidental finding {number}, Ärztin informed",
        "policy": hashlib.sha256(b"vector policy").hexdigest(),
        "asked": number + 1,
        "found": number,
    }
    for number in range(3)
]


def lines() -> list[str]:
    key = HKDF(SHA256(), 32, salt=None, info=b"sealift/1 reversals").derive(SECRET)
    made, before = [], bytes(32)
    for entry in ENTRIES:
        document = json.dumps(entry)
        before = hmac.digest(key, before + document.encode(), "sha256")
        line = {"version": 1, "document": document, "mac": before.hex()}
        made.append(json.dumps(line) + "\n")
    return made


def refused(good: list[str]) -> dict[str, str]:
    """Name to a journal that no reader accepts."""
    first, second, third = good
    return {
        "a count was changed": "".join(good).replace('asked\\": 2', 'asked\\": 1'),
        "two lines were swapped": second + first + third,
        "a line was taken out": first + third,
        "a line stands twice": first + first + second,
        "the last line is cut off": "".join(good)[:-1],
        "a line is half": "".join(good)[:-20],
        "a key is not known": first.replace("{", '{"also": 1, ', 1),
        "another version": first.replace('"version": 1', '"version": 2'),
        "another key": first.replace(first[-12:-3], "0" * 9),
    }


def render() -> dict[str, str]:
    """File name to content."""
    good = lines()
    content = {
        "comment": "docs/spec/journal.md",
        "owner_secret": SECRET.hex(),
        "entries": ENTRIES,
        "file": "".join(good),
        "refused": refused(good),
    }
    return {"journal.json": json.dumps(content, indent=1) + "\n"}


if __name__ == "__main__":
    folder = Path(__file__).parent / "journal"
    folder.mkdir(exist_ok=True)
    for name, content in render().items():
        (folder / name).write_text(content)
    sys.stdout.write(f"{len(render())} files\n")
