"""The Python API: one member, connected to its relay."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pyarrow as pa

from sealift.history import bills
from sealift.history.auditing import Audit, audit_entries, audit_hashes
from sealift.history.disclosures import Account, account, confirm_purge
from sealift.history.logview import LogView
from sealift.history.opened import (
    OpenedDataset,
    Reader,
    find_dataset,
    open_datasets,
)
from sealift.history.overview import (
    Overview,
    access_end,
    overview,
    record_count,
    stored_bytes,
)
from sealift.history.required import check_required
from sealift.home.backup import backed_up
from sealift.home.lastseen import last_seen_key
from sealift.home.passphrase import read_passphrase
from sealift.home.profile import Membership, Profile, find_profile
from sealift.home.trust import Pin, TrustedMember
from sealift.home.words import parse_fingerprint
from sealift.keystore.backend import AskSecret
from sealift.keystore.custody import Custody
from sealift.keystore.keychain import Keychain, unlock
from sealift.keystore.tlskeys import (
    certificate_request,
    channel_key,
    check_issued,
    expiry,
    life_left,
)
from sealift.owner.manage import access
from sealift.owner.manage.resealing import (
    Erased,
    delete_dataset,
    erase_subject,
    remove_shards,
    reseal,
)
from sealift.owner.push.appending import Author, PushTerms
from sealift.owner.push.committing import Change as CommitChange
from sealift.owner.push.committing import Committed, append
from sealift.owner.push.follow import follow_folder
from sealift.owner.push.options import (
    PushOptions,
    Records,
    job_of,
    terms_of,
    transform_of,
)
from sealift.owner.push.push import Pushed, PushProgress
from sealift.owner.push.push import push as push_source
from sealift.owner.push.writer import Writer
from sealift.people import identities as lifecycle
from sealift.people.compromise import Exposed, exposed
from sealift.people.contacts import Contacts
from sealift.people.health import (
    MAX_CLOCK_SKEW_SECONDS,
    RENEW_BELOW,
    Check,
    check_certificate,
    check_clock,
    describe_usage,
    run_check,
)
from sealift.people.probes import ProbeResult, answer_probes, probe_all
from sealift.people.rotation import Rotation, RotationKind, rotations
from sealift.people.status import Status
from sealift.policy.file import Policy
from sealift.process.clock import Clock, unix, utc_now
from sealift.process.files import write_atomically
from sealift.process.log import log
from sealift.process.secret import Secret
from sealift.relay.transport import Relay
from sealift.trainer.dataset import Dataset, Part
from sealift.trainer.engine.cache import ShardCache, default_folder
from sealift.trainer.options import ReadOptions
from sealift_protocol.allocator import keep_freed_memory
from sealift_protocol.bill.format import Bill
from sealift_protocol.errors import (
    AccessDenied,
    ClockSkew,
    InvalidArgument,
    SealiftError,
    TrustError,
    UnknownMember,
)
from sealift_protocol.ids import Fingerprint, check_name
from sealift_protocol.notes import VerifierKey
from sealift_protocol.objects import Card, WrapSuite, verify_grant
from sealift_protocol.roles import LOG_READERS
from sealift_protocol.statements import DeletionReceipt, verify_deletion_receipt


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One line of a listing.

    Attributes:
        owner: the owner's trusted name; its fingerprint if nothing makes it trusted.
        name: empty if the owner is not trusted, for then nothing was opened.
        records: in all live shards.
        shards: live shards.
        commits: in its history.
        trusted: whether the owner is trusted.
        description: in the owner's words.
        stored_bytes: what its live shards take at the relay.
        not_after: when this member's access ends, in Unix seconds; 0 for no end.
    """

    owner: str
    name: str
    records: int
    shards: int
    commits: int
    trusted: bool
    description: str = field(default="", repr=False)
    stored_bytes: int = 0
    not_after: int = 0


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation changed, and what it could not.

    Attributes:
        member: the revoked member's name.
        commit: number of the commit that revoked.
        account: every disclosure so far, with proofs, to say what the member had fetched.
        identities: the member's identities.
        key_epoch: the new key epoch; what is pushed next is sealed under it.
        open_epochs: older key epochs that the member holds the key of, and how many live shards
            stand under each.
    """

    member: str
    commit: int
    account: Account
    identities: frozenset[Fingerprint]
    key_epoch: int
    open_epochs: dict[int, int]


class Session:
    """A member with its keys open, connected to its relay. Use `sealift.connect`."""

    def __init__(
        self,
        relay: Relay,
        profile: Profile,
        keychain: Keychain,
        *,
        now: Clock = utc_now,
    ) -> None:
        self._relay = relay
        self._profile = profile
        self._keychain = keychain
        self._now = now
        self.membership: Membership = profile.membership()
        self._load()

    def _load(self) -> None:
        """Makes everything that follows from the keystore and the profile."""
        keys = self._keychain.keys
        self.membership = self._profile.membership()
        self.settings = self._profile.settings
        last_seen = self._profile.last_seen(last_seen_key(keys))
        identity = self._keychain.custody.identity(keys)
        own = self._profile.trust.pins().get(self.membership.name)
        private_keys = self._keychain.custody.private_keys(keys)
        view = LogView(self._relay, self.log_key, self.settings, last_seen, self._now)
        former = own.identities - {identity.fingerprint} if own else frozenset()
        self._reader = Reader(
            identity, private_keys, last_seen, view, self._now, former
        )
        self._contacts = Contacts(
            self._relay,
            self.membership.name,
            identity.fingerprint,
            self._profile.trust,
            self.settings,
            last_seen,
            view,
            self._now,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection, and the keystore's."""
        self._relay.close()
        self._keychain.close()

    @property
    def fingerprint(self) -> Fingerprint:
        """This member's fingerprint."""
        return self._reader.identity.fingerprint

    @property
    def log_key(self) -> VerifierKey:
        """The key that verifies the relay's log."""
        return VerifierKey.parse(self.membership.log_key)

    # --- people ------------------------------------------------------------------------------

    def trust(self, name: str, fingerprint: str, *, organisation: bool = False) -> None:
        """Pins a member's fingerprint, as read from the member's own `sealift identity`.

        Args:
            name: the member's name at the relay.
            fingerprint: in groups or in words.
            organisation: whether those whom the member endorses are trusted too.

        Raises:
            InvalidArgument: it is not a whole fingerprint.
            AlreadyTrusted: another one is pinned under that name.
        """
        pin = Pin(
            parse_fingerprint(fingerprint), since=unix(self._now), endorses=organisation
        )
        self._profile.trust.add(name, pin)

    def member(self, name: str) -> TrustedMember:
        """A trusted member, with a verified card.

        Raises:
            NotTrusted, TrustError, UnknownMember, VerificationError: why there is none.
        """
        return self._contacts.meet(name)

    def card(self, name: str) -> Card:
        """A trusted member's newest card, verified."""
        return self.member(name).card

    def label(self, fingerprint: Fingerprint) -> str:
        """A trusted member's name, or the fingerprint of somebody who is not."""
        return self._contacts.label(fingerprint)

    def endorse(self, name: str, *, not_after: int) -> TrustedMember:
        """Vouches for a member as an organisation, until `not_after` (Unix seconds); 0 withdraws.

        The member has to be pinned here: an organisation knows its own people.
        """
        member = self.member(name)
        lifecycle.endorse(self._relay, self._reader, member.card, not_after=not_after)
        return member

    # --- own identity ------------------------------------------------------------------------

    def rotate_keys(self, suites: Sequence[WrapSuite] = ()) -> lifecycle.RotatedKeys:
        """New recipient keys; this member's own grants are wrapped to them without any owner."""
        rotated = lifecycle.rotate_keys(
            self._relay, self._reader, self._keychain, self._contacts.own_card(), suites
        )
        self._load()
        return rotated

    def replace_compromised_keys(
        self,
        *,
        reseal_history: bool = False,
        progress: Callable[[PushProgress], None] = lambda _: None,
    ) -> list[Exposed]:
        """For recipient keys that may have leaked: new ones, and new key epochs of own datasets.

        What the old keys open, with the ciphertext, is returned; nothing takes back what somebody
        has fetched already. Everybody who has access to a dataset keeps it. A run that is
        interrupted may be repeated.

        Args:
            reseal_history: seal what was pushed before anew as well, so that the old keys open
                nothing that is left at the relay.
            progress: of the resealing.
        """
        owners, strangers = self._owners()
        found = [Exposed.unopened(str(owner), head) for owner, head in strangers]
        for owner, identities in owners:
            for opened in open_datasets(
                self._relay, self._reader, identities, whole=True
            ):
                own = opened.owner == self.fingerprint
                found.append(exposed(opened, owner, own=own))
        self.rotate_keys()
        done = []
        for dataset in found:
            if dataset.own:
                committed = self.rotate(
                    dataset.name, reseal_history=reseal_history, progress=progress
                )
                epoch = committed.commit.key_epoch
                dataset = replace(dataset, new_key_epoch=epoch, resealed=reseal_history)
            done.append(dataset)
        return done

    def move_keys(
        self, custody: Custody, suites: Sequence[WrapSuite] = ()
    ) -> Fingerprint:
        """Lets new keys in a token or KMS take over from those in a file.

        The identity first, as `succeed` does, then the recipient keys, as `rotate_keys` does. A run
        that is interrupted is continued by the next, or by `rotate_keys` if the keys have moved.

        Args:
            custody: of the new place.
            suites: of the recipient keys; by default the one that the place prefers.

        Returns:
            The new fingerprint.

        Raises:
            InvalidArgument: the keys are not in a file.
        """
        if self._keychain.custody.backend is not None:
            raise InvalidArgument(
                "these keys are in a token or KMS already",
                hint="join again under a new name",
            )
        fingerprint = self._succeed(lifecycle.Moved(custody, tuple(suites)))
        self.rotate_keys()
        return fingerprint

    def rotations(self) -> list[Rotation]:
        """The keys that are replaced from time to time, and when each is due."""
        return list(
            rotations(
                self._relay,
                self._reader,
                self._contacts.own_card(),
                self.membership,
                self.settings.rotation,
            )
        )

    def status(self) -> Status:
        """How this member stands, and which of its keys are due to be replaced."""
        return Status(
            self.membership,
            self._keychain.custody.url,
            expiry(self._profile.certificate.read_bytes()),
            backed_up(self._profile, self._keychain.keys),
            tuple(self.rotations()),
            unix(self._now),
        )

    def rotate_every(self, dataset: str, seconds: int | None) -> None:
        """Sets after how long the key epochs of a dataset are due to be replaced.

        Args:
            dataset: of this owner.
            seconds: None for what holds for all datasets.
        """
        dataset_id = self._open_own(dataset).dataset_id.hex()
        policy = self.settings.rotation
        times = {
            key: value for key, value in policy.datasets.items() if key != dataset_id
        }
        if seconds is not None:
            times[dataset_id] = seconds
        changed = replace(self.settings, rotation=replace(policy, datasets=times))
        self._profile.write_settings(changed)
        self._load()

    def rotate_due(self) -> Iterator[Rotation]:
        """Replaces every recipient key and key epoch that is due, and says what was replaced.

        An identity is not replaced like this: see `succeed`.
        """
        time = unix(self._now)
        due = [rotation for rotation in self.rotations() if rotation.is_overdue(time)]
        keys = [
            rotation for rotation in due if rotation.kind is RotationKind.RECIPIENT_KEY
        ]
        if keys:
            self.rotate_keys()
            yield from keys
        for rotation in due:
            if rotation.kind is RotationKind.KEY_EPOCH:
                self.rotate(rotation.name)
                yield rotation

    def key_usage(self) -> list[lifecycle.KeyUsage]:
        """For each recipient key, what still depends on it."""
        return lifecycle.key_usage(
            self._relay, self._reader, self._keychain, self._contacts.own_card()
        )

    def revoke_identity(self, reason: str = "") -> None:
        """Declares this identity void, for ever; others refuse it from the next look-up on."""
        lifecycle.revoke_identity(
            self._relay, self._reader, self.membership.name, reason
        )

    def succeed(self) -> Fingerprint:
        """Puts a new identity in this one's place; others who pinned the old follow by themselves.

        Datasets are handed over first. Whoever holds the old key can still sign with it: if it
        was stolen, revoke the identity instead.
        """
        return self._succeed()

    def _succeed(self, moved: lifecycle.Moved | None = None) -> Fingerprint:
        fingerprint = lifecycle.succeed(
            self._relay,
            self._reader,
            self._keychain,
            self._profile,
            self._hand_over,
            moved,
        )
        self._load()
        return fingerprint

    def _hand_over(self, successor: Fingerprint) -> None:
        trusted = {self.fingerprint, *self._reader.former, successor}
        for opened in open_datasets(self._relay, self._reader, trusted):
            if opened.owner == self.fingerprint:
                co_owners = sorted(opened.history.co_owners)
                access.set_co_owners(
                    self._relay,
                    self._reader,
                    opened,
                    co_owners,
                    (),
                    successor=successor,
                )

    def renew(self) -> datetime:
        """Gets a new certificate for the same TLS key; returns until when it is valid."""
        tls_key = self._keychain.custody.tls_key(self._keychain.keys)
        request = certificate_request(tls_key, self.membership.name)
        certificate = self._relay.renew(request)
        check_issued(certificate, self._profile.authority.read_bytes(), tls_key)
        write_atomically(self._profile.certificate, certificate)
        return expiry(certificate)

    def renew_if_due(self) -> bool:
        """Renews the certificate when less than a third of its life is left."""
        if (
            life_left(self._profile.certificate.read_bytes(), self._now())
            >= RENEW_BELOW
        ):
            return False
        try:
            self.renew()
        except SealiftError as error:
            # The old one still works; the next connection tries again.
            log.warning("postpone_renewal", reason=error.reason)
            return False
        log.info("renew_certificate")
        return True

    def _keep_certificate(self) -> None:
        """For sessions of many days: renews, and connects anew with the new certificate."""
        if self.renew_if_due():
            self._relay.reconnect(self._profile.certificate.read_bytes())

    # --- records -----------------------------------------------------------------------------

    def push(
        self,
        records: Records,
        *,
        dataset: str,
        options: PushOptions | None = None,
        **changes: Any,
    ) -> Pushed:
        """Seals records to members and appends them to a dataset of this owner.

        A source (a path, a pattern, a URL) is pushed from where the last push of it stood: what
        was committed is not sent again, however that push ended. An Arrow table or a reader of
        batches has no memory and is appended each time, in one commit.

        Args:
            records: what to push; all but a table are read in bounded memory.
            dataset: its name, made if need be; or OWNER/NAME of a dataset that this member
                co-owns.
            options: everything else.
            changes: attributes of `PushOptions`, instead of `options` or on top of them.

        Raises:
            SealiftError: a subclass that says what went wrong; what is committed stays.
        """
        chosen = _chosen(options, changes)
        policy = chosen.loaded_policy()
        author, terms = self._prepare(dataset, chosen, policy)
        job = job_of(records, author, terms, policy, chosen, self._keychain)
        with self._patience(chosen.retry_seconds):
            return push_source(author, job)

    def writer(
        self,
        dataset: str,
        schema: pa.Schema | None = None,
        *,
        options: PushOptions | None = None,
        **changes: Any,
    ) -> Writer:
        """A writer of records as they come; a context manager, whose end commits.

        Args:
            dataset: as for `push`.
            schema: of the records; by default the dataset's, or that of the first ones.
            options: as for `push`; what concerns sources does not apply.
            changes: likewise.
        """
        chosen = _chosen(options, changes)
        policy = chosen.loaded_policy()
        author, terms = self._prepare(dataset, chosen, policy)
        self._relay.patience = chosen.retry_seconds
        return Writer(
            author,
            terms,
            schema,
            transform=transform_of(policy, chosen, self._keychain),
            limits=chosen.limits,
            progress=chosen.progress,
        )

    def follow(
        self,
        folder: str | os.PathLike[str],
        *,
        dataset: str,
        pushed: Callable[[Pushed], None] = lambda _: None,
        settle_seconds: float = 2.0,
        options: PushOptions | None = None,
        **changes: Any,
    ) -> int:
        """Seals what appears in a folder until `stop` is set; returns how many records that were.

        A file is taken when it has not changed for `settle_seconds`. Records are committed after
        `limits.commit_bytes` or `limits.commit_seconds`, whichever comes first.
        """
        chosen = _chosen(options, changes)
        stop = chosen.stop or threading.Event()
        policy = chosen.loaded_policy()
        author, terms = self._prepare(dataset, chosen, policy)
        waiting = replace(chosen.source_options(), settle_seconds=settle_seconds)
        chosen = replace(chosen, stop=stop, reading=waiting, types=None)
        with self._patience(chosen.retry_seconds):
            return follow_folder(
                Path(folder),
                lambda: push_source(
                    author,
                    job_of(folder, author, terms, policy, chosen, self._keychain),
                ),
                limits=chosen.limits,
                stop=stop,
                settle_seconds=settle_seconds,
                pushed=pushed,
                between=self._keep_certificate,
            )

    def _prepare(
        self, dataset: str, options: PushOptions, policy: Policy | None
    ) -> tuple[Author, PushTerms]:
        """Checks clock, recipients and dataset before records are read."""
        self.check_clock()
        names = [options.to] if isinstance(options.to, str) else list(options.to)
        recipients = self._recipients(names)
        trusted, name = self._find_owner(dataset)
        own_card = self._contacts.own_card()
        author = Author(self._relay, self._reader, own_card, trusted, name)
        return author, terms_of(options, recipients, policy)

    @contextmanager
    def _patience(self, seconds: float) -> Iterator[None]:
        before, self._relay.patience = self._relay.patience, seconds
        try:
            yield
        finally:
            self._relay.patience = before

    def datasets(self) -> list[DatasetInfo]:
        """The datasets that this member owns or was granted, newest state.

        Those of owners whom nothing makes trusted are listed unopened.
        """
        owners, strangers = self._owners()
        found = [
            DatasetInfo(str(owner), "", 0, 0, head + 1, False)
            for owner, head in strangers
        ]
        for name, identities in owners:
            for opened in open_datasets(self._relay, self._reader, identities):
                history = opened.history
                found.append(
                    DatasetInfo(
                        owner=name,
                        name=opened.name,
                        records=record_count(opened),
                        shards=len(opened.shards),
                        commits=history.head.number + 1,
                        trusted=True,
                        description=opened.description,
                        stored_bytes=stored_bytes(opened),
                        not_after=access_end(
                            history, self._reader.identities, unix(self._now)
                        ),
                    )
                )
        return found

    def _owners(
        self,
    ) -> tuple[list[tuple[str, frozenset[Fingerprint]]], list[tuple[Fingerprint, int]]]:
        """Trusted owners of datasets by name; of the others' datasets the owner and head number."""
        owners: dict[str, frozenset[Fingerprint]] = {}
        strangers = []
        for summary in self._relay.list_datasets():
            owner = Fingerprint(summary.owner)
            try:
                member = self._contacts.by_fingerprint(owner)
            except (TrustError, UnknownMember):
                strangers.append((owner, summary.head_number))
            else:
                owners[member.name] = member.identities
        return sorted(owners.items()), strangers

    def describe(self, path: str, *, commits: int = 10) -> Overview:
        """A dataset at a glance, with the newest of its commits; no record is fetched.

        Args:
            path: as for `open_dataset`; or NAME alone, of a dataset of this member.
            commits: how many of its commits.

        Raises:
            SealiftError: it cannot be opened, and why.
        """
        return overview(self._relay, self._reader, self._open(path), commits=commits)

    def open_dataset(
        self,
        path: str | Sequence[str] | Mapping[str, float],
        *,
        pin: Mapping[str, int] | None = None,
        purpose: str = "",
        require_policy: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        options: ReadOptions | None = None,
        **changes: Any,
    ) -> Dataset:
        """Verifies and opens a dataset, or several as one.

        Args:
            path: "OWNER/DATASET", the owner being a trusted member (or this one); or several, all
                of whose records are read; or several with weights, their shares of each batch.
            pin: for some of them, the commit after which they are read.
            purpose: what for, as the disclosure of each fetch says; the grant's by default.
            require_policy: refuse records that were not de-identified under this policy, or one of
                these: policy files, names of ready policies, or SHA-256 in hex.
            options: how they are read.
            changes: attributes of `ReadOptions`, instead of `options` or on top of them.

        Raises:
            SchemaMismatch: several datasets do not have the same columns.
            PolicyUnmet: records were de-identified under another policy, or under none.
            NotTrusted: nothing makes the owner trusted.
            AccessDenied: there is no such dataset, or no grant of it.
            WrongKey, VerificationError: it cannot be opened, and why.
        """
        chosen = _changed(
            options or ReadOptions(), changes, "reading", "sealift.ReadOptions"
        )
        weights: dict[str, float | None] = {}
        if isinstance(path, Mapping):
            weights.update(path)
        else:
            weights.update(dict.fromkeys([path] if isinstance(path, str) else path))
        if not weights or not set(pin or ()) <= weights.keys():
            raise InvalidArgument(
                "name a dataset to open, and pin only those that are opened"
            )
        parts = []
        for name, weight in weights.items():
            if "/" not in name:
                raise InvalidArgument("a dataset is named as OWNER/DATASET")
            opened = self._open(name, at=(pin or {}).get(name))
            check_required(opened, require_policy)
            why = purpose or self._granted_purpose(opened)
            parts.append(Part(name, name.partition("/")[0], opened, why, weight))
        return Dataset(
            self._relay,
            self._reader,
            parts,
            chosen,
            lambda part, number: self._open(part.path, at=number),
        )

    def confirm_purge(self, path: str) -> list[int]:
        """Signs that copies of records that the owner erased are gone from here.

        Returns the numbers of the commits that erased. The receipt enters the log.
        """
        opened = self._open(path)
        waiting = self._reader.last_seen.purges(opened.dataset_id)
        for number, digest in sorted(waiting.items()):
            confirm_purge(self._relay, self._reader, opened.dataset_id, number, digest)
        self._reader.last_seen.forget_purges(opened.dataset_id)
        if default_folder().is_dir():
            live = {entry.shard_id for entry in opened.shards}
            ShardCache(default_folder()).keep_only(opened.dataset_id, live)
        return sorted(waiting)

    def verify_bill(
        self, text: str, trainers: Collection[Fingerprint] = ()
    ) -> list[bills.BillCheck]:
        """Verifies a bill of materials as far as this member can: see `history.bills`.

        Args:
            text: the document.
            trainers: fingerprints of which its signer must have one; any trusted member's if empty.

        Raises:
            VerificationError: it is not a bill, or does not fit its dataset or the log.
            TrustError, UnknownMember: nothing makes its signer trusted.
        """
        return bills.verify_bill(text, trainers=trainers, view=self._bill_view())

    def check_bill(
        self, text: str, trainers: Collection[Fingerprint] = ()
    ) -> tuple[Bill, list[bills.BillCheck]]:
        """As `verify_bill`, but what does not fit is a failed check, and the others go on."""
        return bills.check_bill(text, trainers=trainers, view=self._bill_view())

    def _bill_view(self) -> bills.BillView:
        return bills.BillView(
            self._relay,
            self._reader,
            lambda who: self._contacts.by_fingerprint(who).identities,
        )

    # --- access ------------------------------------------------------------------------------

    def grant(
        self,
        dataset: str,
        *,
        to: str | Sequence[str],
        since: int = 0,
        until: int = 0,
        purpose: str = "",
    ) -> Committed:
        """Lets members open a dataset: what is in it, and what is pushed while the grant lasts.

        The cost is one wrap for each key epoch, whatever the dataset's size.

        Args:
            dataset: NAME, or OWNER/NAME of a dataset that this member co-owns.
            to: names of trusted members.
            since: Unix seconds before which it is not valid; now by default.
            until: Unix seconds at which it ends; 0 for never.
            purpose: why; the relay can read it.
        """
        names = [to] if isinstance(to, str) else list(to)
        if not names:
            raise InvalidArgument("nobody was named to grant access to")
        cards = [member.card for member in self._recipients(names)]
        opened = self._open_own(dataset)

        def plan(newest: OpenedDataset) -> CommitChange:
            return CommitChange(
                grants=access.grants_for(
                    self._reader,
                    newest,
                    cards,
                    not_before=since,
                    not_after=until,
                    purpose=purpose,
                )
            )

        return append(self._relay, self._reader, opened, plan)

    def revoke(self, dataset: str, member: str) -> Revoked:
        """Ends a member's access from now on, and begins a new key epoch.

        What the member fetched before stays fetched; the result says what that was.
        """
        opened = self._open_own(dataset)
        identities = self._identities_of(member, opened)
        held = sorted(i for i in identities if opened.history.grants_of(i))
        if not held:
            raise AccessDenied("that member has no grant of the dataset", hint="")
        known = {g.key_epoch for i in held for g in opened.history.grants_of(i)}
        committed = access.revoke(
            self._relay, self._reader, opened, held, self._find_card
        )
        stands = [entry.key_epoch for entry in opened.shards]
        return Revoked(
            member=member,
            commit=committed.commit.number,
            account=account(self._relay, self._reader, opened.dataset_id),
            identities=frozenset(identities),
            key_epoch=committed.commit.key_epoch,
            open_epochs={epoch: stands.count(epoch) for epoch in sorted(known)},
        )

    def rotate(
        self,
        dataset: str,
        *,
        reseal_history: bool = False,
        progress: Callable[[PushProgress], None] = lambda _: None,
    ) -> Committed:
        """Begins a new key epoch, granted to everybody who has access.

        With `reseal_history`, everything pushed before is sealed again under it, so that the old
        keys open nothing that is left at the relay.
        """
        opened = self._open_own(dataset)
        committed = access.rotate(self._relay, self._reader, opened, self._find_card)
        if reseal_history:
            return self.reseal(dataset, progress=progress) or committed
        return committed

    def reseal(
        self, dataset: str, *, progress: Callable[[PushProgress], None] = lambda _: None
    ) -> Committed | None:
        """Seals what stands under older key epochs again under the newest; None if nothing does."""
        done = PushProgress(0, 0)

        def acknowledged(records: int, payload_bytes: int) -> None:
            nonlocal done
            done = PushProgress(
                done.records + records, done.payload_bytes + payload_bytes
            )
            progress(done)

        return reseal(self._relay, self._reader, self._open_own(dataset), acknowledged)

    def access(self, dataset: str) -> access.AccessReport:
        """Who can open what, until when, what for, and who granted it."""
        return access.report(self._relay, self._reader, self._open_own(dataset))

    def set_co_owner(
        self, dataset: str, name: str, *, remove: bool = False
    ) -> Committed:
        """Lets another owner append to a dataset of this one, or no more.

        A co-owner who is removed keeps its grants until they are revoked.
        """
        opened = self._open_own(dataset)
        member = self.member(name)
        current = set(opened.history.co_owners)
        if remove:
            if not current & member.identities:
                raise AccessDenied(
                    "that member is not a co-owner of the dataset", hint=""
                )
            co_owners, cards = current - member.identities, []
        else:
            co_owners, cards = current | {member.fingerprint}, [member.card]
        return access.set_co_owners(
            self._relay, self._reader, opened, sorted(co_owners), cards
        )

    def disclosures(self, dataset: str) -> Account:
        """Who fetched what, when and what for, each line with its proof out of the log."""
        opened = self._open_own(dataset)
        return account(self._relay, self._reader, opened.dataset_id)

    # --- erasure -----------------------------------------------------------------------------

    def delete(self, dataset: str, *, shards: Sequence[bytes] = ()) -> DeletionReceipt:
        """Destroys a dataset, or some of its shards, at the relay; the log keeps that it happened.

        Returns what the relay signed. Copies that were fetched, and backups that the relay's
        operator keeps, are out of reach.
        """
        opened = self._open_own(dataset)
        if shards:
            committed = remove_shards(self._relay, self._reader, opened, shards)
        else:
            committed = delete_dataset(self._relay, self._reader, opened)
            self._reader.last_seen.forget_dataset(opened.dataset_id)
        return self._receipt(committed)

    def erase_subject(
        self, dataset: str, subject: str
    ) -> tuple[Erased, DeletionReceipt | None]:
        """Takes one person out of a dataset: shards that hold the person are replaced."""
        opened = self._open_own(dataset, whole=True)
        erased = erase_subject(self._relay, self._reader, opened, subject)
        receipt = None if erased.committed is None else self._receipt(erased.committed)
        return erased, receipt

    def _receipt(self, committed: Committed) -> DeletionReceipt:
        if committed.receipt is None:
            raise AccessDenied(
                "the relay gave no receipt for the deletion", hint="ask it again"
            )
        receipt = verify_deletion_receipt(committed.receipt)
        signed_by_log = committed.receipt.signer == self.log_key.public_key
        if not signed_by_log or receipt.commit != committed.commit.digest:
            raise AccessDenied(
                "the relay's receipt is not signed by its log's key", hint=""
            )
        return receipt

    # --- the relay and its log ---------------------------------------------------------------

    def verify_log(self, progress: Callable[[int], None] = lambda _: None) -> Audit:
        """Audits the whole log: as an auditor every object, as another member every hash."""
        if self.membership.role in LOG_READERS:
            return audit_entries(self._relay, self._reader.log, progress)
        return audit_hashes(self._relay, self._reader.log, progress)

    def preflight(
        self, names: Sequence[str], *, wait_seconds: float = 60
    ) -> list[ProbeResult]:
        """Sends each member a sealed kibibyte and waits until it shows that it could open it."""
        cards = [member.card for member in self._recipients(list(names))]
        return probe_all(self._relay, self._reader, cards, wait_seconds=wait_seconds)

    def answer_probes(self) -> int:
        """Answers the probes that wait for this member; returns how many."""
        return answer_probes(self._relay, self._reader)

    def doctor(self, names: Sequence[str] = ()) -> list[Check]:
        """Checks what could stop a transfer: relay, clock, certificate, log, keys, grants."""
        certificate = self._profile.certificate.read_bytes()
        checks = [
            run_check("relay", lambda: f"{self._relay.who_am_i().name} is known there"),
        ]
        if not checks[0].ok:
            return checks
        checks.append(check_clock(self._relay, unix(self._now)))
        checks.append(check_certificate(certificate, self._now()))
        checks.append(run_check("log", self._check_log))
        checks.append(run_check("card", self._check_card))
        checks.append(
            run_check("quota", lambda: describe_usage(self._relay.who_am_i().usage))
        )
        checks.append(run_check("probes", lambda: f"answered {self.answer_probes()}"))
        checks.append(run_check("datasets", self._check_datasets))
        checks += [
            run_check(f"member {n}", partial(self._describe_member, n)) for n in names
        ]
        return checks

    def check_clock(self) -> None:
        """Compares this machine's clock with the relay's.

        Raises:
            ClockSkew: they differ by more than ten minutes.
        """
        skew = unix(self._now) - self._relay.who_am_i().time
        if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
            direction = "ahead of" if skew > 0 else "behind"
            raise ClockSkew(
                f"this machine's clock is {abs(skew)} seconds {direction} the relay's clock"
            )

    def _describe_member(self, name: str) -> str:
        return self.member(name).how

    def _check_log(self) -> str:
        note, checkpoint = self._reader.log.advance()
        return f"{checkpoint.size:,} entries, cosignatures: {len(note.signatures) - 1}"

    def _check_card(self) -> str:
        card = self._contacts.own_card()
        held = sum(
            key.key_id in self._reader.private_keys for key in card.recipient_keys
        )
        return f"version {card.version}, {held} of {len(card.recipient_keys)} keys are held here"

    def _check_datasets(self) -> str:
        infos = self.datasets()
        closed = sum(not info.trusted for info in infos)
        return f"{len(infos) - closed} open" + (
            f", {closed} of unknown owners" if closed else ""
        )

    # --- finding -----------------------------------------------------------------------------

    def _recipients(self, names: Sequence[str]) -> list[TrustedMember]:
        """Members by name, and those whom this profile's recovery setting adds."""
        if not names:
            return self._contacts.meet_all(self.settings.recovery)
        return self._contacts.meet_all([*names, *self.settings.recovery])

    def _find_owner(self, dataset: str) -> tuple[frozenset[Fingerprint], str]:
        owner, slash, name = dataset.partition("/")
        if not slash:
            return self._reader.identities, dataset
        if not name:
            raise InvalidArgument("a dataset is named as OWNER/DATASET")
        if check_name(owner) == self.membership.name:
            return self._reader.identities, name
        return self._contacts.identities(owner), name

    def _open(
        self, path: str, *, whole: bool = False, at: int | None = None
    ) -> OpenedDataset:
        trusted, name = self._find_owner(path)
        opened = find_dataset(
            self._relay, self._reader, trusted, name, whole=whole, at=at
        )
        if opened is None:
            raise AccessDenied("there is no such dataset, or you have no grant of it")
        return opened

    def _open_own(self, dataset: str, *, whole: bool = False) -> OpenedDataset:
        opened = self._open(dataset, whole=whole)
        if not opened.history.is_author(self.fingerprint):
            raise AccessDenied(
                "this member is neither owner nor co-owner of the dataset",
                hint="name a co-owned dataset as OWNER/DATASET",
            )
        return opened

    def _find_card(self, fingerprint: Fingerprint) -> Card:
        return self._contacts.by_fingerprint(fingerprint).card

    def _identities_of(
        self, member: str, opened: OpenedDataset
    ) -> frozenset[Fingerprint]:
        """A member's identities; whoever is trusted no more is still found by fingerprint."""
        pins = self._profile.trust.pins()
        if member in pins:
            known = pins[member].identities
            if any(opened.history.grants_of(identity) for identity in known):
                return known
        try:
            return self._contacts.meet(member).identities
        except (TrustError, UnknownMember):
            return frozenset({parse_fingerprint(member)})

    def _granted_purpose(self, opened: OpenedDataset) -> str:
        response = self._relay.get_grants(opened.dataset_id)
        purposes = [verify_grant(signed).terms.purpose for signed in response.grants]
        return next((purpose for purpose in reversed(purposes) if purpose), "")


