"""A pure verifier of a dataset's history: it accepts commits in order, or raises a named error."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable

from sealift_protocol.errors import (
    ContextMismatch,
    DatasetDeleted,
    HistoryInvalid,
    KeyEpochMoved,
    WrongSigner,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.commits import (
    Commit,
    Genesis,
    GrantEntry,
    ShardEntry,
    Snapshot,
    SnapshotPage,
    verify_commit,
)
from sealift_protocol.v1 import objects_pb2


class History:
    """The verified history of one dataset, from commit 0 or from a snapshot on.

    It does not use disk or network. A commit that is refused changes nothing.

    Attributes:
        dataset_id: id of the dataset, 16 bytes.
        trusted: fingerprints that the caller trusts as the owner's, past and present.
        commits: the verified commits since the beginning or the snapshot.
        genesis: the first owner and the salt, to which the dataset id commits.
        owner: the current owner.
        co_owners: the members who may currently append in addition to the owner.
        shards: live shards in dataset order, by shard id.
        grants: grants in force, by digest.
        grantors: who granted them, where this part of the history tells.
        key_epoch: the key epoch that the next shards are sealed under.
        last_snapshot: number of the newest commit with a snapshot; -1 without one.
    """

    def __init__(
        self, dataset_id: bytes, trusted: Fingerprint | Collection[Fingerprint]
    ) -> None:
        self.dataset_id = dataset_id
        self.trusted = frozenset(
            {trusted} if isinstance(trusted, Fingerprint) else trusted
        )
        self.commits: list[Commit] = []
        self.shards: dict[bytes, ShardEntry] = {}
        self.grants: dict[bytes, GrantEntry] = {}
        self.grantors: dict[bytes, Fingerprint] = {}
        self.key_epoch = 0
        self.last_snapshot = -1
        self._genesis: Genesis | None = None
        self._owner: Fingerprint | None = None
        self.co_owners: frozenset[Fingerprint] = frozenset()
        self._ever_added: set[bytes] = set()

    @property
    def head(self) -> Commit:
        """The newest commit.

        Raises:
            HistoryInvalid: the history is empty.
        """
        if not self.commits:
            raise HistoryInvalid("the dataset's history is empty")
        return self.commits[-1]

    @property
    def genesis(self) -> Genesis:
        """The first owner and the salt, to which the dataset id commits.

        Raises:
            HistoryInvalid: the history is empty.
        """
        if self._genesis is None:
            raise HistoryInvalid("the dataset's history is empty")
        return self._genesis

    @property
    def owner(self) -> Fingerprint:
        """The current owner.

        Raises:
            HistoryInvalid: the history is empty.
        """
        if self._owner is None:
            raise HistoryInvalid("the dataset's history is empty")
        return self._owner

    @property
    def deleted(self) -> bool:
        """Whether the dataset was deleted."""
        return bool(self.commits) and self.commits[-1].deletion

    def is_author(self, fingerprint: Fingerprint) -> bool:
        """Return whether a member may currently append."""
        return fingerprint == self._owner or fingerprint in self.co_owners

    def grants_of(self, recipient: Fingerprint) -> list[GrantEntry]:
        """Return a recipient's grants in force, in order of key epoch."""
        found = [
            entry for entry in self.grants.values() if entry.recipient == recipient
        ]
        return sorted(found, key=lambda entry: entry.key_epoch)

    def recipients(self) -> list[Fingerprint]:
        """Return all recipients with a grant in force, in the order of their first grant."""
        return list(dict.fromkeys(entry.recipient for entry in self.grants.values()))

    def begin(self, commit: Commit, pages: Iterable[SnapshotPage]) -> None:
        """Begin with a snapshot instead of commit 0.

        Args:
            commit: a verified commit with a snapshot.
            pages: the pages that the snapshot names, in order, with their digests checked.

        Raises:
            WrongSigner: the snapshot is not the trusted owner's.
            HistoryInvalid, ContextMismatch: it is not a snapshot of this dataset.
        """
        snapshot = commit.snapshot
        if self.commits or snapshot is None:
            raise HistoryInvalid(
                "a history must begin with commit 0 or with one snapshot"
            )
        if commit.dataset_id != self.dataset_id:
            raise ContextMismatch("a commit belongs to another dataset")
        if not {snapshot.genesis.owner, snapshot.owner, commit.signer} <= self.trusted:
            raise WrongSigner("a snapshot is not signed by the dataset's owner")
        if commit.signer != snapshot.owner:
            raise WrongSigner("a snapshot is not signed by the owner that it names")
        shards = [entry for page in pages for entry in page.shards]
        self.shards = {entry.shard_id: entry for entry in shards}
        if len(self.shards) != len(shards):
            raise HistoryInvalid("a snapshot lists a shard twice")
        self.grants = {entry.digest: entry for entry in snapshot.grants}
        self.co_owners = frozenset(snapshot.co_owners)
        self.key_epoch = commit.key_epoch
        self.last_snapshot = commit.number
        self._genesis, self._owner = snapshot.genesis, snapshot.owner
        self._ever_added = set(self.shards)
        self.commits.append(commit)

    def extend(self, signed_commits: Iterable[objects_pb2.Signed]) -> None:
        """Verify and append commits.

        Raises:
            VerificationError: a subclass that tells what is wrong with the first bad commit; the
                commits before it are appended.
        """
        for signed in signed_commits:
            self.append(verify_commit(signed))

    def append(self, commit: Commit) -> None:
        """Append a verified commit if it follows.

        Raises:
            ContextMismatch: the commit belongs to another dataset.
            WrongSigner: the author may not append, or not such a commit.
            HistoryInvalid: a gap, a fork, or shards or a snapshot that do not match.
            DatasetDeleted: the dataset was deleted before the commit.
            KeyEpochMoved: the shards are sealed under a key epoch that is not current.
        """
        self._check_place(commit)
        if commit.genesis is not None:
            if commit.genesis.owner not in self.trusted:
                raise WrongSigner("the dataset belongs to another owner")
            self._genesis, self._owner = commit.genesis, commit.genesis.owner
            self.co_owners = frozenset(commit.genesis.co_owners)
        self._check_author(commit)
        self._check_epoch(commit)
        self._check_shards(commit)
        if commit.snapshot is not None:
            self._check_snapshot(commit, commit.snapshot)
        self._apply(commit)

    def after(self, commit: Commit) -> History:
        """This history with one more commit; this one stays as it is.

        Raises:
            VerificationError: as `append`.
        """
        made = copy.copy(self)
        made.commits = list(self.commits)
        made.shards = dict(self.shards)
        made.grantors = dict(self.grantors)
        made._ever_added = set(self._ever_added)
        made.append(commit)
        return made

    def _check_place(self, commit: Commit) -> None:
        if commit.dataset_id != self.dataset_id:
            raise ContextMismatch("a commit belongs to another dataset")
        expected = self.commits[-1].number + 1 if self.commits else 0
        if commit.number != expected:
            raise HistoryInvalid(
                f"commit {commit.number} came where {expected} was expected"
            )
        if self.commits and commit.parent != self.commits[-1].digest:
            raise HistoryInvalid(
                f"commit {commit.number} does not follow the one before it"
            )
        if self.deleted:
            raise DatasetDeleted("the dataset's history continues after its deletion")

    def _check_author(self, commit: Commit) -> None:
        if not self.is_author(commit.signer):
            raise WrongSigner(
                f"commit {commit.number} is signed by a member who may not append"
            )
        owners_only = commit.co_owners or commit.snapshot or commit.deletion
        if owners_only and commit.signer != self._owner:
            raise WrongSigner(
                f"commit {commit.number} makes a change that only the owner may make"
            )
        if self._owner in commit.revoked:
            raise WrongSigner(f"commit {commit.number} revokes the dataset's owner")
        if commit.co_owners is not None and commit.co_owners.successor not in (
            None,
            *self.trusted,
        ):
            raise WrongSigner(
                "the dataset was handed to an identity that is not trusted as its owner"
            )

    def _check_epoch(self, commit: Commit) -> None:
        current = max(self.key_epoch, 1)
        if commit.key_epoch not in (current, current + bool(self.commits)):
            raise KeyEpochMoved(
                f"commit {commit.number} is not of the current key epoch"
            )
        if any(entry.key_epoch != commit.key_epoch for entry in commit.added):
            raise KeyEpochMoved(
                f"commit {commit.number} adds shards of another key epoch"
            )

    def _check_shards(self, commit: Commit) -> None:
        added = {entry.shard_id for entry in commit.added}
        if len(added) != len(commit.added) or not self._ever_added.isdisjoint(added):
            raise HistoryInvalid(f"commit {commit.number} adds a shard twice")
        removed = set(commit.removed)
        if len(removed) != len(commit.removed) or not all(
            i in self.shards for i in removed
        ):
            raise HistoryInvalid(
                f"commit {commit.number} removes a shard that does not exist"
            )

    def _apply(self, commit: Commit) -> None:
        for shard_id in commit.removed:
            del self.shards[shard_id]
        for entry in commit.added:
            self.shards[entry.shard_id] = entry
            self._ever_added.add(entry.shard_id)
        self.grants = self._grants_after(commit)
        for grant in commit.granted:
            self.grantors[grant.digest] = commit.signer
        self.co_owners = self._co_owners_after(commit)
        if commit.co_owners is not None:
            self._owner = commit.co_owners.successor or self._owner
        self.key_epoch = commit.key_epoch
        if commit.snapshot is not None:
            self.last_snapshot = commit.number
        self.commits.append(commit)

    def _grants_after(self, commit: Commit) -> dict[bytes, GrantEntry]:
        if not commit.revoked and not commit.granted:
            return self.grants
        revoked = set(commit.revoked)
        left = {d: g for d, g in self.grants.items() if g.recipient not in revoked}
        return {**left, **{grant.digest: grant for grant in commit.granted}}

    def _co_owners_after(self, commit: Commit) -> frozenset[Fingerprint]:
        if commit.co_owners is None:
            return self.co_owners
        return frozenset(commit.co_owners.fingerprints)

    def _check_snapshot(self, commit: Commit, snapshot: Snapshot) -> None:
        # The pages are checked by a client that begins with them; the rest is known here.
        if (
            snapshot.genesis != self._genesis
            or snapshot.owner != self._owner
            or frozenset(snapshot.co_owners) != self._co_owners_after(commit)
            or {g.digest: g for g in snapshot.grants} != self._grants_after(commit)
        ):
            raise HistoryInvalid(
                f"the snapshot of commit {commit.number} differs from the history's state"
            )
