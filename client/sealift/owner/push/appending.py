"""Append records to a dataset: pack, seal and upload them, and commit on request.

Uncommitted shards are invisible; the relay collects them after a while.
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
from sealift.owner.push.admitting import check_batch
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
from sealift.policy.withdrawn import refuse_withdrawn, successor_of
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
    """The terms of a push: everything but its records.

    Attributes:
        recipients: verified cards of the members who may open the dataset.
        purpose: why they may open it; the relay can read it.
        not_after: Unix seconds at which their grants end; 0 for never.
        description: describes a new dataset, in the owner's words.
        retain_seconds: how long the shards are kept; None for the dataset's default.
        subject_column: names the person that a record is about; None for the dataset's
            current subject column.
        policy: SHA-256 of the policy under which the records were de-identified;
            `NO_POLICY` for none.
        accept_policy: whether the owner adds that policy to the dataset's required ones.
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
    """The member who appends, and the dataset.

    Attributes:
        member: the author, connected.
        own_card: returns the author's card. A new dataset is granted to it first, so an
            author can always open a dataset that it created.
        trusted: the owner's identities; only the author itself can create its datasets.
        dataset: the dataset's name.
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
        shards: number of committed shards.
        records: number of committed records.
        payload_bytes: size of the committed records, before sealing.
        acknowledged_records: number of records that the relay stored, committed or not.
        acknowledged_bytes: size of those records, before sealing.
    """

    commits: list[int] = field(default_factory=list)
    shards: int = 0
    records: int = 0
    payload_bytes: int = 0
    acknowledged_records: int = 0
    acknowledged_bytes: int = 0


def check_dataset_name(name: str) -> None:
    """Check that a name can be a dataset's name.

    Raises:
        InvalidArgument: it cannot.
    """
    if not 1 <= len(name) <= MAX_DATASET_NAME or "/" in name or not name.isprintable():
        raise InvalidArgument(
            f"a dataset name has 1 to {MAX_DATASET_NAME} printable characters and no slash"
        )


def check_policy(
    opened: OpenedDataset | None, author: Author, terms: PushTerms
) -> None:
    """Refuse records whose policy the dataset does not accept.

    Raises:
        PolicyViolation: the policy was withdrawn.
        PolicyUnmet: the dataset requires another policy.
        AccessDenied: a member who is not the owner would change the required policies.
    """
    refuse_withdrawn(terms.policy)
    if opened is None or not opened.required_policies:
        return
    if terms.policy in opened.required_policies:
        return
    if any(map(successor_of, opened.required_policies)) and not terms.accept_policy:
        raise PolicyUnmet(
            "the dataset requires a version of a policy that was withdrawn",
            hint="its owner replaces it with `session.dataset(dataset).upgrade_policy()`; nothing "
            "was sealed",
        )
    if not terms.accept_policy or not terms.policy:
        required = ", ".join(
            sorted(digest.hex()[:16] for digest in opened.required_policies)
        )
        raise PolicyUnmet(
            "the dataset accepts only records de-identified under another policy",
            hint=f"push with `policy` and the file whose SHA-256 begins with {required}; its owner "
            "can add a policy with `accept_policy=True`; nothing was sealed",
        )
    if author.member.identity.fingerprint != opened.owner:
        raise AccessDenied(
            "only the dataset's owner can add a policy", hint="ask the owner to add it"
        )


def find_opened(author: Author) -> OpenedDataset | None:
    """Return the dataset that an author appends to; None if the first commit creates it.

    What that commit needs is looked up too, so that it is proved in the same call.

    Raises:
        SealiftError: the dataset cannot be opened; the subclass says why.
    """
    opened = find_dataset(author.member, author.trusted, author.dataset)
    if opened is None and author.member.identity.fingerprint in author.trusted:
        author.own_card()
    return opened


class Appender:
    """Append batches to a dataset; the first commit creates it if necessary.

    A context manager.

    Attributes:
        opened: the dataset after the last commit; None before the first.
        schema: the schema of what is sealed.
        totals: what was appended so far.
        added_bytes: bytes added since the last commit, in memory.
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
        """Check that records of the schema can be appended; send nothing.

        Args:
            author: the member who appends, and the dataset.
            opened: the dataset, if it exists.
            schema: the schema of the batches.
            terms: recipients, purpose, retention, policy.
            jobs: number of concurrent uploads.
            pace: limits the bytes per second.
            acknowledged: called when the relay has acknowledged a shard.

        Raises:
            SchemaMismatch: the dataset's schema differs, or it has no such subject column.
            PolicyUnmet: the dataset requires another policy.
            AccessDenied: the owner is another member and has no such dataset.
            InvalidArgument: a term is invalid.
        """
        check_dataset_name(author.dataset)
        if opened is None and author.member.identity.fingerprint not in author.trusted:
            raise AccessDenied(
                "the owner has no such dataset, or you are not a co-owner of it"
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
        self._added_records = 0

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
        """16 bytes, known before the dataset is created."""
        return self._target.dataset_id

    def add(self, batch: pa.RecordBatch) -> None:
        """Add records; wait while the relay is slower than the source.

        Raises:
            InvalidValue: a reader would refuse a record; `unsound_rows` says which are.
            RecordTooLarge: a single record is larger than a shard.
            SealiftError: an upload failed.
        """
        check_batch(batch, batch.schema.names, before=self._added_records)
        self._added_records += batch.num_rows
        self.added_bytes += batch.nbytes
        for shard in self._packer.add(batch):
            self._uploads.put(shard, self._target)
            # The upload must hold the only reference, so the buffer returns to the pool.
            del shard

    def commit(
        self,
        cursor: Callable[[OpenedDataset | None], bytes] = lambda _: b"",
        policy_report: Callable[[], str] = lambda: "",
    ) -> Committed | None:
        """Wait until everything that was added is stored, and publish it in one commit.

        Args:
            cursor: returns the sealed source cursor, given the dataset's newest state.
            policy_report: what de-identification did since the last commit.

        Returns:
            The commit; None if nothing was added.

        Raises:
            KeyEpochMoved: the dataset was rotated in the meantime; what was added is not committed.
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
        """Add the shards, and the grants of key epochs that recipients do not have yet."""
        terms, member = self._terms, self._author.member
        check_policy(newest, self._author, terms)
        if not extends(newest.schema, self.schema):
            # A column was added or widened since; these records lack it.
            raise SchemaMismatch(
                "columns of the dataset were added or widened in the meantime",
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
            # The owner gets the first grant of a new dataset: the keystore recovers it.
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
                # A dataset that is created under a policy requires it from then on.
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
                "the dataset's subject column was set when the dataset was created"
            )
        column = opened.subject_column
    if column and column not in schema.names:
        raise SchemaMismatch(
            "the records have no column with the name given for subjects"
        )
    return column
