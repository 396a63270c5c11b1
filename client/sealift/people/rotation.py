"""Which keys are due for replacement, and since when each is in use.

Source: NIST SP 800-57 part 1 revision 5, section 5.3 (cryptoperiods).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from sealift.history.member import Member
from sealift.history.opened import OpenedDataset, open_datasets, read_history
from sealift.home.profile import Membership
from sealift.home.settings import RotationPolicy
from sealift_protocol.history import History
from sealift_protocol.objects.cards import Card


class RotationKind(StrEnum):
    """What is replaced."""

    KEY_EPOCH = "key epoch"
    RECIPIENT_KEY = "recipient key"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Rotation:
    """A key in use, and when it is due for replacement.

    Attributes:
        kind: the kind of key.
        subject: id of the dataset or of the key, or the identity's fingerprint.
        name: the dataset's name; empty for other kinds.
        since: Unix seconds; 0 if unknown.
        seconds: how long the key may be used, by the profile's policy.
    """

    kind: RotationKind
    subject: bytes
    name: str = field(repr=False)
    since: int
    seconds: int

    @property
    def due(self) -> int:
        """When the key is due for replacement, Unix seconds."""
        return self.since + self.seconds

    def is_overdue(self, time: int) -> bool:
        """Return whether the key is due by `time` (Unix seconds)."""
        return self.due <= time


def rotations(
    member: Member,
    card: Card,
    membership: Membership,
    policy: RotationPolicy,
) -> Iterator[Rotation]:
    """Yield every key of this member that needs rotation, those of its own datasets first.

    Args:
        member: the member.
        card: the member's newest card.
        membership: the member's membership.
        policy: how long keys may be used.
    """
    for opened in open_datasets(member, member.identities):
        if opened.owner == member.identity.fingerprint:
            yield Rotation(
                RotationKind.KEY_EPOCH,
                opened.dataset_id,
                opened.name,
                _key_epoch_since(member, opened),
                policy.key_epochs_of(opened.dataset_id),
            )
    for key in card.recipient_keys:
        yield Rotation(
            RotationKind.RECIPIENT_KEY,
            key.key_id,
            "",
            key.not_before,
            policy.recipient_keys,
        )
    # A profile of an earlier release lacks the time; an identity is no newer than its first card.
    since = membership.identity_since or (card.time if card.version == 1 else 0)
    yield Rotation(
        RotationKind.IDENTITY,
        member.identity.fingerprint.digest,
        "",
        since,
        policy.identity,
    )


def _key_epoch_since(member: Member, opened: OpenedDataset) -> int:
    """Return when the current key epoch of a dataset began, in Unix seconds."""
    since = _begun_in(opened.history)
    if not since:
        # It began before the newest snapshot.
        history, _ = read_history(member, opened.dataset_id, opened.trusted, whole=True)
        since = _begun_in(history)
    return since


def _begun_in(history: History) -> int:
    """Return the time of the commit that began the current key epoch; 0 if it is not loaded."""
    first = history.commits[0]
    begun = 0 if first.number else first.time
    for before, commit in pairwise(history.commits):
        if commit.key_epoch != before.key_epoch:
            begun = commit.time
    return begun
