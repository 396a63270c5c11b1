"""Prints the results of `compare.py`."""

from __future__ import annotations

from typing import Any

from loader import Shape

_COLUMNS = ("cold", "second epoch", "MB/s", "of Sealift", "of Parquet")
_NAME, _WIDTH = 36, 16


def warm(result: dict[str, Any]) -> float:
    """Records a second of the second epoch; 0 if there was none."""
    return result.get("cached") or result.get("uncached") or 0.0


def print_table(results: list[dict[str, Any]], shape: Shape, rounds: int) -> None:
    """Records a second, with the number of worker processes; the ratios are of second epochs."""
    print(
        f"{shape.records:,} {shape.kind} of {shape.record_bytes:,} bytes, median of {rounds}:"
        " records/s (worker processes); * is ciphertext at rest"
    )
    print(" " * _NAME + "".join(f"{column:>{_WIDTH}}" for column in _COLUMNS))
    for result in sorted(results, key=warm, reverse=True):
        label = f"{'*' if result['encrypted'] else ' '} {result['name']}"
        if "failed" in result:
            print(f"{label:<{_NAME}}    {result['failed']}")
            continue
        second = "cached" if "cached" in result else "uncached"
        cells = (
            f"{result['cold']:,.0f} ({result['cold_workers']})",
            f"{result[second]:,.0f} ({result[f'{second}_workers']})",
            f"{warm(result) * shape.record_bytes / 1e6:,.0f}",
            *(
                f"{result[to]:.2f}" if to in result else "-"
                for to in ("to_sealift", "to_parquet")
            ),
        )
        print(f"{label:<{_NAME}}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells))
