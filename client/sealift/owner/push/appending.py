"""Appending records to a dataset as they come: packed, sealed, uploaded, and committed when told.

What is not committed is invisible; the relay collects it after a while.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import pyarrow as pa

from sealift.crypto.grants import make_grant
from sealift.crypto.keyschedule import EPOCH_KEY_SIZE
from sealift.history.contents import NO_POLICY
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset, find_dataset, remember_name
from sealift.history.schemas import extends, grow, write_schema
from sealift.owner.manage.access import grants_for
from sealift.owner.manage.subjects import subject_tagger
from sealift.owner.push.committing import (
    Change,
    Committed,
    append,
    create,
    opened_after,
)
from sealift.owner.push.pacing import Pace
from sealift.owner.push.packing import Packer, plain_schema, shard_pool
from sealift.owner.push.uploading import (
    DEFAULT_JOBS,
    SealedShards,
    SealingTarget,
    Uploads,
)
from sealift.process.clock import unix
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    AccessDenied,
    InvalidArgument,
    PolicyUnmet,
    SchemaMismatch,
)
from sealift_protocol.ids import Fingerprint, dataset_id_of, new_id
from sealift_protocol.objects.cards import Card
from sealift_protocol.objects.commits import Genesis
from sealift_protocol.v1 import objects_pb2

MAX_DATASET_NAME = 128
FIRST_KEY_EPOCH = 1


@dataclass(frozen=True, slots=True)
class PushTerms:
    """What a push says beside its records.

    Attributes:
        recipients: verified cards of those who may open the dataset.
        purpose: why they may; the relay can read it.
        not_after: Unix seconds at which their grants end; 0 for never.
        description: of a new dataset, in the owner's words.
        retain_seconds: how long the shards are kept; None for the dataset's default.
        subject_column: names the person that a record is about; None for the dataset's own.
        policy: SHA-256 of the policy that the records were de-identified under; `NO_POLICY`.
        accept_policy: whether the owner adds that policy to those that the dataset requires.
    """

    recipients: Sequence[Card] = ()
    purpose: str = ""
    not_after: int = 0
    description: str = field(default="", repr=False)
    retain_seconds: int | None = None
    subject_column: str | None = field(default=None, repr=False)
    policy: bytes = NO_POLICY
    accept_policy: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """Who appends, and to what.

    Attributes:
        member: the author, connected.
        own_card: gives the author's card, to which a new dataset is granted first: an author can
            always open what it made.
        trusted: the owner's identities; a dataset is only made for this author's own.
        dataset: its name.
    """

    member: Member
    own_card: Callable[[], Card]
    trusted: Collection[Fingerprint]
    dataset: str = field(repr=False)


@dataclass(slots=True)
class Totals:
    """What was appended so far.

    Attributes:
        commits: numbers of the commits.
        shards: committed.
        records: committed.
        payload_bytes: committed, before sealing.
        acknowledged_records: stored by the relay, committed or not.
        acknowledged_bytes: likewise, before sealing.
    """

    commits: list[int] = field(default_factory=list)
    shards: int = 0
    records: int = 0
    payload_bytes: int = 0
    acknowledged_records: int = 0
    acknowledged_bytes: int = 0


def check_dataset_name(name: str) -> None:
    """Refuses what cannot be a dataset's name.

    Raises:
        InvalidArgument: it cannot.
    """
    if not 1 <= len(name) <= MAX_DATASET_NAME or "/" in name or not name.isprintable():
        raise InvalidArgument(
            f"a dataset's name has 1 to {MAX_DATASET_NAME} printable characters and no slash"
        )


def check_policy(
    opened: OpenedDataset | None, author: Author, terms: PushTerms
) -> None:
    """Refuses records that are not under a policy that the dataset requires.

    Raises:
        PolicyUnmet: they are not.
        AccessDenied: somebody other than the owner would change what is required.
    """
    if opened is None or not opened.required_policies:
        return
    if terms.policy in opened.required_policies:
        return
    if not terms.accept_policy or not terms.policy:
        required = ", ".join(
            sorted(digest.hex()[:16] for digest in opened.required_policies)
        )
        raise PolicyUnmet(
            "the dataset takes only records that were de-identified under another policy",
            hint=f"push with `policy` and the file whose SHA-256 begins with {required}; its owner "
            "admits one more policy with `accept_policy=True`; nothing was sealed",
        )
    if author.member.identity.fingerprint != opened.owner:
        raise AccessDenied(
            "only the dataset's owner admits another policy", hint="ask the owner to"
        )


def find_opened(author: Author) -> OpenedDataset | None:
    """The dataset that an author appends to; None if the first commit will make it.

    What that commit needs is looked up too, so that it is proved together with the rest.

    Raises:
        SealiftError: the dataset cannot be opened, and why.
    """
    opened = find_dataset(author.member, author.trusted, author.dataset)
    if opened is None and author.member.identity.fingerprint in author.trusted:
        author.own_card()
    return opened


class Appender:
    """Appends batches to a dataset, which is made at the first commit if need be.

    A context manager.

    Attributes:
        opened: the dataset after the last commit; None while there is none.
        schema: of what is sealed.
        totals: what was appended so far.
        added_bytes: added since the last commit, in memory.
    """

    def __init__(
        self,
        author: Author,
        opened: OpenedDataset | None,
        schema: pa.Schema,
        terms: PushTerms,
        *,
        jobs: int = DEFAULT_JOBS,
        pace: Pace | None = None,
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        """Checks that records of that schema can be appended; sends nothing.

        Args:
            author: who appends, to what.
            opened: the dataset, if there is one.
            schema: of the batches.
            terms: recipients, purpose, retention, policy.
            jobs: uploads at once.
            pace: limits bytes a second.
            acknowledged: called when the relay has acknowledged a shard.

        Raises:
            SchemaMismatch: the dataset has another schema, or no such subject column.
            PolicyUnmet: the dataset requires another policy.
            AccessDenied: there is no such dataset of an owner who is somebody else.
            InvalidArgument: a term cannot be.
        """
        check_dataset_name(author.dataset)
        if opened is None and author.member.identity.fingerprint not in author.trusted:
            raise AccessDenied(
                "there is no such dataset of that owner, or you are not a co-owner"
            )
        check_policy(opened, author, terms)
        schema = plain_schema(schema)
        self.opened = opened
        self.schema = schema if opened is None else grow(opened.schema, schema)
        self.totals = Totals()
        self._author = author
        self._terms = terms
        self._acknowledged = acknowledged
        self._salt = new_id()
        self._column = _subject_column(opened, terms, self.schema)
        self._target = self._find_target()
        self._pool = shard_pool(jobs + 1)
        self._packer = Packer(self.schema, self._pool)
        self._uploads = Uploads(
            author.member.relay,
            self.schema,
            jobs=jobs,
            pace=pace,
            acknowledged=self._count,
        )
        self.added_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._uploads.__exit__(kind, error, trace)
        self._pool.close()

    @property
    def dataset_id(self) -> bytes:
        """16 bytes, known before the dataset is made."""
        return self._target.dataset_id

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds records; waits while the relay is slower than the source.

        Raises:
            RecordTooLarge: one record alone is larger than a shard.
            SealiftError: an upload failed.
        """
        self.added_bytes += batch.nbytes
        for shard in self._packer.add(batch):
            self._uploads.put(shard, self._target)
            # The upload holds the only reference now, so that its buffer returns to the pool.
            del shard

    def commit(
        self,
        cursor: Callable[[OpenedDataset | None], bytes] = lambda _: b"",
        policy_report: Callable[[], str] = lambda: "",
    ) -> Committed | None:
        """Waits until everything that was added is stored, and shows it in one commit.

        Args:
            cursor: the sealed source cursor, given the dataset's newest state.
            policy_report: what de-identification did since the last commit.

        Returns:
            The commit; None if nothing was added.

        Raises:
            KeyEpochMoved: the dataset was rotated meanwhile; what was added is not committed.
            SealiftError: an upload or the commit failed.
        """
        for shard in self._packer.finish():
            self._uploads.put(shard, self._target)
            del shard
        sealed = self._uploads.take()
        self.added_bytes = 0
        if not sealed.entries:
            return None
        report = policy_report()
        member = self._author.member
        with member.last_seen.held():
            if self.opened is None:
                committed = self._create(sealed, cursor(None), report)
            else:
                committed = append(
                    member,
                    self.opened,
                    lambda newest: self._change(newest, sealed, cursor(newest), report),
                )
            trusted = frozenset(self._author.trusted)
            self.opened = opened_after(member, trusted, committed)
            remember_name(member, self.opened)
        self._target = self._find_target()
        self.totals.commits.append(committed.commit.number)
        self.totals.shards += len(sealed.entries)
        self.totals.records += sum(sealed.counts)
        self.totals.payload_bytes += sealed.payload_bytes
        return committed

    def _count(self, records: int, payload_bytes: int) -> None:
        self.totals.acknowledged_records += records
        self.totals.acknowledged_bytes += payload_bytes
        self._acknowledged()

    def _find_target(self) -> SealingTarget:
        member, opened = self._author.member, self.opened
        retain = self._terms.retain_seconds
        if opened is None:
            dataset_id = dataset_id_of(member.identity.fingerprint, self._salt)
            key, key_epoch = Secret.random(EPOCH_KEY_SIZE), FIRST_KEY_EPOCH
        else:
            retain = opened.retain_seconds if retain is None else retain
            dataset_id = opened.dataset_id
            key, key_epoch = opened.current_key, opened.history.key_epoch
        column = self._column
        return SealingTarget(
            dataset_id=dataset_id,
            epoch_key=key,
            key_epoch=key_epoch,
            not_after=unix(member.now) + retain if retain else 0,
            subjects=subject_tagger(member.identity, dataset_id, column)
            if column
            else None,
        )

    def _change(
        self, newest: OpenedDataset, sealed: SealedShards, cursor: bytes, report: str
    ) -> Change:
        """Adds the shards, and grants to recipients who do not have every key epoch yet."""
        terms, member = self._terms, self._author.member
        check_policy(newest, self._author, terms)
        if not extends(newest.schema, self.schema):
            # A co-owner has added a column since: these records lack it, at its place.
            raise SchemaMismatch(
                "columns were added to the dataset meanwhile",
                hint="run the command again",
            )
        now = unix(member.now)
        missing = []
        for card in terms.recipients:
            live = {
                g.key_epoch
                for g in newest.history.grants_of(card.signer)
                if g.live_at(now)
            }
            if not live.issuperset(newest.epoch_keys):
                missing.append(card)
        admitted = newest.required_policies
        if terms.accept_policy and admitted and terms.policy not in admitted:
            admitted = admitted | {terms.policy}
        return Change(
            added=sealed.entries,
            counts=sealed.counts,
            subjects=sealed.subjects,
            grants=grants_for(
                member,
                newest,
                missing,
                not_after=terms.not_after,
                purpose=terms.purpose,
            ),
            cursor=cursor,
            schema=self.schema if len(self.schema) > len(newest.schema) else None,
            policies=[terms.policy] if terms.policy else [],
            policy_report=report,
            required_policies=admitted if admitted != newest.required_policies else (),
        )

    def _create(self, sealed: SealedShards, cursor: bytes, report: str) -> Committed:
        author, terms, target = self._author, self._terms, self._target
        member, own = author.member, author.own_card()
        grants = [
            make_grant(
                member.identity,
                target.epoch_key,
                card,
                dataset_id=target.dataset_id,
                key_epoch=target.key_epoch,
                time=unix(member.now),
                not_after=0 if card is own else terms.not_after,
                purpose="" if card is own else terms.purpose,
            )
            # A new dataset's owner is the first who is granted access: the keystore recovers it.
            for card in (own, *terms.recipients)
        ]
        metadata = objects_pb2.CommitMetadata(
            name=author.dataset,
            description=terms.description,
            arrow_schema=write_schema(self.schema),
            retain_seconds=terms.retain_seconds or 0,
            subject_column=terms.subject_column or "",
        )
        policies = [terms.policy] if terms.policy else []
        return create(
            member,
            Genesis(self._salt, member.identity.fingerprint, co_owners=()),
            target.dataset_id,
            target.epoch_key,
            metadata,
            Change(
                added=sealed.entries,
                counts=sealed.counts,
                subjects=sealed.subjects,
                grants=grants,
                cursor=cursor,
                policies=policies,
                policy_report=report,
                # A dataset that begins under a policy stays under it.
                required_policies=policies,
            ),
        )


def _subject_column(
    opened: OpenedDataset | None, terms: PushTerms, schema: pa.Schema
) -> str | None:
    column = terms.subject_column
    if opened is not None:
        if column not in (None, opened.subject_column):
            raise InvalidArgument(
                "the dataset's subject column was chosen when it was made"
            )
        column = opened.subject_column
    if column and column not in schema.names:
        raise SchemaMismatch(
            "the records have no column of the name given for subjects"
        )
    return column
