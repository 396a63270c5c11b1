"""What a training loop waited for, batch by batch: TensorBoard, Weights & Biases, Prometheus.

Each adapter returns a callable for `ReadOptions(metrics=...)`. The adapters see numbers only,
no record and no dataset name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sealift.process.extras import extra
from sealift_protocol.errors import InvalidArgument

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_PREFIX = "sealift_trainer_"


@dataclass(frozen=True, slots=True)
class BatchMetrics:
    """Metrics of one batch that a loop received. Amounts count from the batch before.

    Attributes:
        records: number of records in the batch.
        bytes: bytes of the batch in memory.
        wait_seconds: how long the loop waited for it.
        busy_seconds: how long the loop worked between the previous batch and asking for it.
        fetched_bytes: ciphertext that came from the relay.
        cached_bytes: ciphertext that came from the cache.
        cache_misses: number of shards that were not fully in the cache.
        refetched: how often the relay was asked again because it sent wrong data.
        skipped_records: number of records left out because their shards stayed wrong.
        epoch: the training epoch, from 0.
        batch: number of the batch in its training epoch, from 0.
    """

    records: int
    bytes: int
    wait_seconds: float
    busy_seconds: float
    fetched_bytes: int = 0
    cached_bytes: int = 0
    cache_misses: int = 0
    refetched: int = 0
    skipped_records: int = 0
    epoch: int = 0
    batch: int = 0


@dataclass(slots=True)
class Totals:
    """Sums over batches; also a callable for `ReadOptions(metrics=...)`.

    Attributes:
        batches: number of batches.
        epoch: the training epoch of the last batch.

    The other attributes are sums of those of `BatchMetrics`.
    """

    batches: int = 0
    records: int = 0
    bytes: int = 0
    wait_seconds: float = 0.0
    busy_seconds: float = 0.0
    fetched_bytes: int = 0
    cached_bytes: int = 0
    cache_misses: int = 0
    refetched: int = 0
    skipped_records: int = 0
    epoch: int = 0

    def __call__(self, batch: BatchMetrics) -> None:
        """Add a batch."""
        self.batches += 1
        for name in _AMOUNTS:
            setattr(self, name, getattr(self, name) + getattr(batch, name))
        self.epoch = batch.epoch

    @property
    def seconds(self) -> float:
        """Time spent waiting and working."""
        return self.wait_seconds + self.busy_seconds

    @property
    def waiting_share(self) -> float:
        """See `waiting_share`."""
        return waiting_share(self)

    @property
    def records_per_second(self) -> float:
        """Number of records that the loop took per second."""
        return _ratio(self.records, self.seconds)

    @property
    def bytes_per_second(self) -> float:
        """Bytes in memory that the loop took per second."""
        return _ratio(self.bytes, self.seconds)

    @property
    def cached_share(self) -> float:
        """Share of the ciphertext that came from the cache, 0 to 1."""
        return _ratio(self.cached_bytes, self.cached_bytes + self.fetched_bytes)


_AMOUNTS = tuple(
    f.name for f in fields(BatchMetrics) if f.name not in ("epoch", "batch")
)


def waiting_share(metrics: BatchMetrics | Totals) -> float:
    """Return the share of its time that a loop waited for batches, 0 to 1.

    Near 0, the model is the bottleneck; near 1, it is the relay, the network or this machine's
    cores.
    """
    return _ratio(metrics.wait_seconds, metrics.wait_seconds + metrics.busy_seconds)


def to_tensorboard(writer: Any, every: int = 50) -> Callable[[BatchMetrics], None]:
    """Write scalars "sealift/..." to a TensorBoard writer, such as torch's SummaryWriter.

    Args:
        writer: has `add_scalar(tag, value, global_step)`. The step is the number of batches so
            far, over all training epochs.
        every: number of batches combined into one point.

    Raises:
        InvalidArgument: `every` is less than 1.
    """

    def write(values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    return _Periodic(write, every)


def to_wandb(run: Any, every: int = 50) -> Callable[[BatchMetrics], None]:
    """Log values "sealift/..." to a Weights & Biases run.

    Args:
        run: has `log(values)`. No step is passed, since Weights & Biases drops a step below
            one that the program has already logged: plot against "sealift/batches".
        every: number of batches combined into one point.

    Raises:
        InvalidArgument: `every` is less than 1.
    """

    def write(values: Mapping[str, float], step: int) -> None:
        run.log({**values, "sealift/batches": step})

    return _Periodic(write, every)


@dataclass(slots=True)
class _Periodic:
    """Write means and sums once every `every` batches."""

    write: Callable[[Mapping[str, float], int], None]
    every: int
    window: Totals = field(default_factory=Totals)
    batches: int = 0

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InvalidArgument(
                "metrics are written at most once a batch: `every` must be at least 1"
            )

    def __call__(self, batch: BatchMetrics) -> None:
        self.window(batch)
        self.batches += 1
        if self.window.batches < self.every:
            return
        window, self.window = self.window, Totals()
        self.write(
            {
                "sealift/waiting_share": window.waiting_share,
                "sealift/wait_seconds": window.wait_seconds / window.batches,
                "sealift/records_per_second": window.records_per_second,
                "sealift/bytes_per_second": window.bytes_per_second,
                "sealift/fetched_bytes": window.fetched_bytes,
                "sealift/cached_share": window.cached_share,
                "sealift/cache_misses": window.cache_misses,
                "sealift/refetched": window.refetched,
                "sealift/skipped_records": window.skipped_records,
                "sealift/training_epoch": window.epoch,
            },
            self.batches,
        )


def to_prometheus(
    registry: Any = None, labels: Mapping[str, str] | None = None
) -> Callable[[BatchMetrics], None]:
    """Update counters `sealift_trainer_*`, a histogram of waiting times and two gauges.

    Nothing is served: use `prometheus_client.start_http_server`, or the program's own endpoint.

    Args:
        registry: a `CollectorRegistry`; by default the process's own.
        labels: labels for every value, such as {"rank": "0"}. By default there are none, and no
            dataset name: anyone who may scrape would learn what is trained on.

    Raises:
        InvalidArgument: prometheus_client is not installed, or the registry has such metrics.
    """
    with extra("metrics", "a Prometheus collector needs prometheus_client"):
        import prometheus_client as client

    names, values = list(labels or {}), list((labels or {}).values())
    chosen = client.REGISTRY if registry is None else registry

    def make(kind: Any, name: str, what: str, **more: Any) -> Any:
        metric = kind(_PREFIX + name, what, names, registry=chosen, **more)
        return metric.labels(*values) if names else metric

    try:
        counters = {
            name: make(client.Counter, _COUNTERS[name][0], _COUNTERS[name][1])
            for name in _COUNTERS
        }
        batches = make(client.Counter, "batches", "Batches that the loop took")
        waits = make(
            client.Histogram,
            "batch_wait_seconds",
            "Waiting for one batch",
            buckets=_SECONDS,
        )
        share = make(
            client.Gauge,
            "waiting_share",
            "Share of this training epoch that the loop waited",
        )
        epoch = make(client.Gauge, "training_epoch", "Training epoch, from 0")
    except ValueError:
        raise InvalidArgument(
            "the registry already has these metrics, or a label is not valid",
            hint="call to_prometheus once, or give each call its own CollectorRegistry",
        ) from None
    totals = Totals()

    def observe(batch: BatchMetrics) -> None:
        nonlocal totals
        if batch.epoch != totals.epoch:
            totals = Totals()
        totals(batch)
        batches.inc()
        for name, counter in counters.items():
            counter.inc(getattr(batch, name))
        waits.observe(batch.wait_seconds)
        share.set(totals.waiting_share)
        epoch.set(batch.epoch)

    return observe


_COUNTERS = {
    "records": ("records", "Records that the loop took"),
    "bytes": ("bytes", "Bytes in memory that the loop took"),
    "wait_seconds": ("wait_seconds", "Seconds that the loop waited for batches"),
    "busy_seconds": (
        "busy_seconds",
        "Seconds that the loop was at work between batches",
    ),
    "fetched_bytes": ("fetched_bytes", "Ciphertext from the relay"),
    "cached_bytes": ("cached_bytes", "Ciphertext from the cache"),
    "cache_misses": ("cache_misses", "Shards of which the cache lacked something"),
    "refetched": ("refetches", "Times that the relay was asked again for wrong bytes"),
    "skipped_records": ("skipped_records", "Records of shards that were left out"),
}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
