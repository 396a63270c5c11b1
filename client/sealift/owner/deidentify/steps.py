"""What happens to one leaf of the records: the plan, and what was counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sealift.owner.deidentify.generalise import is_number
from sealift.owner.deidentify.guards import Check, guarded
from sealift.owner.deidentify.leaves import Leaf, Rows
from sealift.owner.deidentify.lists import plain, without_hidden
from sealift.owner.deidentify.operations import Operation, areas_shown
from sealift.owner.deidentify.report import ColumnReport
from sealift.owner.deidentify.rules import Match, at_places
from sealift.owner.deidentify.spans import Found
from sealift.policy.file import Guard, Policy, Rule
from sealift.policy.grammar import MOST_NUMBER
from sealift_protocol.errors import PolicyViolation


@dataclass(slots=True)
class Step:
    """The plan for one leaf, and its counts since the last report.

    Attributes:
        leaf: the leaf.
        rule: the rule; None if the policy does not name the leaf.
        named: whether the policy has the leaf's name, not only a pattern that it fits.
        action: the rule's action, or that of `unlisted`.
        check: holds the values against the rule's guard; None without a guard.
        operation: changes the values; None for leaves that are kept or dropped.
        kind: type of the result; None for leaves that are dropped.
        by: the leaf that a shift follows.
        tells_age: whether it is the year of an event, which may tell an age.
        file_format: format of the policy.
        values: values that were not null.
        changed: of these, those that are another value now, or gone.
        nulls: of these, those that could not be changed.
        misfits: of these, those that did not fit the guard, or would tell an age.
        nobody: texts that were blank or another sign of a missing value; no `values`.
    """

    leaf: Leaf
    rule: Rule | None
    named: bool
    action: str
    check: Check | None = None
    operation: Operation | None = None
    kind: pa.DataType | None = None
    by: Leaf | None = None
    tells_age: bool = False
    file_format: int = 1
    values: int = 0
    changed: int = 0
    nulls: int = 0
    misfits: int = 0
    nobody: int = 0

    @property
    def is_dropped(self) -> bool:
        """Whether nothing of the leaf is left."""
        return self.kind is None

    def take_report(self) -> ColumnReport:
        """Report what was counted since the last call."""
        report = ColumnReport(
            column=self.leaf.name,
            action=self.action,
            to=str(self.rule.settings.get("to", "")) if self.rule else "",
            line=self.rule.line if self.rule else 0,
            values=self.values,
            changed=self.changed,
            nulls=self.nulls,
            misfits=self.misfits,
            named=self.named,
            left=not self.is_dropped,
        )
        self.values = self.changed = self.nulls = self.misfits = 0
        return report

    def take_notices(self) -> tuple[str, ...]:
        """Return what is to be said of the leaf since the last call."""
        nobody, self.nobody = self.nobody, 0
        notices = []
        if nobody and self.action in ("hash", "tokenise"):
            notices.append(
                f"{nobody} values are blank or say that there is none, and are null"
            )
        if self.rule is not None and self.rule.settings.get("to") == "zip3":
            by = areas_shown(self.rule.settings, self.file_format)
            notices.append(f"ZIP codes of areas with few people are 000, by {by}")
        return tuple(f"column {self.leaf.place + 1}: {notice}" for notice in notices)

    def apply(
        self,
        values: pa.Array,
        rows: Rows,
        by: pa.Array | None,
        too_old: TooOld,
        known: Found | None = None,
    ) -> pa.Array | None:
        """Return the changed values of the leaf; None if it is dropped.

        Args:
            values: the values, without dictionary.
            rows: the record of each.
            by: the value of the leaf in `by` for each record.
            too_old: tells which years of an event would tell an age.
            known: where identifiers of their people stand in texts.

        Raises:
            PolicyViolation: texts are not UTF-8, or a value does not fit and the rule refuses that.
        """
        present = len(values) - values.null_count
        self.values += present
        if self.kind is None:
            self.changed += present
            return None
        if self.check is None and self.operation is None:
            inner = self.leaf.in_list or self.leaf.steps
            return without_hidden(values) if inner else values
        try:
            return self._change(values, rows, by, too_old, known)
        except (pa.ArrowException, UnicodeError):
            # Arrow's own messages quote the value.
            raise PolicyViolation(
                f'the action "{self.action}" failed on {at_places([self.leaf.place])} '
                "of the records",
                columns=(self.leaf.name,),
                hint="check that its texts are UTF-8, or drop the column",
            ) from None

    def _change(
        self,
        values: pa.Array,
        rows: Rows,
        by: pa.Array | None,
        too_old: TooOld,
        known: Found | None,
    ) -> pa.Array:
        fitting = values if self.check is None else self.check(values)
        misfits = fitting.null_count - values.null_count
        self._refuse(misfits)
        changed, nobody = fitting, 0
        if self.operation is not None:
            if by is not None and rows is not None:
                by = by.take(rows)
            changed = self.operation.change(fitting, by if known is None else known)
            nobody = self._count_nobody(fitting, changed)
        self.nulls += changed.null_count - fitting.null_count - nobody
        if self.tells_age:
            before = changed.null_count
            changed = pc.if_else(
                too_old(changed, rows), pa.scalar(None, changed.type), changed
            )
            misfits += changed.null_count - before
        self.misfits += misfits
        nulls = changed.null_count - values.null_count - nobody
        self.changed += nulls + _count_others(values, changed)
        return changed

    def _count_nobody(self, values: pa.Array, changed: pa.Array) -> int:
        """Return how many of the values are null now because they name nobody."""
        missing, nobody = values.null_count, 0
        if self.operation is not None and changed.null_count > missing:
            nobody = self.operation.present(values).null_count - missing
        refuses = (
            self.rule is not None and self.rule.settings.get("missing") == "refuse"
        )
        if self.rule is not None and refuses and missing + nobody:
            raise PolicyViolation(
                f"line {self.rule.line} of the policy: {missing + nobody} values of "
                f"{at_places([self.leaf.place])} name nobody",
                columns=(self.leaf.name,),
                hint="fill them in at the source, or leave out `missing`: they become null then",
            )
        self.values -= nobody
        self.nobody += nobody
        return nobody

    def _refuse(self, misfits: int) -> None:
        guard = self.rule.guard if self.rule is not None else None
        if guard is not None and guard.refuses and misfits:
            raise PolicyViolation(
                f"{misfits} of the next values of {at_places([self.leaf.place])} of the "
                f'records do not fit "{guard.by}" of the policy\'s rule for it',
                columns=(self.leaf.name,),
                hint='correct the values, or write misfit = "null" to leave them out',
            )


TooOld = Callable[[pa.Array, Rows], pa.Array]
"""Returns the mask of years (int32) that, in their records, tell an age above the limit."""


_ANY_NUMBER = Guard("type", ("numeric",), -MOST_NUMBER, MOST_NUMBER)


def plan_check(match: Match, policy: Policy) -> tuple[pa.DataType, Check | None]:
    """Return the type of a leaf's values behind the guard of its rule, and the check.

    In format 2 a rule that scrubs text lets numbers pass that are no telephone numbers.
    """
    rule, kind = match.rule, match.leaf.kind
    guard = rule.guard if rule is not None else None
    scrubs = rule is not None and rule.action == "scrub" and policy.format > 1
    if scrubs and guard is None and (is_number(kind) or pa.types.is_boolean(kind)):
        guard = _ANY_NUMBER
    return (kind, None) if guard is None else guarded(guard, kind)


def _count_others(before: pa.Array, after: pa.Array) -> int:
    """Count the values that are present before and after, and differ."""
    if before.type != after.type:
        present: int = len(after) - after.null_count
        return present
    if isinstance(before.type, pa.BaseExtensionType):
        before, after = plain(before).storage, plain(after).storage
    if pa.types.is_nested(before.type):
        return 0
    if pa.types.is_float16(before.type):
        # Arrow does not compare this type.
        before, after = before.cast(pa.float32()), after.cast(pa.float32())
    others = pc.not_equal(before, after)
    if pa.types.is_floating(before.type):
        others = pc.and_not(others, pc.and_(pc.is_nan(before), pc.is_nan(after)))
    return int(pc.sum(others, min_count=0).as_py())
