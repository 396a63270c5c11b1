"""The damage of a leaked recipient key: what it opens, in which commits, and from when."""

from __future__ import annotations

from dataclasses import dataclass, field

from sealift.history.opened import OpenedDataset
from sealift.history.overview import record_count


@dataclass(frozen=True, slots=True)
class Exposed:
    """What anyone with a member's old recipient keys and the ciphertext can read of a dataset.

    Attributes:
        owner: the owner's name.
        name: the dataset's name.
        own: whether this member owns the dataset, and so can respond.
        first_commit, last_commit: commit numbers.
        begin, end: times of these two commits, Unix seconds.
        key_epochs: the key epochs whose keys were wrapped to the old recipient keys.
        shards: live shards under those key epochs.
        records: records in all live shards.
        new_key_epoch: seals everything pushed from now on; 0 for other owners' datasets.
        resealed: whether earlier shards were sealed again under it.
    """

    owner: str
    name: str = field(repr=False)
    own: bool
    first_commit: int
    last_commit: int
    begin: int
    end: int
    key_epochs: tuple[int, ...]
    shards: int
    records: int
    new_key_epoch: int = 0
    resealed: bool = False

    @classmethod
    def unopened(cls, owner: str, head: int) -> Exposed:
        """An entry for an untrusted owner's dataset, with only what the relay reports."""
        return cls(owner, "", False, 0, head, 0, 0, (), 0, 0)


def exposed(opened: OpenedDataset, owner: str, *, own: bool) -> Exposed:
    """Return what a dataset, opened with its whole history, exposes."""
    commits = opened.history.commits
    epochs = tuple(sorted(opened.epoch_keys))
    return Exposed(
        owner=owner,
        name=opened.name,
        own=own,
        first_commit=commits[0].number,
        last_commit=commits[-1].number,
        begin=commits[0].time,
        end=commits[-1].time,
        key_epochs=epochs,
        shards=sum(entry.key_epoch in epochs for entry in opened.shards),
        records=record_count(opened),
    )
