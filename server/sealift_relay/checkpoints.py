"""Publishes checkpoints of the log: signed by its key, cosigned by witnesses.

Source: C2SP tlog-checkpoint, and tlog-witness for asking witnesses.
"""

from __future__ import annotations

import base64
import http.client
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import nacl.signing

from sealift_protocol.errors import InvalidArgument, LogDamaged, LogInvalid
from sealift_protocol.notes import (
    MAX_NOTE,
    Checkpoint,
    SignedNote,
    VerifierKey,
    log_verifier_key,
    parse_checkpoint,
    parse_note,
    parse_signature_line,
    sign_note,
)
from sealift_relay.files import write_private
from sealift_relay.log import log
from sealift_relay.store.log import LogHead, LogStore

KEY_FILE = "log.key"
_WITNESS_SECONDS = 3.0
# A witness that failed is not asked for a while, so that it cannot slow down every call.
_PAUSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LogKey:
    """The log's Ed25519 key."""

    seed: bytes

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half, with the log's name."""
        return log_verifier_key(self.public_key)

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return bytes(nacl.signing.SigningKey(self.seed).verify_key)

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return nacl.signing.SigningKey(self.seed).sign(message).signature

    def __repr__(self) -> str:
        return f"LogKey({self.verifier_key.name})"


def write_log_key(folder: Path) -> LogKey:
    """Creates the log's key in a relay's TLS folder."""
    key = LogKey(bytes(nacl.signing.SigningKey.generate()))
    write_private(folder / KEY_FILE, base64.b64encode(key.seed) + b"\n")
    return key


def load_log_key(folder: Path) -> LogKey:
    """The log's key of a relay's TLS folder.

    Raises:
        InvalidArgument: the key is missing or malformed.
    """
    try:
        seed = base64.b64decode((folder / KEY_FILE).read_bytes(), validate=False)
        return LogKey(bytes(nacl.signing.SigningKey(seed)))
    except (OSError, ValueError, TypeError):
        raise InvalidArgument(
            "the relay's log key cannot be read; see certs/README.md"
        ) from None


class Publisher:
    """Signs the log's head on request, and has witnesses cosign it."""

    def __init__(self, store: LogStore, key: LogKey, witnesses: Sequence[str]) -> None:
        """Checks that the log on disk still matches its newest checkpoint.

        Raises:
            LogDamaged: it does not.
        """
        self._store = store
        self._key = key
        # The newest checkpoint that this process has published.
        self._published: tuple[SignedNote, Checkpoint] | None = None
        self._witnesses = [_Witness(url) for url in witnesses]
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(
            max(1, len(witnesses)), thread_name_prefix="witness"
        )
        _check_log(store)

    def close(self) -> None:
        """Stops asking witnesses."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def checkpoint(self, seen: LogHead) -> tuple[SignedNote, Checkpoint]:
        """The log's head as a signed note, cosigned by the witnesses that answer.

        Args:
            seen: the log as the caller read it. If another call has published a larger log
                since, the checkpoint is of that one.
        """
        with self._lock:
            published = self._find_published(seen)
            note, head = published or self._sign(seen)
            cosigned = self._cosign(note, head)
            if published is None or cosigned != note:
                self._store.publish(bytes(cosigned))
            self._published = cosigned, head
            return cosigned, head

    def _find_published(self, seen: LogHead) -> tuple[SignedNote, Checkpoint] | None:
        """The newest published checkpoint, unless the log has grown since."""
        if self._published is not None and seen.size <= self._published[1].size:
            return self._published
        if seen.published is None:
            return None
        note = parse_note(seen.published)
        head = self._head(seen)
        return (note, head) if note.text == str(head) else None

    def _sign(self, seen: LogHead) -> tuple[SignedNote, Checkpoint]:
        head = self._head(seen)
        line = sign_note(str(head), self._key.verifier_key, self._key.sign)
        return SignedNote(str(head), (line,)), head

    def _head(self, seen: LogHead) -> Checkpoint:
        return Checkpoint(self._key.verifier_key.name, seen.size, seen.root)

    def _cosign(self, note: SignedNote, head: Checkpoint) -> SignedNote:
        have = {name for name, _, _ in note.signatures}
        asked = [
            self._executor.submit(witness.ask, note, head, self._store.consistency)
            for witness in self._witnesses
            if witness.name not in have and witness.ready()
        ]
        lines = [line for future in asked for line in future.result()]
        return note.add(lines)


class _Witness:
    """One witness over HTTP."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise InvalidArgument(
                "a witness in relay.toml is not an http or https address"
            )
        self._parts = parts
        self._size = 0
        self._paused_until = 0.0
        # Learned from its first cosignature, to know whether a note has one already.
        self.name = ""

    def ready(self) -> bool:
        return time.monotonic() >= self._paused_until

    def ask(
        self,
        note: SignedNote,
        head: Checkpoint,
        prove: Callable[[int, int], list[bytes]],
    ) -> list[tuple[str, bytes, bytes]]:
        """The witness's signature lines; empty if it cannot be reached or refuses."""
        try:
            for _ in range(2):
                proof = prove(self._size, head.size) if self._size <= head.size else []
                status, body = self._post(_request(self._size, proof, note))
                if status != http.HTTPStatus.CONFLICT:
                    break
                # The witness has seen another size than we expected, and returns it.
                self._size = int(body.strip())
            if status != http.HTTPStatus.OK:
                log.warning("refuse_cosignature", status=status)
                self._pause()
                return []
            lines = [parse_signature_line(line) for line in body.splitlines()]
        except (OSError, http.client.HTTPException, ValueError, LogInvalid) as error:
            log.warning("miss_witness", error=type(error).__name__)
            self._pause()
            return []
        self._size = head.size
        self.name = lines[0][0] if lines else ""
        return lines

    def _post(self, request: bytes) -> tuple[int, str]:
        kind = (
            http.client.HTTPSConnection
            if self._parts.scheme == "https"
            else http.client.HTTPConnection
        )
        connection = kind(
            str(self._parts.hostname), self._parts.port, timeout=_WITNESS_SECONDS
        )
        try:
            connection.request(
                "POST", self._parts.path.rstrip("/") + "/add-checkpoint", request
            )
            response = connection.getresponse()
            return response.status, response.read(MAX_NOTE).decode()
        finally:
            connection.close()

    def _pause(self) -> None:
        self._paused_until = time.monotonic() + _PAUSE_SECONDS


def _request(old_size: int, proof: Sequence[bytes], note: SignedNote) -> bytes:
    lines = [f"old {old_size}", *(base64.b64encode(h).decode() for h in proof), "", ""]
    return "\n".join(lines).encode() + bytes(note)


def _check_log(store: LogStore) -> None:
    head = store.head()
    if head.published is None:
        return
    said = parse_checkpoint(parse_note(head.published).text)
    if said.size > head.size or (said.size == head.size and said.root != head.root):
        raise LogDamaged(
            f"the log on disk has {head.size} entries, but {said.size} were signed before"
        )
    if store.root_at(said.size) != said.root:
        raise LogDamaged("the log on disk differs from what was signed before")
