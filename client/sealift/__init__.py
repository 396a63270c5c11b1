"""Sealift: seal training data to those who train on it, through a relay that cannot read it.

An owner::

    import sealift

    with sealift.connect("hospital") as hospital:
        hospital.trust("laboratory", "abcd-efgh-...")
        hospital.push("records.parquet", dataset="study", to="laboratory")

A trainer::

    with sealift.connect("laboratory") as laboratory:
        laboratory.trust("hospital", "ijkl-mnop-...")
        for batch in laboratory.open_dataset("hospital/study").batches():
            train(batch)

Every error is a `sealift.errors.SealiftError` that says what happened and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealift_protocol import __version__

if TYPE_CHECKING:
    from sealift import errors, types
    from sealift.api.listing import DatasetInfo
    from sealift.owner.push.options import PushOptions
    from sealift.owner.push.push import OnChange, Pushed, PushLimits, PushProgress
    from sealift.owner.push.writer import Writer
    from sealift.owner.sources import SourceOptions
    from sealift.people.joining import Joined, join
    from sealift.policy.file import load_policy
    from sealift.policy.model import Policy
    from sealift.process.secret import Secret
    from sealift.session import Session, connect, open_dataset
    from sealift.trainer.dataset import Dataset
    from sealift.trainer.exports.parquet import write_parquet
    from sealift.trainer.metrics.metrics import BatchMetrics
    from sealift.trainer.options import ReadOptions
    from sealift_protocol.errors import SealiftError
    from sealift_protocol.ids import Fingerprint

__all__ = [
    "BatchMetrics",
    "Dataset",
    "DatasetInfo",
    "Fingerprint",
    "Joined",
    "OnChange",
    "Policy",
    "PushLimits",
    "PushOptions",
    "PushProgress",
    "Pushed",
    "ReadOptions",
    "SealiftError",
    "Secret",
    "Session",
    "SourceOptions",
    "Writer",
    "__version__",
    "connect",
    "errors",
    "join",
    "load_policy",
    "open_dataset",
    "types",
    "write_parquet",
]

# Where each name is. A name is imported when it is first used, so that `import sealift` is fast.
_HOMES = {
    "BatchMetrics": "sealift.trainer.metrics.metrics",
    "Dataset": "sealift.trainer.dataset",
    "DatasetInfo": "sealift.api.listing",
    "Fingerprint": "sealift_protocol.ids",
    "Joined": "sealift.people.joining",
    "OnChange": "sealift.owner.push.push",
    "Policy": "sealift.policy.model",
    "PushLimits": "sealift.owner.push.push",
    "PushOptions": "sealift.owner.push.options",
    "PushProgress": "sealift.owner.push.push",
    "Pushed": "sealift.owner.push.push",
    "ReadOptions": "sealift.trainer.options",
    "SealiftError": "sealift_protocol.errors",
    "Secret": "sealift.process.secret",
    "Session": "sealift.session",
    "SourceOptions": "sealift.owner.sources",
    "Writer": "sealift.owner.push.writer",
    "connect": "sealift.session",
    "join": "sealift.people.joining",
    "load_policy": "sealift.policy.file",
    "open_dataset": "sealift.session",
    "write_parquet": "sealift.trainer.exports.parquet",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in ("errors", "types"):
        return import_module(f"sealift.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
