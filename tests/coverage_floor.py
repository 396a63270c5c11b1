"""Prints what of the modules that hold secrets the tests run, and fails below the floors.

`python tests/coverage_floor.py .coverage.json`, after `coverage json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

# Percent. Every line; of the branches those that the tests of today take.
LINES, BRANCHES = 100.0, 99.0


def main(report: Path) -> int:
    """Prints a line a file that has something left, and the sums; the exit code."""
    measured = json.loads(report.read_text())
    for name, file in measured["files"].items():
        lines, branches = file["missing_lines"], file["missing_branches"]
        if lines or branches:
            arrows = ", ".join(f"{start}->{end}" for start, end in branches)
            print(f"{name}: lines not run: {lines}; branches not taken: {arrows}")
    sums = measured["totals"]
    shares = []
    for what, unit in (("line", "lines"), ("branch", "branches")):
        total = sums["num_statements" if what == "line" else "num_branches"]
        covered = sums["covered_lines" if what == "line" else "covered_branches"]
        shares.append(100 * covered / total)
        print(f"{what} coverage: {shares[-1]:.2f} % ({covered} of {total} {unit})")
    if shares[0] < LINES or shares[1] < BRANCHES:
        print(f"the floors are {LINES} % of lines and {BRANCHES} % of branches")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
