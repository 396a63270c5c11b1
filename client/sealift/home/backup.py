"""A profile in one sealed file, in case its machine is lost (docs/spec/backup.md).

Source: draft-irtf-cfrg-xchacha-03; RFC 5869 (HKDF).
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag

from sealift.crypto import xchacha
from sealift.crypto.hkdf import derive
from sealift.home.profile import (
    Membership,
    Profile,
    new_profile,
    profiles_folder,
    read_membership,
)
from sealift.keystore import Keys
from sealift.keystore.custody import Custody
from sealift.keystore.encoding import KeysDocument, encode_keys, keys_of
from sealift.keystore.file import create
from sealift.process.files import write_atomically
from sealift.process.layouts import FileStruct, Layout
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeystoreError,
    UnsupportedVersion,
    WrongKey,
)

_MAGIC = b"sealiftB"
_VERSION = 1
_HEADER = struct.Struct(">8sB24s")
_STEP = 4096
_INFO = b"sealift/1 backup"
# A profile's files besides the keystore. The certificate may have expired by the time of a restore.
FILES = (
    "profile.json",
    "settings.json",
    "trust.json",
    "seen.json",
    "certificate.pem",
    "authority.pem",
)


class _Document(FileStruct, frozen=True):
    keys: KeysDocument
    files: dict[str, bytes]


class _Note(FileStruct, frozen=True):
    version: int
    time: int
    keys: tuple[str, ...]


_LAYOUT = Layout(
    "what the backup holds",
    _Document,
    KeystoreError,
    "use the release that wrote it, or another backup",
)
_NOTE = Layout(
    "the record of the last backup",
    {_VERSION: _Note},
    KeystoreError,
    "make a new backup",
)


@dataclass(frozen=True, slots=True)
class Backup:
    """An opened backup.

    Attributes:
        membership: the membership of its profile.
        keys: every private key.
        files: contents of the profile's other files, by name.
    """

    membership: Membership
    keys: Keys = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)


def seal_backup(profile: Profile, keys: Keys, master: Secret) -> bytes:
    """Seal a profile under a key derived from a secret.

    Raises:
        InvalidArgument: keys are in a token or KMS and cannot be copied out of it.
    """
    if keys.held:
        raise InvalidArgument(
            "these keys are in a token or KMS and cannot be copied out of it",
            hint="copy the profile's folder, which the token opens, and back up the token as its "
            "vendor documents; or name a recovery member",
        )
    paths = [profile.folder / name for name in FILES]
    document = {
        "keys": json.loads(encode_keys(keys)),
        "files": {
            path.name: base64.b64encode(path.read_bytes()).decode()
            for path in paths
            if path.exists()
        },
    }
    plaintext = json.dumps(document).encode()
    plaintext += b" " * (-len(plaintext) % _STEP)
    nonce = xchacha.fresh_nonce()
    header = _HEADER.pack(_MAGIC, _VERSION, nonce)
    return header + xchacha.encrypt(plaintext, header, nonce, _key(master))


def open_backup(content: bytes, master: Secret) -> Backup:
    """Open a sealed backup.

    Raises:
        WrongKey: the secret belongs to another backup, or the file was changed.
        KeystoreError, ProfileError, UnsupportedVersion: it is not a backup of a known version.
    """
    if len(content) < _HEADER.size or content[: len(_MAGIC)] != _MAGIC:
        raise KeystoreError("the file is not a backup")
    header = content[: _HEADER.size]
    _, version, nonce = _HEADER.unpack(header)
    if version != _VERSION:
        raise UnsupportedVersion(
            f"the backup has version {version}, which this release does not know"
        )
    try:
        plaintext = xchacha.decrypt(
            content[_HEADER.size :], header, nonce, _key(master)
        )
    except InvalidTag:
        raise WrongKey(
            "the shares do not open the backup",
            hint="they belong to another backup, or the file was changed",
        ) from None
    document = _LAYOUT.read_json(plaintext)
    files = document.files
    if not files.keys() <= set(FILES) or "profile.json" not in files:
        raise KeystoreError("the backup does not hold a profile")
    return Backup(read_membership(files["profile.json"]), keys_of(document.keys), files)


def restore(backup: Backup, name: str, passphrase: Secret) -> Profile:
    """Write a profile as it was, under a new passphrase.

    Raises:
        ProfileError: a profile of that name already exists; it is left unchanged.
    """
    with new_profile(name) as staging:
        create(staging.keystore, backup.keys, Custody.of_passphrase(passphrase).lock)
        for file, content in backup.files.items():
            write_atomically(staging.folder / file, content)
    return Profile(profiles_folder() / name)


# --- which keys are in a backup ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BackedUp:
    """The newest backup of a profile.

    Attributes:
        time: when it was made, Unix seconds.
        complete: whether it has all current keys.
    """

    time: int
    complete: bool


def note_backup(profile: Profile, keys: Keys, time: int) -> None:
    """Record that these keys are backed up."""
    document = {"version": _VERSION, "time": time, "keys": _names(profile, keys)}
    write_atomically(_note(profile), (json.dumps(document) + "\n").encode())


def backed_up(profile: Profile, keys: Keys) -> BackedUp | None:
    """Return the newest backup of a profile; None if there is none.

    Raises:
        KeystoreError: the record of it cannot be read.
    """
    try:
        note = _NOTE.read_json(_note(profile).read_bytes())
    except FileNotFoundError:
        return None
    return BackedUp(note.time, set(note.keys) >= set(_names(profile, keys)))


def _names(profile: Profile, keys: Keys) -> list[str]:
    return [
        profile.membership().fingerprint,
        *(key.key_id.hex() for key in keys.recipient_keys),
    ]


def _note(profile: Profile) -> Path:
    return profile.folder / "backup.json"


def _key(master: Secret) -> Secret:
    return derive(master, _INFO, size=xchacha.KEY_SIZE)
