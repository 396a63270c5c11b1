"""The state that a session's objects share: the relay, the profile, the open keystore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sealift.history.logview import LogView
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset, find_dataset
from sealift.home.lastseen import last_seen_key
from sealift.home.profile import Membership, Profile
from sealift.home.settings import Settings
from sealift.home.trust import TrustedMember
from sealift.home.words import parse_fingerprint
from sealift.keystore.keychain import Keychain
from sealift.people.contacts import Contacts
from sealift.process.clock import Clock, unix
from sealift.relay.transport import Relay
from sealift_protocol.errors import (
    AccessDenied,
    InvalidArgument,
    TrustError,
    UnknownMember,
)
from sealift_protocol.ids import Fingerprint, check_name
from sealift_protocol.notes import VerifierKey
from sealift_protocol.objects.cards import Card
from sealift_protocol.v1.datasets_pb2 import DatasetSummary


@dataclass(frozen=True, slots=True)
class Owners:
    """The owners of the datasets that the relay lists for a member.

    Attributes:
        trusted: names, each with the owner's identities.
        strangers: for each dataset of an owner that is not trusted: the owner, and the number of
            the newest commit.
        listed: everything, as the relay listed it.
    """

    trusted: list[tuple[str, frozenset[Fingerprint]]]
    strangers: list[tuple[Fingerprint, int]]
    listed: list[DatasetSummary]


class Connection:
    """A profile with its keystore open, connected to its relay.

    Attributes:
        relay: the channel.
        profile: the folder of this member on this machine.
        keychain: the open keystore.
        now: the clock.
        membership: the member's name, role and relay.
        settings: of the profile.
        member: the identity that signs, appends and reads.
        contacts: the members that this one deals with.
    """

    membership: Membership
    settings: Settings
    member: Member
    contacts: Contacts

    def __init__(
        self, relay: Relay, profile: Profile, keychain: Keychain, now: Clock
    ) -> None:
        self.relay = relay
        self.profile = profile
        self.keychain = keychain
        self.now = now
        self.reload()

    def reload(self) -> None:
        """Derive everything from the keystore and the profile again, after either changed."""
        keys = self.keychain.keys
        self.membership = self.profile.membership()
        self.settings = self.profile.settings
        last_seen = self.profile.last_seen(last_seen_key(keys))
        identity = self.keychain.custody.identity(keys)
        own = self.profile.trust.pins().get(self.membership.name)
        former = own.identities - {identity.fingerprint} if own else frozenset()
        view = LogView(self.relay, self.log_key, self.settings, last_seen, self.now)
        self.member = Member(
            self.relay,
            identity,
            self.keychain.custody.private_keys(keys),
            last_seen,
            view,
            self.now,
            former,
        )
        self.contacts = Contacts(
            self.relay,
            self.membership.name,
            identity.fingerprint,
            self.profile.trust,
            self.settings,
            last_seen,
            view,
            self.now,
        )

    @property
    def log_key(self) -> VerifierKey:
        """The key that verifies the relay's log."""
        return VerifierKey.parse(self.membership.log_key)

    @property
    def fingerprint(self) -> Fingerprint:
        """This member's fingerprint."""
        return self.member.identity.fingerprint

    @property
    def time(self) -> int:
        """Unix seconds by this session's clock."""
        return unix(self.now)

    def recipients(self, names: Sequence[str]) -> list[TrustedMember]:
        """Return members by name, and those that the profile's recovery setting adds."""
        return self.contacts.meet_all([*names, *self.settings.recovery])

    def find_card(self, fingerprint: Fingerprint) -> Card:
        """Return the newest verified card of a trusted identity."""
        return self.contacts.by_fingerprint(fingerprint).card

    def owners(self) -> Owners:
        """Find the owners of the datasets that the relay lists for this member."""
        listed = self.relay.list_datasets()
        owners: dict[str, frozenset[Fingerprint]] = {}
        unknown = set()
        for owner in dict.fromkeys(Fingerprint(summary.owner) for summary in listed):
            try:
                member = self.contacts.by_fingerprint(owner)
            except (TrustError, UnknownMember):
                unknown.add(owner.digest)
            else:
                owners[member.name] = member.identities
        strangers = [
            (Fingerprint(summary.owner), summary.head_number)
            for summary in listed
            if summary.owner in unknown
        ]
        return Owners(sorted(owners.items()), strangers, listed)

    def find_owner(self, path: str) -> tuple[frozenset[Fingerprint], str]:
        """Find the identities of a dataset's owner, and the dataset's name.

        Args:
            path: NAME, of a dataset of this member; or OWNER/NAME.

        Raises:
            InvalidArgument: the dataset's name is missing.
            NotTrusted: the owner is neither pinned nor endorsed.
        """
        owner, slash, name = path.partition("/")
        if not slash:
            return self.member.identities, path
        if not name:
            raise InvalidArgument("a dataset is named as OWNER/DATASET")
        if check_name(owner) == self.membership.name:
            return self.member.identities, name
        return self.contacts.identities(owner), name

    def open(
        self, path: str, *, whole: bool = False, at: int | None = None
    ) -> OpenedDataset:
        """Verify and open a dataset.

        Args:
            path: see `find_owner`.
            whole: from commit 0 on, instead of from the newest snapshot.
            at: as it was after this commit; by default as it is now.

        Raises:
            AccessDenied: there is no such dataset, or this member has no grant of it.
            VerificationError: the dataset cannot be opened; the error says why.
        """
        with self.member.together():
            trusted, name = self.find_owner(path)
            opened = find_dataset(self.member, trusted, name, whole=whole, at=at)
        if opened is None:
            raise AccessDenied("there is no such dataset, or you have no grant of it")
        return opened

    def identities_of(
        self, member: str, opened: OpenedDataset
    ) -> frozenset[Fingerprint]:
        """Find the identities of a recipient; a member no longer trusted is found by its pin.

        Args:
            member: a name, or the fingerprint of a member that has no trusted name.
            opened: the dataset.
        """
        pins = self.profile.trust.pins()
        if member in pins:
            known = pins[member].identities
            if any(opened.history.grants_of(identity) for identity in known):
                return known
        try:
            return self.contacts.meet(member).identities
        except (TrustError, UnknownMember):
            return frozenset({parse_fingerprint(member)})

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Retry calls for `seconds` while the relay is unreachable."""
        before, self.relay.patience = self.relay.patience, seconds
        try:
            yield
        finally:
            self.relay.patience = before

    def close(self) -> None:
        """Close the channel and the keystore."""
        self.relay.close()
        self.keychain.close()
