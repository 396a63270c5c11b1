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
    LogDamaged,
    UnknownMember,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind, LogEntry
from sealift_protocol.objects.accounting import (
    Accounting,
    Disclosure,
    PurgeReceipt,
    verify_accounting,
    verify_disclosure,
    verify_purge_receipt,
)
from sealift_protocol.objects.cards import verify_card
from sealift_protocol.objects.commits import Commit, parse_page, verify_commit
from sealift_protocol.objects.grants import Grant, verify_grant, verify_rewrap
from sealift_protocol.v1 import datasets_pb2, datasets_pb2_grpc, objects_pb2
from sealift_relay.access import (
    denied,
    may_read,
    require_author,
    require_owner_role,
    require_reader,
    require_signer,
)
from sealift_relay.clock import unix_now
from sealift_relay.destruction import Destruction
from sealift_relay.log import log
from sealift_relay.peer import Callers
from sealift_relay.store.histories import Histories, StoredGrant
from sealift_relay.store.log import LogStore
from sealift_relay.store.members import Member, Members
from sealift_relay.store.metadata import Metadata, Stores

_PAGE = 256
_MAX_GRANTS = 1024
_MAX_PAGES = 65_536
_PAGES_AT_ONCE = 16
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
        with self._callers.reading(context) as (member, seen):
            found = seen.histories.of_member(
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
        with self._callers.reading(context) as (member, seen):
            require_owner_role(member)
            commit = verify_commit(request.commit)
            require_signer(commit.signer, member, "a commit")
            if commit.genesis is None:
                require_author(seen.histories, commit.dataset_id, member)
            self._check_time(commit.time, "commit")
            grants = _verify_grants(seen.members, request.grants, member, commit)
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
        with self._callers.reading(context) as (member, seen):
            require_author(seen.histories, request.dataset_id, member)
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
        first = request.first
        with self._callers.reading(context) as (member, seen):
            require_reader(seen.histories, request.dataset_id, member)
            if request.from_snapshot:
                snapshot = seen.histories.snapshot_number(request.dataset_id)
                first = max(first, snapshot or 0)
            page = seen.histories.commits(request.dataset_id, first, _PAGE)
        while page:
            for number, signed in enumerate(page, first):
                if request.last and number > request.last:
                    return
                yield datasets_pb2.GetCommitsResponse(
                    commit=objects_pb2.Signed.FromString(signed)
                )
            if len(page) < _PAGE:
                return
            first += len(page)
            page = self._histories.commits(request.dataset_id, first, _PAGE)

    def GetPages(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.GetPagesRequest, context: grpc.ServicerContext
    ) -> Iterator[datasets_pb2.GetPagesResponse]:
        """Streams pages of snapshots."""
        dataset_id, digests = request.dataset_id, request.digests
        with self._callers.reading(context) as (member, seen):
            require_reader(seen.histories, dataset_id, member)
            if len(digests) > _MAX_PAGES:
                raise InvalidArgument(f"a request has at most {_MAX_PAGES} pages")
            pages = seen.pages.read(dataset_id, digests[:_PAGES_AT_ONCE])
        for content in pages:
            yield datasets_pb2.GetPagesResponse(page=content)
        for start in range(_PAGES_AT_ONCE, len(digests), _PAGES_AT_ONCE):
            batch = digests[start : start + _PAGES_AT_ONCE]
            for content in self._metadata.pages.read(dataset_id, batch):
                yield datasets_pb2.GetPagesResponse(page=content)

    def GetGrants(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.GetGrantsRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.GetGrantsResponse:
        """The caller's own grants that have not ended or, for authors, all grants in force."""
        rewraps: list[bytes] = []
        with self._callers.reading(context) as (member, seen):
            if request.everybody:
                require_author(seen.histories, request.dataset_id, member)
                found = seen.histories.grants(request.dataset_id)
                grants = [grant for grant in found if not grant.revoked]
            else:
                grants = _own_grants(seen.histories, request.dataset_id, member)
                rewraps = seen.histories.rewraps([grant.digest for grant in grants])
        return datasets_pb2.GetGrantsResponse(
            grants=[objects_pb2.Signed.FromString(grant.signed) for grant in grants],
            rewraps=[objects_pb2.Signed.FromString(signed) for signed in rewraps],
        )

    def PutRewraps(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.PutRewrapsRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.PutRewrapsResponse:
        """Adds rewraps of the caller's own grants."""
        verified = []
        with self._callers.reading(context) as (member, seen):
            if len(request.rewraps) > _MAX_GRANTS:
                raise InvalidArgument(f"a request has at most {_MAX_GRANTS} rewraps")
            for signed in request.rewraps:
                rewrap = verify_rewrap(signed)
                require_signer(rewrap.signer, member, "a rewrap")
                own = seen.histories.grants(rewrap.dataset_id, member.identities)
                if rewrap.grant not in {g.digest for g in own if not g.revoked}:
                    raise denied()
                verified.append((rewrap, signed.SerializeToString()))
        self._histories.put_rewraps(verified, unix_now())
        log.info("put_rewraps", rewraps=len(verified))
        return datasets_pb2.PutRewrapsResponse()

    def Disclose(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.DiscloseRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.DiscloseResponse:
        """Logs a disclosure that the caller signed."""
        with self._callers.reading(context) as (member, seen):
            disclosure = verify_disclosure(request.disclosure)
            require_signer(disclosure.signer, member, "a disclosure")
            require_reader(seen.histories, disclosure.dataset_id, member)
            self._check_time(disclosure.time, "disclosure")
            _check_commit(seen.histories, disclosure, "a disclosure")
        self._log(Kind.DISCLOSURE, disclosure, request.disclosure)
        log.info("log_disclosure", shards=disclosure.shard_count)
        return datasets_pb2.DiscloseResponse()

    def ConfirmPurge(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.ConfirmPurgeRequest, context: grpc.ServicerContext
    ) -> datasets_pb2.ConfirmPurgeResponse:
        """Logs a purge receipt that the caller signed, even if it has lost access since."""
        with self._callers.reading(context) as (member, seen):
            receipt = verify_purge_receipt(request.receipt)
            require_signer(receipt.signer, member, "a purge receipt")
            if not seen.histories.grants(receipt.dataset_id, member.identities):
                raise denied()
            _check_commit(seen.histories, receipt, "a purge receipt")
            self._check_time(receipt.time, "purge receipt")
        self._log(Kind.PURGE_RECEIPT, receipt, request.receipt)
        log.info("log_purge")
        return datasets_pb2.ConfirmPurgeResponse()

    def Account(  # noqa: N802 - gRPC's name
        self, request: datasets_pb2.AccountRequest, context: grpc.ServicerContext
    ) -> Iterator[datasets_pb2.AccountResponse]:
        """Logs the accounting, then streams every entry of the dataset up to it."""
        with self._callers.reading(context) as (member, seen):
            accounting = verify_accounting(request.accounting)
            require_signer(accounting.signer, member, "an accounting")
            require_author(seen.histories, accounting.dataset_id, member)
            self._check_time(accounting.time, "accounting")
        self._log(Kind.ACCOUNTING, accounting, request.accounting)
        first = 0
        with self._metadata.reading() as seen:
            last = _sequence(seen.log, accounting.digest)
            page = _account_page(seen, accounting.dataset_id, first, last)
        log.info("account_dataset", entries=last + 1)
        while page:
            yield from page
            first += len(page)
            if first > last:
                return
            with self._metadata.reading() as seen:
                page = _account_page(seen, accounting.dataset_id, first, last)

    def _log(
        self,
        kind: Kind,
        statement: Disclosure | PurgeReceipt | Accounting,
        signed: objects_pb2.Signed,
    ) -> None:
        self._metadata.statements.put(
            kind,
            statement.digest,
            signed.SerializeToString(),
            signer=statement.signer,
            dataset_id=statement.dataset_id,
            now=unix_now(),
        )

    def _check_time(self, time: int, what: str) -> None:
        skew = time - unix_now()
        if abs(skew) > self._clock_skew_seconds:
            raise ClockSkew(
                f"the {what}'s clock is {abs(skew)} seconds "
                f"{'ahead of' if skew > 0 else 'behind'} the relay's clock"
            )


def _own_grants(
    histories: Histories, dataset_id: bytes, member: Member
) -> list[StoredGrant]:
    """The member's grants of a dataset that have not ended.

    Raises:
        AccessDenied, DatasetDeleted: the member has none.
        GrantExpired: none of them is valid now.
    """
    if not may_read(member):
        raise denied()
    found = histories.grants(dataset_id, member.identities)
    found = [grant for grant in found if not grant.revoked]
    if not found:
        require_reader(histories, dataset_id, member)
        raise denied()
    now = unix_now()
    lasting = [
        grant for grant in found if grant.not_after == 0 or now < grant.not_after
    ]
    if not any(grant.live_at(now) for grant in lasting):
        raise GrantExpired("your grant for that dataset is not valid at this time")
    return lasting


def _check_commit(
    histories: Histories, statement: Disclosure | PurgeReceipt, what: str
) -> None:
    """Checks that the history holds the commit that a statement names."""
    found = histories.commit_digest(statement.dataset_id, statement.number)
    if found != statement.commit:
        raise ContextMismatch(f"{what} names a commit that is not in the history")


def _sequence(entries: LogStore, digest: bytes) -> int:
    """The sequence, within its dataset, of an object that was logged before."""
    found = entries.find(digest)
    if found is None:
        raise LogDamaged("the log on disk lacks an entry that was just written")
    return LogEntry.unpack(found.entry).sequence


def _account_page(
    seen: Stores, dataset_id: bytes, first: int, last: int
) -> list[datasets_pb2.AccountResponse]:
    """The next entries of a dataset's account, with the objects that it shows."""
    entries = seen.log.entries_of(dataset_id, first, min(_PAGE, last + 1 - first))
    leaves = [LogEntry.unpack(item.entry) for item in entries]
    wanted = [leaf.digest for leaf in leaves if leaf.kind in _WITH_OBJECT]
    objects = seen.histories.objects(wanted) if wanted else {}
    page = []
    for item, leaf in zip(entries, leaves, strict=True):
        response = datasets_pb2.AccountResponse(entry=item.entry, index=item.index)
        if leaf.digest in objects:
            response.object.CopyFrom(
                objects_pb2.Signed.FromString(objects[leaf.digest])
            )
        page.append(response)
    return page


def _verify_grants(
    members: Members,
    grants: Iterable[objects_pb2.Signed],
    member: Member,
    commit: Commit,
) -> list[tuple[Grant, bytes]]:
    signed_grants = list(grants)
    if len(signed_grants) > _MAX_GRANTS:
        raise InvalidArgument(f"a request has at most {_MAX_GRANTS} grants")
    verified = []
    now = unix_now()
    for signed in signed_grants:
        grant = verify_grant(signed)
        require_signer(grant.signer, member, "a grant")
        if grant.terms.dataset_id != commit.dataset_id:
            raise ContextMismatch("a grant and its commit are for different datasets")
        if grant.terms.not_after and grant.terms.not_after <= now:
            raise GrantExpired("a grant has already expired")
        _check_recipient(members, grant)
        verified.append((grant, signed.SerializeToString()))
    if {grant.entry() for grant, _ in verified} != set(commit.granted):
        raise ContextMismatch("a commit names other grants than those sent with it")
    if commit.genesis is not None and not _includes(verified, commit.signer):
        raise InvalidArgument("commit 0 needs a grant to the owner")
    return verified


def _check_recipient(members: Members, grant: Grant) -> None:
    card = members.card(grant.terms.recipient)
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
