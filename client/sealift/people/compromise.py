"""When a recipient key may have leaked: what it opens, from which commit to which, and when."""

from __future__ import annotations

from dataclasses import dataclass, field

from sealift.history.opened import OpenedDataset
from sealift.history.overview import record_count


@dataclass(frozen=True, slots=True)
class Exposed:
    """What whoever has a member's old recipient keys, and the ciphertext, can read of a dataset.

    Attributes:
        owner: the owner's name.
        name: the dataset's.
        own: whether this member owns it, and so could do something about it.
        first_commit, last_commit: numbers.
        begin, end: Unix seconds of these two.
        key_epochs: whose keys were wrapped to the old recipient keys.
        shards: live ones under those key epochs.
        records: in all live shards.
        new_key_epoch: what is pushed from now on is sealed under it; 0 for others' datasets.
        resealed: whether what was pushed before is, too.
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
        """Of an owner whom nothing makes trusted: what the relay says, and no more is known."""
        return cls(owner, "", False, 0, head, 0, 0, (), 0, 0)


def exposed(opened: OpenedDataset, owner: str, *, own: bool) -> Exposed:
    """What a dataset, opened with its whole history, exposes."""
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
