"""Members: invitations, certificates, cards, probes, quotas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, select

from sealift_protocol.errors import Conflict, TokenExpired, TokenRefused
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_relay.store import schema
from sealift_relay.store.database import Transactions, one_row
from sealift_relay.store.log import log_objects
from sealift_relay.store.statements import insert_statement

_PROBE_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Quota:
    """What a member may use; 0 means no limit, None the relay's default."""

    bytes: int | None = None
    shards: int | None = None
    calls_a_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the relay.

    Attributes:
        fingerprint: of its identity.
        name: unique at this relay.
        role: owner, trainer, operator or auditor.
        suspended: whether the operator has suspended it.
        revoked: whether the operator has refused it for good.
        used_bytes: bytes that it stores.
        used_shards: shards that it stores.
        quota: its own limits.
        former: identities that this one succeeded, newest first.
    """

    fingerprint: Fingerprint
    name: str
    role: str
    suspended: bool = False
    revoked: bool = False
    used_bytes: int = 0
    used_shards: int = 0
    quota: Quota = Quota()
    former: tuple[Fingerprint, ...] = ()

    @property
    def identities(self) -> tuple[Fingerprint, ...]:
        """The current identity, and those that it succeeded."""
        return (self.fingerprint, *self.former)


@dataclass(frozen=True, slots=True)
class Invite:
    """A one-time token, as the relay stores it."""

    name: str
    role: str
    not_after: int


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate, as the relay stores it; digest is SHA-256 of its DER."""

    der: bytes
    digest: bytes
    not_after: int


@dataclass(frozen=True, slots=True)
class SignedCard:
    """A verified card, as stored."""

    version: int
    digest: bytes
    signed: bytes


