"""What commands cost: calls, reads, fsyncs and transactions, as bench/calls.toml says."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"
EXPECTED = tomllib.loads((BENCH / "calls.toml").read_text())


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    spec = importlib.util.spec_from_file_location("calls", BENCH / "calls.py")
    assert spec is not None
    assert spec.loader is not None
    calls = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    monkeypatch.setitem(sys.modules, "calls", calls)
    spec.loader.exec_module(calls)
    return {name: asdict(counts) for name, counts in calls.play(tmp_path).items()}


def test_every_command_costs_what_the_table_says(played: dict[str, object]) -> None:
    assert played == EXPECTED
