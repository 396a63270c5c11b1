"""A training loop runs in constant memory; bench/trainer_memory.py draws it."""

from __future__ import annotations

import importlib

import pytest
from places import ROOT

# What is on its way, and what the C allocator keeps of it (sealift_protocol/allocator.py).
BASELINE_MIB = 64


def test_f12_a_loop_over_a_dataset_ten_times_the_bound_stays_below_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "bench")
    bench = importlib.import_module("trainer_memory")
    setting = bench.Setting(mib=384, shard_mib=4, read_ahead_mib=4, shuffle_block=2)
    found = bench.measure(setting)
    for way in ("in order", "shuffled"):
        assert found[way]["bound_mib"] < 38
        assert found[way]["peak_mib"] < found[way]["bound_mib"] + BASELINE_MIB
        assert found[way]["records"] == 96 * 3 * 256
        assert found[way]["mean"] == pytest.approx(found["everything held"]["mean"])
    # What the others would take if they kept what they have seen.
    assert found["everything held"]["peak_mib"] > 288
