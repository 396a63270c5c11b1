"""What this client last saw of its relay, so that the relay cannot roll back."""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec

from sealift.crypto.hkdf import derive
from sealift.keystore import Keys
from sealift.process.files import identity_of, write_atomically
from sealift.process.layouts import FileStruct, Layout
from sealift.process.secret import Secret
from sealift_protocol.errors import KeystoreError, MalformedObject, RollbackDetected
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.cards import Card

_VERSION = 2
_AT_ONCE = (
    "another command of this profile saw something newer in the meantime: run this one again; if "
    "it fails again, the relay serves two histories: tell its operator"
)
# A number or version, and a digest in hex.
_Mark = tuple[int, str]


class _Sealed(FileStruct, frozen=True):
    version: int
    document: str
    mac: str


class _Document(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    checkpoint: _Mark | None = None
    cards: dict[str, _Mark] = msgspec.field(default_factory=dict)
    heads: dict[str, _Mark] = msgspec.field(default_factory=dict)
    revoked: dict[str, bool] = msgspec.field(default_factory=dict)
    purges: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    datasets: dict[str, str] = msgspec.field(default_factory=dict)


_Change: TypeAlias = Callable[[_Document], None]
_WHAT = "the record of what this client last saw"
_HINT = "restore seen.json of this profile; removing it gives up rollback detection"
_FILE = Layout(_WHAT, {_VERSION: _Sealed}, MalformedObject, _HINT)
_DOCUMENT = Layout(_WHAT, _Document, MalformedObject, _HINT)


def last_seen_key(keys: Keys) -> Secret:
    """Return the key that authenticates the record, so that changing it needs the keystore.

    It is derived from the TLS key, because the identity and the recipient keys may be replaced, or
    from the owner's secret if the TLS key is in a backend.

    Raises:
        KeystoreError: the keystore has neither.
    """
    lasting = keys.tls_private_key
    if not isinstance(lasting, Secret):
        if keys.owner_secret is None:
            raise KeystoreError("the keystore has no owner's secret")
        lasting = keys.owner_secret
    return derive(lasting, b"sealift/1 last seen")


class LastSeen:
    """Card versions, dataset heads, the log's checkpoint, revoked identities, pending purges.

    They are in one JSON file under HMAC-SHA256; a missing file means that nothing was seen yet.
    The file is read again only when it has changed. Each change is durable when its method
    returns, or at the end of a `held` block.
    """

    def __init__(self, path: Path, key: Secret) -> None:
        self._path = path
        self._key = key
        # What was last read, with the file's identity at that time.
        self._known: tuple[tuple[int, ...], str] | None = None
        # Another thread's block must not delay what this thread has to remember.
        self._held = _Held()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the changes of a block durable at its end, in one write; blocks may nest.

        Each check in the block runs immediately, against the file and the changes before it. At
        the end all checks run again against the current file, which another process may have
        changed. An exception that ends the block loses nothing that was seen.

        Raises:
            RollbackDetected: another process saw something newer, or something different.
        """
        held = self._held
        if held.document is not None:
            yield
            return
        held.document, held.changes = self._read(), []
        try:
            yield
        finally:
            changes, held.document, held.changes = held.changes, None, []
            if changes:
                self._write_checked(changes)

    def check_card(self, card: Card) -> None:
        """Refuse a card older than one seen before, and remember a newer one.

        Raises:
            RollbackDetected: the card is older, or a different card of the same version.
        """
        version = (card.version, card.digest)
        self._change(
            lambda document: _advance(document.cards, str(card.signer), version, "card")
        )

    def check_head(
        self,
        dataset_id: bytes,
        number: int,
        digest: bytes,
        known: bytes | Callable[[int], bytes],
    ) -> None:
        """Refuse a history that is shorter than, or differs from, the one seen before.

        Args:
            dataset_id: 16 bytes.
            number: number of the newest commit received.
            digest: its digest.
            known: the digest that the received history has at the last seen number (see
                `seen_head`), or a function from a number to its digest, empty if unknown.

        Raises:
            RollbackDetected: the relay forgot or replaced commits.
        """

        def change(document: _Document) -> None:
            seen = document.heads.get(dataset_id.hex())
            if seen is not None and number > seen[0]:
                there = known if isinstance(known, bytes) else known(seen[0])
                if there.hex() != seen[1]:
                    raise RollbackDetected(
                        "the relay serves a different history of a dataset than before"
                    )
            _advance(
                document.heads, dataset_id.hex(), (number, digest), "dataset history"
            )

        self._change(change)

    def seen_head(self, dataset_id: bytes) -> tuple[int, bytes] | None:
        """Return the number and digest of the newest commit seen of a dataset."""
        entry = self._read().heads.get(dataset_id.hex())
        return None if entry is None else (entry[0], bytes.fromhex(entry[1]))

    def checkpoint(self) -> tuple[int, bytes] | None:
        """Return the size and root of the newest checkpoint seen."""
        entry = self._read().checkpoint
        return None if entry is None else (entry[0], bytes.fromhex(entry[1]))

    def remember_checkpoint(self, size: int, root: bytes) -> None:
        """Remember a checkpoint that was verified against the one before."""

        def change(document: _Document) -> None:
            entry = document.checkpoint
            if entry is None or size > entry[0]:
                document.checkpoint = (size, root.hex())

        self._change(change)

    def remember_revoked(self, identity: Fingerprint) -> None:
        """Remember permanently that an identity was revoked."""

        def change(document: _Document) -> None:
            document.revoked[str(identity)] = True

        self._change(change)

    def is_revoked(self, identity: Fingerprint) -> bool:
        """Return whether an identity was revoked."""
        return str(identity) in self._read().revoked

    def remember_purges(self, dataset_id: bytes, commits: dict[int, bytes]) -> None:
        """Remember commits (number to digest) whose erased records must be purged here."""
        if not commits:
            return

        def change(document: _Document) -> None:
            waiting = document.purges.setdefault(dataset_id.hex(), {})
            waiting.update(
                {str(number): digest.hex() for number, digest in commits.items()}
            )

        self._change(change)

    def purges(self, dataset_id: bytes) -> dict[int, bytes]:
        """Return the commits whose erased records must still be purged here."""
        waiting = self._read().purges.get(dataset_id.hex(), {})
        return {
            int(number): bytes.fromhex(digest) for number, digest in waiting.items()
        }

    def forget_purges(self, dataset_id: bytes) -> None:
        """Forget a dataset's pending purges, once they are confirmed."""

        def change(document: _Document) -> None:
            document.purges.pop(dataset_id.hex(), None)

        self._change(change)

    def remember_dataset(
        self, owner: Fingerprint, name: str, dataset_id: bytes
    ) -> None:
        """Remember which dataset an owner's name means; the file does not reveal the name."""
        tag = self._tag(owner, name)

        def change(document: _Document) -> None:
            document.datasets[tag] = dataset_id.hex()

        self._change(change)

    def find_dataset(self, owners: Collection[Fingerprint], name: str) -> bytes | None:
        """Return the dataset that a name meant when it was last opened."""
        known = self._read().datasets
        found = [
            known[tag] for tag in (self._tag(o, name) for o in owners) if tag in known
        ]
        return bytes.fromhex(found[0]) if found else None

    def named_datasets(self) -> frozenset[bytes]:
        """Return the ids of the datasets whose names are remembered."""
        return frozenset(map(bytes.fromhex, self._read().datasets.values()))

    def forget_dataset(self, dataset_id: bytes) -> None:
        """Forget a dataset that this member deleted, so that its name is free again."""

        def change(document: _Document) -> None:
            document.datasets = {
                tag: known
                for tag, known in document.datasets.items()
                if known != dataset_id.hex()
            }

        self._change(change)

    def _tag(self, owner: Fingerprint, name: str) -> str:
        content = b"dataset name" + owner.digest + name.encode()
        return hmac.digest(self._key.view(), content, "sha256").hex()

    def _change(self, change: _Change) -> None:
        held = self._held
        if held.document is None:
            self._write([change])
            return
        change(held.document)
        held.changes.append(change)

    def _write_checked(self, changes: list[_Change]) -> None:
        try:
            self._write(changes)
        except RollbackDetected as error:
            # The changes were consistent with the record when they were made.
            raise RollbackDetected(error.what, hint=_AT_ONCE) from error

    def _write(self, changes: list[_Change]) -> None:
        # Two concurrent commands of one profile must not overwrite each other's changes.
        lock = os.open(
            self._path.with_name(".seen.lock"), os.O_WRONLY | os.O_CREAT, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self._load()
            before = _text(document)
            failure: RollbackDetected | None = None
            for change in changes:
                try:
                    change(document)
                except RollbackDetected as error:
                    # The other changes are remembered anyway.
                    failure = failure or error
            after = _text(document)
            if after != before:
                content = {
                    "version": _VERSION,
                    "document": after,
                    "mac": self._mac(after),
                }
                write_atomically(self._path, json.dumps(content).encode())
                self._known = (identity_of(self._path.stat()), after)
            if failure is not None:
                raise failure
        finally:
            os.close(lock)

    def _read(self) -> _Document:
        held = self._held.document
        return self._load() if held is None else held

    def _load(self) -> _Document:
        """Return the file's document, which the caller may change."""
        try:
            found = identity_of(self._path.stat())
            known = self._known
            if known is None or known[0] != found:
                self._known = None
                known = self._known = self._verify()
        except FileNotFoundError:
            return _Document()
        return _DOCUMENT.read_json(known[1])

    def _verify(self) -> tuple[tuple[int, ...], str]:
        with self._path.open("rb") as file:
            identity = identity_of(os.fstat(file.fileno()))
            found = _FILE.read_json(file.read())
        # Encoded, because compare_digest refuses text that is not ASCII.
        fits = self._mac(found.document).encode()
        if not hmac.compare_digest(fits, found.mac.encode(errors="surrogatepass")):
            raise _DOCUMENT.refused("it was changed")
        return identity, found.document

    def _mac(self, document: str) -> str:
        content = document.encode(errors="surrogatepass")
        return hmac.digest(self._key.view(), content, "sha256").hex()


def _text(document: _Document) -> str:
    return json.dumps(msgspec.to_builtins(document))


def _advance(
    marks: dict[str, _Mark], key: str, new: tuple[int, bytes], what: str
) -> None:
    version, digest = new[0], new[1].hex()
    seen = marks.get(key)
    if seen is not None and version < seen[0]:
        raise RollbackDetected(f"the relay serves an older {what} than before")
    if seen is not None and version == seen[0] and digest != seen[1]:
        raise RollbackDetected(f"the relay serves a different {what} than before")
    marks[key] = (version, digest)


class _Held(threading.local):
    """A thread's `held` block: the changed document, and the changes."""

    document: _Document | None = None
    changes: list[_Change]
