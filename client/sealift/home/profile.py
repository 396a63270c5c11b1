"""Profiles: one folder per identity on this machine, none of which can overwrite another."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from sealift.home.lastseen import LastSeen
from sealift.home.settings import Settings, read_settings, write_settings
from sealift.home.trust import TrustStore
from sealift.process.files import read_again, sync_folder, write_atomically
from sealift.process.layouts import FileStruct, Layout
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, ProfileError
from sealift_protocol.ids import Fingerprint, check_name
from sealift_protocol.notes import VerifierKey

# Version 2 did not record since when an identity is in use.
_VERSION = 3


@dataclass(frozen=True, slots=True)
class Membership:
    """Which member this profile is, and at which relay.

    Attributes:
        name: the member's name.
        role: owner, trainer or operator.
        address: host:port of the relay's listener for members.
        fingerprint: the identity's fingerprint as text, readable without the passphrase.
        log_key: verifier key of the relay's log, from the enrolment token.
        identity_since: Unix seconds; 0 if an earlier release made the identity.
    """

    name: str
    role: str
    address: str
    fingerprint: str
    log_key: str
    identity_since: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile's folder."""

    folder: Path

    @property
    def keystore(self) -> Path:
        """The passphrase-protected file with every private key."""
        return self.folder / "keystore"

    @property
    def certificate(self) -> Path:
        """The member's certificate, PEM."""
        return self.folder / "certificate.pem"

    @property
    def authority(self) -> Path:
        """The relay's CA certificate, PEM."""
        return self.folder / "authority.pem"

    @property
    def trust(self) -> TrustStore:
        """The members pinned in this profile."""
        return TrustStore(self.folder / "trust.json")

    @property
    def identities(self) -> frozenset[Fingerprint]:
        """This profile's identity, and those that it succeeded.

        After an interrupted succession the keystore still holds the previous identity.
        """
        member = self.membership()
        own = self.trust.pins().get(member.name)
        former = own.former if own else ()
        return frozenset({Fingerprint.parse(member.fingerprint), *former})

    @property
    def successor(self) -> Path:
        """The new keystore during a succession, before it replaces the old one."""
        return self.folder / "keystore.successor"

    @property
    def settings(self) -> Settings:
        """This profile's settings."""
        return read_settings(self.folder / "settings.json")

    def write_settings(self, settings: Settings) -> None:
        """Replace the settings."""
        write_settings(self.folder / "settings.json", settings)

    def last_seen(self, key: Secret) -> LastSeen:
        """Return the record of what this profile last saw, authenticated with `key`."""
        return LastSeen(self.folder / "seen.json", key)

    def membership(self) -> Membership:
        """Return which member this profile is.

        Raises:
            ProfileError: the profile is incomplete or of another version.
        """
        try:
            return read_membership(read_again(self.folder / "profile.json"))
        except OSError:
            raise _LAYOUT.refused(
                "the file is missing or not readable by this user"
            ) from None

    def write_membership(self, membership: Membership) -> None:
        """Record which member this profile is."""
        document = {"version": _VERSION, **asdict(membership)}
        content = (json.dumps(document, indent=1) + "\n").encode()
        write_atomically(self.folder / "profile.json", content)


class _Membership(FileStruct, frozen=True):
    version: int
    name: str
    role: str
    address: str
    fingerprint: str
    log_key: str
    identity_since: int = 0


_LAYOUT = Layout(
    "the profile's membership file",
    {2: _Membership, _VERSION: _Membership},
    ProfileError,
    "restore profile.json of this profile from a backup, or join again",
)


def read_membership(content: bytes) -> Membership:
    """Parse the file profile.json.

    Raises:
        ProfileError: it cannot be read; the message names the key that is wrong.
    """
    found = _LAYOUT.read_json(content)
    for key, parse in (
        ("fingerprint", Fingerprint.parse),
        ("log_key", VerifierKey.parse),
    ):
        try:
            parse(getattr(found, key))
        except InvalidArgument:
            raise _LAYOUT.refused(f'the key "{key}" is malformed') from None
    fields = msgspec.structs.asdict(found)
    del fields["version"]
    return Membership(**fields)


def profiles_folder() -> Path:
    """Return the folder of profiles: $SEALIFT_HOME, or in the user's configuration folder."""
    import platformdirs

    home = os.environ.get("SEALIFT_HOME")
    return Path(home) if home else platformdirs.user_config_path("sealift") / "profiles"


def profile_names() -> list[str]:
    """Return the names of the profiles on this machine."""
    folder = profiles_folder()
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if (p / "profile.json").is_file())


def find_profile(name: str | None = None) -> Profile:
    """Return the named profile, the one in $SEALIFT_PROFILE, or the only one.

    Raises:
        ProfileError: no profile has that name, there are none, or there are several.
    """
    name = name or os.environ.get("SEALIFT_PROFILE")
    names = profile_names()
    if name is None:
        if not names:
            raise ProfileError(
                "there is no profile on this machine",
                hint="ask a relay's operator for a token and run `sealift join TOKEN`",
            )
        if len(names) > 1:
            raise ProfileError(
                "there are several profiles on this machine",
                hint="choose one with `profile`: " + ", ".join(names),
            )
        name = names[0]
    if check_name(name, "a profile's name") not in names:
        raise ProfileError(
            "there is no profile of that name on this machine",
            hint="profiles here: " + (", ".join(names) or "none"),
        )
    return Profile(profiles_folder() / name)


@contextmanager
def new_profile(name: str) -> Iterator[Profile]:
    """Create a folder for a new profile, which gets its name only when the block succeeds.

    Raises:
        ProfileError: a profile of that name already exists.
    """
    folder = profiles_folder() / check_name(name, "a profile's name")
    _refuse_existing(folder)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = folder.with_name(f".{name}.{secrets.token_hex(4)}")
    staging.mkdir(mode=0o700)
    try:
        yield Profile(staging)
        _refuse_existing(folder)
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise ProfileError(
            "a profile of that name already exists",
            hint="choose another name with `profile_name`; nothing was changed",
        )
