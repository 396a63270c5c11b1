"""A pure verifier of a dataset's history: commits go in, in order, or a named error comes out."""

from __future__ import annotations

from collections.abc import Iterable

from sealift_protocol.errors import ContextMismatch, HistoryInvalid, WrongSigner
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects import Commit, ShardEntry, verify_commit
from sealift_protocol.v1 import objects_pb2


class History:
    """The verified history of one dataset.

    Nothing is read from disk or network; a commit that does not fit changes nothing.

    Attributes:
        dataset_id: which dataset this is (16 bytes).
        owner: the fingerprint that the caller trusts as its owner.
        commits: the verified commits, from 0 on.
        shards: live shards in dataset order, by shard id.
    """

    def __init__(self, dataset_id: bytes, owner: Fingerprint) -> None:
        self.dataset_id = dataset_id
        self.owner = owner
        self.commits: list[Commit] = []
        self.shards: dict[bytes, ShardEntry] = {}
        self._authors = frozenset({owner})
        self._ever_added: set[bytes] = set()

    @property
    def head(self) -> Commit:
        """The newest commit.

        Raises:
            HistoryInvalid: there is none.
        """
        if not self.commits:
            raise HistoryInvalid("the dataset's history is empty")
        return self.commits[-1]

    def extend(self, signed_commits: Iterable[objects_pb2.Signed]) -> None:
        """Verifies and appends commits.

        Raises:
            VerificationError: a subclass that says what is wrong with the first bad commit;
                those before it are appended.
        """
        for signed in signed_commits:
            self.append(verify_commit(signed))

    def append(self, commit: Commit) -> None:
        """Appends a verified commit if it follows.

        Raises:
            ContextMismatch: it belongs to another dataset.
            WrongSigner: its author may not write here.
            HistoryInvalid: a gap, a fork, or shards that do not fit.
        """
        if commit.dataset_id != self.dataset_id:
            raise ContextMismatch("a commit belongs to another dataset")
        if commit.number != len(self.commits):
            raise HistoryInvalid(
                f"commit {commit.number} came where {len(self.commits)} was expected"
            )
        if self.commits and commit.parent != self.commits[-1].digest:
            raise HistoryInvalid(f"commit {commit.number} does not follow the one before it")
        if commit.genesis is not None and commit.genesis.owner != self.owner:
            raise WrongSigner("the dataset belongs to somebody else")
        authors = self._authors
        if commit.genesis is not None:
            authors = authors | set(commit.genesis.co_owners)
        if commit.signer not in authors:
            raise WrongSigner(f"commit {commit.number} is signed by somebody who may not write")
        self._apply(commit)
        self._authors = authors
        self.commits.append(commit)

    def _apply(self, commit: Commit) -> None:
        added = {entry.shard_id: entry for entry in commit.added}
        if len(added) != len(commit.added) or not self._ever_added.isdisjoint(added):
            raise HistoryInvalid(f"commit {commit.number} adds a shard twice")
        if len(set(commit.removed)) != len(commit.removed) or not set(commit.removed) <= set(
            self.shards
        ):
            raise HistoryInvalid(f"commit {commit.number} removes a shard that is not there")
        for shard_id in commit.removed:
            del self.shards[shard_id]
        self.shards.update(added)
        self._ever_added.update(added)
