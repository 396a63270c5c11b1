"""The report on de-identification: counts only, never values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sealift.owner.deidentify.anonymity import Anonymity
from sealift.policy.leaves import Reading
from sealift_protocol.errors import InvalidArgument

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """The counts for a column.

    Attributes:
        column: name of the column in the source.
        action: the rule's action, or that of `unlisted`.
        to: the target of a generalisation; otherwise empty.
        line: line of the rule in the policy file; 0 for a column that no rule names.
        values: number of values that were not null; of items, if the column holds lists.
        changed: how many of these have another value now, or were dropped.
        nulls: how many of these became null because the action does not apply to them.
    """

    column: str
    action: str
    to: str = ""
    line: int = 0
    values: int = 0
    changed: int = 0
    nulls: int = 0


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
                )
                for one, two in zip(self.columns, other.columns, strict=True)
            ),
            scrubbed=dict(Counter(self.scrubbed) + Counter(other.scrubbed)),
            anonymity=other.anonymity or self.anonymity,
            notices=tuple(dict.fromkeys((*self.notices, *other.notices))),
            identifiers=other.identifiers,
        )

    @property
    def all_notices(self) -> tuple[str, ...]:
        """The notices, and one for each column where values became null."""
        made = tuple(
            f"column {place}: {column.nulls} of {column.values} values could not be "
            f'changed by "{column.to or column.action}" and are null now'
            for place, column in enumerate(self.columns, start=1)
            if column.nulls
        )
        return (*self.notices, *made)

    def to_json(self) -> str:
        """Return a line of JSON with sorted keys, equal for equal counts (docs/spec/policy.md)."""
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
                }
                for column in self.columns
            ],
            "scrubbed": dict(self.scrubbed),
            "anonymity": self.anonymity.to_dict() if self.anonymity else None,
            "notices": list(self.all_notices),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _rule_of(column: ColumnReport) -> tuple[str, str, str, int]:
    return column.column, column.action, column.to, column.line
