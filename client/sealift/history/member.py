"""A member connected to its relay: it signs, appends and reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sealift.crypto.signing import Identity
from sealift.crypto.suites import PrivateKey
from sealift.history.logview import LogView
from sealift.home.lastseen import LastSeen
from sealift.process.clock import Clock
from sealift.relay.transport import Relay
from sealift_protocol.ids import Fingerprint


@dataclass(frozen=True, slots=True)
class Member:
    """A member connected to its relay.

    Attributes:
        relay: the connection.
        identity: the member's signing key.
        private_keys: its recipient keys by key id.
        last_seen: what it last saw of the relay.
        log: the relay's log as it sees it.
        now: the clock.
        former: its own earlier identities, which this one succeeded.
    """

    relay: Relay
    identity: Identity
    private_keys: Mapping[bytes, PrivateKey]
    last_seen: LastSeen
    log: LogView
    now: Clock
    former: frozenset[Fingerprint] = frozenset()

    @property
    def identities(self) -> frozenset[Fingerprint]:
        """The current identity, and those that it succeeded."""
        return self.former | {self.identity.fingerprint}

    @contextmanager
    def together(self) -> Iterator[None]:
        """Batch the block's proofs into one call, and its records into one write.

        Both happen at the end of the block. Do not use what the block found before then.

        Raises:
            VerificationError: an object is not in the log, or the log was rolled back.
        """
        with self.last_seen.held(), self.log.together():
            yield
