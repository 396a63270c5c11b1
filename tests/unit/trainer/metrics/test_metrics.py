"""What a training loop waited for reaches the dashboards, and no name of a dataset does."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from sealift.errors import InvalidArgument
from sealift.trainer.metrics.metrics import (
    BatchMetrics,
    Totals,
    to_prometheus,
    to_tensorboard,
    to_wandb,
    waiting_share,
)


def batch(number: int = 0, **more: Any) -> BatchMetrics:
    """64 records of 1 KiB that the loop waited a second for, and worked on the last three."""
    usual: dict[str, Any] = {
        "records": 64,
        "bytes": 65536,
        "wait_seconds": 1.0,
        "busy_seconds": 3.0,
        "fetched_bytes": 3000,
        "cached_bytes": 1000,
        "cache_misses": 2,
        "refetched": 1,
        "skipped_records": 5,
        "batch": number,
    }
    return BatchMetrics(**{**usual, **more})


# --- sums ----------------------------------------------------------------------------------------


def test_a_loop_that_waits_a_quarter_of_its_time_is_told_so() -> None:
    assert waiting_share(batch()) == 0.25
    totals = Totals()
    totals(batch(wait_seconds=0.0, busy_seconds=1.0))
    totals(batch(wait_seconds=3.0, busy_seconds=0.0))
    assert totals.waiting_share == waiting_share(totals) == 0.75


def test_totals_are_the_sums_of_every_amount() -> None:
    totals = Totals()
    for number in range(3):
        totals(batch(number, epoch=7))
    assert totals == Totals(
        batches=3,
        records=192,
        bytes=3 * 65536,
        wait_seconds=3.0,
        busy_seconds=9.0,
        fetched_bytes=9000,
        cached_bytes=3000,
        cache_misses=6,
        refetched=3,
        skipped_records=15,
        epoch=7,
    )
    assert totals.seconds == 12.0
    assert totals.records_per_second == 16.0
    assert totals.bytes_per_second == 16384.0
    assert totals.cached_share == 0.25


def test_nothing_is_divided_by_zero_before_the_first_batch() -> None:
    totals = Totals()
    assert (
        totals.waiting_share == totals.records_per_second == totals.cached_share == 0.0
    )
    assert waiting_share(batch(wait_seconds=0.0, busy_seconds=0.0)) == 0.0


def test_totals_and_metrics_reach_other_processes() -> None:
    totals = Totals()
    totals(batch())
    assert pickle.loads(pickle.dumps((totals, batch()))) == (totals, batch())


# --- tensorboard ---------------------------------------------------------------------------------


def test_tensorboard_has_a_point_for_so_many_batches(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("torch")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        observe = to_tensorboard(writer, every=2)
        for number in range(5):
            observe(batch(number, epoch=3))
    events = EventAccumulator(str(tmp_path))
    events.Reload()

    def points(tag: str) -> list[tuple[int, float]]:
        return [(point.step, point.value) for point in events.Scalars(tag)]

    # The fifth batch waits for a sixth.
    assert points("sealift/waiting_share") == [(2, 0.25), (4, 0.25)]
    assert points("sealift/records_per_second") == [(2, 16.0), (4, 16.0)]
    assert points("sealift/fetched_bytes") == [(2, 6000.0), (4, 6000.0)]
    assert points("sealift/wait_seconds") == [(2, 1.0), (4, 1.0)]
    assert points("sealift/training_epoch") == [(2, 3.0), (4, 3.0)]
    assert set(events.Tags()["scalars"]) == {
        "sealift/bytes_per_second",
        "sealift/cache_misses",
        "sealift/cached_share",
        "sealift/fetched_bytes",
        "sealift/records_per_second",
        "sealift/refetched",
        "sealift/skipped_records",
        "sealift/training_epoch",
        "sealift/wait_seconds",
        "sealift/waiting_share",
    }


def test_steps_go_on_where_a_training_epoch_begins_anew() -> None:
    steps = []

    class Writer:
        def add_scalar(self, tag: str, value: float, step: int) -> None:
            if tag == "sealift/waiting_share":
                steps.append(step)

    observe = to_tensorboard(Writer(), every=1)
    for number, epoch in [(0, 0), (1, 0), (0, 1)]:
        observe(batch(number, epoch=epoch))
    assert steps == [1, 2, 3]


@pytest.mark.parametrize("adapter", [to_tensorboard, to_wandb])
def test_points_are_a_batch_apart_at_least(adapter: Any) -> None:
    with pytest.raises(InvalidArgument):
        adapter(object(), every=0)


# --- Weights & Biases ----------------------------------------------------------------------------


class Run:
    """As a run of wandb's takes values: a step below one that was logged is dropped."""

    def __init__(self) -> None:
        self.step = 0
        self.history: list[dict[str, float]] = []

    def log(self, data: dict[str, float], step: int | None = None) -> None:
        if step is not None and step < self.step:
            return
        self.step = (self.step if step is None else step) + 1
        self.history.append(data)


