"""The trust store: the fingerprints that a person has pinned on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sealift.files import write_atomically
from sealift_protocol.errors import (
    AlreadyTrusted,
    FingerprintMismatch,
    MalformedObject,
    NotTrusted,
    RollbackDetected,
)
from sealift_protocol.ids import Fingerprint, check_name
from sealift_protocol.objects import Card, verify_card
from sealift_protocol.v1 import objects_pb2

_VERSION = 1


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Pins in one JSON file: `{"version": 1, "pins": {name: fingerprint}}`."""

    path: Path

    def pins(self) -> dict[str, Fingerprint]:
        """All pinned members, by name.

        Raises:
            MalformedObject: the file is not a trust store.
        """
        if not self.path.exists():
            return {}
        try:
            document = json.loads(self.path.read_text())
            if document["version"] != _VERSION:
                raise MalformedObject("the trust store has a version that is not known")
            return {name: Fingerprint.parse(text) for name, text in document["pins"].items()}
        except (ValueError, KeyError, AttributeError, TypeError):
            raise MalformedObject(
                "the trust store cannot be read",
                hint="restore the file trust.json of this profile, or remove it and pin again",
            ) from None

    def add(self, name: str, fingerprint: Fingerprint) -> None:
        """Pins a member.

        Raises:
            AlreadyTrusted: another fingerprint is pinned under that name.
        """
        pins = self.pins()
        if pins.get(check_name(name), fingerprint) != fingerprint:
            raise AlreadyTrusted("another fingerprint is pinned under that name")
        self._write({**pins, name: fingerprint})

    def remove(self, name: str) -> None:
        """Removes a pin.

        Raises:
            NotTrusted: there is none.
        """
        pins = self.pins()
        if pins.pop(name, None) is None:
            raise NotTrusted("no fingerprint is pinned under that name", hint="")
        self._write(pins)

    def fingerprint(self, name: str) -> Fingerprint:
        """The fingerprint pinned for a member.

        Raises:
            NotTrusted: there is none.
        """
        pinned = self.pins().get(name)
        if pinned is None:
            raise NotTrusted("no fingerprint is pinned for that member")
        return pinned

    def verify_card(
        self, name: str, signed: objects_pb2.Signed, *, pinned: Fingerprint | None = None
    ) -> Card:
        """Verifies what the relay says is a member's card.

        Args:
            name: whose card it should be.
            signed: as received.
            pinned: the fingerprint that the member must have; the pinned one by default.

        Raises:
            NotTrusted: no fingerprint is pinned for the member.
            FingerprintMismatch: the card is another identity's or another name's.
            VerificationError: it is not a valid card.
        """
        if pinned is None:
            pinned = self.fingerprint(name)
        card = verify_card(signed)
        if card.signer != pinned:
            raise FingerprintMismatch("the relay's card for that member has another fingerprint")
        if card.name != name:
            raise FingerprintMismatch("the relay's card for that member carries another name")
        return card

    def _write(self, pins: dict[str, Fingerprint]) -> None:
        document = {"version": _VERSION, "pins": {n: str(f) for n, f in sorted(pins.items())}}
        write_atomically(self.path, (json.dumps(document, indent=1) + "\n").encode())


class LastSeen:
    """What this client saw last, so that a relay cannot go back: card versions, dataset heads.

    One JSON file; a missing file means that nothing was seen yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def check_card(self, card: Card) -> None:
        """Refuses a card older than one seen before, and remembers a newer one.

        Raises:
            RollbackDetected: the card is old, or a different card of the same version.
        """
        self._advance("cards", str(card.signer), card.version, card.digest, "card")

    def check_head(self, dataset_id: bytes, number: int, digest: bytes, known: bytes) -> None:
        """Refuses a history that is shorter than, or differs from, the one seen before.

        Args:
            dataset_id: which dataset.
            number: number of the newest commit received.
            digest: its digest.
            known: digest in the received history at the number seen last (see `seen_head`).

        Raises:
            RollbackDetected: the relay forgot or replaced commits.
        """
        seen = self.seen_head(dataset_id)
        if seen is not None and number > seen[0] and known != seen[1]:
            raise RollbackDetected("the relay serves another history of a dataset than before")
        self._advance("heads", dataset_id.hex(), number, digest, "dataset history")

    def seen_head(self, dataset_id: bytes) -> tuple[int, bytes] | None:
        """Number and digest of the newest commit seen of a dataset."""
        entry = self._read().get("heads", {}).get(dataset_id.hex())
        return None if entry is None else (entry[0], bytes.fromhex(entry[1]))

    def _advance(self, kind: str, key: str, version: int, digest: bytes, what: str) -> None:
        document = self._read()
        seen = document.setdefault(kind, {}).get(key)
        if seen is not None and version < seen[0]:
            raise RollbackDetected(f"the relay serves an older {what} than it did before")
        if seen is not None and version == seen[0] and digest.hex() != seen[1]:
            raise RollbackDetected(f"the relay serves another {what} than it did before")
        if seen is None or version > seen[0]:
            document[kind][key] = (version, digest.hex())
            write_atomically(self._path, json.dumps(document).encode())

    def _read(self) -> dict[str, dict[str, tuple[int, str]]]:
        try:
            document = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise MalformedObject(
                "the record of what this client saw last cannot be read",
                hint="restore seen.json of this profile; removing it gives up rollback detection",
            )
        return document
