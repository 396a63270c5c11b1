"""The members that this one deals with: looked up at the relay, trusted by pin or endorsement."""

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
    """Looks members up and decides, with the trust store, whether they are who they should be."""

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
        """A member by name, with a verified card that stands in the log.

        Raises:
            NotTrusted: nothing makes the member trusted; the relay is not even asked then.
            TrustError, UnknownMember, VerificationError: what is wrong.
        """
        if name == self._own_name:
            return self._myself()
        if not self._trust.may_meet(name, first_use=self._settings.trust_on_first_use):
            raise not_pinned(name, self._trust.pins())
        return self._verify(name, self._relay.get_card(name))

    def meet_all(self, names: Iterable[str]) -> list[TrustedMember]:
        """Members by name, each once."""
        return [self.meet(name) for name in dict.fromkeys(names)]

    def by_fingerprint(self, fingerprint: Fingerprint) -> TrustedMember:
        """A member by identity.

        Raises:
            NotTrusted, UnknownMember: nothing makes the member trusted, or there is none.
        """
        if fingerprint == self._own_fingerprint:
            return self._myself()
        for name, pin in self._trust.pins().items():
            if fingerprint in pin.identities:
                return self.meet(name)
        response = self._relay.get_card("", fingerprint.digest)
        member = self._verify(verify_card(response.card).name, response)
        if fingerprint not in member.identities:
            raise FingerprintMismatch("the relay's card for a member is another's")
        return member

    def label(self, fingerprint: Fingerprint) -> str:
        """A name for people: the member's, if it is trusted, or the fingerprint."""
        try:
            return self.by_fingerprint(fingerprint).name
        except (TrustError, UnknownMember):
            return str(fingerprint)

    def identities(self, name: str) -> frozenset[Fingerprint]:
        """The identities whose datasets are an owner's: its own and those that it succeeded."""
        return self.meet(name).identities

    def own_card(self) -> Card:
        """The newest card of this member, as the relay has it."""
        return self._myself().card

    def _myself(self) -> TrustedMember:
        response = self._relay.get_card(self._own_name)
        card = verify_card(response.card)
        if (card.signer, card.name) != (self._own_fingerprint, self._own_name):
            raise FingerprintMismatch("the relay's card for this profile is another's")
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
            # An organisation that has revoked its identity vouches for nobody any more.
            self.meet(member.endorser)
        return member