def connect(
    profile: str | None = None,
    *,
    passphrase: Secret | str | AskSecret | None = None,
    relays: str | Sequence[str] = (),
    now: Clock = utc_now,
) -> Session:
    """Opens a profile's keystore and connects to its relay.

    A certificate with less than a third of its life left is renewed on the way. When the relay
    cannot be reached at one address, calls go on at the next: first the one that the profile
    joined at, then those of its settings (`sealift relay add`), then `relays`.

    Args:
        profile: its name; may be left out if there is only one, or $SEALIFT_PROFILE is set.
        passphrase: of the keystore, or the PIN of its token; by default $SEALIFT_PASSPHRASE, or
            asked for at a terminal.
        relays: more addresses (host:port) of the same relay, for this session.
        now: the clock.

    Raises:
        ProfileError: there is no such profile.
        WrongPassphrase: the passphrase does not open its keystore.
        InvalidArgument: an address is not host:port.
    """
    keep_freed_memory()
    found = find_profile(profile)
    membership = found.membership()
    more = [relays] if isinstance(relays, str) else relays
    keychain = unlock(
        found.keystore, _asker(passphrase, found.settings.keyring), found.identities
    )
    try:
        relay = Relay(
            [membership.address, *found.settings.relays, *more],
            authority_pem=found.authority.read_bytes(),
            certificate_pem=found.certificate.read_bytes(),
            tls_key=channel_key(keychain.custody.tls_key(keychain.keys)),
        )
        session = Session(relay, found, keychain, now=now)
        session.renew_if_due()
    except BaseException:
        keychain.close()
        raise
    return session


