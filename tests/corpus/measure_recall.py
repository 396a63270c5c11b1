"""Measures what the text scrubber finds: recall and precision by entity type.

    PYTHONPATH=tests python -m corpus.measure_recall --notes 1200

With --labelled FILE it measures your own notes: JSON Lines of {"text": …, "spans": [[start, end,
"TYPE"], …]}, read and scored in memory; nothing but the table is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from corpus.clinical_notes import Label, Note, clinical_notes

from sealift.owner.deidentify.analysis import Analysis
from sealift.owner.deidentify.recognisers import ALL
from sealift.owner.deidentify.spans import Span

_BATCH = 64


@dataclass
class Score:
    """Counts by entity type.

    Attributes:
        labels: identifiers in the notes.
        found: those of which nothing is left: every letter and digit lies in something scrubbed.
        named: those found whose first character was scrubbed under the right type.
        scrubbed: stretches that were scrubbed, by the type that they were scrubbed as.
        right: those that touch an identifier of any type.
        kept: hard negatives: drugs, values, diseases, years; stayed: those left whole.
        missed: examples for people who write recognisers; of synthetic notes only.
    """

    labels: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    scrubbed: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    stayed: int = 0
    notes: int = 0
    missed: list[str] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)
    mistyped: list[str] = field(default_factory=list)

    def recall(self, kind: str | None = None) -> float:
        """Share of the identifiers that were found."""
        return _share(self.found, self.labels, kind)

    def precision(self, kind: str | None = None) -> float:
        """Share of what was scrubbed that touched an identifier."""
        return _share(self.right, self.scrubbed, kind)

    @property
    def preserved(self) -> float:
        """Share of the hard negatives that stayed whole."""
        return self.stayed / self.kept if self.kept else 1.0


def _share(part: Counter[str], whole: Counter[str], kind: str | None) -> float:
    above = part.total() if kind is None else part[kind]
    below = whole.total() if kind is None else whole[kind]
    return above / below if below else 1.0


def measure(notes: Iterable[Note], analysis: Analysis) -> Score:
    """Scores the recognisers on labelled notes."""
    score = Score()
    waiting = iter(notes)
    while batch := list(islice(waiting, _BATCH)):
        for note, spans in zip(
            batch, analysis.find([n.text for n in batch]), strict=True
        ):
            _add(score, note, spans)
    return score


def _add(score: Score, note: Note, spans: list[Span]) -> None:
    owner: list[str] = [""] * len(note.text)
    for span in spans:
        owner[span.start : span.end] = [span.kind] * (span.end - span.start)
    labelled = [False] * len(note.text)
    score.notes += 1
    for label in note.labels:
        labelled[label.start : label.end] = [True] * (label.end - label.start)
        places = [p for p in range(label.start, label.end) if note.text[p].isalnum()]
        score.labels[label.kind] += 1
        if all(owner[place] for place in places):
            score.found[label.kind] += 1
            named = any(owner[place] == label.kind for place in places)
            score.named[label.kind] += named
            if not named:
                score.mistyped.append(
                    f"{owner[places[0]]:12} {_around(note.text, label)}"
                )
        else:
            score.missed.append(f"{label.kind:12} {_around(note.text, label)}")
    for span in spans:
        good = any(labelled[span.start : span.end])
        score.scrubbed[span.kind] += 1
        score.right[span.kind] += good
        if not good:
            score.spoilt.append(f"{span.kind:12} {_around(note.text, span)}")
    for label in note.kept:
        score.kept += 1
        score.stayed += not any(owner[label.start : label.end])


def _around(text: str, span: Label | Span) -> str:
    before, after = (
        text[max(0, span.start - 30) : span.start],
        text[span.end : span.end + 20],
    )
    return f"{before!r} [{text[span.start : span.end]!r}] {after!r}"


def table(score: Score) -> str:
    """The scores as a Markdown table."""
    lines = [
        "| type | identifiers | recall | of them typed right | scrubbed | precision |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind in (*ALL, None):
        count = score.labels[kind] if kind else score.labels.total()
        named = _share(score.named, score.found, kind)
        scrubbed = score.scrubbed[kind] if kind else score.scrubbed.total()
        lines.append(
            f"| {kind or '**all**'} | {count:,} | {score.recall(kind):.3f} | {named:.3f} "
            f"| {scrubbed:,} | {score.precision(kind):.3f} |"
        )
    lines.append("")
    lines.append(
        f"{score.notes:,} notes; of {score.kept:,} hard negatives "
        f"{score.preserved:.4f} stayed whole."
    )
    return "\n".join(lines)


def _read_labelled(path: Path) -> Iterator[Note]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            found = json.loads(line)
            labels = tuple(
                Label(int(s), int(e), str(kind)) for s, e, kind in found["spans"]
            )
            yield Note(found["text"], labels, (), path.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--group", choices=("all", "seen", "held-out"), default="all")
    parser.add_argument("--labelled", type=Path, help="your own notes, as JSON Lines")
    parser.add_argument(
        "--examples", type=int, default=0, help="mistakes to show (synthetic only)"
    )
    given = parser.parse_args()
    notes = (
        _read_labelled(given.labelled)
        if given.labelled
        else clinical_notes(given.notes, given.seed, given.group)
    )
    score = measure(notes, Analysis())
    sys.stdout.write(table(score) + "\n")
    if not given.labelled:
        for title, lines in (
            ("missed", score.missed),
            ("spoilt", score.spoilt),
            ("mistyped", score.mistyped),
        ):
            for line in lines[: given.examples]:
                sys.stdout.write(f"{title} {line}\n")


if __name__ == "__main__":
    main()