class Members:
    """The store of members. Every method is one transaction, durable when it returns."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    # --- invitations -------------------------------------------------------------------------

    def add_invite(
        self, secret_digest: bytes, invite: Invite, *, again: bool = False
    ) -> None:
        """Stores a token.

        Args:
            secret_digest: SHA-256 of the token's secret.
            invite: name, role and end of the token.
            again: for an existing member that needs a new certificate.

        Raises:
            Conflict: a member with that name exists or, with `again`, does not exist.
        """
        with self._database.transaction() as connection:
            known = one_row(connection, schema.members, name=invite.name)
            if known is not None and not again:
                raise Conflict(
                    "a member with that name already exists",
                    hint="choose another name, or use --again to let the same identity rejoin",
                )
            if again and (known is None or known.role != invite.role):
                raise Conflict("there is no member with that name and role", hint="")
            connection.execute(
                schema.invites.insert().values(
                    secret_digest=secret_digest,
                    name=invite.name,
                    role=invite.role,
                    not_after=invite.not_after,
                )
            )

    def invites(self, now: int) -> list[Invite]:
        """Tokens that are unused and have not expired."""
        table = schema.invites
        query = (
            select(table)
            .where(table.c.request_digest.is_(None), table.c.not_after > now)
            .order_by(table.c.name)
        )
        with self._database.transaction(read_only=True) as connection:
            return [
                Invite(r.name, r.role, r.not_after) for r in connection.execute(query)
            ]

    def withdraw_invites(self, name: str) -> int:
        """Deletes the unused tokens for a name; returns how many."""
        table = schema.invites
        statement = table.delete().where(
            table.c.name == name, table.c.request_digest.is_(None)
        )
        with self._database.transaction() as connection:
            return connection.execute(statement).rowcount

    def find_invite(
        self, secret_digest: bytes, request_digest: bytes, now: int
    ) -> tuple[Invite, bytes | None]:
        """The token with that secret, and its certificate if the same request used it before.

        Raises:
            TokenRefused: there is no such token, or another request used it.
            TokenExpired: the token has expired.
        """
        with self._database.transaction(read_only=True) as connection:
            row = one_row(connection, schema.invites, secret_digest=secret_digest)
        if row is None or row.request_digest not in (None, request_digest):
            raise TokenRefused("the enrolment token is wrong or was used before")
        if now >= row.not_after:
            raise TokenExpired("the enrolment token has expired")
        return Invite(row.name, row.role, row.not_after), row.certificate

    def enrol(
        self,
        secret_digest: bytes,
        request_digest: bytes,
        member: Member,
        certificate: IssuedCertificate,
        card: SignedCard,
        now: int,
    ) -> None:
        """Uses up a token and makes its holder a member, or readmits one.

        A readmitted member may have been revoked. Its earlier certificates are removed.

        Raises:
            TokenRefused: another request used it first.
            Conflict: the name or the identity belongs to another member.
        """
        with self._database.transaction() as connection:
            used = connection.execute(
                schema.invites.update()
                .where(
                    schema.invites.c.secret_digest == secret_digest,
                    schema.invites.c.request_digest.is_(None),
                )
                .values(request_digest=request_digest, certificate=certificate.der)
            )
            if used.rowcount != 1:
                raise TokenRefused("the enrolment token was used before")
            known = one_row(connection, schema.members, name=member.name)
            if known is None:
                _insert_member(connection, member, now)
                _insert_card(connection, member.fingerprint, card, now)
            elif (
                known.fingerprint != member.fingerprint.digest
                or known.role != member.role
            ):
                raise _taken()
            else:
                _admit_again(connection, member.fingerprint)
            _insert_certificate(connection, member.fingerprint, certificate)

    # --- members -----------------------------------------------------------------------------

    def of_certificate(self, digest: bytes, now: int) -> Member | None:
        """The member of a certificate; None if it is unknown, expired or of a revoked member."""
        query = (
            select(schema.members)
            .join(schema.certificates)
            .where(
                schema.certificates.c.digest == digest,
                schema.certificates.c.not_after > now,
                schema.members.c.revoked_at.is_(None),
            )
        )
        with self._database.transaction(read_only=True) as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            former = _predecessors(connection, Fingerprint(row.fingerprint))
        return replace(_member(row), former=tuple(former))

    def add_certificate(
        self, fingerprint: Fingerprint, certificate: IssuedCertificate
    ) -> None:
        """Stores a renewed certificate; the previous one works until it expires."""
        with self._database.transaction() as connection:
            _insert_certificate(connection, fingerprint, certificate)

    def find(self, *, name: str) -> Member | None:
        """The member with that name, unless revoked."""
        with self._database.transaction(read_only=True) as connection:
            row = one_row(connection, schema.members, name=name)
        return None if row is None or row.revoked_at is not None else _member(row)

    def find_fingerprint(self, fingerprint: Fingerprint) -> Member | None:
        """The member with that identity, unless revoked."""
        with self._database.transaction(read_only=True) as connection:
            row = one_row(connection, schema.members, fingerprint=fingerprint.digest)
        return None if row is None or row.revoked_at is not None else _member(row)

    def everybody(self) -> list[Member]:
        """All members."""
        query = select(schema.members).order_by(schema.members.c.name)
        with self._database.transaction(read_only=True) as connection:
            return [_member(row) for row in connection.execute(query)]

    def revoke(self, name: str, now: int) -> bool:
        """Refuses a member from now on; returns whether one has that name."""
        return self._update(name, revoked_at=now)

    def suspend(self, name: str, now: int | None) -> bool:
        """Suspends a member, or with None resumes it; returns whether one has that name."""
        return self._update(name, suspended_at=now)

    def set_quota(self, name: str, quota: Quota) -> bool:
        """Sets the limits that are not None; returns whether a member has that name."""
        given = {
            "bytes_limit": quota.bytes,
            "shards_limit": quota.shards,
            "calls_a_minute": quota.calls_a_minute,
        }
        return self._update(name, **{k: v for k, v in given.items() if v is not None})

    def _update(self, name: str, **values: int | None) -> bool:
        statement = schema.members.update().where(schema.members.c.name == name)
        with self._database.transaction() as connection:
            return connection.execute(statement.values(**values)).rowcount == 1

    # --- cards -------------------------------------------------------------------------------

    def card(self, fingerprint: Fingerprint) -> bytes | None:
        """A member's newest card, serialised."""
        with self._database.transaction(read_only=True) as connection:
            newest = _newest_card(connection, fingerprint)
        return None if newest is None else newest.signed

    def put_card(self, fingerprint: Fingerprint, card: SignedCard, now: int) -> None:
        """Adds and logs a card of the next version; adding it again is harmless.

        Raises:
            Conflict: its version does not follow.
        """
        with self._database.transaction() as connection:
            newest = _newest_card(connection, fingerprint)
            if newest is not None and newest.digest == card.digest:
                return
            if newest is None or newest.version != card.version - 1:
                raise Conflict("the card does not follow the one that the relay has")
            _insert_card(connection, fingerprint, card, now)

    def predecessors(self, fingerprint: Fingerprint) -> list[Fingerprint]:
        """Identities that this one succeeded, newest first."""
        with self._database.transaction(read_only=True) as connection:
            return _predecessors(connection, fingerprint)

    def succeed(
        self,
        member: Member,
        successor: Fingerprint,
        succession: tuple[bytes, bytes],
        card: SignedCard,
        now: int,
    ) -> None:
        """Moves a member's name, role, certificates and quota to a new identity.

        Args:
            member: the member, with its old identity.
            successor: the new identity.
            succession: digest and serialised Succession.
            card: the successor's first card.
            now: Unix seconds.

        Raises:
            Conflict: the new identity is a member already.
        """
        table = schema.members
        with self._database.transaction() as connection:
            old = connection.execute(
                select(table).where(table.c.fingerprint == member.fingerprint.digest)
            ).one()
            # The name moves to the successor; the old row stays for what it signed.
            connection.execute(
                table.update()
                .where(table.c.fingerprint == old.fingerprint)
                .values(
                    name=f"{old.name}~{old.fingerprint.hex()[:16]}",
                    successor=successor.digest,
                    revoked_at=now,
                )
            )
            _insert_member(connection, Member(successor, member.name, member.role), now)
            kept = (
                "used_bytes",
                "used_shards",
                "bytes_limit",
                "shards_limit",
                "calls_a_minute",
            )
            connection.execute(
                table.update()
                .where(table.c.fingerprint == successor.digest)
                .values({column: getattr(old, column) for column in kept})
            )
            connection.execute(
                schema.certificates.update()
                .where(schema.certificates.c.fingerprint == old.fingerprint)
                .values(fingerprint=successor.digest)
            )
            connection.execute(
                schema.datasets.update()
                .where(schema.datasets.c.owner == old.fingerprint)
                .values(owner=successor.digest)
            )
            insert_statement(
                connection, Kind.SUCCESSION, *succession, signer=member.fingerprint,
                subject=successor, now=now,
            )  # fmt: skip
            _insert_card(connection, successor, card, now)

    # --- probes ------------------------------------------------------------------------------

    def put_probe(
        self,
        digest: bytes,
        signed: bytes,
        sender: Fingerprint,
        recipient: Fingerprint,
        now: int,
    ) -> None:
        """Stores a probe, and deletes those older than a week."""
        table = schema.probes
        with self._database.transaction() as connection:
            connection.execute(
                table.delete().where(table.c.stored_at < now - _PROBE_SECONDS)
            )
            connection.execute(
                table.insert().values(
                    digest=digest,
                    signed=signed,
                    sender=sender.digest,
                    recipient=recipient.digest,
                    stored_at=now,
                )
            )

    def probes(self, member: Fingerprint) -> tuple[list[bytes], list[bytes]]:
        """Unanswered probes for a member, and answers to the member's own probes."""
        table = schema.probes
        waiting = select(table.c.signed).where(
            table.c.recipient == member.digest, table.c.answer.is_(None)
        )
        answers = select(table.c.answer).where(
            table.c.sender == member.digest, table.c.answer.is_not(None)
        )
        with self._database.transaction(read_only=True) as connection:
            return (
                list(connection.execute(waiting).scalars()),
                [answer for answer in connection.execute(answers).scalars() if answer],
            )

    def answer_probe(self, probe: bytes, recipient: Fingerprint, answer: bytes) -> bool:
        """Stores an answer; returns whether the member has such a probe."""
        table = schema.probes
        statement = (
            table.update()
            .where(table.c.digest == probe, table.c.recipient == recipient.digest)
            .values(answer=answer)
        )
        with self._database.transaction() as connection:
            return connection.execute(statement).rowcount == 1


