"""`Session.people`: the other members that this one trusts."""

from __future__ import annotations

from collections.abc import Sequence

from sealift.api.connection import Connection
from sealift.home.trust import TrustedMember
from sealift.people import identities as lifecycle
from sealift.people.probes import ProbeResult, answer_probes, probe_all
from sealift_protocol.ids import Fingerprint


class People:
    """Members: looked up at the relay, trusted by pin or endorsement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def member(self, name: str) -> TrustedMember:
        """Look up a trusted member, with its newest verified card.

        Raises:
            NotTrusted: the member is neither pinned nor endorsed.
            TrustError, UnknownMember, VerificationError: the member cannot be verified.
        """
        return self._connection.contacts.meet(name)

    def label(self, fingerprint: Fingerprint) -> str:
        """Return the name of a trusted member, or the fingerprint of one that is not trusted."""
        return self._connection.contacts.label(fingerprint)

    def endorse(self, name: str, *, not_after: int) -> TrustedMember:
        """Endorse a member as an organisation.

        The member must be pinned here: an organisation knows its own people.

        Args:
            name: the member's name.
            not_after: Unix seconds at which the endorsement ends; 0 withdraws it.
        """
        member = self.member(name)
        lifecycle.endorse(self._connection.member, member.card, not_after=not_after)
        return member

    def preflight(
        self, names: Sequence[str], *, wait_seconds: float = 60
    ) -> list[ProbeResult]:
        """Send each member a sealed kibibyte, and wait for proof that it could be opened."""
        cards = [member.card for member in self._connection.recipients(names)]
        return probe_all(self._connection.member, cards, wait_seconds=wait_seconds)

    def answer_probes(self) -> int:
        """Answer the probes that wait for this member; return their number."""
        return answer_probes(self._connection.member)
