"""A push, its relay and their connection interrupted at random; kill_push.py does it at length."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def kill_push() -> ModuleType:
    path = Path(__file__).with_name("kill_push.py")
    spec = importlib.util.spec_from_file_location("kill_push", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_push"] = module
    spec.loader.exec_module(module)
    return module


def test_f2_every_record_is_there_exactly_once_after_random_kills(
    kill_push: ModuleType, tmp_path: Path
) -> None:
    ordeal = kill_push.Ordeal(tmp_path, seed=7)
    try:
        outcome = ordeal.run(8)
    finally:
        ordeal.close()
    assert outcome.exact, outcome
    assert sum(outcome.kills.values()) == 8
    assert outcome.records >= 4_000
