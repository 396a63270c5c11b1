"""docs/trainer/shuffle-quality.md says what bench/shuffle_quality.py measures."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
from places import ROOT


@pytest.fixture(scope="module")
def shuffle_quality() -> ModuleType:
    path = ROOT / "bench" / "shuffle_quality.py"
    spec = importlib.util.spec_from_file_location("shuffle_quality", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shuffle_quality"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_holds_what_the_script_prints(shuffle_quality: ModuleType) -> None:
    page = (ROOT / "docs" / "trainer" / "shuffle-quality.md").read_text().splitlines()
    made = shuffle_quality.table(shuffle_quality.Setting(), blocks=(1, 8)).splitlines()
    assert len(made) == 5
    assert [line for line in made if line not in page] == []
    rows = [line.split(" | ")[0] for line in page if line.startswith("| ")]
    assert rows[1:] == [
        "| 1",
        "| 2",
        "| 4",
        "| 8",
        "| 16",
        "| 32",
        "| 64",
        "| all records",
    ]


def test_a_dataset_in_its_own_order_measures_as_the_worst(
    shuffle_quality: ModuleType,
) -> None:
    setting = shuffle_quality.Setting(shards=8, records=512, batch_size=64, ranks=2)
    total = int(setting.counts.sum())
    found = shuffle_quality.measure(np.arange(total), setting)
    assert found.displacement == 0
    assert found.correlation == pytest.approx(1)
    assert found.shards_in_batch == found.shards_in_rank_batch == 1
    # All but the first of each batch are together with the one before.
    assert found.together == pytest.approx(63 / 64, abs=1e-3)
    assert found.scatter > 7


def test_a_permutation_of_all_records_measures_as_theory_says(
    shuffle_quality: ModuleType,
) -> None:
    setting = shuffle_quality.Setting(shards=8, records=4096, batch_size=64, ranks=2)
    total = int(setting.counts.sum())
    found = shuffle_quality.measure(
        np.random.default_rng(0).permutation(total), setting
    )
    assert found.displacement == pytest.approx(1, abs=0.02)
    assert abs(found.correlation) < 0.03
    assert found.scatter == pytest.approx(1, abs=0.1)
    assert found.together == pytest.approx(63 / total, rel=0.3)
    # Expected number of shards of which a batch has none, by inclusion.
    shares = setting.counts / total
    expected = 8 - float(((1 - shares) ** 64).sum())
    assert found.shards_in_batch == pytest.approx(expected, abs=0.05)
    assert found.shards_in_rank_batch == pytest.approx(expected, abs=0.05)
