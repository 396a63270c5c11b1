"""The Python API: one member, connected to its relay."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import pyarrow as pa

from sealift.certificates import key_as_pem
from sealift.clock import Clock, unix, utc_now
from sealift.datasets import Reader, find_dataset, open_datasets
from sealift.keystore import Keys
from sealift.keystore.file import open_keystore
from sealift.keystore.passphrase import read_passphrase
from sealift.owner.push import Pushed, PushProgress
from sealift.owner.push import push as push_batches
from sealift.owner.sources import Source, open_source
from sealift.profile import Membership, Profile, find_profile
from sealift.secret import Secret
from sealift.signing import Identity
from sealift.suites import PrivateKey, load_private_key
from sealift.trainer.dataset import Dataset
from sealift.transport import Relay, RelayClient
from sealift_protocol.allocator import keep_freed_memory
from sealift_protocol.errors import AccessDenied, ClockSkew, InvalidArgument
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects import Card

MAX_CLOCK_SKEW_SECONDS = 600
Records: TypeAlias = str | os.PathLike[str] | pa.Table | pa.RecordBatchReader | Source


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One line of a listing.

    Attributes:
        owner: the owner's pinned name; its fingerprint if it is not pinned.
        name: empty if the owner is not pinned, for then nothing was opened.
        records: in all live shards.
        shards: live shards.
        commits: in its history.
        trusted: whether the owner is pinned.
    """

    owner: str
    name: str
    records: int
    shards: int
    commits: int
    trusted: bool


class Session:
    """A member with its keys open, connected to its relay. Use `sealift.connect`."""

    def __init__(
        self,
        relay: RelayClient,
        profile: Profile,
        membership: Membership,
        keys: Keys,
        *,
        now: Clock = utc_now,
    ) -> None:
        private_keys: dict[bytes, PrivateKey] = {
            key.key_id: load_private_key(key.suite, key.private) for key in keys.recipient_keys
        }
        self._relay = relay
        self._profile = profile
        self._now = now
        self.membership = membership
        self._reader = Reader(Identity(keys.identity_seed), private_keys, profile.last_seen, now)

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
        """Closes the connection."""
        if isinstance(self._relay, Relay):
            self._relay.close()

    @property
    def fingerprint(self) -> Fingerprint:
        """This member's fingerprint."""
        return self._reader.identity.fingerprint

    def trust(self, name: str, fingerprint: str) -> None:
        """Pins a member's fingerprint, as read from the member's own `sealift identity`.

        Raises:
            InvalidArgument: it is not a whole fingerprint.
            AlreadyTrusted: another one is pinned under that name.
        """
        self._profile.trust.add(name, Fingerprint.parse(fingerprint))

    def card(self, name: str) -> Card:
        """A pinned member's card, verified.

        Raises:
            NotTrusted, FingerprintMismatch, UnknownMember, VerificationError: why there is none.
        """
        self._profile.trust.fingerprint(name)
        card = self._profile.trust.verify_card(name, self._relay.get_card(name))
        self._profile.last_seen.check_card(card)
        return card

    def push(
        self,
        records: Records,
        *,
        dataset: str,
        to: str | Sequence[str] = (),
        types: Mapping[str, str] | None = None,
        description: str = "",
        progress: Callable[[PushProgress], None] = lambda _: None,
    ) -> Pushed:
        """Seals records to members and appends them to a dataset of this owner.

        Args:
            records: a path to a Parquet, CSV or JSON Lines file, a source, an Arrow table, or
                a RecordBatchReader; all but a table are read in bounded memory.
            dataset: its name; made if need be.
            to: names of pinned members who may open it.
            types: Arrow type names by column, for CSV and JSON Lines.
            description: of a new dataset, in the owner's words.
            progress: called as the relay acknowledges shards.

        Raises:
            SealiftError: a subclass that says what went wrong; nothing became visible then.
        """
        self.check_clock()
        names = [to] if isinstance(to, str) else list(to)
        recipients = [self.card(name) for name in names]
        batches, schema = _read(records, types)
        return push_batches(
            self._relay,
            self._reader,
            batches,
            schema,
            dataset=dataset,
            recipients=recipients,
            own_card=self._own_card(),
            description=description,
            progress=progress,
        )

    def datasets(self) -> list[DatasetInfo]:
        """The datasets that this member owns or was granted, newest state.

        Those of owners that are not pinned are listed unopened.
        """
        names = {fingerprint: name for name, fingerprint in self._profile.trust.pins().items()}
        names[self.fingerprint] = self.membership.name
        found = []
        for summary in self._relay.list_datasets():
            owner = Fingerprint(summary.owner)
            if owner not in names:
                found.append(DatasetInfo(str(owner), "", 0, 0, summary.head_number + 1, False))
        for owner in sorted(set(names), key=lambda fingerprint: names[fingerprint]):
            for opened in open_datasets(self._relay, self._reader, owner):
                records = sum(opened.record_counts[entry.shard_id] for entry in opened.shards)
                commits = len(opened.history.commits)
                shards = len(opened.shards)
                found.append(DatasetInfo(names[owner], opened.name, records, shards, commits, True))
        return found

    def open_dataset(self, path: str) -> Dataset:
        """Verifies and opens a dataset.

        Args:
            path: "OWNER/DATASET", the owner being a pinned member (or this one).

        Raises:
            NotTrusted: the owner is not pinned.
            AccessDenied: there is no such dataset, or no grant of it.
            WrongKey, VerificationError: it cannot be opened, and why.
        """
        owner_name, slash, name = path.partition("/")
        if not (owner_name and slash and name):
            raise InvalidArgument("a dataset is named as OWNER/DATASET")
        if owner_name == self.membership.name:
            owner = self.fingerprint
        else:
            owner = self._profile.trust.fingerprint(owner_name)
        opened = find_dataset(self._relay, self._reader, owner, name)
        if opened is None:
            raise AccessDenied("there is no such dataset, or you have no grant of it")
        return Dataset(self._relay, opened, owner_name)

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

    def _own_card(self) -> Card:
        name = self.membership.name
        return self._profile.trust.verify_card(
            name, self._relay.get_card(name), pinned=self.fingerprint
        )