def _predecessors(
    connection: Connection, fingerprint: Fingerprint
) -> list[Fingerprint]:
    table = schema.members
    found: list[Fingerprint] = []
    while True:
        query = select(table.c.fingerprint).where(
            table.c.successor == (found[-1] if found else fingerprint).digest
        )
        older = connection.execute(query).scalar_one_or_none()
        if older is None:
            return found
        found.append(Fingerprint(older))


def _insert_member(connection: Connection, member: Member, now: int) -> None:
    try:
        connection.execute(
            schema.members.insert().values(
                fingerprint=member.fingerprint.digest,
                name=member.name,
                role=member.role,
                enrolled_at=now,
            )
        )
    except sa.exc.IntegrityError:
        raise _taken() from None


def _admit_again(connection: Connection, fingerprint: Fingerprint) -> None:
    certificates, members = schema.certificates, schema.members
    own = certificates.c.fingerprint == fingerprint.digest
    connection.execute(certificates.delete().where(own))
    rejoined = members.update().where(members.c.fingerprint == fingerprint.digest)
    connection.execute(rejoined.values(revoked_at=None))


def _taken() -> Conflict:
    return Conflict(
        "that name or identity already belongs to a member",
        hint="ask the operator for a token with another name",
    )


def _insert_card(
    connection: Connection, fingerprint: Fingerprint, card: SignedCard, now: int
) -> None:
    connection.execute(
        schema.cards.insert().values(
            fingerprint=fingerprint.digest,
            version=card.version,
            digest=card.digest,
            signed=card.signed,
        )
    )
    log_objects(connection, [(Kind.CARD, card.digest)], now)


def _insert_certificate(
    connection: Connection, fingerprint: Fingerprint, certificate: IssuedCertificate
) -> None:
    connection.execute(
        schema.certificates.insert().values(
            digest=certificate.digest,
            fingerprint=fingerprint.digest,
            not_after=certificate.not_after,
        )
    )


def _newest_card(connection: Connection, fingerprint: Fingerprint) -> Row[Any] | None:
    table = schema.cards
    query = (
        select(table)
        .where(table.c.fingerprint == fingerprint.digest)
        .order_by(table.c.version.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def _member(row: Row[Any]) -> Member:
    return Member(
        fingerprint=Fingerprint(row.fingerprint),
        name=row.name,
        role=row.role,
        suspended=row.suspended_at is not None,
        revoked=row.revoked_at is not None,
        used_bytes=row.used_bytes,
        used_shards=row.used_shards,
        quota=Quota(row.bytes_limit, row.shards_limit, row.calls_a_minute),
    )
