"""`Session.dataset`: one dataset at the relay, and what its owner can do with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from sealift.api.connection import Connection
from sealift.history.disclosures import Account, account, confirm_purge
from sealift.history.opened import OpenedDataset, find_dataset
from sealift.history.overview import Overview, overview
from sealift.owner.manage import access, resealing
from sealift.owner.manage.erasing import Erased
from sealift.owner.manage.policies import PolicyUpgrade, upgrade_policy
from sealift.owner.manage.widening import Widening, widen
from sealift.owner.push.committing import (
    Change,
    Committed,
    append,
    opened_after,
)
from sealift.owner.push.options import DEFAULT_RETRY_SECONDS
from sealift.owner.push.push import PushProgress
from sealift.owner.push.quarantine import SUFFIX
from sealift.policy.file import Policy, load_policy
from sealift.trainer.engine.cache import ShardCache, default_folder
from sealift_protocol.errors import AccessDenied, InvalidArgument, SubjectNotFound
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.accounting import DeletionReceipt, verify_deletion_receipt

PolicyFile: TypeAlias = str | os.PathLike[str] | Policy


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation changed, and what it did not.

    Attributes:
        member: the revoked member's name.
        commit: number of the commit that revoked.
        account: every disclosure so far, with proofs, to tell what the member had fetched.
        identities: the member's identities.
        key_epoch: the new key epoch; later pushes are sealed under it.
        open_epochs: older key epochs that the member holds the key of, each with the number of live
            shards that are sealed under it.
    """

    member: str
    commit: int
    account: Account
    identities: frozenset[Fingerprint]
    key_epoch: int
    open_epochs: dict[int, int]


