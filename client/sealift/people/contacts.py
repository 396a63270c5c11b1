"""Other members: looked up at the relay, trusted by pin or endorsement."""

from __future__ import annotations

from collections.abc import Iterable

from sealift.history.logview import LogView
from sealift.home.lastseen import LastSeen
from sealift.home.settings import Settings
from sealift.home.trust import TrustedMember, TrustStore, not_pinned
from sealift.process.clock import Clock, unix
from sealift.relay.transport import Relay
from sealift_protocol.errors import (
    FingerprintMismatch,
    TrustError,
    UnknownMember,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_protocol.objects.cards import Card, verify_card
from sealift_protocol.v1 import directory_pb2


class Contacts:
    """Looks members up and checks them against the trust store."""

    def __init__(
        self,
        relay: Relay,
        own_name: str,
        own_fingerprint: Fingerprint,
        trust: TrustStore,
        settings: Settings,
        last_seen: LastSeen,
        log: LogView,
        now: Clock,
    ) -> None:
        self._relay = relay
        self._own_name = own_name
        self._own_fingerprint = own_fingerprint
        self._trust = trust
        self._settings = settings
        self._last_seen = last_seen
        self._log = log
        self._now = now

    def meet(self, name: str) -> TrustedMember:
        """Return a member by name, with a verified card that is in the log.

        Raises:
            NotTrusted: neither pinned nor endorsed. If no one on this machine could endorse the
                member, the relay is not asked.
            TrustError: the member's card does not match its pin, is revoked or has expired.
            UnknownMember: the relay does not know the member.
            VerificationError: the card, a statement or the log does not verify.
        """
        if name == self._own_name:
            return self._myself()
        if not self._trust.may_meet(name, first_use=self._settings.trust_on_first_use):
            raise not_pinned(name, self._trust.pins())
        return self._verify(name, self._relay.get_card(name))

    def meet_all(self, names: Iterable[str]) -> list[TrustedMember]:
        """Return members by name, each once."""
        return [self.meet(name) for name in dict.fromkeys(names)]

    def by_fingerprint(self, fingerprint: Fingerprint) -> TrustedMember:
        """Return a member by identity.

        Raises:
            NotTrusted, UnknownMember: the member is not trusted, or does not exist.
        """
        if fingerprint == self._own_fingerprint:
            return self._myself()
        for name, pin in self._trust.pins().items():
            if fingerprint in pin.identities:
                return self.meet(name)
        response = self._relay.get_card("", fingerprint.digest)
        member = self._verify(verify_card(response.card).name, response)
        if fingerprint not in member.identities:
            raise FingerprintMismatch(
                "the relay's card for a member belongs to another member"
            )
        return member

    def label(self, fingerprint: Fingerprint) -> str:
        """Return the member's name if the member is trusted, or else its fingerprint."""
        try:
            return self.by_fingerprint(fingerprint).name
        except (TrustError, UnknownMember):
            return str(fingerprint)

    def identities(self, name: str) -> frozenset[Fingerprint]:
        """Return an owner's identities: the current one and those that it succeeded."""
        return self.meet(name).identities

    def own_card(self) -> Card:
        """Return this member's newest card at the relay."""
        return self._myself().card

    def _myself(self) -> TrustedMember:
        response = self._relay.get_card(self._own_name)
        card = verify_card(response.card)
        if (card.signer, card.name) != (self._own_fingerprint, self._own_name):
            raise FingerprintMismatch(
                "the relay's card for this profile belongs to another member"
            )
        self._last_seen.check_card(card)
        self._log.expect(Kind.CARD, card.digest)
        former = self._trust.pins().get(self._own_name)
        identities = {self._own_fingerprint} | (
            former.identities if former else frozenset()
        )
        return TrustedMember(card, frozenset(identities), "this profile")

    def _verify(
        self, name: str, response: directory_pb2.GetCardResponse
    ) -> TrustedMember:
        member = self._trust.verify_member(
            name,
            response.card,
            response.statements,
            self._last_seen,
            unix(self._now),
            first_use=self._settings.trust_on_first_use,
        )
        self._log.expect(Kind.CARD, member.card.digest)
        if member.endorser:
            # The endorsements of an organisation end when it revokes its identity.
            self.meet(member.endorser)
        return member
