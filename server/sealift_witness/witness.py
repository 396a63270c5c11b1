"""The decisions of a witness, and the file that it keeps for each log.

Source: C2SP tlog-witness (add-checkpoint) and tlog-cosignature.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import nacl.signing

from sealift_protocol.errors import InvalidArgument, LogInvalid
from sealift_protocol.merkle import EMPTY_ROOT, verify_consistency
from sealift_protocol.notes import (
    KeyKind,
    VerifierKey,
    cosign_note,
    parse_checkpoint,
    parse_note,
    signature_line,
    verify_checkpoint,
)

MAX_REQUEST = 128 << 10
_MAX_PROOF = 63


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request."""

    status: HTTPStatus
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


class Witness:
    """Remembers the newest checkpoint of each log that it knows, in a folder."""

    def __init__(
        self,
        folder: Path,
        name: str,
        seed: bytes,
        logs: Sequence[VerifierKey],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._signing_key = nacl.signing.SigningKey(seed)
        self.key = VerifierKey(
            name, KeyKind.COSIGNATURE_V1, bytes(self._signing_key.verify_key)
        )
        self._logs = {log.name: log for log in logs}
        self._clock = clock

    def add_checkpoint(self, request: bytes) -> Answer:
        """Cosigns a checkpoint that extends the last one seen of its log, or answers why not."""
        try:
            old_size, proof, content = _parse(request)
            note = parse_note(content)
            origin = parse_checkpoint(note.text).origin
        except LogInvalid as error:
            return Answer(HTTPStatus.BAD_REQUEST, error.what)
        log = self._logs.get(origin)
        if log is None:
            return Answer(HTTPStatus.NOT_FOUND, "this witness does not know that log")
        try:
            checkpoint = verify_checkpoint(note, log)
        except LogInvalid as error:
            return Answer(HTTPStatus.FORBIDDEN, error.what)
        if old_size > checkpoint.size:
            return Answer(
                HTTPStatus.BAD_REQUEST, "the old size is larger than the new one"
            )
        with self._state(origin) as state:
            size, root = state.read()
            if old_size != size or (
                checkpoint.size == size and checkpoint.root != root
            ):
                return Answer(HTTPStatus.CONFLICT, f"{size}\n", "text/x.tlog.size")
            try:
                verify_consistency(size, root, checkpoint.size, checkpoint.root, proof)
            except LogInvalid as error:
                return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, error.what)
            # Stored before it is cosigned: a crash in between costs a signature, not trust.
            state.write(checkpoint.size, checkpoint.root)
        signature = cosign_note(note.text, self.key, self._sign, int(self._clock()))
        return Answer(HTTPStatus.OK, signature_line(signature))

    def _sign(self, message: bytes) -> bytes:
        return self._signing_key.sign(message).signature

    @contextmanager
    def _state(self, origin: str) -> Iterator[_State]:
        name = hashlib.sha256(origin.encode()).hexdigest()[:32]
        lock = os.open(self._folder / f".{name}.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield _State(self._folder / f"{name}.json")
        finally:
            os.close(lock)


@dataclass(frozen=True, slots=True)
class _State:
    """The newest checkpoint of one log."""

    path: Path

    def read(self) -> tuple[int, bytes]:
        try:
            document = json.loads(self.path.read_text())
            return int(document["size"]), bytes.fromhex(document["root"])
        except FileNotFoundError:
            return 0, EMPTY_ROOT
        except (ValueError, KeyError, TypeError):
            raise InvalidArgument(
                "the witness's memory of a log cannot be read",
                hint="restore it from a backup; a witness that forgot must get a new key",
            ) from None

    def write(self, size: int, root: bytes) -> None:
        staging = self.path.with_suffix(".new")
        with staging.open("w") as file:
            json.dump({"size": size, "root": root.hex()}, file)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _parse(request: bytes) -> tuple[int, list[bytes], bytes]:
    """Old size, consistency proof and note of an add-checkpoint request."""
    head, blank, note = request.partition(b"\n\n")
    if not blank or len(request) > MAX_REQUEST:
        raise LogInvalid("the request has no checkpoint, or is too long")
    first, *lines = head.decode(errors="replace").split("\n")
    word, _, number = first.partition(" ")
    if word != "old" or not number.isdigit() or str(int(number)) != number:
        raise LogInvalid("the request does not begin with the old size")
    try:
        proof = [base64.b64decode(line, validate=True) for line in lines]
    except binascii.Error:
        raise LogInvalid("the request's proof is not base64") from None
    if len(proof) > _MAX_PROOF or any(len(item) != 32 for item in proof):
        raise LogInvalid("the request's proof is not a list of hashes")
    return int(number), proof, note
