"""Applies a policy to batches of records; the plan is made once, from their schema."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_list
from sealift.owner.deidentify.images import ImageSteps
from sealift.owner.deidentify.lists import (
    for_each_item,
    items_of,
    list_kind,
    plain,
    with_items,
)
from sealift.owner.deidentify.operations import Operation, operation_for
from sealift.owner.deidentify.report import ColumnReport, Report
from sealift.owner.deidentify.rules import Columns, at_places, match_rules
from sealift.owner.deidentify.scrubbers import Scrubbers
from sealift.owner.deidentify.texts import has_text
from sealift.policy.file import Policy, Rule
from sealift.process.clock import Clock, utc_now
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, PolicyViolation


@dataclass(slots=True)
class _Step:
    """The plan for one column, and its counts since the last report.

    Attributes:
        place: index of the column in the source.
        rule: the rule; None if the policy does not name the column.
        action: the rule's action, or that of `unlisted`.
        operation: changes the values; None for columns that are kept or dropped.
        field: field of the result; None for columns that are dropped.
        by: index of the column that a shift follows.
    """

    name: str
    place: int
    rule: Rule | None
    action: str
    operation: Operation | None
    field: pa.Field | None
    by: int | None
    values: int = 0
    changed: int = 0
    nulls: int = 0

    def take_report(self) -> ColumnReport:
        report = ColumnReport(
            column=self.name,
            action=self.action,
            to=str(self.rule.settings.get("to", "")) if self.rule else "",
            line=self.rule.line if self.rule else 0,
            values=self.values,
            changed=self.changed,
            nulls=self.nulls,
        )
        self.values = self.changed = self.nulls = 0
        return report


class Deidentifier:
    """De-identifies batches of one schema.

    Attributes:
        schema: schema of what `apply` returns. Columns keep their name, order and metadata; the
            source's metadata of the whole schema is left out, since it may name dropped columns.
    """

    def __init__(
        self,
        policy: Policy,
        schema: pa.Schema,
        *,
        secret: Secret,
        workers: int = 0,
        now: Clock = utc_now,
    ) -> None:
        """Plan what happens to each column.

        Args:
            policy: the policy to apply.
            schema: schema of the batches.
            secret: the owner's 32-byte secret, which outlives its identities.
            workers: extra processes for free text; 0 to use only this process.
            now: current time, for the setting `oldest`.

        Raises:
            PolicyViolation: the columns do not fit the policy.
            InvalidArgument: an action needs a package that is not installed.
        """
        self._policy = policy
        self._source = schema
        self._records = 0
        self._scrubbers = Scrubbers(workers, policy.texts)
        rules = match_rules(policy, schema)
        columns = Columns(schema, policy)
        year = now().year
        try:
            self._steps = [
                self._plan(place, rule, columns, secret, year)
                for place, rule in enumerate(rules)
            ]
            self.schema: pa.Schema = pa.schema(
                [s.field for s in self._steps if s.field]
            )
            self._images = ImageSteps(policy, schema, self.schema)
            self._check_privacy()
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
        """Stop the processes for free text."""
        self._scrubbers.close()

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """De-identify a batch; records keep their order.

        Args:
            batch: a batch of the schema that was given.

        Raises:
            InvalidArgument: the batch has another schema.
            PolicyViolation: a column's texts are not UTF-8.
        """
        if not batch.schema.equals(self._source):
            raise InvalidArgument(
                "a batch does not have the schema that the Deidentifier was made for",
                hint="make another Deidentifier for that schema",
            )
        changed = [(step.field, _apply(step, batch)) for step in self._steps]
        self._records += batch.num_rows
        arrays = [array for field, array in changed if field]
        arrays = self._images.apply(batch, arrays)
        if not arrays:
            # A batch without columns can hold its number of records in no other way.
            return batch.select([]).replace_schema_metadata(None)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def take_report(self) -> Report:
        """Report what was done since the last call."""
        report = Report(
            policy=self._policy.name,
            version=self._policy.version,
            digest=self._policy.digest.hex(),
            records=self._records,
            columns=tuple(step.take_report() for step in self._steps),
            scrubbed=dict(self._scrubbers.found),
            notices=self._images.take_notices(),
        )
        self._records = 0
        self._scrubbers.found.clear()
        return report

    def _plan(
        self, place: int, rule: Rule | None, columns: Columns, secret: Secret, year: int
    ) -> _Step:
        field = self._source.field(place)
        action = rule.action if rule else self._policy.unlisted
        if action == "drop":
            return _Step(field.name, place, rule, action, None, None, None)
        if rule is None or action == "keep":
            return _Step(field.name, place, rule, action, None, field, None)
        kind = field.type
        inner = _value_kind(kind.value_type if is_list(kind) else kind)
        operation = operation_for(
            rule, inner, secret=secret, scrubbers=self._scrubbers, this_year=year
        )
        if operation is None:
            raise PolicyViolation(
                f'line {rule.line} of the policy: "{rule.action}" cannot change '
                f"{at_places([place])} of the records, whose type it does not support",
                columns=(field.name,),
                hint="drop the column, or choose an action for its type: see "
                "docs/owner/deidentification.md",
            )
        result = list_kind(kind, operation.kind) if is_list(kind) else operation.kind
        changed = pa.field(
            field.name, result, nullable=True, metadata=_kept_metadata(field)
        )
        by = self._by(rule, columns) if action == "shift" else None
        return _Step(field.name, place, rule, action, operation, changed, by)

    def _by(self, rule: Rule, columns: Columns) -> int:
        place = columns.find(str(rule.settings["by"]))
        if place is None or not has_text(_value_kind(self._source.field(place).type)):
            raise PolicyViolation(
                f'line {rule.line} of the policy: "by" does not name a single column of the '
                "records that identifies the person",
                columns=(str(rule.settings["by"]),),
                hint="use the column's name in the source, before de-identification",
            )
        return place

    def _check_privacy(self) -> None:
        privacy = self._policy.privacy
        named = (*privacy.quasi_identifiers, *privacy.sensitive)
        missing = [name for name in named if self.schema.get_field_index(name) < 0]
        if missing and self._policy.absent == "refuse":
            raise PolicyViolation(
                f"[privacy] of the policy names {len(missing)} columns that the records do not "
                "have after de-identification",
                columns=tuple(missing),
                hint='correct the names, keep the columns, or set absent = "ignore" in the policy',
            )


def _value_kind(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _kept_metadata(field: pa.Field) -> dict[bytes, bytes] | None:
    """Return metadata without the description of an extension type that no longer applies."""
    kept = {
        key: value
        for key, value in (field.metadata or {}).items()
        if not key.startswith(b"ARROW:extension:")
    }
    return kept or None


def _apply(step: _Step, batch: pa.RecordBatch) -> pa.Array:
    column = batch.column(step.place)
    if step.operation is None or step.field is None:
        present = len(column) - column.null_count
        step.values += present
        step.changed += present if step.field is None else 0
        return column
    by = plain(batch.column(step.by)) if step.by is not None else None
    lists = is_list(column.type)
    if lists and by is not None:
        by = for_each_item(column, by)
    values = items_of(column) if lists else plain(column)
    try:
        changed = step.operation.change(values, by)
    except (pa.ArrowException, UnicodeError):
        # Arrow's own messages quote the value.
        raise PolicyViolation(
            f'the action "{step.action}" failed on {at_places([step.place])} of the records',
            columns=(step.name,),
            hint="check that its texts are UTF-8, or drop the column",
        ) from None
    nulls = changed.null_count - values.null_count
    step.values += len(values) - values.null_count
    step.changed += nulls + _count_others(values, changed)
    step.nulls += nulls
    return with_items(column, changed, step.field.type) if lists else changed


def _count_others(before: pa.Array, after: pa.Array) -> int:
    """Count the values that are present before and after, and differ."""
    if before.type != after.type:
        present: int = len(after) - after.null_count
        return present
    if pa.types.is_float16(before.type):
        # Arrow does not compare this type.
        before, after = before.cast(pa.float32()), after.cast(pa.float32())
    others = pc.not_equal(before, after)
    if pa.types.is_floating(before.type):
        others = pc.and_not(others, pc.and_(pc.is_nan(before), pc.is_nan(after)))
    return int(pc.sum(others, min_count=0).as_py())
