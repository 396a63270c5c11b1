"""The log as this client sees it: each checkpoint continues the last, each object is in it.

Source: RFC 6962; C2SP tlog-checkpoint and tlog-cosignature. docs/spec/log.md.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sealift.home.lastseen import LastSeen
from sealift.home.settings import Settings
from sealift.process.clock import Clock, unix
from sealift.relay.transport import RelayClient
from sealift_protocol.errors import NotInLog, RollbackDetected, WitnessesMissing
from sealift_protocol.logentry import NO_DATASET, Kind, LogEntry
from sealift_protocol.merkle import verify_consistency, verify_inclusion
from sealift_protocol.notes import (
    Checkpoint,
    SignedNote,
    VerifierKey,
    cosigned_at,
    parse_note,
    verify_checkpoint,
)
from sealift_protocol.wire import MAX_DIGESTS

# After this time a cosignature no longer shows that the witness sees the same log as we do.
_FRESH_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Logged:
    """A log entry whose inclusion was proved.

    Attributes:
        entry: the leaf.
        index: its position in the log.
        hashes: its inclusion proof for `checkpoint`.
        note: the signed checkpoint.
        checkpoint: the parsed checkpoint.
    """

    entry: LogEntry
    index: int
    hashes: tuple[bytes, ...]
    note: SignedNote
    checkpoint: Checkpoint


class LogView:
    """Verify the relay's log."""

    def __init__(
        self,
        relay: RelayClient,
        key: VerifierKey,
        settings: Settings,
        last_seen: LastSeen,
        now: Clock,
    ) -> None:
        self._relay = relay
        self._key = key
        self._settings = settings
        self._last_seen = last_seen
        self._now = now
        self._waiting = _Waiting()

    @contextmanager
    def together(self) -> Iterator[None]:
        """At the end of a block, prove what it expects in the log in one call; blocks may nest.

        Until then, the caller must not release anything that the block returns.

        Raises:
            NotInLog, LogInvalid, RollbackDetected, WitnessesMissing: as `check`.
        """
        waiting = self._waiting
        if waiting.objects is not None:
            yield
            return
        waiting.objects = []
        try:
            yield
            # Not after an exception: a block that failed releases nothing.
            self.check(dict.fromkeys(waiting.objects))
        finally:
            waiting.objects = None

    def expect(self, kind: Kind, digest: bytes, dataset_id: bytes = b"") -> None:
        """Prove that an object is in the log: now, or at the end of a `together` block.

        Raises:
            NotInLog, LogInvalid, RollbackDetected, WitnessesMissing: as `check`.
        """
        if self._waiting.objects is None:
            self.check([(kind, digest, dataset_id)])
        else:
            self._waiting.objects.append((kind, digest, dataset_id))

    def advance(self) -> tuple[SignedNote, Checkpoint]:
        """Verify the newest checkpoint.

        Raises:
            LogInvalid: it is not signed by the log, or does not continue the last one.
            RollbackDetected: the log is shorter than it was.
            WitnessesMissing: too few witnesses have cosigned it.
        """
        note, checkpoint, _ = self._prove(())
        return note, checkpoint

    def check(self, objects: Iterable[tuple[Kind, bytes, bytes]]) -> list[Logged]:
        """Prove that objects are in the log.

        Args:
            objects: kind, object digest, and dataset id (empty for objects of no dataset).

        Raises:
            NotInLog: an object is missing, or is logged as something else.
            LogInvalid, RollbackDetected, WitnessesMissing: as `advance`.
        """
        wanted = list(objects)
        logged: list[Logged] = []
        for start in range(0, len(wanted), MAX_DIGESTS):
            logged += self._check(wanted[start : start + MAX_DIGESTS])
        return logged

    def _check(self, wanted: Sequence[tuple[Kind, bytes, bytes]]) -> list[Logged]:
        note, checkpoint, found = self._prove([digest for _, digest, _ in wanted])
        logged = []
        for kind, digest, dataset_id in wanted:
            proof = found.get(digest)
            if proof is None:
                raise NotInLog(f"a {_name(kind)} is not in the relay's log")
            entry, index, hashes = proof
            if (entry.kind, entry.dataset_id) != (kind, dataset_id or NO_DATASET):
                raise NotInLog(f"a {_name(kind)} is logged as a different object")
            logged.append(Logged(entry, index, hashes, note, checkpoint))
        return logged

    def _prove(
        self, digests: Sequence[bytes]
    ) -> tuple[
        SignedNote, Checkpoint, dict[bytes, tuple[LogEntry, int, tuple[bytes, ...]]]
    ]:
        seen = self._last_seen.checkpoint()
        old_size, old_root = seen or (0, b"")
        response = self._relay.prove(old_size, digests)
        note = parse_note(response.checkpoint)
        checkpoint = verify_checkpoint(note, self._key)
        if checkpoint.size < old_size:
            raise RollbackDetected("the relay's log is shorter than it was before")
        verify_consistency(
            old_size,
            old_root,
            checkpoint.size,
            checkpoint.root,
            list(response.consistency),
        )
        self._check_witnesses(note)
        found = {}
        for proof in response.inclusions:
            hashes = tuple(proof.hashes)
            verify_inclusion(
                proof.entry, proof.index, checkpoint.size, hashes, checkpoint.root
            )
            entry = LogEntry.unpack(proof.entry)
            found[entry.digest] = (entry, proof.index, hashes)
        self._last_seen.remember_checkpoint(checkpoint.size, checkpoint.root)
        return note, checkpoint, found

    def _check_witnesses(self, note: SignedNote) -> None:
        if not self._settings.quorum:
            return
        oldest = unix(self._now) - _FRESH_SECONDS
        times = [cosigned_at(note, key) for key in self._settings.witness_keys()]
        count = sum(time is not None and time >= oldest for time in times)
        if count < self._settings.quorum:
            raise WitnessesMissing(
                f"{count} of {len(times)} witnesses have cosigned the relay's log within a day, "
                f"and this profile requires {self._settings.quorum}"
            )


def _name(kind: Kind) -> str:
    return kind.name.lower().replace("_", " ")


class _Waiting(threading.local):
    """What a thread's block expects in the log."""

    objects: list[tuple[Kind, bytes, bytes]] | None = None
