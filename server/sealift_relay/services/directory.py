"""Directory: members' cards, statements, certificates and probes."""

from __future__ import annotations

from datetime import UTC, datetime

import grpc

from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    Conflict,
    InvalidArgument,
    UnknownMember,
    WrongSigner,
)
from sealift_protocol.ids import FINGERPRINT_SIZE, Fingerprint
from sealift_protocol.logentry import Kind
from sealift_protocol.objects.cards import Card, verify_card
from sealift_protocol.objects.identities import (
    Endorsement,
    IdentityRevocation,
    verify_endorsement,
    verify_identity_revocation,
    verify_succession,
)
from sealift_protocol.objects.probes import verify_probe, verify_probe_answer
from sealift_protocol.v1 import directory_pb2, directory_pb2_grpc, objects_pb2
from sealift_relay.access import require_signer
from sealift_relay.ca import Authority, issue_member_certificate
from sealift_relay.clock import unix_now
from sealift_relay.log import log
from sealift_relay.peer import Callers
from sealift_relay.services.enrolment import issued_certificate
from sealift_relay.store.members import SignedCard
from sealift_relay.store.metadata import Metadata


class Directory(directory_pb2_grpc.DirectoryServicer):
    """The service sealift.v1.Directory."""

    def __init__(
        self, callers: Callers, metadata: Metadata, authority: Authority
    ) -> None:
        self._callers = callers
        self._metadata = metadata
        self._members = metadata.members
        self._authority = authority

    def WhoAmI(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.WhoAmIRequest, context: grpc.ServicerContext
    ) -> directory_pb2.WhoAmIResponse:
        """The caller, the relay's clock, and what the caller uses."""
        member = self._callers.member(context)
        limits = self._callers.limits(member)
        return directory_pb2.WhoAmIResponse(
            name=member.name,
            role=member.role,
            fingerprint=member.fingerprint.digest,
            time=unix_now(),
            usage=directory_pb2.Usage(
                bytes=member.used_bytes,
                bytes_limit=limits.bytes or 0,
                shards=member.used_shards,
                shards_limit=limits.shards or 0,
                calls_a_minute=limits.calls_a_minute or 0,
            ),
        )

    def GetCard(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.GetCardRequest, context: grpc.ServicerContext
    ) -> directory_pb2.GetCardResponse:
        """A member's newest card, and the statements about the member."""
        by_fingerprint = (
            not request.name and len(request.fingerprint) == FINGERPRINT_SIZE
        )
        with self._callers.reading(context) as (_, seen):
            member = (
                seen.members.find_fingerprint(Fingerprint(request.fingerprint))
                if by_fingerprint
                else seen.members.find(name=request.name)
            )
            card = None if member is None else seen.members.card(member.fingerprint)
            if member is None or card is None:
                raise UnknownMember("there is no member with that name")
            about = [
                member.fingerprint,
                *seen.members.predecessors(member.fingerprint),
            ]
            statements = [
                signed
                for fingerprint in reversed(about)
                for signed in seen.statements.about(fingerprint)
            ]
        return directory_pb2.GetCardResponse(
            card=objects_pb2.Signed.FromString(card),
            statements=[objects_pb2.Signed.FromString(signed) for signed in statements],
        )

    def PutCard(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.PutCardRequest, context: grpc.ServicerContext
    ) -> directory_pb2.PutCardResponse:
        """Replaces the caller's card with its next version; sending it again is harmless."""
        with self._callers.reading(context) as (member, seen):
            current = seen.members.card(member.fingerprint)
        card = verify_card(request.card)
        if card.signer != member.fingerprint or card.name != member.name:
            raise WrongSigner("a card belongs to another member")
        known = (
            None
            if current is None
            else verify_card(objects_pb2.Signed.FromString(current))
        )
        if known is None or card.digest != known.digest != card.previous:
            raise Conflict("the card does not follow the one that the relay has")
        self._members.put_card(
            member.fingerprint, _signed_card(card, request.card), unix_now()
        )
        log.info("put_card", version=card.version)
        return directory_pb2.PutCardResponse()

    def PutStatement(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.PutStatementRequest, context: grpc.ServicerContext
    ) -> directory_pb2.PutStatementResponse:
        """Publishes an endorsement, or the caller's identity revocation."""
        member = self._callers.member(context)
        signed = request.statement
        statement: Endorsement | IdentityRevocation
        if signed.payload_type == envelope.ENDORSEMENT:
            statement = verify_endorsement(signed)
            kind, subject = Kind.ENDORSEMENT, statement.member
        elif signed.payload_type == envelope.IDENTITY_REVOCATION:
            statement = verify_identity_revocation(signed)
            kind, subject = Kind.IDENTITY_REVOCATION, statement.signer
        else:
            raise InvalidArgument(
                "a statement must be an endorsement or an identity revocation"
            )
        require_signer(statement.signer, member, "a statement")
        self._metadata.statements.put(
            kind,
            statement.digest,
            signed.SerializeToString(),
            signer=statement.signer,
            subject=subject,
            now=unix_now(),
        )
        log.info("put_statement", kind=kind.name.lower())
        return directory_pb2.PutStatementResponse()

    def Succeed(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.SucceedRequest, context: grpc.ServicerContext
    ) -> directory_pb2.SucceedResponse:
        """Replaces the caller's identity with its successor; sending it again is harmless."""
        member = self._callers.member(context)
        succession = verify_succession(request.succession)
        card = verify_card(request.card)
        if succession.successor == member.fingerprint:
            return directory_pb2.SucceedResponse()
        if (
            succession.signer != member.fingerprint
            or card.signer != succession.successor
        ):
            raise WrongSigner("a succession is not signed by both identities")
        if not succession.name == card.name == member.name or card.version != 1:
            raise Conflict(
                "the new identity's card is not version 1 of the same name", hint=""
            )
        self._members.succeed(
            member,
            succession.successor,
            (succession.digest, request.succession.SerializeToString()),
            _signed_card(card, request.card),
            unix_now(),
        )
        log.info("succeed_member")
        return directory_pb2.SucceedResponse()

    def Renew(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.RenewRequest, context: grpc.ServicerContext
    ) -> directory_pb2.RenewResponse:
        """Issues a certificate for the caller's name and the key that signed the request."""
        member = self._callers.member(context)
        certificate = issue_member_certificate(
            self._authority, request.certificate_request, member.name, datetime.now(UTC)
        )
        issued = issued_certificate(certificate)
        self._members.add_certificate(member.fingerprint, issued)
        log.info("renew_certificate")
        return directory_pb2.RenewResponse(certificate=issued.der)

    def PutProbe(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.PutProbeRequest, context: grpc.ServicerContext
    ) -> directory_pb2.PutProbeResponse:
        """Stores a probe for another member."""
        with self._callers.reading(context) as (member, seen):
            probe = verify_probe(request.probe)
            require_signer(probe.signer, member, "a probe")
            if len(probe.sealed) > 2048 or seen.members.card(probe.recipient) is None:
                raise UnknownMember(
                    "a probe is too large, or its recipient is not a member"
                )
        signed = request.probe.SerializeToString()
        self._members.put_probe(
            probe.digest, signed, member.fingerprint, probe.recipient, unix_now()
        )
        return directory_pb2.PutProbeResponse()

    def GetProbes(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.GetProbesRequest, context: grpc.ServicerContext
    ) -> directory_pb2.GetProbesResponse:
        """Probes for the caller, and answers to the caller's own probes."""
        with self._callers.reading(context) as (member, seen):
            probes, answers = seen.members.probes(member.fingerprint)
        return directory_pb2.GetProbesResponse(
            probes=[objects_pb2.Signed.FromString(signed) for signed in probes],
            answers=[objects_pb2.Signed.FromString(signed) for signed in answers],
        )

    def AnswerProbe(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.AnswerProbeRequest, context: grpc.ServicerContext
    ) -> directory_pb2.AnswerProbeResponse:
        """Stores the caller's answer to a probe."""
        member = self._callers.member(context)
        answer = verify_probe_answer(request.answer)
        require_signer(answer.signer, member, "an answer")
        signed = request.answer.SerializeToString()
        if not self._members.answer_probe(answer.probe, member.fingerprint, signed):
            raise UnknownMember("there is no such probe for the caller", hint="")
        return directory_pb2.AnswerProbeResponse()


def _signed_card(card: Card, signed: objects_pb2.Signed) -> SignedCard:
    return SignedCard(card.version, card.digest, signed.SerializeToString())
