"""A member's status: its certificate, keystore, backup, and keys due for replacement."""

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
    """A member's status.

    Attributes:
        membership: the member's name, role and relay.
        keystore: URL of its keystore.
        certificate_end: when its certificate expires.
        backup: its newest backup; None if there is none, or the keys are in a token or KMS.
        rotations: its keys that need rotation.
        time: when the status was taken, Unix seconds.
    """

    membership: Membership
    keystore: str
    certificate_end: datetime
    backup: BackedUp | None
    rotations: tuple[Rotation, ...]
    time: int

    @property
    def overdue(self) -> list[Rotation]:
        """The keys that are overdue for replacement."""
        return [
            rotation for rotation in self.rotations if rotation.is_overdue(self.time)
        ]


def as_prometheus(status: Status) -> bytes:
    """Return the status in the Prometheus text format 0.0.4.

    Datasets and keys appear by id, which the relay knows too, and never by name.

    Raises:
        InvalidArgument: prometheus_client is not installed.
    """
    with extra("metrics", "the Prometheus format needs prometheus_client"):
        import prometheus_client as client

    registry = client.CollectorRegistry()

    def gauge(name: str, what: str, *labels: str) -> Any:
        return client.Gauge(f"sealift_{name}", what, labels, registry=registry)

    since = gauge(
        "key_since_timestamp_seconds", "When the key came into use", "kind", "id"
    )
    due = gauge(
        "key_rotation_due_timestamp_seconds",
        "When the key is due for replacement",
        "kind",
        "id",
    )
    for rotation in status.rotations:
        labels = (rotation.kind.value, rotation.subject.hex())
        since.labels(*labels).set(rotation.since)
        due.labels(*labels).set(rotation.due)
    overdue = gauge(
        "key_rotations_overdue", "Keys that are overdue for replacement", "kind"
    )
    numbers = Counter(rotation.kind for rotation in status.overdue)
    for kind in RotationKind:
        overdue.labels(kind.value).set(numbers[kind])
    end = gauge(
        "certificate_end_timestamp_seconds", "When the member's certificate expires"
    )
    end.set(status.certificate_end.timestamp())
    backup = gauge(
        "backup_timestamp_seconds",
        "When the current keys were backed up; 0 if they were not",
    )
    backup.set(status.backup.time if status.backup and status.backup.complete else 0)
    text: bytes = client.generate_latest(registry)
    return text
