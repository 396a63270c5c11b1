"""A dataset as a member sees it: verified history, unwrapped epoch keys, opened metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from sealift.crypto.epochkeys import EpochKeys
from sealift.crypto.grants import open_grant
from sealift.history.contents import read_contents
from sealift.history.member import Member
from sealift.history.schemas import read_grown
from sealift.process.clock import unix
from sealift.process.secret import Secret
from sealift.relay.transport import RelayClient
from sealift_protocol.errors import (
    AccessDenied,
    DatasetDeleted,
    GrantExpired,
    HistoryInvalid,
    InvalidArgument,
    RollbackDetected,
    ShardsGone,
    UnsupportedVersion,
    WrongKey,
)
from sealift_protocol.history import History
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_protocol.objects.commits import (
    Commit,
    ShardEntry,
    SnapshotPage,
    parse_page,
    verify_commit,
)
from sealift_protocol.objects.grants import verify_grant, verify_rewrap
from sealift_protocol.v1.datasets_pb2 import DatasetSummary


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page of the newest snapshot, kept for reuse in the next."""

    digest: bytes
    shards: tuple[ShardEntry, ...]


@dataclass(frozen=True, slots=True)
class OpenedDataset:
    """A verified and opened history.

    Attributes:
        dataset_id: 16 bytes.
        trusted: the identities that are trusted as its owner's.
        name: the dataset's name, as the owner gave it.
        description: the owner's description.
        schema: Arrow schema of every record; older records lack columns at its end.
        retain_seconds: how long shards are kept by default; 0 for no limit.
        subject_column: the column that names the subject; empty if there is none.
        policies: see `Contents`.
        required_policies: see `Contents`.
        policy_reports: see `Contents`.
        history: the verified commits.
        shards: live shards in order, except those past their retention.
        record_counts: number of records by shard id.
        epoch_keys: unwrapped keys by key epoch.
        purpose: the purpose in the newest of this member's grants that names one.
        pages: the kept pages of the newest snapshot.
    """

    dataset_id: bytes
    trusted: frozenset[Fingerprint]
    name: str = field(repr=False)
    description: str = field(repr=False)
    schema: pa.Schema = field(repr=False)
    retain_seconds: int
    subject_column: str = field(repr=False)
    policies: frozenset[bytes]
    required_policies: frozenset[bytes]
    policy_reports: tuple[str, ...] = field(repr=False)
    history: History
    shards: tuple[ShardEntry, ...]
    record_counts: Mapping[bytes, int]
    epoch_keys: EpochKeys
    purpose: str = field(repr=False)
    pages: tuple[StoredPage, ...]

    @property
    def owner(self) -> Fingerprint:
        """The current owner."""
        return self.history.owner

    @property
    def current_key(self) -> Secret:
        """The key of the current key epoch, under which the next shards are sealed.

        Raises:
            WrongKey: it was not granted to this member.
        """
        return self.epoch_keys[self.history.key_epoch]

    def after(
        self,
        commit: Commit,
        identities: Collection[Fingerprint],
        time: int,
        *,
        new_key: Secret | None = None,
    ) -> OpenedDataset:
        """Return the dataset after this member's own commit, without asking the relay.

        The commit passes the same checks as a fetched one. Keys whose grants have ended since are
        left out, as they are when a dataset is opened.

        Args:
            commit: verified, without a snapshot; a dataset whose commit has one is reopened.
            identities: the identities of this member.
            time: Unix seconds.
            new_key: the key of the key epoch that the commit begins, if any.

        Raises:
            VerificationError: the commit does not follow from the history.
            GrantExpired, WrongKey: this member may no longer open the dataset.
        """
        history = self.history.after(commit)
        keys = EpochKeys(self.epoch_keys)
        if new_key is not None:
            keys[commit.key_epoch] = new_key
        live = {
            grant.key_epoch
            for identity in identities
            for grant in history.grants_of(identity)
            if grant.live_at(time)
        }
        keys = EpochKeys({e: key for e, key in keys.items() if e in live})
        if not keys:
            raise GrantExpired("the grant is not valid at this time")
        made = _opened(history, [], Granted(keys, self.purpose), time)
        counts = {**self.record_counts, **made.record_counts}
        return replace(made, record_counts=counts, pages=self.pages)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a member's grants give it.

    Attributes:
        keys: unwrapped epoch keys, by key epoch.
        purpose: the purpose in the newest grant that names one.
    """

    keys: EpochKeys
    purpose: str = field(repr=False)


def read_history(
    member: Member,
    dataset_id: bytes,
    trusted: Collection[Fingerprint],
    *,
    whole: bool = False,
) -> tuple[History, list[SnapshotPage]]:
    """Verify a dataset's history: signatures, order, what was seen before, the log.

    Args:
        member: the member who reads.
        dataset_id: 16 bytes.
        trusted: the identities that are trusted as its owner's.
        whole: whether to read from commit 0, not from the newest snapshot.

    Raises:
        VerificationError: the subclass says what is wrong.
        AccessDenied: the relay refuses.
    """
    history = History(dataset_id, trusted)
    commits = [
        verify_commit(signed)
        for signed in member.relay.get_commits(dataset_id, from_snapshot=not whole)
    ]
    if not commits:
        raise HistoryInvalid("the dataset's history is empty")
    pages: list[SnapshotPage] = []
    if commits[0].number == 0:
        rest = commits
    else:
        pages = _read_pages(member.relay, commits[0])
        history.begin(commits[0], pages)
        rest = commits[1:]
    for commit in rest:
        history.append(commit)
    _check_seen(member, history)
    member.log.expect(Kind.COMMIT, history.head.digest, dataset_id)
    return history, pages


def open_history(
    member: Member,
    dataset_id: bytes,
    trusted: Collection[Fingerprint],
    *,
    whole: bool = False,
    at: int | None = None,
) -> OpenedDataset:
    """Verify a dataset's history against its owner, and open it.

    Args:
        member: the member who reads.
        dataset_id: 16 bytes.
        trusted: the identities that are trusted as its owner's.
        whole: whether to read from commit 0, not from the newest snapshot.
        at: open the dataset as it was after this commit; None for its newest state.

    Raises:
        InvalidArgument: there is no such commit.
        ShardsGone: a shard that was live after that commit has been removed.
        SealiftError: the subclass says what is wrong.
    """
    whole = whole or at is not None
    history, pages = read_history(member, dataset_id, trusted, whole=whole)
    granted = open_grants(member, history)
    if at is not None:
        newest, history, pages = history, history_at(history, at), []
        gone = sum(shard_id not in newest.shards for shard_id in history.shards)
        if gone:
            raise ShardsGone(
                f"{gone} shards of commit {at} have since been removed by the owner"
            )
    opened = _opened(history, pages, granted, unix(member.now))
    remember_name(member, opened)
    return opened


def open_created(
    commit: Commit, trusted: Collection[Fingerprint], key: Secret, time: int
) -> OpenedDataset:
    """Open a dataset of this member's own from its commit 0, verified and in the log.

    Args:
        commit: the commit.
        trusted: the identities that are trusted as its owner's.
        key: the key of the first key epoch.
        time: Unix seconds.

    Raises:
        VerificationError: the commit does not create such a dataset.
    """
    history = History(commit.dataset_id, trusted)
    history.append(commit)
    return _opened(history, [], Granted(EpochKeys({commit.key_epoch: key}), ""), time)


def remember_name(member: Member, opened: OpenedDataset) -> None:
    """Remember which dataset a name refers to, to avoid searching for it again."""
    if member.last_seen.find_dataset([opened.owner], opened.name) is None:
        member.last_seen.remember_dataset(opened.owner, opened.name, opened.dataset_id)


def opened_at(opened: OpenedDataset, number: int, time: int) -> OpenedDataset:
    """Return a dataset as it was after a commit, whether or not its shards still exist.

    Args:
        opened: the dataset, with its history from commit 0.
        number: number of the commit.
        time: Unix seconds; shards whose retention had ended by then are left out.

    Raises:
        InvalidArgument: there is no such commit.
        WrongKey: an earlier key epoch is not available.
    """
    granted = Granted(opened.epoch_keys, opened.purpose)
    return _opened(history_at(opened.history, number), [], granted, time)


def _opened(
    history: History,
    pages: Sequence[SnapshotPage],
    granted: Granted,
    time: int,
) -> OpenedDataset:
    contents = read_contents(history, pages, granted.keys)
    digests = history.commits[0].snapshot.pages if history.commits[0].snapshot else ()
    return OpenedDataset(
        dataset_id=history.dataset_id,
        trusted=history.trusted,
        name=contents.name,
        description=contents.description,
        schema=read_grown(contents.schemas),
        retain_seconds=contents.retain_seconds,
        subject_column=contents.subject_column,
        policies=contents.policies,
        required_policies=contents.required_policies,
        policy_reports=contents.policy_reports,
        history=history,
        shards=tuple(entry for entry in history.shards.values() if entry.kept_at(time)),
        record_counts=contents.record_counts,
        epoch_keys=granted.keys,
        purpose=granted.purpose,
        pages=tuple(
            StoredPage(digest, page.shards)
            for digest, page in zip(digests, pages, strict=False)
        ),
    )


def history_at(history: History, number: int) -> History:
    """Return a verified history as it was after commit `number`.

    Args:
        history: the history from commit 0.
        number: number of the last commit to include.

    Raises:
        InvalidArgument: there is no such commit.
    """
    last = history.head.number
    if history.commits[0].number or not 0 <= number <= last:
        raise InvalidArgument(
            f"there is no commit {number}", hint=f"the newest is commit {last}"
        )
    earlier = History(history.dataset_id, history.trusted)
    for commit in history.commits[: number + 1]:
        earlier.append(commit)
    return earlier


def open_grants(member: Member, history: History) -> Granted:
    """Unwrap every epoch key of a dataset that its history grants to the member.

    Raises:
        AccessDenied, WrongKey, VerificationError: no key could be unwrapped, and why.
    """
    keys = EpochKeys()
    failure: AccessDenied | WrongKey | None = None
    response = member.relay.get_grants(history.dataset_id)
    purpose = ""
    rewraps = [verify_rewrap(signed) for signed in response.rewraps]
    for signed in response.grants:
        grant = verify_grant(signed)
        purpose = grant.terms.purpose or purpose
        if grant.terms.key_epoch in keys:
            continue
        try:
            keys[grant.terms.key_epoch] = open_grant(
                grant,
                member.private_keys,
                dataset_id=history.dataset_id,
                recipients=member.identities,
                in_force=history.grants,
                time=unix(member.now),
                rewraps=rewraps,
            )
        except (AccessDenied, WrongKey, UnsupportedVersion) as error:
            # Another grant of the same key epoch, to a key that we do hold, may follow.
            failure = error if isinstance(error, AccessDenied | WrongKey) else failure
    if not keys:
        raise failure or AccessDenied("you have no grant of that dataset")
    return Granted(keys, purpose)


def find_dataset(
    member: Member,
    trusted: Collection[Fingerprint],
    name: str,
    *,
    whole: bool = False,
    at: int | None = None,
) -> OpenedDataset | None:
    """Return the owner's dataset of that name, or None. The relay does not know the names.

    Args:
        member: the member who reads.
        trusted: the identities that are trusted as its owner's.
        name: the name that the owner gave it.
        whole: see `open_history`.
        at: see `open_history`.

    Raises:
        DatasetDeleted: its owner has deleted it.
        SealiftError: it, or another dataset that had to be checked, cannot be opened.
    """
    known = member.last_seen.find_dataset(trusted, name)
    refused: AccessDenied | None = None
    if known is not None:
        try:
            return open_history(member, known, trusted, whole=whole, at=at)
        except AccessDenied as error:
            refused = error
    listed = member.relay.list_datasets()
    if refused is not None and known in {summary.dataset_id for summary in listed}:
        raise refused
    # A dataset keeps its name, so those that were opened under another name are skipped.
    named = member.last_seen.named_datasets()
    unknown = [summary for summary in listed if summary.dataset_id not in named]
    for opened in open_datasets(member, trusted, whole=whole, listed=unknown):
        if opened.name == name:
            member.last_seen.remember_dataset(opened.owner, name, opened.dataset_id)
            if at is not None:
                return open_history(member, opened.dataset_id, trusted, at=at)
            return opened
    if known is not None:
        _ask_whether_deleted(member.relay, known)
    return None


def _ask_whether_deleted(relay: RelayClient, dataset_id: bytes) -> None:
    try:
        next(iter(relay.get_commits(dataset_id)), None)
    except DatasetDeleted:
        raise
    except AccessDenied:
        return


def open_datasets(
    member: Member,
    trusted: Collection[Fingerprint],
    *,
    whole: bool = False,
    listed: Iterable[DatasetSummary] | None = None,
) -> Iterator[OpenedDataset]:
    """Yield every dataset of an owner that the member can open, in turn.

    Args:
        member: the member who reads.
        trusted: the identities that are trusted as the owner's.
        whole: see `open_history`.
        listed: what the relay lists for the member, if already requested.
    """
    owners = {fingerprint.digest for fingerprint in trusted}
    for summary in member.relay.list_datasets() if listed is None else listed:
        if summary.owner in owners:
            try:
                yield open_history(member, summary.dataset_id, trusted, whole=whole)
            except DatasetDeleted:
                # It was deleted between the listing and the opening.
                continue


def _read_pages(relay: RelayClient, commit: Commit) -> list[SnapshotPage]:
    if commit.snapshot is None:
        raise HistoryInvalid(
            "the dataset's history does not begin at commit 0 or a snapshot"
        )
    digests = commit.snapshot.pages
    contents = relay.get_pages(commit.dataset_id, digests)
    if len(contents) != len(digests):
        raise HistoryInvalid("the relay does not serve every page of a snapshot")
    return [
        parse_page(content, digest)
        for content, digest in zip(contents, digests, strict=True)
    ]


def _check_seen(member: Member, history: History) -> None:
    """Compare with what this client last saw, and remember erasures since then."""
    last_seen = member.last_seen
    seen = last_seen.seen_head(history.dataset_id)
    head, first = history.head, history.commits[0]
    digests = {commit.number: commit.digest for commit in history.commits}
    since = list(history.commits)
    if seen is not None and seen[0] < first.number:
        digests[seen[0]] = seen[1]
        since = [*_link(member.relay, history.dataset_id, *seen, first), *since]
    last_seen.check_head(
        history.dataset_id,
        head.number,
        head.digest,
        lambda number: digests.get(number, b""),
    )
    if seen is not None:
        erased = {c.number: c.digest for c in since if c.erasure and c.number > seen[0]}
        last_seen.remember_purges(history.dataset_id, erased)


def _link(
    relay: RelayClient, dataset_id: bytes, number: int, digest: bytes, snapshot: Commit
) -> list[Commit]:
    """Return the commits from the last one seen to a snapshot, each naming the one before."""
    between = [
        verify_commit(signed)
        for signed in relay.get_commits(dataset_id, number + 1, snapshot.number)
    ]
    parent = digest
    for expected, commit in enumerate(between, number + 1):
        if commit.parent != parent or commit.number != expected:
            raise RollbackDetected(
                "the relay serves another history of a dataset than before"
            )
        parent = commit.digest
    if parent != snapshot.digest:
        raise RollbackDetected(
            "the relay serves another history of a dataset than before"
        )
    return between[:-1]
