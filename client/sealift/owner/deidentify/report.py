"""What de-identification did: counts only, never values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sealift.owner.deidentify.anonymity import Anonymity
from sealift_protocol.errors import InvalidArgument

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ColumnReport:
    """What was done to a column.

    Attributes:
        column: its name in the source.
        action: of the rule, or of `unlisted`.
        to: what a generalisation makes; else empty.
        line: of the rule in the policy's file; 0 for a column that no rule names.
        values: that were not null; items, if the column holds lists.
        changed: of these, how many are another value now, or gone.
        nulls: of these, how many became null because the action cannot be done to them.
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
    """What a policy did to records.

    Attributes:
        policy: name of the policy.
        version: of the policy.
        digest: SHA-256 of the policy's file, hexadecimal.
        records: how many there were.
        columns: what was done to each, in the source's order.
        scrubbed: how often the text scrubber found what, by type.
        anonymity: of the records after de-identification, if it was measured.
        notices: sentences for the privacy officer, without values.
    """

    policy: str
    version: str
    digest: str
    records: int = 0
    columns: tuple[ColumnReport, ...] = ()
    scrubbed: Mapping[str, int] = field(default_factory=dict)
    anonymity: Anonymity | None = None
    notices: tuple[str, ...] = ()

    def merged(self, other: Report) -> Report:
        """The report of both; the anonymity is the other's, if it has one.

        Raises:
            InvalidArgument: they are not of one policy and one schema.
        """
        mine = [_rule_of(column) for column in self.columns]
        theirs = [_rule_of(column) for column in other.columns]
        if self.digest != other.digest or mine != theirs:
            raise InvalidArgument(
                "reports of different policies or schemas cannot be merged",
                hint="a push has one policy; make a report for each",
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
        """One line of JSON with sorted keys, the same for the same counts (docs/spec/policy.md)."""
        document = {
            "format": FORMAT,
            "policy": {
                "name": self.policy,
                "version": self.version,
                "sha256": self.digest,
            },
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
