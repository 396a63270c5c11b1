"""A cache of results for values of earlier batches, since people and cards recur."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from sealift.owner.deidentify.texts import as_bytes

MAX_REMEMBERED = 1 << 17
"""The most distinct values kept; beyond it the cache is emptied, which bounds memory."""


class Memo:
    """Caches the result for each distinct text."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self._results: pa.Array | None = None

    def apply(
        self, texts: pa.Array, compute: Callable[[pa.Array], pa.Array]
    ) -> pa.Array:
        """Return the result of each text; null for null.

        Args:
            texts: the texts.
            compute: gets texts without nulls or duplicates, and returns one result for each; it
                must be the same function at every call.
        """
        encoded = texts.dictionary_encode()
        return self._of_distinct(encoded.dictionary, compute).take(encoded.indices)

    def _of_distinct(
        self, texts: pa.Array, compute: Callable[[pa.Array], pa.Array]
    ) -> pa.Array:
        keys = as_bytes(texts)
        known = self._places.get
        # A dict lookup costs a tenth of an HMAC; Arrow's index_in costs as much as an HMAC.
        places = np.array([known(key, -1) for key in keys], np.int64)
        unknown = np.flatnonzero(places < 0)
        first = len(self._places)
        results = compute(texts.take(pa.array(unknown)))
        if self._results is not None:
            results = pa.concat_arrays([self._results, results])
        places[unknown] = range(first, first + len(unknown))
        self._results = results
        self._places.update(
            (keys[place], first + i) for i, place in enumerate(unknown.tolist())
        )
        if len(self._places) > MAX_REMEMBERED:
            self._places, self._results = {}, None
        return results.take(pa.array(places))