def test_a_stand_in_for_a_wandb_run_loses_no_point_beside_the_programs_own_steps() -> (
    None
):
    run = Run()
    observe = to_wandb(run, every=2)
    for number in range(4):
        observe(batch(number))
        run.log({"loss": 0.5}, step=1000 * number)
    ours = [data for data in run.history if "loss" not in data]
    assert [data["sealift/batches"] for data in ours] == [2, 4]
    assert [data["sealift/waiting_share"] for data in ours] == [0.25, 0.25]
    assert sum("loss" in data for data in run.history) == 4


# --- Prometheus ----------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Any:
    return pytest.importorskip("prometheus_client").CollectorRegistry()


def test_prometheus_counts_every_amount(registry: Any) -> None:
    observe = to_prometheus(registry)
    observe(batch())
    observe(batch(1, epoch=0))

    def value(name: str, **labels: str) -> float | None:
        found: float | None = registry.get_sample_value(
            f"sealift_trainer_{name}", labels
        )
        return found

    assert value("batches_total") == 2
    assert value("records_total") == 128
    assert value("bytes_total") == 2 * 65536
    assert value("wait_seconds_total") == 2.0
    assert value("busy_seconds_total") == 6.0
    assert value("fetched_bytes_total") == 6000
    assert value("cached_bytes_total") == 2000
    assert value("cache_misses_total") == 4
    assert value("refetches_total") == 2
    assert value("skipped_records_total") == 10
    assert value("waiting_share") == 0.25
    assert value("training_epoch") == 0
    assert value("batch_wait_seconds_count") == 2
    assert value("batch_wait_seconds_bucket", le="0.3") == 0
    assert value("batch_wait_seconds_bucket", le="1.0") == 2


def test_the_share_of_waiting_is_that_of_the_training_epoch(registry: Any) -> None:
    observe = to_prometheus(registry)
    observe(batch(epoch=0, wait_seconds=100.0))
    observe(batch(epoch=1, wait_seconds=1.0))
    assert registry.get_sample_value("sealift_trainer_waiting_share") == 0.25
    assert registry.get_sample_value("sealift_trainer_training_epoch") == 1


def test_prometheus_shows_no_label_but_those_that_were_given(registry: Any) -> None:
    import prometheus_client

    observe = to_prometheus(registry, labels={"rank": "3"})
    observe(batch())
    labels = {
        tuple(sorted(set(sample.labels) - {"le"}))
        for metric in registry.collect()
        for sample in metric.samples
    }
    assert labels == {("rank",)}
    assert (
        registry.get_sample_value("sealift_trainer_records_total", {"rank": "3"}) == 64
    )
    bare = prometheus_client.CollectorRegistry()
    to_prometheus(bare)(batch())
    assert b"{" not in prometheus_client.generate_latest(bare).replace(b'{le="', b"")


def test_a_registry_holds_the_metrics_once(registry: Any) -> None:
    to_prometheus(registry)
    with pytest.raises(InvalidArgument, match="already") as caught:
        to_prometheus(registry)
    assert "CollectorRegistry" in caught.value.hint


def test_without_prometheus_client_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(InvalidArgument) as caught:
        to_prometheus()
    assert "sealift[metrics]" in caught.value.hint
