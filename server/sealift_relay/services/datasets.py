"""Datasets: histories with compare-and-set on their heads, grants, disclosures, accounts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import grpc

from sealift_protocol.errors import (
    ClockSkew,
    ContextMismatch,
    GrantExpired,
    InvalidArgument,
    KeyRotated,
    UnknownMember,
    WrongSigner,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind, LogEntry
from sealift_protocol.objects import (
    Commit,
    Grant,
    parse_page,
    verify_card,
    verify_commit,
    verify_grant,
)
from sealift_protocol.statements import (
    verify_accounting,
    verify_disclosure,
    verify_purge_receipt,
    verify_rewrap,
)
from sealift_protocol.v1 import datasets_pb2, datasets_pb2_grpc, objects_pb2
from sealift_relay.access import (
    denied,
    may_read,
    require_author,
    require_owner_role,
    require_reader,
)
from sealift_relay.clock import unix_now
from sealift_relay.destruction import Destruction
from sealift_relay.log import log
from sealift_relay.peer import Callers
from sealift_relay.store.members import Member
from sealift_relay.store.metadata import Metadata

_PAGE = 256
_MAX_GRANTS = 1024
_MAX_PAGES = 65_536
_WITH_OBJECT = (Kind.DISCLOSURE, Kind.PURGE_RECEIPT)


class Datasets(datasets_pb2_grpc.DatasetsServicer):
    """The service sealift.v1.Datasets."""

    def __init__(
        self,
        callers: Callers,
        metadata: Metadata,
        destruction: Destruction,
        clock_skew_seconds: int,
    ) -> None:
        self._callers = callers
        self._metadata = metadata
        self._histories = metadata.histories
        self._destruction = destruction
        self._clock_skew_seconds = clock_skew_seconds

    def List(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.ListRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.ListResponse:
        """The caller's datasets."""
        member = self._callers.member(context)
        found = self._histories.of_member(
            member.identities, unix_now(), include_future=request.include_future
        )
        return datasets_pb2.ListResponse(
            datasets=[
                datasets_pb2.DatasetSummary(
                    dataset_id=row.dataset_id,
                    owner=row.owner.digest,
                    head_number=row.head_number,
                    author=row.author,
                )
                for row in found
                if may_read(member)
            ]
        )

    def Append(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.AppendRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.AppendResponse:
        """Appends a commit, with the grants that it names."""
        member = self._callers.member(context)
        require_owner_role(member)
        commit = verify_commit(request.commit)
        if commit.signer != member.fingerprint:
            raise WrongSigner("a commit is signed by somebody else than the caller")
        if commit.genesis is None:
            require_author(self._histories, commit.dataset_id, member)
        self._check_time(commit.time, "commit")
        grants = self._verify_grants(request.grants, member, commit)
        signed = request.commit.SerializeToString()
        self._histories.append(commit, signed, grants, unix_now())
        log.info("append_commit", shards=len(commit.added), grants=len(grants))
        response = datasets_pb2.AppendResponse(head_number=commit.number)
        receipt = self._destruction.of_commit(commit)
        if receipt is not None:
            response.receipt.CopyFrom(receipt)
        return response

    def PutPages(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.PutPagesRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.PutPagesResponse:
        """Stores pages of a snapshot."""
        member = self._callers.member(context)
        require_author(self._histories, request.dataset_id, member)
        pages = []
        for content in request.pages:
            digest = hashlib.sha256(content).digest()
            parse_page(content, digest)
            pages.append((digest, content))
        self._metadata.pages.put(request.dataset_id, pages)
        return datasets_pb2.PutPagesResponse()

    def GetCommits(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.GetCommitsRequest, context: grpc.ServicerContext
    ) -> Iterator[datasets_pb2.GetCommitsResponse]:
        """Streams a history, a page at a time."""
        member = self._callers.member(context)
        require_reader(self._histories, request.dataset_id, member)
        first = request.first
        if request.from_snapshot:
            snapshot = self._histories.snapshot_number(request.dataset_id)
            first = max(first, snapshot or 0)
        while page := self._histories.commits(request.dataset_id, first, _PAGE):
            for number, signed in enumerate(page, first):
                if request.last and number > request.last:
                    return
                yield datasets_pb2.GetCommitsResponse(
                    commit=objects_pb2.Signed.FromString(signed)
                )
            first += len(page)

    def GetPages(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.GetPagesRequest, context: grpc.ServicerContext
    ) -> Iterator[datasets_pb2.GetPagesResponse]:
        """Streams pages of snapshots."""
        member = self._callers.member(context)
        require_reader(self._histories, request.dataset_id, member)
        if len(request.digests) > _MAX_PAGES:
            raise InvalidArgument(f"a request has at most {_MAX_PAGES} pages")
        for content in self._metadata.pages.read(request.dataset_id, request.digests):
            yield datasets_pb2.GetPagesResponse(page=content)

    def GetGrants(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.GetGrantsRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.GetGrantsResponse:
        """The caller's own grants that are not over; to authors, everybody's in force."""
        member = self._callers.member(context)
        if request.everybody:
            require_author(self._histories, request.dataset_id, member)
            found = [
                g for g in self._histories.grants(request.dataset_id) if not g.revoked
            ]
            return datasets_pb2.GetGrantsResponse(
                grants=[objects_pb2.Signed.FromString(grant.signed) for grant in found]
            )
        if not may_read(member):
            raise denied()
        found = self._histories.grants(request.dataset_id, member.identities)
        found = [grant for grant in found if not grant.revoked]
        if not found:
            require_reader(self._histories, request.dataset_id, member)
            raise denied()
        now = unix_now()
        lasting = [
            grant for grant in found if grant.not_after == 0 or now < grant.not_after
        ]
        if not any(grant.live_at(now) for grant in lasting):
            raise GrantExpired("your grant of that dataset is not valid at this time")
        rewraps = self._histories.rewraps([grant.digest for grant in lasting])
        return datasets_pb2.GetGrantsResponse(
            grants=[objects_pb2.Signed.FromString(grant.signed) for grant in lasting],
            rewraps=[objects_pb2.Signed.FromString(signed) for signed in rewraps],
        )

    def PutRewraps(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.PutRewrapsRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.PutRewrapsResponse:
        """Adds rewraps of the caller's own grants."""
        member = self._callers.member(context)
        if len(request.rewraps) > _MAX_GRANTS:
            raise InvalidArgument(f"a request has at most {_MAX_GRANTS} rewraps")
        verified = []
        for signed in request.rewraps:
            rewrap = verify_rewrap(signed)
            if rewrap.signer != member.fingerprint:
                raise WrongSigner("a rewrap is signed by somebody else than the caller")
            own = self._histories.grants(rewrap.dataset_id, member.identities)
            if rewrap.grant not in {grant.digest for grant in own if not grant.revoked}:
                raise denied()
            verified.append((rewrap, signed.SerializeToString()))
        self._histories.put_rewraps(verified, unix_now())
        log.info("put_rewraps", rewraps=len(verified))
        return datasets_pb2.PutRewrapsResponse()

    def Disclose(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.DiscloseRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.DiscloseResponse:
        """Logs a disclosure of the caller."""
        member = self._callers.member(context)
        disclosure = verify_disclosure(request.disclosure)
        if disclosure.signer != member.fingerprint:
            raise WrongSigner("a disclosure is signed by somebody else than the caller")
        require_reader(self._histories, disclosure.dataset_id, member)
        self._check_time(disclosure.time, "disclosure")
        known = self._histories.commit_digest(disclosure.dataset_id, disclosure.number)
        if known != disclosure.commit:
            raise ContextMismatch(
                "a disclosure names a commit that is not in the history"
            )
        self._put_statement(
            Kind.DISCLOSURE,
            disclosure.digest,
            request.disclosure,
            member,
            disclosure.dataset_id,
        )
        log.info("log_disclosure", shards=disclosure.shard_count)
        return datasets_pb2.DiscloseResponse()

    def ConfirmPurge(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.ConfirmPurgeRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.ConfirmPurgeResponse:
        """Logs a purge receipt of the caller, who may have lost access since."""
        member = self._callers.member(context)
        receipt = verify_purge_receipt(request.receipt)
        if receipt.signer != member.fingerprint:
            raise WrongSigner(
                "a purge receipt is signed by somebody else than the caller"
            )
        if not self._histories.grants(receipt.dataset_id, member.identities):
            raise denied()
        if (
            self._histories.commit_digest(receipt.dataset_id, receipt.number)
            != receipt.commit
        ):
            raise ContextMismatch(
                "a purge receipt names a commit that is not in the history"
            )
        self._check_time(receipt.time, "purge receipt")
        self._put_statement(
            Kind.PURGE_RECEIPT,
            receipt.digest,
            request.receipt,
            member,
            receipt.dataset_id,
        )
        log.info("log_purge")
        return datasets_pb2.ConfirmPurgeResponse()

    def Account(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.AccountRequest, context: grpc.ServicerContext
    ) -> Iterator[datasets_pb2.AccountResponse]:
        """Logs the question, then answers with every entry of the dataset up to it."""
        member = self._callers.member(context)
        accounting = verify_accounting(request.accounting)
        if accounting.signer != member.fingerprint:
            raise WrongSigner(
                "an accounting is signed by somebody else than the caller"
            )
        require_author(self._histories, accounting.dataset_id, member)
        self._check_time(accounting.time, "accounting")
        self._put_statement(
            Kind.ACCOUNTING,
            accounting.digest,
            request.accounting,
            member,
            accounting.dataset_id,
        )
        head, _, _ = self._metadata.log.head()
        asked = self._metadata.log.inclusions([accounting.digest], head)[0]
        last = LogEntry.unpack(asked.entry).sequence
        log.info("account_dataset", entries=last + 1)
        for item in self._metadata.log.entries_of(accounting.dataset_id, last):
            leaf = LogEntry.unpack(item.entry)
            response = datasets_pb2.AccountResponse(entry=item.entry, index=item.index)
            if leaf.kind in _WITH_OBJECT:
                signed = self._histories.statement(leaf.digest)
                if signed is not None:
                    response.object.CopyFrom(objects_pb2.Signed.FromString(signed))
            yield response

    def _put_statement(
        self,
        kind: Kind,
        digest: bytes,
        signed: objects_pb2.Signed,
        member: Member,
        dataset_id: bytes,
    ) -> None:
        self._histories.put_statement(
            kind,
            digest,
            signed.SerializeToString(),
            signer=member.fingerprint,
            dataset_id=dataset_id,
            now=unix_now(),
        )

    def _check_time(self, time: int, what: str) -> None:
        skew = time - unix_now()
        if abs(skew) > self._clock_skew_seconds:
            raise ClockSkew(
                f"the {what}'s clock is {abs(skew)} seconds "
                f"{'ahead of' if skew > 0 else 'behind'} the relay's clock"
            )

    def _verify_grants(
        self, grants: Iterable[objects_pb2.Signed], member: Member, commit: Commit
    ) -> list[tuple[Grant, bytes]]:
        signed_grants = list(grants)
        if len(signed_grants) > _MAX_GRANTS:
            raise InvalidArgument(f"a request has at most {_MAX_GRANTS} grants")
        verified = []
        now = unix_now()
        for signed in signed_grants:
            grant = verify_grant(signed)
            if grant.signer != member.fingerprint:
                raise WrongSigner("a grant is signed by somebody else than the caller")
            if grant.terms.dataset_id != commit.dataset_id:
                raise ContextMismatch("a grant is for another dataset")
            if grant.terms.not_after and grant.terms.not_after <= now:
                raise GrantExpired("a grant is over before it begins")
            self._check_recipient(grant)
            verified.append((grant, signed.SerializeToString()))
        if {grant.entry() for grant, _ in verified} != set(commit.granted):
            raise ContextMismatch("a commit names other grants than came with it")
        if commit.genesis is not None and not _includes(verified, commit.signer):
            raise InvalidArgument("commit 0 needs a grant to the owner")
        return verified

    def _check_recipient(self, grant: Grant) -> None:
        card = self._metadata.members.card(grant.terms.recipient)
        if card is None:
            raise UnknownMember("a grant's recipient is not a member")
        keys = verify_card(objects_pb2.Signed.FromString(card)).recipient_keys
        if (grant.terms.key_id, grant.terms.suite) not in {
            (k.key_id, k.suite) for k in keys
        }:
            raise KeyRotated(
                "a grant is for a key that is not on the recipient's newest card"
            )


def _includes(grants: list[tuple[Grant, bytes]], recipient: Fingerprint) -> bool:
    return any(grant.terms.recipient == recipient for grant, _ in grants)
