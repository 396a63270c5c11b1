"""What a run found, counted by place, type, format and policy."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from leaks.sheets import HIDDEN, Sheet, Spot, cell_and_row


@dataclass(frozen=True, slots=True)
class Leak:
    """An identifier that reached a trainer, or the relay.

    Attributes:
        policy: name of the policy.
        spot: where it was planted.
        kind: what it is.
        form: how it was encoded where it was found.
        where: "payload", "schema", "report", "names" or "relay".
        sheet: number of the sheet.
        document: number of the document in the sheet.
        hidden: whether it was no part of any document.
    """

    policy: str
    spot: Spot
    kind: str
    form: str
    where: str
    sheet: int
    document: int
    hidden: bool


def leaks_of(
    sheet: Sheet, policy: str, found: list[tuple[int, str, str]]
) -> Iterator[Leak]:
    """Say what was found in a dataset."""
    for owner, form, where in found:
        place, row = cell_and_row(owner)
        cell = sheet.cells[place]
        yield Leak(
            policy,
            cell.spot,
            cell.kind,
            form,
            where,
            sheet.number,
            row,
            row >= len(cell.seen),
        )


@dataclass(slots=True)
class Results:
    """Counts of a run; a count is a number of identifiers, of which a document has one in a place.

    Attributes:
        planted: by place.
        sent: by place and policy: in a push that was made, under a rule that the policy has.
        refused: by place and policy: the push was refused for it.
        missing: by place and policy: no rule of the policy lets such a column go.
        documents: by policy, and whether they were sent.
        pushes: by policy, and how they ended.
        reasons: by policy: why a push was refused.
        leaks: what was found.
        kept: by place: found under the policy that keeps everything, or without one.
        hidden: by place: identifiers behind slices, under nulls, in unused entries.
        behind: how many of the hidden lay in the buffers of tables that were pushed.
        forms: by form: found in the control.
        lost: what the control should have found, and did not.
        errors: what else went wrong.
    """

    planted: Counter[Spot] = field(default_factory=Counter)
    sent: defaultdict[Spot, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    refused: defaultdict[Spot, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    missing: defaultdict[Spot, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    documents: defaultdict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    pushes: defaultdict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    reasons: defaultdict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    leaks: list[Leak] = field(default_factory=list)
    kept: Counter[Spot] = field(default_factory=Counter)
    hidden: Counter[Spot] = field(default_factory=Counter)
    behind: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    lost: Counter[tuple[Spot, str]] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def add_sheet(self, sheet: Sheet) -> None:
        """Count what is planted in a sheet."""
        for cell in sheet.cells:
            if cell.seen:
                self.planted[cell.spot] += len(cell.seen)
            if cell.hidden:
                what = HIDDEN.get(sheet.format, HIDDEN["unused"])
                if cell.spot.position == "unused entries":
                    what = HIDDEN["unused"]
                spot = Spot(
                    f"{cell.spot.position}, {what}", cell.spot.type, sheet.format
                )
                self.hidden[spot] += len(cell.hidden)

    @property
    def policies(self) -> list[str]:
        """The policies, in their order."""
        return list(self.pushes)

    def sent_in_all(self, spot: Spot) -> int:
        """Return how many identifiers in a place were sent, under all policies together."""
        return self.sent[spot].total()

    def table(self) -> Iterator[tuple[str, ...]]:
        """Yield the rows of the table: a row for each place, type and format."""
        policies = self.policies
        yield (
            *("position", "type", "format", "planted"),
            *(f"{end} {name}" for name in policies for end in ("sent", "refused")),
            *("leaked", "control"),
        )
        leaked = Counter(leak.spot for leak in self.leaks)
        for spot in sorted(self.planted, key=lambda s: (s.format, s.position, s.type)):
            counts = [
                str(table[spot][name])
                for name in policies
                for table in (self.sent, self.refused)
            ]
            yield (
                *(spot.position, spot.type, spot.format, str(self.planted[spot])),
                *counts,
                *(str(leaked[spot]), str(self.kept[spot])),
            )

    def write(self, path: Path) -> None:
        """Write the table as CSV."""
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(self.table())
