"""A training loop interrupted at random; resume_loop.py does it at length."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def resume_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    module = importlib.import_module("resume_loop")
    with module.staged():
        yield module


def test_f3_every_record_is_seen_exactly_once_after_random_interruptions(
    resume_loop: ModuleType, tmp_path: Path
) -> None:
    ordeal = resume_loop.Ordeal(tmp_path, seed=7)
    try:
        outcome = ordeal.run(16)
    finally:
        ordeal.close()
    assert outcome.exact, outcome
    assert outcome.interruptions.total() == 16
    assert outcome.interruptions["kill"]
    assert outcome.amid >= 8
    assert len(outcome.worlds) >= 4
