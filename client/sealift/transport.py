"""The connection to a relay: channels, deadlines, retries and named errors, in one place."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeVar

import grpc
from google.protobuf.message import Message

from sealift.certificates import (
    certificate_as_pem,
    check_server,
    diagnose_handshake,
    server_certificate,
)
from sealift.clock import Clock, utc_now
from sealift.log import log
from sealift_protocol import framing
from sealift_protocol.errors import (
    MalformedObject,
    RelayBusy,
    RelayStorageFull,
    RelayTimeout,
    RelayUnavailable,
    RelayUntrusted,
    SealiftError,
)
from sealift_protocol.status import from_rpc_error
from sealift_protocol.v1 import (
    datasets_pb2,
    datasets_pb2_grpc,
    directory_pb2,
    directory_pb2_grpc,
    enrolment_pb2,
    enrolment_pb2_grpc,
    log_pb2,
    log_pb2_grpc,
    objects_pb2,
    shards_pb2,
    shards_pb2_grpc,
)

CONTROL_SECONDS = 30.0
TRANSFER_SECONDS = 1800.0
_MAX_CONTROL_MESSAGE = 16 << 20
# A history of 500,000 commits, or a snapshot of 3,000,000 shards.
_MAX_STREAM = 256 << 20
_PAGES_A_CALL = 32
_ATTEMPTS = 5
_FIRST_DELAY = 0.2
_MAX_DELAY = 5.0
_OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_CONTROL_MESSAGE),
    ("grpc.max_send_message_length", _MAX_CONTROL_MESSAGE),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]
_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)


class RelayClient(Protocol):
    """What owner and trainer need of a relay. Nothing that it returns is verified."""

    def interrupt(self) -> None:
        """Ends the calls under way; later ones go on a new connection."""

    def who_am_i(self) -> directory_pb2.WhoAmIResponse:
        """Who the relay takes the caller for."""

    def get_card(self, name: str, fingerprint: bytes = b"") -> directory_pb2.GetCardResponse:
        """A member's card, and what is said about the member."""

    def list_datasets(self) -> list[datasets_pb2.DatasetSummary]:
        """The caller's datasets."""

    def append(
        self, commit: objects_pb2.Signed, grants: Iterable[objects_pb2.Signed]
    ) -> objects_pb2.Signed | None:
        """Appends a commit and its grants; a deletion receipt if anything was destroyed."""

    def put_pages(self, dataset_id: bytes, pages: Sequence[bytes]) -> None:
        """Stores pages of a snapshot."""

    def get_commits(
        self, dataset_id: bytes, first: int = 0, last: int = 0, *, from_snapshot: bool = False
    ) -> Iterator[objects_pb2.Signed]:
        """A dataset's commits."""

    def get_pages(self, dataset_id: bytes, digests: Sequence[bytes]) -> list[bytes]:
        """Pages of snapshots."""

    def get_grants(
        self, dataset_id: bytes, *, everybody: bool = False
    ) -> datasets_pb2.GetGrantsResponse:
        """Grants of a dataset."""

    def put_rewraps(self, rewraps: Sequence[objects_pb2.Signed]) -> None:
        """Adds rewraps of the caller's grants."""

    def disclose(self, disclosure: objects_pb2.Signed) -> None:
        """Logs a disclosure."""

    def confirm_purge(self, receipt: objects_pb2.Signed) -> None:
        """Logs a purge receipt."""

    def account(self, accounting: objects_pb2.Signed) -> list[datasets_pb2.AccountResponse]:
        """Everything that the log has of a dataset."""

    def prove(self, old_size: int, digests: Sequence[bytes]) -> log_pb2.ProveResponse:
        """The log's newest checkpoint, and proofs towards it."""

    def put_shard(self, messages: Callable[[], Iterator[bytes]]) -> bytes:
        """Uploads one shard; returns its digest as the relay computed it."""

    def get_segments(self, request: shards_pb2.GetRequest) -> Iterator[bytes]:
        """The serialised GetResponses of a request."""


