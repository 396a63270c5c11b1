"""The Python API: one member, connected to its relay."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import pyarrow as pa

from sealift.api import pushing, reading
from sealift.api.connection import Connection
from sealift.api.dataset import RemoteDataset
from sealift.api.doctor import examine
from sealift.api.former import former
from sealift.api.identity import OwnIdentity
from sealift.api.keys import OwnKeys
from sealift.api.listing import DatasetInfo, list_datasets
from sealift.api.log import RelayLog
from sealift.api.people import People
from sealift.home.passphrase import read_passphrase
from sealift.home.profile import Profile, find_profile
from sealift.home.trust import Pin
from sealift.home.words import parse_fingerprint
from sealift.keystore.backend import AskSecret
from sealift.keystore.keychain import Keychain, unlock
from sealift.keystore.tlskeys import channel_key
from sealift.owner.push.options import PushKeywords, PushOptions, Records
from sealift.owner.push.push import Pushed
from sealift.owner.push.writer import Writer
from sealift.people.health import Check
from sealift.process.clock import Clock, utc_now
from sealift.process.keywords import changed
from sealift.process.secret import Secret
from sealift.relay.transport import Relay
from sealift.trainer.dataset import Dataset
from sealift.trainer.options import ReadKeywords, ReadOptions
from sealift_protocol.allocator import keep_freed_memory
from sealift_protocol.ids import Fingerprint


class Session:
    """A member with its keys open, connected to its relay. Use `sealift.connect`.

    Attributes:
        identity: this member's identity and certificate.
        keys: its keys.
        people: the other members.
        log: the relay's log.
    """

    def __init__(
        self,
        relay: Relay,
        profile: Profile,
        keychain: Keychain,
        *,
        now: Clock = utc_now,
    ) -> None:
        self._connection = Connection(relay, profile, keychain, now)
        self.identity = OwnIdentity(self._connection)
        self.keys = OwnKeys(self._connection)
        self.people = People(self._connection)
        self.log = RelayLog(self._connection)

    if not TYPE_CHECKING:
        # Type checkers know the names of today only.
        def __getattr__(self, name: str) -> Any:
            return former(self, name)

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
        """Close the connection and the keystore."""
        self._connection.close()

    @property
    def fingerprint(self) -> Fingerprint:
        """This member's fingerprint, which other people pin."""
        return self._connection.fingerprint

    def trust(self, name: str, fingerprint: str, *, organisation: bool = False) -> None:
        """Pin a member's fingerprint, as the member's own `sealift identity` shows it.

        Args:
            name: the member's name at the relay.
            fingerprint: in groups or in words.
            organisation: whether the members that it endorses are trusted too.

        Raises:
            InvalidArgument: the text is not a whole fingerprint.
            AlreadyTrusted: another fingerprint is pinned under that name.
        """
        pin = Pin(
            parse_fingerprint(fingerprint),
            since=self._connection.time,
            endorses=organisation,
        )
        self._connection.profile.trust.add(name, pin)

    # --- as an owner -------------------------------------------------------------------------

    def push(
        self,
        records: Records,
        *,
        dataset: str,
        options: PushOptions | None = None,
        **changes: Unpack[PushKeywords],
    ) -> Pushed:
        """Seal records to members and append them to a dataset of this owner.

        The push of a source (a path, a pattern, a URL) resumes where its last push ended: committed
        records are not sent again, however that push ended. An Arrow table or a reader of batches
        is appended in full each time, in one commit.

        Args:
            records: what to push; everything except a table is read in bounded memory.
            dataset: its name, created if it does not exist; or OWNER/NAME of a dataset that this
                member co-owns.
            options: everything else.
            changes: fields of `PushOptions`, instead of `options` or on top of them.

        Raises:
            SealiftError: a subclass that says what went wrong; committed records stay.
        """
        chosen = changed(options or PushOptions(), changes, "push")
        return pushing.push(self._connection, records, dataset, chosen)

    def writer(
        self,
        dataset: str,
        schema: pa.Schema | None = None,
        *,
        options: PushOptions | None = None,
        **changes: Unpack[PushKeywords],
    ) -> Writer:
        """Return a writer for records as they arrive: a context manager that commits on exit.

        Args:
            dataset: as for `push`.
            schema: of the records; by default the dataset's, or that of the first records.
            options: as for `push`; what concerns sources does not apply.
            changes: as for `push`.
        """
        chosen = changed(options or PushOptions(), changes, "writer")
        return pushing.writer(self._connection, dataset, schema, chosen)

    def follow(
        self,
        folder: str | os.PathLike[str],
        *,
        dataset: str,
        pushed: Callable[[Pushed], None] = lambda _: None,
        settle_seconds: float = 2.0,
        options: PushOptions | None = None,
        **changes: Unpack[PushKeywords],
    ) -> int:
        """Push files as they appear in a folder until `stop` is set; return the number of records.

        A file is pushed when it has not changed for `settle_seconds`. Records are committed after
        `limits.commit_bytes` or `limits.commit_seconds`, whichever comes first.
        """
        chosen = changed(
            options or PushOptions(),
            changes,
            "follow",
            also=("dataset", "pushed", "settle_seconds", "options"),
        )
        return pushing.follow(
            self._connection,
            Path(folder),
            dataset,
            chosen,
            pushed=pushed,
            settle_seconds=settle_seconds,
            between=self.identity.keep_certificate,
        )

    # --- as a trainer ------------------------------------------------------------------------

    def open_dataset(
        self,
        path: str | Sequence[str] | Mapping[str, float],
        *,
        pin: Mapping[str, int] | None = None,
        purpose: str = "",
        require_policy: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        options: ReadOptions | None = None,
        **changes: Unpack[ReadKeywords],
    ) -> Dataset:
        """Verify and open a dataset, or several as one.

        Args:
            path: "OWNER/DATASET", the owner being a trusted member (or this one); or several, all
                of whose records are read; or several with weights, their shares of each batch.
            pin: for some of them, the commit after which they are read.
            purpose: stated in the disclosure of each fetch; the grant's by default.
            require_policy: refuse records that were not de-identified under this policy, or one of
                these: policy files, names of ready policies, or SHA-256 in hex.
            options: how they are read.
            changes: fields of `ReadOptions`, instead of `options` or on top of them.

        Raises:
            SchemaMismatch: several datasets do not have the same columns.
            PolicyUnmet: records were de-identified under another policy, or under none.
            NotTrusted: the owner is neither pinned nor endorsed.
            AccessDenied: there is no such dataset, or no grant of it.
            WrongKey, VerificationError: the dataset cannot be opened; the error says why.
        """
        chosen = changed(
            options or ReadOptions(),
            changes,
            "open_dataset",
            also=("pin", "purpose", "require_policy", "options"),
        )
        return reading.open_dataset(
            self._connection,
            path,
            pin=pin or {},
            purpose=purpose,
            require_policy=require_policy,
            options=chosen,
        )

    def datasets(self) -> list[DatasetInfo]:
        """List the datasets that this member owns or was granted, in their newest state.

        The datasets of owners that are not trusted are listed unopened.
        """
        return list_datasets(self._connection)

    def dataset(self, path: str) -> RemoteDataset:
        """Return a dataset at the relay, to describe it and, as its owner, to manage it.

        The relay is not contacted until the result is used.

        Args:
            path: NAME, of a dataset of this member; or OWNER/NAME.
        """
        return RemoteDataset(self._connection, path)

    def doctor(self, names: Sequence[str] = ()) -> list[Check]:
        """Check what could stop a transfer: relay, clock, certificate, log, keys, grants.

        Args:
            names: members to look up as well.
        """
        return examine(self._connection, names, self.datasets)


