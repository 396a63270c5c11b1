"""Dates moved by a secret number of days, which is the same for all dates of a person.

Source: docs/spec/policy.md, "shift".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sealift.formats.arrowtypes import is_text
from sealift.owner.deidentify.dates import FIRST_DAY, LAST_DAY, put_together, take_apart
from sealift.owner.deidentify.memo import Memo
from sealift.owner.deidentify.pseudonyms import derive_key, digests_of
from sealift.owner.deidentify.texts import as_bytes, for_present, texts_of
from sealift.process.secret import Secret

_PER_DAY = {
    "s": 86_400,
    "ms": 86_400_000,
    "us": 86_400_000_000,
    "ns": 86_400_000_000_000,
}


class Shift:
    """Moves dates by an offset in [-days, days], never 0, derived from the person's value."""

    def __init__(
        self,
        secret: Secret,
        *,
        days: int,
        order: str | None = None,
        texts: Callable[[pa.Array], pa.Array] = texts_of,
    ) -> None:
        """Derive the key.

        Args:
            secret: the owner's 32-byte secret.
            days: the largest offset.
            order: the order of days, months and years in texts; see `dates.take_apart`.
            texts: makes of the text of each value that the dates follow the person's, or null.

        Raises:
            InvalidArgument: the secret is not 32 bytes.
        """
        self._key = derive_key(secret, b"sealift/1 shift")
        self._days = days
        self._order = order
        self._texts = texts
        self._memo = Memo()

    def offsets(self, by: pa.Array) -> pa.Array:
        """Return the offset in days (int32) for each value of `by`; null for null."""
        return self._memo.apply(texts_of(by), self._offsets)

    def apply(self, values: pa.Array, by: pa.Array) -> pa.Array:
        """Move each date.

        A result is null where the value is not a date, where it would leave the years 1 to 9999,
        and where `by` is null.

        Args:
            values: dates, of a type that `is_date` accepts.
            by: one value for each date, of a type that has a text.
        """
        offsets = self.offsets(by)
        kind = values.type
        if is_text(kind):
            parts = take_apart(texts_of(values), self._order)
            return put_together(parts, _move(parts.day, offsets, 1))
        if pa.types.is_date32(kind):
            return _move(values, offsets, 1)
        return _move(
            values, offsets, _PER_DAY["ms" if pa.types.is_date64(kind) else kind.unit]
        )

    def _offsets(self, texts: pa.Array) -> pa.Array:
        return for_present(self._texts(texts), self._offsets_of_present)

    def _offsets_of_present(self, texts: pa.Array) -> pa.Array:
        days = self._days
        digests = b"".join(digests_of(self._key, as_bytes(texts)))
        words = np.frombuffer(digests, ">u4").reshape(-1, 8).astype(np.int64)
        # 256 bits, big-endian, modulo at most 73,000: the bias is below 2**-239.
        places = np.zeros(len(words), np.int64)
        for column in range(8):
            places = ((places << 32) + words[:, column]) % (2 * days)
        return pa.array(places - days + (places >= days), pa.int32())


def _move(values: pa.Array, offsets: pa.Array, per_day: int) -> pa.Array:
    """Move dates of `per_day` units a day by some days."""
    missing = np.asarray(pc.or_(values.is_null(), offsets.is_null()))
    width = pa.int32() if pa.types.is_date32(values.type) else pa.int64()
    numbers = values.view(width).fill_null(0).to_numpy().astype(np.int64)
    days = offsets.fill_null(0).to_numpy().astype(np.int64)
    # Add whole days first: the sum in units may not fit into 64 bits.
    moved = numbers // per_day + days
    least, most = FIRST_DAY, LAST_DAY
    if per_day > 1:
        least = max(least, -(2**63) // per_day + 1)
        most = min(most, 2**63 // per_day - 1)
    missing |= (moved < least) | (moved > most)
    result = np.where(missing, 0, moved) * per_day + numbers % per_day
    return pa.array(result, pa.int64(), mask=missing).cast(width).view(values.type)