class Relay:
    """A relay over mutual TLS. Every method raises a `SealiftError` when the call fails.

    Attributes:
        patience: seconds for which a call is repeated while the relay cannot be reached, or is
            busy; 0 for the few seconds that a restart takes.
    """

    def __init__(
        self,
        address: str,
        *,
        authority_pem: bytes,
        certificate_pem: bytes,
        tls_key_pem: bytes,
    ) -> None:
        self.patience = 0.0
        self._address = address
        self._authority_pem = authority_pem
        self._tls_key_pem = tls_key_pem
        self._connect(certificate_pem)

    def _connect(self, certificate_pem: bytes) -> None:
        self._certificate_pem = certificate_pem
        credentials = grpc.ssl_channel_credentials(
            self._authority_pem, self._tls_key_pem, certificate_pem
        )
        self._channel = grpc.secure_channel(self._address, credentials, options=_OPTIONS)
        self._directory = directory_pb2_grpc.DirectoryStub(self._channel)
        self._datasets = datasets_pb2_grpc.DatasetsStub(self._channel)
        self._shards = shards_pb2_grpc.ShardsStub(self._channel)
        self._log = log_pb2_grpc.LogStub(self._channel)
        # Identity serializers: segments travel without a protobuf copy (sealift_protocol.framing).
        self._put = self._channel.stream_unary(
            "/sealift.v1.Shards/Put",
            request_serializer=None,
            response_deserializer=shards_pb2.PutResponse.FromString,
        )
        self._get = self._channel.unary_stream(
            "/sealift.v1.Shards/Get",
            request_serializer=shards_pb2.GetRequest.SerializeToString,
            response_deserializer=None,
        )

    def reconnect(self, certificate_pem: bytes) -> None:
        """Connects anew with another certificate for the same key."""
        old = self._channel
        self._connect(certificate_pem)
        old.close()

    def interrupt(self) -> None:
        """Ends the calls under way; later ones go on a new connection."""
        self.reconnect(self._certificate_pem)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls under way fail."""
        self._channel.close()

    def who_am_i(self) -> directory_pb2.WhoAmIResponse:
        """Who the relay takes the caller for, and its clock."""
        response: directory_pb2.WhoAmIResponse = self._unary(
            self._directory.WhoAmI, directory_pb2.WhoAmIRequest()
        )
        return response

    def get_card(self, name: str, fingerprint: bytes = b"") -> directory_pb2.GetCardResponse:
        """A member's card, by name or by fingerprint, and what is said about the member."""
        request = directory_pb2.GetCardRequest(name=name, fingerprint=fingerprint)
        response: directory_pb2.GetCardResponse = self._unary(self._directory.GetCard, request)
        return response

    def put_card(self, card: objects_pb2.Signed) -> None:
        """Replaces the caller's card."""
        self._unary(self._directory.PutCard, directory_pb2.PutCardRequest(card=card))

    def put_statement(self, statement: objects_pb2.Signed) -> None:
        """Publishes an endorsement or an identity revocation."""
        request = directory_pb2.PutStatementRequest(statement=statement)
        self._unary(self._directory.PutStatement, request)

    def succeed(self, succession: objects_pb2.Signed, card: objects_pb2.Signed) -> None:
        """Puts a new identity in the caller's place."""
        request = directory_pb2.SucceedRequest(succession=succession, card=card)
        self._unary(self._directory.Succeed, request)

    def renew(self, certificate_request: bytes) -> bytes:
        """A new certificate (PEM) for the caller."""
        request = directory_pb2.RenewRequest(certificate_request=certificate_request)
        return certificate_as_pem(self._unary(self._directory.Renew, request).certificate)

    def put_probe(self, probe: objects_pb2.Signed) -> None:
        """Leaves a probe for another member."""
        self._unary(self._directory.PutProbe, directory_pb2.PutProbeRequest(probe=probe))

    def get_probes(self) -> directory_pb2.GetProbesResponse:
        """Probes for the caller, and answers to its own."""
        response: directory_pb2.GetProbesResponse = self._unary(
            self._directory.GetProbes, directory_pb2.GetProbesRequest()
        )
        return response

    def answer_probe(self, answer: objects_pb2.Signed) -> None:
        """Answers a probe."""
        self._unary(self._directory.AnswerProbe, directory_pb2.AnswerProbeRequest(answer=answer))

    def list_datasets(self, *, include_future: bool = False) -> list[datasets_pb2.DatasetSummary]:
        """The caller's datasets, unverified."""
        request = datasets_pb2.ListRequest(include_future=include_future)
        return list(self._unary(self._datasets.List, request).datasets)

    def append(
        self, commit: objects_pb2.Signed, grants: Iterable[objects_pb2.Signed]
    ) -> objects_pb2.Signed | None:
        """Appends a commit and its grants; repeating the same commit is harmless."""
        request = datasets_pb2.AppendRequest(commit=commit, grants=grants)
        response: datasets_pb2.AppendResponse = self._unary(self._datasets.Append, request)
        return response.receipt if response.HasField("receipt") else None

    def put_pages(self, dataset_id: bytes, pages: Sequence[bytes]) -> None:
        """Stores pages of a snapshot."""
        for start in range(0, len(pages), _PAGES_A_CALL):
            part = pages[start : start + _PAGES_A_CALL]
            request = datasets_pb2.PutPagesRequest(dataset_id=dataset_id, pages=part)
            self._unary(self._datasets.PutPages, request)

    def get_commits(
        self, dataset_id: bytes, first: int = 0, last: int = 0, *, from_snapshot: bool = False
    ) -> Iterator[objects_pb2.Signed]:
        """A dataset's commits from `first`, or the newest snapshot, on; to `last` if not 0."""
        request = datasets_pb2.GetCommitsRequest(
            dataset_id=dataset_id, first=first, last=last, from_snapshot=from_snapshot
        )
        return (r.commit for r in self._stream(self._datasets.GetCommits, request))

    def get_pages(self, dataset_id: bytes, digests: Sequence[bytes]) -> list[bytes]:
        """Pages of snapshots, in order."""
        if not digests:
            return []
        request = datasets_pb2.GetPagesRequest(dataset_id=dataset_id, digests=digests)
        return [r.page for r in self._stream(self._datasets.GetPages, request)]

    def get_grants(
        self, dataset_id: bytes, *, everybody: bool = False
    ) -> datasets_pb2.GetGrantsResponse:
        """The caller's grants of a dataset or, to its authors, everybody's; unverified."""
        request = datasets_pb2.GetGrantsRequest(dataset_id=dataset_id, everybody=everybody)
        response: datasets_pb2.GetGrantsResponse = self._unary(self._datasets.GetGrants, request)
        return response

    def put_rewraps(self, rewraps: Sequence[objects_pb2.Signed]) -> None:
        """Adds rewraps of the caller's grants."""
        self._unary(self._datasets.PutRewraps, datasets_pb2.PutRewrapsRequest(rewraps=rewraps))

    def disclose(self, disclosure: objects_pb2.Signed) -> None:
        """Logs a disclosure."""
        self._unary(self._datasets.Disclose, datasets_pb2.DiscloseRequest(disclosure=disclosure))

    def confirm_purge(self, receipt: objects_pb2.Signed) -> None:
        """Logs a purge receipt."""
        self._unary(self._datasets.ConfirmPurge, datasets_pb2.ConfirmPurgeRequest(receipt=receipt))

    def account(self, accounting: objects_pb2.Signed) -> list[datasets_pb2.AccountResponse]:
        """Everything that the log has of a dataset, unverified."""
        request = datasets_pb2.AccountRequest(accounting=accounting)
        return self._stream(self._datasets.Account, request)

    def prove(self, old_size: int, digests: Sequence[bytes]) -> log_pb2.ProveResponse:
        """The log's newest checkpoint, and proofs towards it; unverified."""
        request = log_pb2.ProveRequest(old_size=old_size, digests=digests)
        response: log_pb2.ProveResponse = self._unary(self._log.Prove, request)
        return response

    def get_tile(self, level: int, index: int) -> bytes:
        """A tile of the log's hashes, unverified."""
        request = log_pb2.GetTileRequest(level=level, index=index)
        response: log_pb2.GetTileResponse = self._unary(self._log.GetTile, request)
        return response.hashes

    def get_entries(self, first: int, count: int) -> list[log_pb2.GetEntriesResponse]:
        """Entries of the log with their objects, unverified; for auditors."""
        request = log_pb2.GetEntriesRequest(first=first, count=count)
        return self._stream(self._log.GetEntries, request)

    def stat(self, dataset_id: bytes, shard_ids: Iterable[bytes]) -> list[shards_pb2.ShardStatus]:
        """What the relay holds of some shards."""
        request = shards_pb2.StatRequest(dataset_id=dataset_id, shard_ids=shard_ids)
        return list(self._unary(self._shards.Stat, request).shards)

    def put_shard(self, messages: Callable[[], Iterator[bytes]]) -> bytes:
        """Uploads one shard; returns its digest (32 bytes) as the relay computed it.

        Args:
            messages: called once an attempt; yields the serialised PutRequests, the same each time.
        """

        def upload() -> bytes:
            response: shards_pb2.PutResponse = self._put(messages(), timeout=TRANSFER_SECONDS)
            return response.digest

        return self._retry(upload)

    def get_segments(self, request: shards_pb2.GetRequest) -> Iterator[bytes]:
        """The serialised GetResponses of a request. A stream that broke is not repeated here."""
        call = self._get(request, timeout=TRANSFER_SECONDS)
        try:
            yield from call
        except grpc.RpcError as error:
            raise self._named(error) from None
        finally:
            # A reader that stops early must not leave the relay sending.
            call.cancel()

    def _stream(self, call: Callable[..., Iterable[_M]], request: object) -> list[_M]:
        def collect() -> list[_M]:
            answers: list[_M] = []
            size = 0
            stream = call(request, timeout=CONTROL_SECONDS)
            for answer in stream:
                size += answer.ByteSize()
                if size > _MAX_STREAM:
                    stream.cancel()  # type: ignore[attr-defined] # a gRPC call
                    raise MalformedObject("the relay's answer is longer than any honest one")
                answers.append(answer)
            return answers

        return self._retry(collect)

    def _unary(self, call: Callable[..., _T], request: object) -> _T:
        return self._retry(lambda: call(request, timeout=CONTROL_SECONDS))

    def _retry(self, attempt: Callable[[], _T]) -> _T:
        return retry(attempt, named=self._named, patience=self.patience)

    def _named(self, error: grpc.RpcError) -> SealiftError:
        named = from_rpc_error(error)
        if type(named) is RelayUnavailable:
            return diagnose_handshake(
                self._address, self._authority_pem, self._certificate_pem, named
            )
        return named