def _asker(passphrase: Secret | str | AskSecret | None, account: str) -> AskSecret:
    if passphrase is None:
        return partial(read_passphrase, fd=None, confirm=False, account=account)
    if isinstance(passphrase, str):
        passphrase = Secret(passphrase.encode())
    if isinstance(passphrase, Secret):
        given = passphrase
        return lambda _: given
    return passphrase


def open_dataset(
    path: str | Sequence[str] | Mapping[str, float],
    *,
    profile: str | None = None,
    passphrase: Secret | str | None = None,
    relays: str | Sequence[str] = (),
    **options: Any,
) -> Dataset:
    """Connects and opens a dataset, or several as one; closing it ends the connection.

    Args:
        path: see `Session.open_dataset`.
        profile: see `connect`.
        passphrase: see `connect`.
        relays: see `connect`.
        options: further arguments of `Session.open_dataset`.
    """
    session = connect(profile, passphrase=passphrase, relays=relays)
    try:
        dataset = session.open_dataset(path, **options)
    except BaseException:
        session.close()
        raise
    dataset.on_close = session.close
    return dataset


def _chosen(options: PushOptions | None, changes: dict[str, Any]) -> PushOptions:
    return _changed(
        options or PushOptions(), changes, "the push", "sealift.PushOptions"
    )


_O = TypeVar("_O", PushOptions, ReadOptions)


def _changed(options: _O, changes: dict[str, Any], what: str, where: str) -> _O:
    try:
        return replace(options, **changes)
    except TypeError:
        raise InvalidArgument(
            f"an option of {what} is not known", hint=f"see {where}"
        ) from None
