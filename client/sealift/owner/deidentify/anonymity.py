"""k-anonymity and l-diversity of the records, counted batch by batch.

Sources: k-anonymity, Samarati and Sweeney, "Protecting privacy when disclosing information", 1998;
distinct l-diversity, Machanavajjhala et al., "l-diversity: privacy beyond k-anonymity", 2006.
In both, null counts as a distinct value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sealift.owner.deidentify.lists import plain
from sealift.policy.file import Privacy
from sealift_protocol.errors import PolicyViolation

MAX_GROUPS = 1_000_000
"""The most distinct combinations that are counted."""

_COUNT = "records"
# The groups of single batches are merged once they have this many rows.
_GATHERED = 1 << 18


@dataclass(frozen=True, slots=True)
class Anonymity:
    """The measured anonymity of some records.

    Attributes:
        k: records in the smallest group that shares its quasi-identifiers; 0 without records.
        l: the fewest distinct values of a sensitive column in a group; 0 without such a column.
        records: number of records.
        groups: number of groups of records that share their quasi-identifiers.
        small_groups: groups of fewer than `min_k` records.
        small_records: records in those groups.
        uniform_groups: groups with fewer than `min_l` values of a sensitive column; with several
            sensitive columns, the one with the most such groups counts.
        uniform_records: records in those groups.
    """

    k: int
    l: int  # noqa: E741
    records: int
    groups: int
    small_groups: int
    small_records: int
    uniform_groups: int
    uniform_records: int

    def to_dict(self) -> dict[str, int]:
        """Return the values as the report's JSON holds them."""
        return asdict(self)


class AnonymityCheck:
    """Counts groups of records after de-identification.

    Memory grows with the number of distinct combinations, up to `MAX_GROUPS`.
    """

    def __init__(self, privacy: Privacy, schema: pa.Schema) -> None:
        """Find the columns to count.

        Args:
            privacy: the policy's demands; names that the schema does not have are left out.
            schema: schema of the records after de-identification.

        Raises:
            PolicyViolation: a column is nested and cannot be compared.
        """
        self._privacy = privacy
        self._quasi = [
            schema.get_field_index(name) for name in privacy.quasi_identifiers
        ]
        self._sensitive = [schema.get_field_index(name) for name in privacy.sensitive]
        self._quasi = [place for place in self._quasi if place >= 0]
        self._sensitive = [place for place in self._sensitive if place >= 0]
        for place in (*self._quasi, *self._sensitive):
            if pa.types.is_nested(schema.field(place).type):
                raise PolicyViolation(
                    f"column {place + 1} is nested, and [privacy] cannot group records by it",
                    columns=(schema.field(place).name,),
                    hint="remove the column from [privacy], or flatten it in the source",
                )
        # Groups with the values of each sensitive column; groups alone without sensitive columns.
        self._counts = [_Counts([*self._quasi, place]) for place in self._sensitive]
        self._counts = self._counts or [_Counts(self._quasi)]
        self._full = False

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch.

        Raises:
            PolicyViolation: there are too many distinct combinations to count.
        """
        if not self._quasi or self._full:
            return
        for counts in self._counts:
            counts.add(batch)
            if counts.distinct > MAX_GROUPS:
                self._give_up()
                return

    def _give_up(self) -> None:
        self._full = True
        self._counts = []
        if self._privacy.min_k or self._privacy.min_l:
            raise PolicyViolation(
                f"the quasi-identifiers have more than {MAX_GROUPS} distinct combinations, "
                "too many for the anonymity that the policy demands",
                hint="generalise those columns further in the policy",
            )

    def result(self) -> Anonymity | None:
        """Return the result; None without quasi-identifiers, or with too many groups."""
        if not self._quasi or self._full:
            return None
        measured = [counts.measure(len(self._quasi)) for counts in self._counts]
        sizes = measured[0][0]
        if not len(sizes):
            return Anonymity(0, 0, 0, 0, 0, 0, 0, 0)
        fewest = [0]
        uniform = [(0, 0)]
        if self._sensitive:
            fewest = [int(values.min()) for _, values in measured]
            uniform = [
                _below(values, self._privacy.min_l, groups)
                for groups, values in measured
            ]
        small_groups, small_records = _below(sizes, self._privacy.min_k, sizes)
        return Anonymity(
            k=int(sizes.min()),
            l=min(fewest),
            records=int(sizes.sum()),
            groups=len(sizes),
            small_groups=small_groups,
            small_records=small_records,
            uniform_groups=max(uniform)[0],
            uniform_records=max(uniform)[1],
        )

    def check(self) -> None:
        """Check the result against the policy.

        Raises:
            PolicyViolation: k or l is below the policy's minimum.
        """
        found = self.result()
        if found is None or not found.records:
            return
        if found.k < self._privacy.min_k:
            raise PolicyViolation(
                f"k-anonymity is {found.k}, but the policy demands {self._privacy.min_k}: "
                f"{found.small_records} of {found.records} records are in {found.small_groups} "
                "groups that are too small",
                hint="generalise the quasi-identifiers further, or remove those records",
            )
        if self._sensitive and found.l < self._privacy.min_l:
            raise PolicyViolation(
                f"l-diversity is {found.l}, but the policy demands {self._privacy.min_l}: "
                f"{found.uniform_records} of {found.records} records are in "
                f"{found.uniform_groups} groups with too few sensitive values",
                hint="generalise the quasi-identifiers further, or remove those records",
            )


class _Counts:
    """Counts of the distinct combinations of some columns' values."""

    def __init__(self, places: list[int]) -> None:
        self.distinct = 0
        self._places = places
        self._names = [str(number) for number in range(len(places))]
        self._gathered: list[pa.Table] = []
        self._rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        table = pa.table(
            [_comparable(batch.column(place)) for place in self._places], self._names
        )
        counted = table.group_by(self._names, use_threads=False).aggregate(
            [([], "count_all")]
        )
        self._gathered.append(counted.rename_columns([*self._names, _COUNT]))
        self._rows += len(counted)
        # Merging only when the new rows are as many as the known ones keeps the work linear.
        if self._rows > max(_GATHERED, 2 * self.distinct):
            self._add_up()

    def _add_up(self) -> None:
        table = pa.concat_tables(self._gathered)
        added = table.group_by(self._names, use_threads=False).aggregate(
            [(_COUNT, "sum")]
        )
        self._gathered = [added.rename_columns([*self._names, _COUNT]).combine_chunks()]
        self._rows = self.distinct = len(added)

    def measure(self, keys: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return each group's records and distinct other values, grouped by the first columns."""
        if not self._gathered:
            return np.array([], np.int64), np.array([], np.int64)
        self._add_up()
        wanted = [(_COUNT, "sum"), (_COUNT, "count")]
        grouped = self._gathered[0].group_by(self._names[:keys], use_threads=False)
        groups = grouped.aggregate(wanted)
        return groups[f"{_COUNT}_sum"].to_numpy(), groups[f"{_COUNT}_count"].to_numpy()


def _comparable(column: pa.Array) -> pa.Array:
    column = plain(column)
    return column.cast(pa.string()) if pa.types.is_string_view(column.type) else column


def _below(
    numbers: np.ndarray[Any, Any], least: int, records: np.ndarray[Any, Any]
) -> tuple[int, int]:
    """Return how many groups are below a minimum, and how many records they hold."""
    below = numbers < least
    return int(below.sum()), int(records[below].sum())
