"""De-identify a source's batches under a policy before they are packed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

import pyarrow as pa

from sealift.formats.soundness import without_unsound
from sealift.owner.deidentify import AnonymityCheck, Deidentifier, Policy, Report
from sealift.owner.deidentify.anonymity import Anonymity
from sealift.owner.deidentify.looking import LookCounts
from sealift.owner.deidentify.rules import Columns, privacy_of
from sealift.owner.sources import BEGINNING, Accompanied, Part, Source
from sealift.policy.reading import Reading
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

EARLIER_BYTES = 256 << 20
"""The most bytes of files pushed before that are read again for what they tell of people."""

Describe = Callable[[pa.Schema], pa.Schema]


class Deidentifying:
    """De-identify a source's batches; see `Transform`.

    Attributes:
        schema: the schema after de-identification.
    """

    def __init__(
        self,
        source: Source,
        policy: Policy,
        *,
        owner_secret: Secret,
        workers: int = 0,
        describe: Describe = lambda schema: schema,
        reading: Reading = Reading.TEXT,
    ) -> None:
        """Plan what happens to each column.

        Args:
            source: the source whose schema the policy is applied to.
            policy: the de-identification policy.
            owner_secret: keys pseudonyms and offsets.
            workers: processes that scrub text; 0 to use only this process.
            describe: adds the owner's own descriptions of columns, which are no part of the source.
            reading: how identifiers are read.

        Raises:
            PolicyViolation: the source's columns do not fit the policy, or nothing is left of them.
        """
        self._policy = policy
        self._owner_secret = owner_secret
        self._reading = reading
        self._deidentifier = Deidentifier(
            policy,
            source.schema,
            secret=owner_secret,
            workers=workers,
            reading=reading,
        )
        self.schema: pa.Schema = _described(
            self._deidentifier.schema, source.schema, describe
        )
        if not len(self.schema):
            self._deidentifier.close()
            raise PolicyViolation(
                "the policy drops every column of the records",
                columns=tuple(source.schema.names),
                hint="choose a policy for this kind of records, or write rules for their columns; "
                "nothing was sealed",
            )
        self._told: dict[str, Counter[str]] = {}
        self._anonymity: Anonymity | None = None
        self._waits = self._deidentifier.looks_at_people
        self._not_read = 0
        self._looked = LookCounts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deidentifier.close()

    def check_whole(self, source: Source, begin: Callable[[Part], str | None]) -> bool:
        """Measure anonymity of all that will be read, and collect what it tells of people.

        Raises:
            PolicyViolation: k-anonymity or l-diversity are below what the policy requires, or
                cannot be measured.
        """
        measured = self._measure(source, begin)
        collected = self._collect_whole(source, begin)
        return measured or collected

    def _collect_whole(
        self, source: Source, begin: Callable[[Part], str | None]
    ) -> bool:
        if not (source.rereadable and self._deidentifier.looks_at_people):
            return False
        self._waits = False
        left = EARLIER_BYTES
        for part in source.parts():
            mark = begin(part)
            if mark is None:
                # It was pushed before, and may tell of people all the same.
                left -= part.size
            if mark is None and (left < 0 or part.endless):
                self._not_read += 1
                continue
            for chunk in source.read(part, (mark or "") if part.endless else BEGINNING):
                self._deidentifier.collect(chunk.batch)
        beside = source.beside() if isinstance(source, Accompanied) else None
        if beside is not None:
            self._deidentifier.collect_others(_batches_of(beside), beside.schema)
        return True

    def _measure(self, source: Source, begin: Callable[[Part], str | None]) -> bool:
        if not self._policy.privacy.quasi_identifiers:
            return False
        if not source.rereadable:
            raise PolicyViolation(
                "the policy names quasi-identifiers, so all records must be read before the "
                "first is sealed, but this source can be read only once",
                hint="push a file, or use a policy without [privacy]",
            )
        columns = Columns(source.schema, self._policy)
        privacy = privacy_of(self._policy, columns)
        wanted = {*privacy.quasi_identifiers, *privacy.sensitive}
        wanted |= {
            columns.name_of(str(rule.settings["by"]))
            for rule in self._policy.rules
            if rule.settings.get("by")
        }
        names = [name for name in source.schema.names if name in wanted]
        schema = pa.schema([source.schema.field(name) for name in names])
        policy = replace(self._policy, absent="ignore", known=None)
        with Deidentifier(
            policy, schema, secret=self._owner_secret, reading=self._reading
        ) as deidentifier:
            check = AnonymityCheck(privacy, deidentifier.schema)
            for part in source.parts():
                mark = begin(part)
                if mark is None:
                    continue
                for chunk in source.read(part, mark):
                    # Records that are left out are reported when they are pushed.
                    batch = without_unsound(chunk.batch.select(names))
                    check.add(deidentifier.apply(batch))
        check.check()
        self._anonymity = check.result()
        return True

    def count_failed(self, failed: Mapping[str, int]) -> None:
        """Count values of the next batch that the source could not read, by column."""
        self._deidentifier.count_failed(failed)

    @property
    def waits(self) -> bool:
        """Whether records wait until all of a source that is read once are collected."""
        return self._waits

    def collect(self, batch: pa.RecordBatch) -> None:
        """Remember what records tell of the people in texts of others."""
        self._deidentifier.collect(batch)

    def apply(self, batch: pa.RecordBatch, *, early: bool = False) -> pa.RecordBatch:
        """De-identify one batch."""
        return self._deidentifier.apply(batch, early=early)

    def take_report(self) -> str:
        """Return what was done since the last call, as JSON (docs/spec/policy.md).

        Raises:
            PolicyViolation: more values were lost than the policy allows.
        """
        report = self._take()
        self._note(report)
        self._check(report)
        return report.to_json()

    def take_own_report(self) -> str:
        """Return the same with every column's name, for the owner; what was lost is in it."""
        report = self._take()
        try:
            self._check(report)
        except PolicyViolation as refusal:
            told = f"a push would stop: {refusal}"
            report = replace(report, notices=(*report.notices, told))
        return report.to_json(whole=True)

    def _check(self, report: Report) -> None:
        report.check(self._policy.max_failed)
        if report.known is not None and self._policy.known is not None:
            report.known.check(self._policy.known.max_unknown)

    @property
    def notices(self) -> tuple[str, ...]:
        """What became null in each column, of all that was reported, and what was not known."""
        return (
            *(
                f"{name}: {lost[what]:,} of {lost['values']:,} values {why}"
                for name, lost in self._told.items()
                for what, why in _WHY
                if lost[what]
            ),
            *self._notices_of_look(),
        )

    def _notices_of_look(self) -> Iterator[str]:
        looked = self._looked
        if looked.removed:
            yield (
                f"{looked.removed:,} identifiers of patients that only the last look found were "
                "removed from texts"
            )
        if looked.unknown:
            yield looked.told()
        if self._not_read:
            files = "file that was" if self._not_read == 1 else "files that were"
            yield (
                f"{self._not_read:,} {files} pushed before, and may tell more of the people in "
                "texts, had no place in the last look"
            )

    def _take(self) -> Report:
        report = self._deidentifier.take_report()
        if self._anonymity is not None:
            report = replace(report, anonymity=self._anonymity)
        return report

    def _note(self, report: Report) -> None:
        self._looked = self._looked.plus(report.known or LookCounts())
        for column in report.columns:
            counted = self._told.setdefault(column.column, Counter())
            counted["values"] += column.values
            counted["nulls"] += column.nulls
            counted["misfits"] += column.misfits


def _batches_of(source: Source) -> Iterator[pa.RecordBatch]:
    for part in source.parts():
        for chunk in source.read(part, BEGINNING):
            yield chunk.batch


_WHY = (
    ("nulls", "could not be changed and are null now"),
    ("misfits", "did not fit what the rule allows and are null now"),
)


def _described(result: pa.Schema, source: pa.Schema, describe: Describe) -> pa.Schema:
    """Return the result with what the owner says of its columns, and nothing the source says."""
    bare = pa.schema([field.remove_metadata() for field in source])
    said = describe(bare)
    fields = []
    for field in result:
        place = said.get_field_index(field.name)
        own = said.field(place).metadata if place >= 0 else None
        fields.append(
            field.with_metadata({**(field.metadata or {}), **own}) if own else field
        )
    return pa.schema(fields, result.metadata)
