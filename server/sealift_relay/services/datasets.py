"""Datasets: histories with compare-and-set on their heads, and grants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import grpc

from sealift_protocol.errors import (
    ClockSkew,
    ContextMismatch,
    GrantExpired,
    InvalidArgument,
    UnknownMember,
    WrongSigner,
)
from sealift_protocol.objects import Commit, Grant, verify_card, verify_commit, verify_grant
from sealift_protocol.v1 import datasets_pb2, datasets_pb2_grpc, objects_pb2
from sealift_relay.access import (
    OPERATOR,
    denied,
    require_author,
    require_owner_role,
    require_reader,
)
from sealift_relay.clock import unix_now
from sealift_relay.log import log
from sealift_relay.peer import calling_member
from sealift_relay.store.metadata import Member, Metadata

_PAGE = 256
_MAX_GRANTS = 1024


class Datasets(datasets_pb2_grpc.DatasetsServicer):
    """The service sealift.v1.Datasets."""

    def __init__(self, metadata: Metadata, clock_skew_seconds: int) -> None:
        self._metadata = metadata
        self._clock_skew_seconds = clock_skew_seconds

    def List(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.ListRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.ListResponse:
        """The caller's datasets."""
        member = calling_member(context, self._metadata)
        found = []
        if member.role != OPERATOR:
            found = self._metadata.datasets_of(member.fingerprint, unix_now())
        return datasets_pb2.ListResponse(
            datasets=[
                datasets_pb2.DatasetSummary(dataset_id=i, owner=owner, head_number=head)
                for i, owner, head in found
            ]
        )

    def Append(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.AppendRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.AppendResponse:
        """Appends a commit, with grants that become valid with it."""
        member = calling_member(context, self._metadata)
        require_owner_role(member)
        commit = verify_commit(request.commit)
        if commit.signer != member.fingerprint:
            raise WrongSigner("a commit is signed by somebody else than the caller")
        if commit.genesis is None:
            require_author(self._metadata, commit.dataset_id, member)
        skew = commit.time - unix_now()
        if abs(skew) > self._clock_skew_seconds:
            raise ClockSkew(
                f"the commit's clock is {abs(skew)} seconds "
                f"{'ahead of' if skew > 0 else 'behind'} the relay's clock"
            )
        grants = self._verify_grants(request.grants, member, commit.dataset_id)
        if commit.genesis is not None and not _includes_owner(grants, commit):
            raise InvalidArgument("commit 0 needs a grant to the owner")
        self._metadata.append(commit, request.commit.SerializeToString(), grants)
        log.info("append_commit", shards=len(commit.added), grants=len(grants))
        return datasets_pb2.AppendResponse(head_number=commit.number)

    def AddGrants(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.AddGrantsRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.AddGrantsResponse:
        """Adds grants to one dataset of the caller."""
        member = calling_member(context, self._metadata)
        if not request.grants:
            raise InvalidArgument("the request has no grant")
        dataset_id = verify_grant(request.grants[0]).terms.dataset_id
        require_author(self._metadata, dataset_id, member)
        self._metadata.add_grants(self._verify_grants(request.grants, member, dataset_id))
        log.info("add_grants", grants=len(request.grants))
        return datasets_pb2.AddGrantsResponse()

    def GetCommits(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.GetCommitsRequest, context: grpc.ServicerContext
    ) -> Iterator[datasets_pb2.GetCommitsResponse]:
        """Streams a history, a page at a time."""
        member = calling_member(context, self._metadata)
        require_reader(self._metadata, request.dataset_id, member)
        first = request.first
        while page := self._metadata.commits(request.dataset_id, first, _PAGE):
            for signed in page:
                yield datasets_pb2.GetCommitsResponse(commit=objects_pb2.Signed.FromString(signed))
            first += len(page)

    def GetGrants(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.GetGrantsRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.GetGrantsResponse:
        """The caller's own live grants."""
        member = calling_member(context, self._metadata)
        if member.role == OPERATOR:
            raise denied()
        found = self._metadata.grants(request.dataset_id, member.fingerprint, unix_now())
        if not found:
            raise denied()
        live = [signed for signed, is_live in found if is_live]
        if not live:
            raise GrantExpired("your grant of that dataset is not valid at this time")
        return datasets_pb2.GetGrantsResponse(
            grants=[objects_pb2.Signed.FromString(signed) for signed in live]
        )

    def _verify_grants(
        self, grants: Iterable[objects_pb2.Signed], member: Member, dataset_id: bytes
    ) -> list[tuple[Grant, bytes]]:
        signed_grants = list(grants)
        if len(signed_grants) > _MAX_GRANTS:
            raise InvalidArgument(f"a request has at most {_MAX_GRANTS} grants")
        verified = []
        for signed in signed_grants:
            grant = verify_grant(signed)
            if grant.signer != member.fingerprint:
                raise WrongSigner("a grant is signed by somebody else than the caller")
            if grant.terms.dataset_id != dataset_id:
                raise ContextMismatch("a grant is for another dataset")
            self._check_recipient(grant)
            verified.append((grant, signed.SerializeToString()))
        return verified

    def _check_recipient(self, grant: Grant) -> None:
        card = self._metadata.card(grant.terms.recipient)
        if card is None:
            raise UnknownMember("a grant's recipient is not a member")
        keys = verify_card(objects_pb2.Signed.FromString(card)).recipient_keys
        if (grant.terms.key_id, grant.terms.suite) not in {(k.key_id, k.suite) for k in keys}:
            raise ContextMismatch("a grant is for a key that is not on the recipient's card")


def _includes_owner(grants: list[tuple[Grant, bytes]], commit: Commit) -> bool:
    return any(grant.terms.recipient == commit.signer for grant, _ in grants)
