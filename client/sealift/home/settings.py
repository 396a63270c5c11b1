"""A profile's settings: witnesses, recovery members, relay addresses, key rotation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from sealift.process.files import read_again, write_atomically
from sealift.process.layouts import FileStruct, Layout
from sealift_protocol.errors import InvalidArgument, ProfileError
from sealift_protocol.notes import VerifierKey

# Version 1 had no relays, and version 2 neither rotation nor keyring.
_VERSION = 3
_DAY = 86_400
# Bounds of a rotation policy: replacing a key every hour is a mistake, and so is every century.
MIN_SECONDS, MAX_SECONDS = _DAY, 3650 * _DAY


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """After how many seconds a key is due for replacement.

    The defaults are the longest that NIST SP 800-57 part 1 revision 5 (table 1) recommends: two
    years for keys that encrypt data or transport keys; three for keys that sign.

    Attributes:
        key_epochs: for the member's own datasets that are not in `datasets`.
        recipient_keys: for the recipient keys on this member's card.
        identity: for the signing key.
        datasets: for single datasets of the member, by dataset id in hex.
    """

    key_epochs: int = 730 * _DAY
    recipient_keys: int = 730 * _DAY
    identity: int = 1095 * _DAY
    datasets: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = (
            self.key_epochs,
            self.recipient_keys,
            self.identity,
            *self.datasets.values(),
        )
        if not all(MIN_SECONDS <= time <= MAX_SECONDS for time in times):
            raise InvalidArgument(
                "a key's rotation period must be from one day to ten years",
                hint="for example 90d",
            )

    def key_epochs_of(self, dataset_id: bytes) -> int:
        """Return the rotation period of a dataset's key epochs, in seconds."""
        return self.datasets.get(dataset_id.hex(), self.key_epochs)


@dataclass(frozen=True, slots=True)
class Settings:
    """A profile's settings.

    Attributes:
        witnesses: verifier keys of the witnesses that this profile knows.
        quorum: how many of them must have cosigned a checkpoint.
        recovery: names of members who receive every grant too.
        trust_on_first_use: whether to pin a member on first contact if it is not pinned.
        relays: further addresses (host:port) of the profile's relay, tried in this order when the
            first cannot be reached.
        rotation: when keys are due for replacement.
        keyring: account of the passphrase in the desktop keyring; empty if it is not kept there.
    """

    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    recovery: tuple[str, ...] = ()
    trust_on_first_use: bool = False
    relays: tuple[str, ...] = ()
    rotation: RotationPolicy = field(default_factory=RotationPolicy)
    keyring: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.quorum <= len(self.witnesses):
            raise InvalidArgument(
                f"a quorum of {self.quorum} of {len(self.witnesses)} witnesses is impossible",
                hint="add witnesses first, or require fewer",
            )

    def witness_keys(self) -> list[VerifierKey]:
        """The witnesses' keys."""
        return [VerifierKey.parse(text) for text in self.witnesses]


_DEFAULTS = RotationPolicy()


class _Rotation(FileStruct, frozen=True):
    key_epochs: int = _DEFAULTS.key_epochs
    recipient_keys: int = _DEFAULTS.recipient_keys
    identity: int = _DEFAULTS.identity
    datasets: dict[str, int] = msgspec.field(default_factory=dict)


class _Settings(FileStruct, frozen=True):
    version: int
    witnesses: tuple[str, ...]
    recovery: tuple[str, ...]
    quorum: int = 0
    trust_on_first_use: bool = False
    keyring: str = ""


class _Settings2(_Settings, frozen=True, kw_only=True):
    relays: tuple[str, ...]


class _Settings3(_Settings2, frozen=True, kw_only=True):
    rotation: _Rotation


_LAYOUT: Layout[_Settings] = Layout(
    "the profile's settings file",
    {1: _Settings, 2: _Settings2, _VERSION: _Settings3},
    ProfileError,
    "restore settings.json of this profile from a backup",
)


def read_settings(path: Path) -> Settings:
    """Read a profile's settings; the defaults if there is no file.

    Raises:
        ProfileError: the file cannot be read; the message names the key that is wrong.
    """
    try:
        found = _LAYOUT.read_json(read_again(path))
    except FileNotFoundError:
        return Settings()
    relays = found.relays if isinstance(found, _Settings2) else ()
    try:
        rotation = _DEFAULTS
        if isinstance(found, _Settings3):
            rotation = RotationPolicy(**msgspec.structs.asdict(found.rotation))
    except InvalidArgument:
        raise _LAYOUT.refused('the key "rotation" has a time out of bounds') from None
    try:
        return Settings(
            witnesses=found.witnesses,
            quorum=found.quorum,
            recovery=found.recovery,
            trust_on_first_use=found.trust_on_first_use,
            relays=relays,
            rotation=rotation,
            keyring=found.keyring,
        )
    except InvalidArgument:
        raise _LAYOUT.refused('the key "quorum" does not fit "witnesses"') from None


def write_settings(path: Path, settings: Settings) -> None:
    """Replace a profile's settings."""
    document = {"version": _VERSION, **asdict(settings)}
    write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
