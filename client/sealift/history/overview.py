"""A dataset at a glance: its contents, its commits, and this member's terms of access."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice

from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.process.clock import unix
from sealift.relay.transport import RelayClient
from sealift_protocol.errors import HistoryInvalid
from sealift_protocol.history import History
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.commits import Commit, verify_commit
from sealift_protocol.objects.grants import verify_grant


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms on which this member opens a dataset; identical grants are merged.

    Attributes:
        grantor: the member who granted it.
        key_epochs: the key epochs it opens.
        not_before: Unix seconds.
        not_after: Unix seconds; 0 for no end.
        purpose: the purpose; may be empty.
        live: whether it is valid now.
    """

    grantor: Fingerprint
    key_epochs: tuple[int, ...]
    not_before: int
    not_after: int
    purpose: str
    live: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """A dataset at a glance.

    Attributes:
        opened: the verified dataset.
        terms: the terms of this member's grants in force, in order of key epoch.
        is_author: whether this member is its owner or a co-owner.
        commits: the newest commits, verified, newest last.
        pending_purges: numbers of commits that erased records this member may have fetched.
    """

    opened: OpenedDataset
    terms: tuple[Terms, ...]
    is_author: bool
    commits: tuple[Commit, ...]
    pending_purges: tuple[int, ...]

    @property
    def records(self) -> int:
        """Number of records in all live shards."""
        return record_count(self.opened)

    @property
    def stored_bytes(self) -> int:
        """Bytes that the live shards take at the relay."""
        return stored_bytes(self.opened)

    @property
    def shards_by_epoch(self) -> Mapping[int, int]:
        """Number of live shards under each key epoch."""
        stand = [entry.key_epoch for entry in self.opened.shards]
        return {
            epoch: stand.count(epoch)
            for epoch in range(1, self.opened.history.key_epoch + 1)
        }


def overview(member: Member, opened: OpenedDataset, *, commits: int = 10) -> Overview:
    """Gather what a member may know about a dataset. No record is fetched.

    Args:
        member: the member who asks.
        opened: the dataset.
        commits: how many of the newest commits to include.

    Raises:
        VerificationError: a grant or a commit is not what was signed.
        AccessDenied: the relay refuses.
    """
    history = opened.history
    return Overview(
        opened=opened,
        terms=_terms(member, history),
        is_author=history.is_author(member.identity.fingerprint),
        commits=_newest(member.relay, history, commits),
        pending_purges=tuple(sorted(member.last_seen.purges(opened.dataset_id))),
    )


def record_count(opened: OpenedDataset) -> int:
    """Return the number of records in all live shards of a dataset."""
    return sum(opened.record_counts[entry.shard_id] for entry in opened.shards)


def stored_bytes(opened: OpenedDataset) -> int:
    """Return the bytes that the live shards of a dataset take at the relay."""
    return sum(entry.stored_size for entry in opened.shards)


def access_end(history: History, identities: Collection[Fingerprint], time: int) -> int:
    """Return when a member's last grant valid at `time` ends; 0 if one has no end."""
    grants = [grant for identity in identities for grant in history.grants_of(identity)]
    ends = [grant.not_after for grant in grants if grant.live_at(time)]
    return 0 if 0 in ends else max(ends, default=0)


def _terms(member: Member, history: History) -> tuple[Terms, ...]:
    epochs: dict[tuple[Fingerprint, int, int, str], list[int]] = {}
    for grant in map(verify_grant, member.relay.get_grants(history.dataset_id).grants):
        said = grant.terms
        # The relay may return any grant: count only those in force in the verified history.
        if grant.digest in history.grants and said.recipient in member.identities:
            key = (grant.signer, said.not_before, said.not_after, said.purpose)
            epochs.setdefault(key, []).append(said.key_epoch)
    now = unix(member.now)
    made = [
        Terms(
            grantor=grantor,
            key_epochs=tuple(sorted(set(numbers))),
            not_before=begin,
            not_after=end,
            purpose=purpose,
            live=begin <= now and (end == 0 or now < end),
        )
        for (grantor, begin, end, purpose), numbers in epochs.items()
    ]
    return tuple(sorted(made, key=lambda terms: (terms.key_epochs, terms.not_before)))


def _newest(relay: RelayClient, history: History, wanted: int) -> tuple[Commit, ...]:
    """Return the newest commits; those before a snapshot are chained to it by their digests."""
    known = history.commits
    first = max(0, history.head.number - wanted + 1)
    if known[0].number <= first:
        return tuple(known[first - known[0].number :])
    # For the relay, a last commit of 0 means no end.
    found = relay.get_commits(history.dataset_id, first, known[0].number - 1)
    older = [verify_commit(signed) for signed in islice(found, known[0].number - first)]
    parent, number = known[0].parent, known[0].number
    for commit in reversed(older):
        number -= 1
        if (commit.digest, commit.number) != (parent, number):
            raise HistoryInvalid("the commits before the snapshot do not lead to it")
        parent = commit.parent
    if number != first:
        raise HistoryInvalid("some of the commits before the snapshot are missing")
    return (*older, *known)
