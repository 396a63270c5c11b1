"""Years that tell an age above a limit.

Source: 45 CFR 164.514(b)(2)(i)(C), "all elements of dates (including year) indicative of such age".

The age at an event and its year tell the year of birth, and so the age today. A policy with
`[ages]` leaves out such a year where that age is its limit or more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from sealift.owner.deidentify.generalise import numbers_of
from sealift.owner.deidentify.leaves import Rows, Tree, change_leaves
from sealift.owner.deidentify.steps import Step


class Ages:
    """Finds the greatest age that each record of a batch tells."""

    def __init__(
        self, trees: Sequence[Tree], steps: Sequence[Step], *, oldest: int, year: int
    ) -> None:
        """Find the columns that hold ages.

        Args:
            trees: the columns.
            steps: what happens to their leaves.
            oldest: ages from this one on must not be told; 0 for no limit.
            year: the current year.
        """
        self._oldest, self._year = oldest, year
        self._leaves = {step.leaf for step in steps if oldest and _is_age(step)}
        places = sorted({leaf.place for leaf in self._leaves})
        self._columns = [(place, trees[place]) for place in places]
        self._ages: np.ndarray[tuple[int], np.dtype[np.float64]] = np.empty(0)

    def read(self, batch: pa.RecordBatch) -> None:
        """Look up the ages of a batch's records."""
        self._ages = np.full(batch.num_rows, -np.inf)
        for place, tree in self._columns:
            change_leaves(tree, batch.column(place), self._note)

    def too_old(self, years: pa.Array, rows: Rows) -> pa.Array:
        """Return the mask of the years that, with an age in their record, tell too great an age."""
        ages = self._ages if rows is None else self._ages[rows.to_numpy()]
        told = self._year - years.fill_null(self._year).to_numpy() + ages
        return pa.array(told >= self._oldest)

    def _note(self, leaf: object, values: pa.Array, rows: Rows) -> None:
        if leaf not in self._leaves:
            return
        ages, missing = numbers_of(values)
        # From the limit on, an age is one group already, and tells no year of birth.
        fits = ~missing & (ages >= 0) & (ages < self._oldest)
        places = np.arange(len(ages)) if rows is None else rows.to_numpy()
        np.maximum.at(self._ages, places[fits], np.floor(ages[fits]))


def _is_age(step: Step) -> bool:
    rule = step.rule
    return rule is not None and rule.settings.get("to") == "age-band"
