"""Noise on numbers. It is not differential privacy: nothing bounds a value's contribution."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import pyarrow as pa


class Noise:
    """Draws noise, unpredictably seeded and never the same in two runs."""

    def __init__(self, *, scale: float, distribution: str) -> None:
        """Seed the generator from the system's randomness.

        Args:
            scale: scale of the Laplace distribution, or standard deviation of the Gaussian, in the
                unit of the values.
            distribution: laplace or gaussian.
        """
        generator = np.random.default_rng(secrets.randbits(256))
        self._draw = (
            generator.laplace if distribution == "laplace" else generator.normal
        )
        self._scale = scale

    def apply(self, values: pa.Array) -> pa.Array:
        """Return values with noise, of the same type; nulls stay null.

        Noise on whole numbers is rounded, and sums are clipped to the limits of the type.
        """
        kind = values.type
        noise = self._draw(0.0, self._scale, len(values))
        missing = np.asarray(values.is_null()) if values.null_count else None
        numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
        if pa.types.is_integer(kind):
            changed = _add_whole(numbers, noise)
        else:
            changed = (numbers.astype(np.float64) + noise).astype(numbers.dtype)
        return pa.array(changed, kind, mask=missing)


def _add_whole(numbers: np.ndarray[Any, Any], noise: np.ndarray[Any, Any]) -> Any:
    """Add noise, clipped to the limits of the numbers' type."""
    # A double is exact only up to 2**53, so the numbers must not be converted to one.
    steps = np.rint(noise).clip(-(2.0**62), 2.0**62).astype(np.int64)
    wide = numbers if numbers.dtype == np.uint64 else numbers.astype(np.int64)
    sums = wide + steps.astype(wide.dtype)
    sums[(steps > 0) & (sums < wide)] = np.iinfo(wide.dtype).max
    sums[(steps < 0) & (sums > wide)] = np.iinfo(wide.dtype).min
    limits = np.iinfo(numbers.dtype)
    return sums.clip(limits.min, limits.max).astype(numbers.dtype)
