"""What a bill of materials says against a verified history and account: pure, as the spec has it.

docs/spec/bill.md section 5.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sealift_protocol.bill.format import BilledDataset, shards_digest
from sealift_protocol.errors import (
    ContextMismatch,
    DisclosureMissing,
    HistoryInvalid,
    WrongSigner,
)
from sealift_protocol.history import History
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.accounting import Disclosure
from sealift_protocol.objects.commits import Commit, ShardEntry

CLOCK_SKEW = 600
"""Seconds by which two clocks may differ, as the relay has it."""


def check_commit(history: History, part: BilledDataset, time: int) -> Commit:
    """The commit that a bill is about.

    Args:
        history: verified, from commit 0 on.
        part: what the bill says.
        time: when the bill was signed.

    Raises:
        HistoryInvalid: the commit is not in it.
        ContextMismatch: the commit is of another dataset, or younger than the bill.
    """
    if history.dataset_id != part.dataset_id:
        raise ContextMismatch("the bill is of another dataset")
    if part.commit > history.head.number:
        raise HistoryInvalid(
            f"the bill names commit {part.commit} of a history that ends at {history.head.number}"
        )
    commit = history.commits[part.commit]
    if commit.digest != part.commit_digest:
        raise HistoryInvalid(f"commit {part.commit} is another one than the bill names")
    if max(commit.time, part.expired_by) > time + CLOCK_SKEW:
        raise ContextMismatch("the bill is older than what it says it is of")
    return commit


def check_shards(then: History, part: BilledDataset) -> list[ShardEntry]:
    """The shards that a bill is about.

    Args:
        then: the history as it was after the bill's commit.
        part: what the bill says.

    Raises:
        ContextMismatch: shards or owner are others than the bill says.
    """
    if then.owner != part.owner:
        raise ContextMismatch(
            "the bill names another owner than the dataset had at its commit"
        )
    live = [entry for entry in then.shards.values() if entry.kept_at(part.expired_by)]
    if (
        len(live) != part.shards
        or shards_digest(then.dataset_id, live) != part.shards_digest
    ):
        raise ContextMismatch(
            "the live shards at the bill's commit are others than it says"
        )
    return live


def check_fetches(
    history: History,
    part: BilledDataset,
    live: Collection[ShardEntry],
    disclosures: Mapping[bytes, Disclosure],
    identities: Collection[Fingerprint],
    time: int,
) -> set[bytes]:
    """Checks the disclosures that a bill names; returns the ids of the shards they cover.

    Args:
        history: the whole of it.
        part: what the bill says.
        live: the shards that it is about.
        disclosures: the dataset's account, by object digest.
        identities: the trainer's.
        time: when the bill was signed.

    Raises:
        DisclosureMissing: one is not in the account.
        WrongSigner: one is somebody else's.
        ContextMismatch: one is of another dataset, an earlier commit, or later than the bill.
        HistoryInvalid: one is of a commit that is not in the history.
    """
    removed = {shard_id: c.number for c in history.commits for shard_id in c.removed}
    digests = {commit.number: commit.digest for commit in history.commits}
    covered: set[bytes] = set()
    for digest in part.disclosures:
        made = disclosures.get(digest)
        if made is None:
            raise DisclosureMissing(
                "the bill names a disclosure that is not in the account"
            )
        if made.signer not in identities:
            raise WrongSigner("the bill names a disclosure of another member")
        if made.dataset_id != part.dataset_id or made.number < part.commit:
            raise ContextMismatch("the bill names a disclosure of other records")
        if made.commit != digests.get(made.number):
            raise HistoryInvalid(
                "a disclosure is of a commit that is not in the history"
            )
        if made.time > time + CLOCK_SKEW:
            raise ContextMismatch("the bill names a disclosure that came after it")
        covered |= {
            entry.shard_id
            for entry in live
            if (not made.shard_ids or entry.shard_id in made.shard_ids)
            and removed.get(entry.shard_id, made.number + 1) > made.number
        }
    return covered
