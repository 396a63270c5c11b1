"""Checks a bill of materials against a verified history and account, as pure functions.

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
"""Seconds by which two clocks may differ; the relay allows the same."""


def check_commit(history: History, part: BilledDataset, time: int) -> Commit:
    """Return the commit that a bill names.

    Args:
        history: verified history from commit 0 on.
        part: the bill's part on the dataset.
        time: time of the bill's signature, Unix seconds.

    Raises:
        HistoryInvalid: the commit is not in the history.
        ContextMismatch: the commit is of another dataset, or later than the bill.
    """
    if history.dataset_id != part.dataset_id:
        raise ContextMismatch("the bill is of another dataset")
    if part.commit > history.head.number:
        raise HistoryInvalid(
            f"the bill names commit {part.commit} of a history that ends at {history.head.number}"
        )
    commit = history.commits[part.commit]
    if commit.digest != part.commit_digest:
        raise HistoryInvalid(
            f"commit {part.commit} is not the commit that the bill names"
        )
    if max(commit.time, part.expired_by) > time + CLOCK_SKEW:
        raise ContextMismatch("the bill is older than the records that it names")
    return commit


def check_shards(then: History, part: BilledDataset) -> list[ShardEntry]:
    """Return the shards that a bill covers.

    Args:
        then: the history as of the bill's commit.
        part: the bill's part on the dataset.

    Raises:
        ContextMismatch: the shards or the owner differ from those in the bill.
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
            "the live shards at the bill's commit differ from those in the bill"
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
    """Check the disclosures that a bill names; returns the ids of the shards they cover.

    Args:
        history: the whole verified history.
        part: the bill's part on the dataset.
        live: the shards that the part covers.
        disclosures: the dataset's account, by object digest.
        identities: the trainer's identities.
        time: time of the bill's signature, Unix seconds.

    Raises:
        DisclosureMissing: a disclosure is not in the account.
        WrongSigner: a disclosure is another member's.
        ContextMismatch: a disclosure is of other records, or later than the bill.
        HistoryInvalid: a disclosure is of a commit that is not in the history.
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
            raise ContextMismatch(
                "the bill names a disclosure that is later than the bill"
            )
        covered |= {
            entry.shard_id
            for entry in live
            if (not made.shard_ids or entry.shard_id in made.shard_ids)
            and removed.get(entry.shard_id, made.number + 1) > made.number
        }
    return covered