def connect(
    profile: str | None = None, *, passphrase: Secret | str | None = None, now: Clock = utc_now
) -> Session:
    """Opens a profile's keystore and connects to its relay.

    Args:
        profile: its name; may be left out if there is only one, or $SEALIFT_PROFILE is set.
        passphrase: of the keystore; by default $SEALIFT_PASSPHRASE, or asked for at a terminal.
        now: the clock.

    Raises:
        ProfileError: there is no such profile.
        WrongPassphrase: the passphrase does not open its keystore.
    """
    keep_freed_memory()
    found = find_profile(profile)
    membership = found.membership()
    if passphrase is None:
        passphrase = read_passphrase(fd=None, confirm=False)
    elif isinstance(passphrase, str):
        passphrase = Secret(passphrase.encode())
    keys = open_keystore(found.keystore, passphrase)
    relay = Relay(
        membership.address,
        authority_pem=found.authority.read_bytes(),
        certificate_pem=found.certificate.read_bytes(),
        tls_key_pem=key_as_pem(keys.tls_private_key),
    )
    return Session(relay, found, membership, keys, now=now)


def _read(
    records: Records, types: Mapping[str, str] | None
) -> tuple[Iterator[pa.RecordBatch], pa.Schema]:
    if isinstance(records, pa.Table):
        return iter(records.to_batches()), records.schema
    if isinstance(records, pa.RecordBatchReader):
        return iter(records), records.schema
    source = (
        open_source(Path(records), types) if isinstance(records, str | os.PathLike) else records
    )
    return source.batches(), source.schema
