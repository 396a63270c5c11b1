"""Notes whose identifiers are marked in the text, as ⟦PERSON:Ana Ferreira⟧."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from corpus.clinical_notes import Label, Note

_MARK = re.compile(r"⟦(?P<kind>[A-Z_]+):(?P<text>.*?)⟧", re.DOTALL)
_BETWEEN = "\n%%\n"


def parse(marked: str, template: str = "") -> Note:
    """Take the marks out of a note, and keep where they were."""
    shown: list[str] = []
    labels: list[Label] = []
    length = last = 0
    for mark in _MARK.finditer(marked):
        before = marked[last : mark.start()]
        shown += (before, mark["text"])
        start = length + len(before)
        length = start + len(mark["text"])
        labels.append(Label(start, length, mark["kind"]))
        last = mark.end()
    shown.append(marked[last:])
    return Note("".join(shown), tuple(labels), (), template)


def read_marked(path: Path) -> Iterator[Note]:
    """Read notes from a text file, between lines of `%%`, or from JSON Lines.

    A line of JSON has the marked text under "text" or "note", and may say a group.
    """
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        for line in source.splitlines():
            if line.strip():
                found = json.loads(line)
                text = found.get("marked") or found.get("text") or found["note"]
                group = found.get("kind") or found.get("group")
                yield parse(text, str(group or path.stem))
    else:
        for note in source.split(_BETWEEN):
            yield parse(note.strip("\n"), path.stem)
