"""Directory: members' cards."""

from __future__ import annotations

import grpc

from sealift_protocol.errors import Conflict, UnknownMember, WrongSigner
from sealift_protocol.objects import verify_card
from sealift_protocol.v1 import directory_pb2, directory_pb2_grpc, objects_pb2
from sealift_relay.clock import unix_now
from sealift_relay.peer import calling_member
from sealift_relay.store.metadata import Metadata


class Directory(directory_pb2_grpc.DirectoryServicer):
    """The service sealift.v1.Directory."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def WhoAmI(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.WhoAmIRequest, context: grpc.ServicerContext
    ) -> directory_pb2.WhoAmIResponse:
        """The caller, and the relay's clock."""
        member = calling_member(context, self._metadata)
        return directory_pb2.WhoAmIResponse(
            name=member.name,
            role=member.role,
            fingerprint=member.fingerprint.digest,
            time=unix_now(),
        )

    def GetCard(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.GetCardRequest, context: grpc.ServicerContext
    ) -> directory_pb2.GetCardResponse:
        """A member's newest card."""
        calling_member(context, self._metadata)
        member = self._metadata.member(name=request.name)
        card = None if member is None else self._metadata.card(member.fingerprint)
        if card is None:
            raise UnknownMember("there is no member of that name")
        return directory_pb2.GetCardResponse(card=objects_pb2.Signed.FromString(card))

    def PutCard(  # noqa: N802 - gRPC's name
        self, request: directory_pb2.PutCardRequest, context: grpc.ServicerContext
    ) -> directory_pb2.PutCardResponse:
        """Replaces the caller's card by the next."""
        member = calling_member(context, self._metadata)
        card = verify_card(request.card)
        if card.signer != member.fingerprint or card.name != member.name:
            raise WrongSigner("a card is another member's")
        current = self._metadata.card(member.fingerprint)
        if current is None or (
            verify_card(objects_pb2.Signed.FromString(current)).digest != card.previous
        ):
            raise Conflict("the card does not follow the one that the relay has")
        self._metadata.put_card(member.fingerprint, card.version, request.card.SerializeToString())
        return directory_pb2.PutCardResponse()