def connect(
    profile: str | None = None,
    *,
    passphrase: Secret | str | AskSecret | None = None,
    relays: str | Sequence[str] = (),
    now: Clock = utc_now,
) -> Session:
    """Open a profile's keystore and connect to its relay.

    A certificate with less than a third of its life left is renewed on the way. When the relay
    cannot be reached at one address, calls continue at the next: first the one that the profile
    joined at, then those of its settings (`sealift relay add`), then `relays`.

    Args:
        profile: its name; may be left out if there is only one, or $SEALIFT_PROFILE is set.
        passphrase: of the keystore, or the PIN of its token; by default $SEALIFT_PASSPHRASE, or
            a prompt at a terminal.
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
        session.identity.renew_if_due()
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


class OpenKeywords(ReadKeywords, total=False):
    """The keywords of `open_dataset`: those of `Session.open_dataset`."""

    pin: Mapping[str, int] | None
    purpose: str
    require_policy: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    options: ReadOptions | None


def open_dataset(
    path: str | Sequence[str] | Mapping[str, float],
    *,
    profile: str | None = None,
    passphrase: Secret | str | None = None,
    relays: str | Sequence[str] = (),
    **options: Unpack[OpenKeywords],
) -> Dataset:
    """Connect and open a dataset, or several as one; closing it ends the connection.

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
