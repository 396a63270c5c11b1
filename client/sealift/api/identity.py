"""`Session.identity`: this member's identity, its certificate, and how to replace them."""

from __future__ import annotations

from datetime import datetime

from sealift.api.connection import Connection
from sealift.history.opened import open_datasets
from sealift.home.backup import backed_up
from sealift.home.settings import Settings
from sealift.keystore.tlskeys import (
    certificate_request,
    check_issued,
    expiry,
    life_left,
)
from sealift.owner.manage import access
from sealift.people import identities as lifecycle
from sealift.people.health import RENEW_BELOW
from sealift.people.rotation import rotations
from sealift.people.status import Status
from sealift.process.files import write_atomically
from sealift.process.log import log
from sealift_protocol.errors import SealiftError
from sealift_protocol.ids import Fingerprint


class OwnIdentity:
    """This member's identity and certificate."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def fingerprint(self) -> Fingerprint:
        """This member's fingerprint, which other members pin."""
        return self._connection.fingerprint

    @property
    def name(self) -> str:
        """This member's name at the relay."""
        return self._connection.membership.name

    @property
    def role(self) -> str:
        """What the relay lets this member do: owner, trainer, auditor or operator."""
        return self._connection.membership.role

    @property
    def settings(self) -> Settings:
        """The settings of the profile."""
        return self._connection.settings

    def status(self) -> Status:
        """Report the certificate, the keystore, and which keys are due to be replaced."""
        connection = self._connection
        return Status(
            connection.membership,
            connection.keychain.custody.url,
            expiry(connection.profile.certificate.read_bytes()),
            backed_up(connection.profile, connection.keychain.keys),
            tuple(
                rotations(
                    connection.member,
                    connection.contacts.own_card(),
                    connection.membership,
                    connection.settings.rotation,
                )
            ),
            connection.time,
        )

    def revoke(self, reason: str = "") -> None:
        """Revoke this identity permanently; other members refuse it from their next look-up on."""
        lifecycle.revoke_identity(self._connection.member, self.name, reason)

    def succeed(self, moved: lifecycle.Moved | None = None) -> Fingerprint:
        """Replace this identity with a new one; members that pinned the old one follow.

        Datasets are handed over first. Anyone who holds the old key can still sign with it: if it
        was stolen, revoke the identity instead.

        Args:
            moved: where the keys move; by default they stay in their place.
        """
        connection = self._connection
        fingerprint = lifecycle.succeed(
            connection.member,
            connection.keychain,
            connection.profile,
            self._hand_over,
            moved,
        )
        connection.reload()
        return fingerprint

    def _hand_over(self, successor: Fingerprint) -> None:
        member = self._connection.member
        trusted = {*member.identities, successor}
        for opened in open_datasets(member, trusted):
            if opened.owner == self.fingerprint:
                co_owners = sorted(opened.history.co_owners)
                access.set_co_owners(member, opened, co_owners, (), successor=successor)

    def renew(self) -> datetime:
        """Get a new certificate for the same TLS key; return when it expires."""
        connection = self._connection
        tls_key = connection.keychain.custody.tls_key(connection.keychain.keys)
        request = certificate_request(tls_key, self.name)
        certificate = connection.relay.renew(request)
        check_issued(certificate, connection.profile.authority.read_bytes(), tls_key)
        write_atomically(connection.profile.certificate, certificate)
        return expiry(certificate)

    def renew_if_due(self) -> bool:
        """Renew the certificate if less than a third of its lifetime is left."""
        certificate = self._connection.profile.certificate.read_bytes()
        if life_left(certificate, self._connection.now()) >= RENEW_BELOW:
            return False
        try:
            self.renew()
        except SealiftError as error:
            # The old one still works; the next connection tries again.
            log.warning("postpone_renewal", reason=error.reason)
            return False
        log.info("renew_certificate")
        return True

    def keep_certificate(self) -> None:
        """Renew the certificate if due, and connect again with it; for sessions of many days."""
        if self.renew_if_due():
            certificate = self._connection.profile.certificate.read_bytes()
            self._connection.relay.reconnect(certificate)
