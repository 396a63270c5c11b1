"""How a member stands: its certificate, its keystore, and which keys are due to be replaced."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sealift.home.backup import BackedUp
from sealift.home.profile import Membership
from sealift.people.rotation import Rotation, RotationKind
from sealift.process.extras import extra


@dataclass(frozen=True, slots=True)
class Status:
    """How a member stands.

    Attributes:
        membership: who it is, at which relay.
        keystore: URL of the place of its keys.
        certificate_end: when its certificate ends.
        backup: the newest; None if there is none, or the keys are in a token or KMS.
        rotations: its keys that are replaced from time to time.
        time: of this status, Unix seconds.
    """

    membership: Membership
    keystore: str
    certificate_end: datetime
    backup: BackedUp | None
    rotations: tuple[Rotation, ...]
    time: int

    @property
    def overdue(self) -> list[Rotation]:
        """The keys that ought to have been replaced by now."""
        return [
            rotation for rotation in self.rotations if rotation.is_overdue(self.time)
        ]


def as_prometheus(status: Status) -> bytes:
    """The status in Prometheus' text format 0.0.4.

    Datasets and keys have their ids in it, which the relay knows too, and no names.

    Raises:
        InvalidArgument: prometheus_client is not installed.
    """
    with extra("metrics", "the Prometheus format needs prometheus_client"):
        import prometheus_client as client

    registry = client.CollectorRegistry()

    def gauge(name: str, what: str, *labels: str) -> Any:
        return client.Gauge(f"sealift_{name}", what, labels, registry=registry)

    since = gauge(
        "key_since_timestamp_seconds", "When a key came into use", "kind", "id"
    )
    due = gauge(
        "key_rotation_due_timestamp_seconds", "When it is due to go", "kind", "id"
    )
    for rotation in status.rotations:
        labels = (rotation.kind.value, rotation.subject.hex())
        since.labels(*labels).set(rotation.since)
        due.labels(*labels).set(rotation.due)
    overdue = gauge(
        "key_rotations_overdue", "Keys that ought to have been replaced", "kind"
    )
    numbers = Counter(rotation.kind for rotation in status.overdue)
    for kind in RotationKind:
        overdue.labels(kind.value).set(numbers[kind])
    end = gauge(
        "certificate_end_timestamp_seconds", "When the member's certificate ends"
    )
    end.set(status.certificate_end.timestamp())
    backup = gauge(
        "backup_timestamp_seconds", "When the keys of now were backed up; 0 for never"
    )
    backup.set(status.backup.time if status.backup and status.backup.complete else 0)
    text: bytes = client.generate_latest(registry)
    return text
