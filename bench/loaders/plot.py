"""Draws the results of `compare.py`: one panel per shape, two bars per loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from loader import BATCH_SIZE, Shape
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from table import warm

mpl.use("Agg")
from matplotlib import pyplot as plt

# Colours that differ for colour-blind readers too, and in grey.
_ENCRYPTED, _PLAIN = "#0b6e99", "#c9c4b8"
_TITLES = {
    "rows": "{:,} rows of 256 float32 (batches of {})",
    "blobs": "{:,} blobs of 256 KiB (batches of {})",
}


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Writes a PNG."""
    measured = [result for result in results if "failed" not in result]
    kinds = [
        kind for kind in _TITLES if any(result["shape"] == kind for result in measured)
    ]
    rows = max(
        (sum(result["shape"] == kind for result in measured) for kind in kinds),
        default=1,
    )
    figure, panels = plt.subplots(
        1, len(kinds), figsize=(7.6 * len(kinds), 1.6 + 0.52 * rows), squeeze=False
    )
    for axes, kind in zip(panels[0], kinds, strict=True):
        _panel(axes, kind, [result for result in measured if result["shape"] == kind])
    figure.legend(
        handles=[
            Patch(color=_ENCRYPTED, label="at rest: ciphertext"),
            Patch(color=_PLAIN, label="at rest: plaintext"),
            Patch(color="#555555", label="second epoch"),
            Patch(
                facecolor="white",
                edgecolor="#555555",
                label="first epoch, from opening on",
            ),
        ],
        loc="lower center",
        ncols=4,
        frameon=False,
    )
    figure.tight_layout(rect=(0, 0.05, 1, 1), w_pad=3)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _panel(axes: Axes, kind: Any, results: list[dict[str, Any]]) -> None:
    results = sorted(results, key=warm)
    record_bytes = Shape(kind, 0).record_bytes
    top = max(max(warm(result), result["cold"]) for result in results)
    for place, result in enumerate(results):
        colour = _ENCRYPTED if result["encrypted"] else _PLAIN
        for second, rate in ((True, warm(result)), (False, result["cold"])):
            at = place + (0.19 if second else -0.19)
            fill = colour if second else "white"
            axes.barh(
                at, rate, height=0.36, color=fill, edgecolor=colour, linewidth=1.2
            )
            text = f"{rate:,.0f}" + (
                f"   {rate * record_bytes / 1e9:.2f} GB/s" if second else ""
            )
            axes.text(rate + top * 0.008, at, text, va="center", fontsize=8)
    axes.set_yticks(range(len(results)), [result["name"] for result in results])
    for label, result in zip(axes.get_yticklabels(), results, strict=True):
        label.set_fontweight(
            "bold" if result["name"].startswith("Sealift") else "normal"
        )
    axes.set_xlim(0, top * 1.25)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("records a second")
    axes.set_title(
        _TITLES[kind].format(results[0]["records"], BATCH_SIZE[kind]), loc="left"
    )
    axes.spines[["top", "right"]].set_visible(False)
