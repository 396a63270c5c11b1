"""The report on de-identification: counts only, never values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sealift.owner.deidentify.anonymity import Anonymity
from sealift.owner.deidentify.looking import LookCounts
from sealift.policy.reading import Reading
from sealift_protocol.errors import InvalidArgument, PolicyViolation

FORMAT = 2


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """The counts for a column.

    Attributes:
        column: name of the column in the source, or path of the leaf inside it.
        action: the rule's action, or that of `unlisted`.
        to: the target of a generalisation; otherwise empty.
        line: line of the rule in the policy file; 0 for a column that no rule names.
        values: number of values that were not null; of items, if the column holds lists.
        changed: how many of these have another value now, or were dropped.
        nulls: how many of these became null because the action does not apply to them.
        misfits: how many of these became null because they did not fit the rule's guard, or would
            have told an age above the policy's limit.
        named: whether the policy has the name, and not only a pattern that it fits.
        left: whether anything of it is left in the records.
    """

    column: str
    action: str
    to: str = ""
    line: int = 0
    values: int = 0
    changed: int = 0
    nulls: int = 0
    misfits: int = 0
    named: bool = True
    left: bool = True

    @property
    def is_told(self) -> bool:
        """Whether a trainer knows the name: the policy has it, or what is left has it."""
        return self.named or self.left


@dataclass(frozen=True, slots=True)
class Report:
    """The effect of a policy on records.

    Attributes:
        policy: name of the policy.
        version: version of the policy.
        digest: SHA-256 of the policy file, hexadecimal.
        records: number of records.
        columns: counts for each column, in the source's order.
        scrubbed: number of findings of the text scrubber, by type.
        anonymity: anonymity of the records after de-identification, if it was measured.
        notices: sentences for the privacy officer, without values.
        identifiers: how identifiers were read, the number of a `Reading`.
        known: what the last look did; None if the policy asks for none.
    """

    policy: str
    version: str
    digest: str
    records: int = 0
    columns: tuple[ColumnReport, ...] = ()
    scrubbed: Mapping[str, int] = field(default_factory=dict)
    anonymity: Anonymity | None = None
    notices: tuple[str, ...] = ()
    identifiers: int = Reading.TEXT
    known: LookCounts | None = None

    def merged(self, other: Report) -> Report:
        """Return the report of both; the anonymity is the other's, if it has one.

        Raises:
            InvalidArgument: the reports are of different policies or schemas.
        """
        mine = [_rule_of(column) for column in self.columns]
        theirs = [_rule_of(column) for column in other.columns]
        if self.digest != other.digest or mine != theirs:
            raise InvalidArgument(
                "reports of different policies or schemas cannot be merged",
                hint="a push has one policy: keep one report for each policy and schema",
            )
        return Report(
            policy=self.policy,
            version=self.version,
            digest=self.digest,
            records=self.records + other.records,
            columns=tuple(
                ColumnReport(
                    *_rule_of(one),
                    values=one.values + two.values,
                    changed=one.changed + two.changed,
                    nulls=one.nulls + two.nulls,
                    misfits=one.misfits + two.misfits,
                    named=one.named,
                    left=one.left,
                )
                for one, two in zip(self.columns, other.columns, strict=True)
            ),
            scrubbed=dict(Counter(self.scrubbed) + Counter(other.scrubbed)),
            anonymity=other.anonymity or self.anonymity,
            notices=tuple(dict.fromkeys((*self.notices, *other.notices))),
            identifiers=other.identifiers,
            known=self.known.plus(other.known) if self.known and other.known else None,
        )

    @property
    def all_notices(self) -> tuple[str, ...]:
        """The notices, and one for each column where values became null."""
        made = []
        for place, column in enumerate(self.columns, start=1):
            if column.nulls:
                made.append(
                    f"column {place}: {column.nulls} of {column.values} values could not be "
                    f'changed by "{column.to or column.action}" and are null now'
                )
            if column.misfits:
                made.append(
                    f"column {place}: {column.misfits} of {column.values} values did not fit "
                    "what the rule allows and are null now"
                )
        if self.known is not None and self.known.unknown:
            made.append(self.known.told())
        return (*self.notices, *made)

    def check(self, max_failed: float) -> None:
        """Check that what was asked for could be done.

        Args:
            max_failed: the largest share of a column's values that may have failed.

        Raises:
            PolicyViolation: more than that failed, or nothing at all is left.
        """
        failed = [c for c in self.columns if c.nulls > max_failed * c.values]
        if failed:
            worst = max(failed, key=lambda column: column.nulls / column.values)
            raise PolicyViolation(
                f"{worst.nulls} of {worst.values} values of column "
                f"{self.columns.index(worst) + 1} of the records could not be changed by "
                f'"{worst.to or worst.action}" and would be null, more than the policy allows',
                columns=tuple(column.column for column in failed),
                hint="correct the values or the rule; `max_failed` in the policy says what share "
                "may be lost, and is 0 without it; nothing of this was committed",
            )
        values = sum(column.values for column in self.columns)
        if values and not any(
            column.left and column.values > column.nulls + column.misfits
            for column in self.columns
        ):
            raise PolicyViolation(
                "nothing is left of the records under the policy",
                columns=tuple(column.column for column in self.columns),
                hint="choose a policy for this kind of records, or write rules for their columns",
            )

    def to_json(self, *, whole: bool = False) -> str:
        """Return a line of JSON with sorted keys, equal for equal counts (docs/spec/policy.md).

        Names of columns that the policy does not have, and of which nothing is left, may be names
        of people: such columns are counted, and not named.

        Args:
            whole: whether every column is named: for the owner's own eyes.
        """
        told = [column for column in self.columns if whole or column.is_told]
        others = [column for column in self.columns if column not in told]
        by_rule: dict[tuple[str, int], list[ColumnReport]] = {}
        for column in others:
            by_rule.setdefault((column.action, column.line), []).append(column)
        document = {
            "format": FORMAT,
            "policy": {
                "name": self.policy,
                "version": self.version,
                "sha256": self.digest,
            },
            "identifiers": int(self.identifiers),
            "records": self.records,
            "columns": [
                {
                    "column": column.column,
                    "action": column.action,
                    **({"to": column.to} if column.to else {}),
                    "line": column.line,
                    "values": column.values,
                    "changed": column.changed,
                    "nulls": column.nulls,
                    "misfits": column.misfits,
                }
                for column in told
            ],
            "others": [
                {
                    "action": action,
                    "line": line,
                    "columns": len(columns),
                    "values": sum(column.values for column in columns),
                }
                for (action, line), columns in by_rule.items()
            ],
            "scrubbed": dict(self.scrubbed),
            **({"known": asdict(self.known)} if self.known else {}),
            "anonymity": self.anonymity.to_dict() if self.anonymity else None,
            "notices": list(self.all_notices),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _rule_of(column: ColumnReport) -> tuple[str, str, str, int]:
    return column.column, column.action, column.to, column.line
