"""Applies a policy to batches of records; the plan is made once, from their schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType

import pyarrow as pa

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify.ages import Ages
from sealift.owner.deidentify.images import ImageSteps
from sealift.owner.deidentify.known import KnownStore
from sealift.owner.deidentify.leaves import (
    Leaf,
    Rows,
    change_leaves,
    kind_after,
    values_of,
)
from sealift.owner.deidentify.looking import LastLook, Look
from sealift.owner.deidentify.matching import KNOWN
from sealift.owner.deidentify.operations import is_identifier, operation_for
from sealift.owner.deidentify.report import Report
from sealift.owner.deidentify.rules import (
    Columns,
    Match,
    at_places,
    match_leaves,
    privacy_of,
)
from sealift.owner.deidentify.scrubbers import Scrubbers
from sealift.owner.deidentify.steps import Step, plan_check
from sealift.owner.deidentify.texts import has_text
from sealift.policy.file import Policy, Rule
from sealift.policy.grammar import FORMAT_2
from sealift.policy.reading import Reading
from sealift.process.clock import Clock, utc_now
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, PolicyViolation


class Deidentifier:
    """De-identifies batches of one schema.

    Attributes:
        schema: schema of what `apply` returns. Columns keep their name and order; of their
            metadata, and of that of the schema, only what the policy names is left.
    """

    def __init__(
        self,
        policy: Policy,
        schema: pa.Schema,
        *,
        secret: Secret,
        workers: int = 0,
        now: Clock = utc_now,
        reading: Reading = Reading.TEXT,
    ) -> None:
        """Plan what happens to each leaf.

        Args:
            policy: the policy to apply.
            schema: schema of the batches.
            secret: the owner's 32-byte secret, which outlives its identities.
            workers: extra processes for free text; 0 to use only this process.
            now: current time, for the setting `oldest`.
            reading: how the dataset's identifiers are read.

        Raises:
            PolicyViolation: the columns do not fit the policy.
            InvalidArgument: an action needs a package that is not installed.
        """
        self._policy = policy
        self._source = schema
        self._reading = reading
        self._identifiers = (
            Reading.TRIMMED if policy.format >= FORMAT_2 else reading
        ).value
        self._records = 0
        self._scrubbers = Scrubbers(workers, policy.texts)
        self._store = KnownStore()
        self._has_read_all = False
        columns = Columns(schema, policy)
        matches = match_leaves(policy, columns)
        year = now().year
        try:
            self._steps = [self._plan(m, columns, secret, year) for m in matches]
            self._step_of = {step.leaf: step for step in self._steps}
            self._trees = columns.trees
            self._ages = Ages(self._trees, self._steps, oldest=policy.oldest, year=year)
            fields = [self._field_after(place) for place in range(len(columns.trees))]
            self._left = [place for place, field in enumerate(fields) if field]
            self.schema: pa.Schema = pa.schema(
                [field for field in fields if field], _kept(schema.metadata, policy)
            )
            self._images = ImageSteps(policy, schema, self.schema)
            self._look = self._last_look(columns, matches)
            self._check_privacy(columns)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Deidentifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the processes for free text, and wipe what is known of people."""
        self._scrubbers.close()
        self._store.wipe()

    @property
    def looks_at_people(self) -> bool:
        """Whether records tell more of each other's texts, so that all are collected first."""
        return self._look is not None and self._look.is_of_people

    def collect(self, batch: pa.RecordBatch) -> None:
        """Remember what records tell of the people in texts, before the first is applied.

        Raises:
            PolicyViolation: a column that names people is not UTF-8.
        """
        if self._look is not None:
            self._look.collect(batch)
        self._has_read_all = True

    def collect_others(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> None:
        """Remember the same of records of another schema, which are not sent.

        Raises:
            PolicyViolation: a column that names people is not UTF-8.
        """
        policy = replace(self._policy, absent="ignore", unlisted="drop")
        if policy.known is None:
            return
        columns = Columns(schema, policy)
        matches = match_leaves(policy, columns)
        look = LastLook(policy, policy.known, columns, matches, self._store)
        for batch in batches:
            look.collect(batch)

    def apply(self, batch: pa.RecordBatch, *, early: bool = False) -> pa.RecordBatch:
        """De-identify a batch; records keep their order.

        Args:
            batch: a batch of the schema that was given.
            early: whether it is sent before everything was collected.

        Raises:
            InvalidArgument: the batch has another schema.
            PolicyViolation: a column's texts are not UTF-8, or a value does not fit its rule,
                which refuses that; or a text that is kept holds an identifier of its patient.
        """
        if not batch.schema.equals(self._source):
            raise InvalidArgument(
                "a batch does not have the schema that the Deidentifier was made for",
                hint="make another Deidentifier for that schema",
            )
        self._ages.read(batch)
        look: Look = {}
        if self._look is not None:
            if not self._has_read_all:
                self._look.collect(batch)
            look = self._look.look(batch, early=early)

        def change(leaf: Leaf, values: pa.Array, rows: Rows) -> pa.Array | None:
            step = self._step_of[leaf]
            by = None
            if step.by is not None:
                by = values_of(step.by, batch.column(step.by.place))
            known = look.get(leaf)
            if known is not None and step.action != "scrub":
                LastLook.refuse_kept(leaf, known)
            return step.apply(values, rows, by, self._ages.too_old, known)

        changed = [
            change_leaves(tree, batch.column(place), change)
            for place, tree in enumerate(self._trees)
        ]
        self._records += batch.num_rows
        arrays = self._images.apply(batch, [changed[place] for place in self._left])
        if not arrays:
            # A batch without columns can hold its number of records in no other way.
            return batch.select([]).replace_schema_metadata(None)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def count_failed(self, failed: Mapping[str, int]) -> None:
        """Count values that the source could not read, and gave as nulls.

        They count as values that became null, unless the policy drops their column.

        Args:
            failed: how many, by column.
        """
        for step in self._steps:
            count = 0 if step.is_dropped else failed.get(step.leaf.name, 0)
            step.values += count
            step.changed += count
            step.nulls += count

    def take_report(self) -> Report:
        """Report what was done since the last call."""
        found = Counter(self._scrubbers.found)
        removed = found.pop(KNOWN, 0)
        report = Report(
            policy=self._policy.name,
            version=self._policy.version,
            digest=self._policy.digest.hex(),
            identifiers=self._identifiers,
            records=self._records,
            columns=tuple(step.take_report() for step in self._steps),
            scrubbed=dict(found),
            known=None if self._look is None else self._look.take_counts(removed),
            notices=(
                *(notice for step in self._steps for notice in step.take_notices()),
                *self._images.take_notices(),
            ),
        )
        self._records = 0
        self._scrubbers.found.clear()
        return report

    def _last_look(self, columns: Columns, matches: Sequence[Match]) -> LastLook | None:
        rules = self._policy.known
        if rules is None:
            return None
        return LastLook(self._policy, rules, columns, matches, self._store)

    def _field_after(self, place: int) -> pa.Field | None:
        """Return the field of a column in the result; None if nothing of it is left."""
        kind = kind_after(self._trees[place], lambda leaf: self._step_of[leaf].kind)
        if kind is None:
            return None
        field = self._source.field(place)
        same = kind == field.type and not pa.types.is_nested(kind)
        untouched = all(
            self._step_of[leaf].operation is None and self._step_of[leaf].check is None
            for leaf in self._trees[place].leaves()
        )
        return pa.field(
            field.name,
            kind,
            nullable=field.nullable if same and untouched else True,
            metadata=_kept(field.metadata, self._policy),
        )

    def _plan(self, match: Match, columns: Columns, secret: Secret, year: int) -> Step:
        leaf, rule = match.leaf, match.rule
        action = rule.action if rule else self._policy.unlisted
        if action == "drop":
            return Step(leaf, rule, match.is_named, action)
        kind, check = plan_check(match, self._policy)
        is_text_rule = action == "scrub" and check is not None
        if rule is None or action == "keep" or (is_text_rule and not is_text(kind)):
            if pa.types.is_union(kind):
                raise _unsupported(rule, leaf)
            return Step(leaf, rule, match.is_named, action, check, None, kind)
        operation = operation_for(
            rule,
            kind,
            secret=secret,
            scrubbers=self._scrubbers,
            this_year=year,
            policy=self._policy,
            reading=self._reading,
        )
        if operation is None and action in ("hash", "tokenise") and has_text(kind):
            raise _floating_point(rule, leaf)
        if operation is None:
            raise _unsupported(rule, leaf)
        return Step(
            leaf,
            rule,
            match.is_named,
            action,
            check,
            operation,
            operation.kind,
            self._by(rule, columns) if action == "shift" else None,
            bool(self._policy.oldest) and rule.settings.get("of") == "event",
            self._policy.format,
        )

    def _by(self, rule: Rule, columns: Columns) -> Leaf:
        leaf = columns.find(str(rule.settings["by"]))
        if leaf is None or not has_text(leaf.kind):
            raise PolicyViolation(
                f'line {rule.line} of the policy: "by" does not name a single column of the '
                "records that identifies the person",
                columns=(str(rule.settings["by"]),),
                hint="use the column's name in the source, before de-identification",
            )
        if not is_identifier(leaf.kind, self._reading):
            raise _floating_point(rule, leaf)
        return leaf

    def _check_privacy(self, columns: Columns) -> None:
        privacy = privacy_of(self._policy, columns)
        named = (*privacy.quasi_identifiers, *privacy.sensitive)
        missing = [name for name in named if self.schema.get_field_index(name) < 0]
        if missing and self._policy.absent == "refuse":
            raise PolicyViolation(
                f"[privacy] of the policy names {len(missing)} columns that the records do not "
                "have after de-identification",
                columns=tuple(missing),
                hint='correct the names, keep the columns, or set absent = "ignore" in the policy',
            )


def _unsupported(rule: Rule | None, leaf: Leaf) -> PolicyViolation:
    where = f"line {rule.line} of the policy" if rule else "the policy"
    action = rule.action if rule else "keep"
    return PolicyViolation(
        f'{where}: "{action}" cannot change {at_places([leaf.place])} of the records, '
        "whose type it does not support",
        columns=(leaf.name,),
        hint="drop the column, or choose an action for its type: see "
        "docs/owner/deidentification.md",
    )


def _kept(
    metadata: dict[bytes, bytes] | None, policy: Policy
) -> dict[bytes, bytes] | None:
    """Return the metadata whose keys the policy names: the rest is data that no rule covers."""
    wanted = {key.encode() for key in policy.metadata}
    kept = {key: value for key, value in (metadata or {}).items() if key in wanted}
    return kept or None


def _floating_point(rule: Rule, leaf: Leaf) -> PolicyViolation:
    return PolicyViolation(
        f"line {rule.line} of the policy: {at_places([leaf.place])} of the records identifies "
        "people, but its values are floating point, which may have lost digits",
        columns=(leaf.name,),
        hint="write the column as text or whole numbers: in pandas, read it with "
        'dtype="string" or "Int64"',
    )