def retry(
    attempt: Callable[[], _T],
    *,
    named: Callable[[grpc.RpcError], SealiftError] = from_rpc_error,
    patience: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> _T:
    """Runs a call that may be repeated, with exponential backoff and equal jitter.

    Gives up after 3 to 6 seconds of waiting, which a relay's restart fits into, or after
    `patience` seconds if those are more.

    Source: Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.

    Raises:
        SealiftError: the last failure, or the first that repeating cannot mend.
    """
    started = clock()
    number = 0
    while True:
        number += 1
        try:
            return attempt()
        except grpc.RpcError as error:
            failure = named(error)
        over = number >= _ATTEMPTS and clock() - started >= patience
        if over or not is_passing(failure):
            raise failure
        longest = min(_MAX_DELAY, _FIRST_DELAY * 2 ** min(number, 10))
        delay = random.uniform(longest / 2, longest)  # noqa: S311
        log.info("retry_call", attempt=number, reason=failure.reason, seconds=round(delay, 3))
        sleep(delay)


def is_passing(error: SealiftError) -> bool:
    """Whether the same call may succeed a little later."""
    return isinstance(error, RelayUnavailable | RelayBusy | RelayTimeout) and not isinstance(
        error, RelayStorageFull
    )


def enrol(
    address: str,
    ca_fingerprint: bytes,
    membership_request: objects_pb2.Signed,
    *,
    now: Clock = utc_now,
) -> tuple[bytes, bytes, enrolment_pb2.EnrolResponse]:
    """Presents a token; returns CA certificate (PEM), own certificate (PEM) and the response.

    The server's certificate is taken unverified first, then checked against the CA certificate,
    which in turn is checked against the token's fingerprint, before the token is sent.

    Raises:
        RelayUntrusted: the server is not the one that the token names.
        TokenRefused: the relay does not accept the token.
    """
    leaf = server_certificate(address)
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(leaf), _OPTIONS) as channel:
        stub = enrolment_pb2_grpc.EnrolmentStub(channel)
        authority = retry(
            lambda: (
                stub.GetAuthority(
                    enrolment_pb2.GetAuthorityRequest(), timeout=CONTROL_SECONDS
                ).ca_certificate
            )
        )
    if hashlib.sha256(authority).digest() != ca_fingerprint:
        raise RelayUntrusted("the server's CA is not the one that the token names")
    authority_pem = certificate_as_pem(authority)
    check_server(leaf, authority_pem, now())
    credentials = grpc.ssl_channel_credentials(authority_pem)
    with grpc.secure_channel(address, credentials, _OPTIONS) as channel:
        stub = enrolment_pb2_grpc.EnrolmentStub(channel)
        request = enrolment_pb2.EnrolRequest(membership_request=membership_request)
        response = retry(lambda: stub.Enrol(request, timeout=CONTROL_SECONDS))
    return authority_pem, certificate_as_pem(response.certificate), response


def segment_stream(
    head: shards_pb2.PutHead, segments: Iterable[bytes | memoryview], tail: Callable[[], bytes]
) -> Iterator[bytes]:
    """The serialised PutRequests of one shard; `tail` gives its digest when all was sealed."""
    yield shards_pb2.PutRequest(head=head).SerializeToString()
    for segment in segments:
        yield framing.segment_message(segment)
    yield shards_pb2.PutRequest(tail=shards_pb2.PutTail(digest=tail())).SerializeToString()