class RemoteDataset:
    """A dataset at the relay, opened as it is now by each call.

    Others may commit to it at any time, so that no call decides on what an earlier one saw.

    `describe` and `confirm_purge` are for everyone who can open it; the rest is for its owner and
    co-owners.
    """

    def __init__(self, connection: Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def describe(self, *, commits: int = 10) -> Overview:
        """Describe the dataset, with its newest `commits` commits; fetches no record.

        Raises:
            SealiftError: the dataset cannot be opened; the error says why.
        """
        return overview(self._connection.member, self._open(), commits=commits)

    def confirm_purge(self) -> list[int]:
        """Sign that copies of records that the owner erased are gone from this machine.

        Returns the numbers of the commits that erased. The receipt enters the log.
        """
        member, opened = self._connection.member, self._open()
        waiting = member.last_seen.purges(opened.dataset_id)
        for number, digest in sorted(waiting.items()):
            confirm_purge(member, opened.dataset_id, number, digest)
        member.last_seen.forget_purges(opened.dataset_id)
        if default_folder().is_dir():
            live = {entry.shard_id for entry in opened.shards}
            ShardCache(default_folder()).keep_only(opened.dataset_id, live)
        return sorted(waiting)

    # --- access ------------------------------------------------------------------------------

    def grant(
        self,
        to: str | Sequence[str],
        *,
        since: int = 0,
        until: int = 0,
        purpose: str = "",
    ) -> Committed:
        """Let members open the dataset: its records, and those pushed while the grant lasts.

        This costs one wrap for each key epoch, whatever the dataset's size.

        Args:
            to: names of trusted members.
            since: Unix seconds before which the grant is not valid; now by default.
            until: Unix seconds at which it ends; 0 for never.
            purpose: purpose of the access; the relay can read it.
        """
        names = [to] if isinstance(to, str) else list(to)
        if not names:
            raise InvalidArgument("no member is named to grant access to")
        member = self._connection.member
        cards = [found.card for found in self._connection.recipients(names)]

        def plan(newest: OpenedDataset) -> Change:
            return Change(
                grants=access.grants_for(
                    member,
                    newest,
                    cards,
                    not_before=since,
                    not_after=until,
                    purpose=purpose,
                )
            )

        return append(member, self._own(), plan)

    def revoke(self, member: str) -> Revoked:
        """End a member's access from now on, and begin a new key epoch.

        What the member fetched before cannot be taken back; the result tells what that was.

        Args:
            member: its name, or its fingerprint.
        """
        opened, own = self._own(), self._connection.member
        identities = self._connection.identities_of(member, opened)
        held = sorted(i for i in identities if opened.history.grants_of(i))
        if not held:
            raise AccessDenied("that member has no grant of the dataset", hint="")
        known = {g.key_epoch for i in held for g in opened.history.grants_of(i)}
        committed = access.revoke(own, opened, held, self._connection.find_card)
        sealed_under = [entry.key_epoch for entry in opened.shards]
        return Revoked(
            member=member,
            commit=committed.commit.number,
            account=account(own, opened.dataset_id),
            identities=frozenset(identities),
            key_epoch=committed.commit.key_epoch,
            open_epochs={epoch: sealed_under.count(epoch) for epoch in sorted(known)},
        )

    def access(self) -> access.AccessReport:
        """Report who can open what, until when, for which purpose, and who granted it."""
        return access.report(self._connection.member, self._own())

    def add_co_owner(self, name: str) -> Committed:
        """Let another owner append to the dataset."""
        opened = self._own()
        found = self._connection.contacts.meet(name)
        co_owners = {*opened.history.co_owners, found.fingerprint}
        return access.set_co_owners(
            self._connection.member, opened, sorted(co_owners), [found.card]
        )

    def remove_co_owner(self, name: str) -> Committed:
        """Stop another owner from appending; its grants stay until they are revoked."""
        opened = self._own()
        identities = self._connection.contacts.meet(name).identities
        co_owners = opened.history.co_owners
        if not co_owners & identities:
            raise AccessDenied("that member is not a co-owner of the dataset", hint="")
        return access.set_co_owners(
            self._connection.member, opened, sorted(co_owners - identities), []
        )

    def disclosures(self) -> Account:
        """Report who fetched what, when and for which purpose, each line with its log proof."""
        return account(self._connection.member, self._own().dataset_id)

    # --- keys --------------------------------------------------------------------------------

    def rotate(
        self,
        *,
        reseal: bool = False,
        progress: Callable[[PushProgress], None] = lambda _: None,
        retry_seconds: float = DEFAULT_RETRY_SECONDS,
    ) -> Committed:
        """Begin a new key epoch, granted to every recipient of the dataset.

        Args:
            reseal: also seal again what was pushed before, so that the old keys open nothing that
                is left at the relay.
            progress: called after each resealed shard.
            retry_seconds: how long to keep retrying while the relay is unreachable.
        """
        member = self._connection.member
        with self._connection.patience(retry_seconds):
            opened = self._own()
            committed = access.rotate(member, opened, self._connection.find_card)
            if reseal:
                advanced = opened_after(member, opened.trusted, committed)
                return self._reseal(advanced, progress) or committed
        return committed

    def rotate_every(self, seconds: int | None) -> None:
        """Set how long until the dataset's key epochs are due to be replaced.

        Args:
            seconds: None for the profile's policy for all datasets.
        """
        dataset_id = self._own().dataset_id.hex()
        connection = self._connection
        policy = connection.settings.rotation
        times = {
            key: after for key, after in policy.datasets.items() if key != dataset_id
        }
        if seconds is not None:
            times[dataset_id] = seconds
        changed = replace(policy, datasets=times)
        connection.profile.write_settings(
            replace(connection.settings, rotation=changed)
        )
        connection.reload()

    def reseal(
        self,
        *,
        progress: Callable[[PushProgress], None] = lambda _: None,
        retry_seconds: float = DEFAULT_RETRY_SECONDS,
    ) -> Committed | None:
        """Seal the shards of older key epochs under the newest one; None if there are none.

        Args:
            progress: called after each shard.
            retry_seconds: how long to keep retrying while the relay is unreachable.
        """
        with self._connection.patience(retry_seconds):
            return self._reseal(self._own(), progress)

    # --- policies ----------------------------------------------------------------------------

    def upgrade_policy(
        self, policy: str | os.PathLike[str] | None = None
    ) -> PolicyUpgrade:
        """Replace the policies that the dataset requires of what is pushed to it.

        Args:
            policy: a policy file, or the name of a ready policy; by default, each withdrawn ready
                policy is replaced by its version of this release.

        Raises:
            AccessDenied: this member is not the dataset's owner.
            InvalidArgument: the dataset requires no withdrawn policy, and none was named.
        """
        chosen = None if policy is None else load_policy(policy)
        return upgrade_policy(self._connection.member, self._own(), chosen)

    # --- schema ------------------------------------------------------------------------------

    def widen(
        self,
        column: str,
        wider: str,
        *,
        policy: PolicyFile | Sequence[PolicyFile] = (),
        dry_run: bool = False,
        retry_seconds: float = DEFAULT_RETRY_SECONDS,
    ) -> Widening:
        """Give a column of the dataset a wider type, by a commit that its owner signs.

        Stored records stay as they are; readers cast them as they open them. 64-bit integers
        become `double` only if every stored value is at most 2^53: the client opens all shards
        to see that.

        Args:
            column: the column's name.
            wider: the wider type, such as `int64`, `double` or `string`.
            policy: policies of the dataset's records that are not ready ones, as files.
            dry_run: only return what would be read and changed.
            retry_seconds: how long to keep retrying while the relay is unreachable.

        Raises:
            AccessDenied: this member is not the dataset's owner.
            InvalidArgument: there is no such column, the type is not a wider one, or a policy
                does more with the column than keep it.
            SchemaMismatch: a stored value does not fit the type.
        """
        from sealift.owner.sources.options import parse_type

        with self._connection.patience(retry_seconds):
            return widen(
                self._connection.member,
                self._own(),
                column,
                parse_type(wider),
                policies=_loaded(policy),
                dry_run=dry_run,
            )

    # --- erasure -----------------------------------------------------------------------------

    def delete(self, *, shards: Sequence[bytes] = ()) -> DeletionReceipt:
        """Destroy the dataset, or some of its shards, at the relay; the log keeps that it happened.

        Returns the receipt that the relay signed. Copies that were fetched, and backups that the
        relay's operator keeps, are out of reach.

        Args:
            shards: ids of the shards; all by default, and then the dataset ends.
        """
        member, opened = self._connection.member, self._own()
        if shards:
            committed = resealing.remove_shards(member, opened, shards)
        else:
            committed = resealing.delete_dataset(member, opened)
            member.last_seen.forget_dataset(opened.dataset_id)
        return self._receipt(committed)

    def erase(
        self,
        subject: str = "",
        *,
        pseudonym: str = "",
        policy: PolicyFile | Sequence[PolicyFile] = (),
        retry_seconds: float = DEFAULT_RETRY_SECONDS,
    ) -> tuple[Erased, DeletionReceipt | None]:
        """Erase one person's records: shards that hold a byte of them are replaced.

        Records that could not be read and went to this owner's quarantine are erased too, where
        they mention the person.

        Args:
            subject: the person's own number, as the source has it. The rule of the policy that
                the records were pushed under turns it into what the subject column holds.
            pseudonym: instead, the value in the subject column. The quarantine cannot be searched
                for it.
            policy: files of the policies that the records were pushed under. Ready policies are
                found without it.
            retry_seconds: how long to keep retrying while the relay is unreachable.

        Returns:
            What was searched and replaced, and the relay's receipt if a shard was replaced.

        Raises:
            SubjectNotFound: there is no record of the person.
            InvalidArgument: the dataset has no subject column, a policy is not at hand, or it
                does not tell people apart.
        """
        # Applying a policy loads the engine.
        from sealift.owner.manage import erasing, naming
        from sealift.owner.manage.subjects import subject_named

        if bool(subject.strip()) == bool(pseudonym.strip()):
            raise InvalidArgument(
                "a person is named in one of two ways",
                hint="give `subject` the person's number in the source, or `pseudonym` the value "
                "that trainers see",
            )
        member = self._connection.member
        with self._connection.patience(retry_seconds):
            opened = self._own(whole=True)
            erasing.check_subjects(opened)
            column = opened.schema.field(opened.subject_column)
            quarantined: int | None = None
            if subject:
                secret = self._connection.keychain.owner_secret()
                given = _loaded(policy)
                names = naming.names_in(member, opened, subject, given, secret)
                quarantined = self._erase_quarantined(
                    opened, naming.source_names(subject, column)
                )
            else:
                names = frozenset([subject_named(pseudonym, column.type)])
            erased = erasing.erase_subject(member, opened, names)
        erased = replace(erased, quarantined=quarantined)
        if erased.committed is None:
            if quarantined:
                return erased, None
            raise SubjectNotFound(
                "no record of that person was found", searched=erased.searched
            )
        return erased, self._receipt(erased.committed)

    def _erase_quarantined(self, opened: OpenedDataset, names: Sequence[str]) -> int:
        """Erase what this owner's quarantine of the dataset holds of a person."""
        from sealift.owner.manage.erasing import erase_mentions

        member = self._connection.member
        quarantine = find_dataset(
            member, member.identities, opened.name + SUFFIX, whole=True
        )
        if quarantine is None or not quarantine.shards:
            return 0
        return erase_mentions(member, quarantine, names)

    # -----------------------------------------------------------------------------------------

    def _open(self, *, whole: bool = False) -> OpenedDataset:
        return self._connection.open(self._path, whole=whole)

    def _own(self, *, whole: bool = False) -> OpenedDataset:
        opened = self._open(whole=whole)
        if not opened.history.is_author(self._connection.fingerprint):
            raise AccessDenied(
                "this member is neither owner nor co-owner of the dataset",
                hint="name a co-owned dataset as OWNER/DATASET",
            )
        return opened

    def _reseal(
        self, opened: OpenedDataset, progress: Callable[[PushProgress], None]
    ) -> Committed | None:
        done = PushProgress(0, 0)

        def acknowledged(records: int, payload_bytes: int) -> None:
            nonlocal done
            done = PushProgress(
                done.records + records, done.payload_bytes + payload_bytes
            )
            progress(done)

        return resealing.reseal(self._connection.member, opened, acknowledged)

    def _receipt(self, committed: Committed) -> DeletionReceipt:
        if committed.receipt is None:
            raise AccessDenied(
                "the relay returned no receipt for the deletion", hint="try again"
            )
        receipt = verify_deletion_receipt(committed.receipt)
        by_log = committed.receipt.signer == self._connection.log_key.public_key
        if not by_log or receipt.commit != committed.commit.digest:
            raise AccessDenied(
                "the relay's receipt is not signed by its log's key", hint=""
            )
        return receipt


def _loaded(given: PolicyFile | Sequence[PolicyFile]) -> list[Policy]:
    named = [given] if isinstance(given, str | os.PathLike | Policy) else given
    return [
        entry if isinstance(entry, Policy) else load_policy(entry) for entry in named
    ]
