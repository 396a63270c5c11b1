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

from sealift.api.listing import DatasetInfo
from sealift.owner.push.options import PushOptions
from sealift.owner.push.push import OnChange, Pushed, PushLimits, PushProgress
from sealift.owner.push.writer import Writer
from sealift.owner.sources import SourceOptions
from sealift.people.joining import Joined, join
from sealift.policy.file import Policy, load_policy
from sealift.process.secret import Secret
from sealift.session import Session, connect, open_dataset
from sealift.trainer.dataset import Dataset
from sealift.trainer.exports.parquet import write_parquet
from sealift.trainer.metrics.metrics import BatchMetrics
from sealift.trainer.options import ReadOptions
from sealift_protocol import errors
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
    "connect",
    "errors",
    "join",
    "load_policy",
    "open_dataset",
    "write_parquet",
]
