"""The connection to a relay: channels, deadlines, retries and named errors, in one place."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar

import grpc

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
    objects_pb2,
    shards_pb2,
    shards_pb2_grpc,
)

CONTROL_SECONDS = 30.0
TRANSFER_SECONDS = 1800.0
_MAX_CONTROL_MESSAGE = 16 << 20
_ATTEMPTS = 5
_FIRST_DELAY = 0.2
_MAX_DELAY = 5.0
_OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_CONTROL_MESSAGE),
    ("grpc.max_send_message_length", _MAX_CONTROL_MESSAGE),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]
_T = TypeVar("_T")


class RelayClient(Protocol):
    """What owner and trainer need of a relay; tests put lying ones in its place."""

    def who_am_i(self) -> directory_pb2.WhoAmIResponse:
        """Who the relay takes the caller for."""

    def get_card(self, name: str) -> objects_pb2.Signed:
        """A member's card, unverified."""

    def list_datasets(self) -> list[datasets_pb2.DatasetSummary]:
        """The caller's datasets, unverified."""

    def append(self, commit: objects_pb2.Signed, grants: Iterable[objects_pb2.Signed]) -> None:
        """Appends a commit and its grants."""

    def add_grants(self, grants: Iterable[objects_pb2.Signed]) -> None:
        """Adds grants to a dataset."""

    def get_commits(self, dataset_id: bytes, first: int = 0) -> Iterator[objects_pb2.Signed]:
        """A dataset's commits from `first` on, unverified."""

    def get_grants(self, dataset_id: bytes) -> list[objects_pb2.Signed]:
        """The caller's grants of a dataset, unverified."""

    def put_shard(self, messages: Callable[[], Iterator[bytes]]) -> bytes:
        """Uploads one shard; returns its digest as the relay computed it."""

    def get_segments(self, request: shards_pb2.GetRequest) -> Iterator[bytes]:
        """The serialised GetResponses of a request."""


class Relay:
    """A relay over mutual TLS. Every method raises a `SealiftError` when the call fails."""

    def __init__(
        self,
        address: str,
        *,
        authority_pem: bytes,
        certificate_pem: bytes,
        tls_key_pem: bytes,
    ) -> None:
        self._address = address
        self._authority_pem = authority_pem
        self._certificate_pem = certificate_pem
        credentials = grpc.ssl_channel_credentials(authority_pem, tls_key_pem, certificate_pem)
        self._channel = grpc.secure_channel(address, credentials, options=_OPTIONS)
        self._directory = directory_pb2_grpc.DirectoryStub(self._channel)
        self._datasets = datasets_pb2_grpc.DatasetsStub(self._channel)
        self._shards = shards_pb2_grpc.ShardsStub(self._channel)
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

    def get_card(self, name: str) -> objects_pb2.Signed:
        """A member's card, unverified."""
        response: directory_pb2.GetCardResponse = self._unary(
            self._directory.GetCard, directory_pb2.GetCardRequest(name=name)
        )
        return response.card

    def list_datasets(self) -> list[datasets_pb2.DatasetSummary]:
        """The caller's datasets, unverified."""
        return list(self._unary(self._datasets.List, datasets_pb2.ListRequest()).datasets)

    def append(self, commit: objects_pb2.Signed, grants: Iterable[objects_pb2.Signed]) -> None:
        """Appends a commit and its grants; repeating the same commit is harmless."""
        request = datasets_pb2.AppendRequest(commit=commit, grants=grants)
        self._unary(self._datasets.Append, request)

    def add_grants(self, grants: Iterable[objects_pb2.Signed]) -> None:
        """Adds grants to a dataset of the caller."""
        self._unary(self._datasets.AddGrants, datasets_pb2.AddGrantsRequest(grants=grants))

    def get_commits(self, dataset_id: bytes, first: int = 0) -> Iterator[objects_pb2.Signed]:
        """A dataset's commits from `first` on, unverified."""
        request = datasets_pb2.GetCommitsRequest(dataset_id=dataset_id, first=first)

        def fetch() -> list[objects_pb2.Signed]:
            stream = self._datasets.GetCommits(request, timeout=CONTROL_SECONDS)
            return [response.commit for response in stream]

        return iter(self._retry(fetch))

    def get_grants(self, dataset_id: bytes) -> list[objects_pb2.Signed]:
        """The caller's grants of a dataset, unverified."""
        request = datasets_pb2.GetGrantsRequest(dataset_id=dataset_id)
        return list(self._unary(self._datasets.GetGrants, request).grants)

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

    def _unary(self, call: Callable[..., _T], request: object) -> _T:
        return self._retry(lambda: call(request, timeout=CONTROL_SECONDS))

    def _retry(self, attempt: Callable[[], _T]) -> _T:
        return retry(attempt, named=self._named)

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
    sleep: Callable[[float], None] = time.sleep,
) -> _T:
    """Runs a call that may be repeated, with exponential backoff and full jitter.

    Source: Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.

    Raises:
        SealiftError: the last failure, or the first that repeating cannot mend.
    """
    for number in range(1, _ATTEMPTS + 1):
        try:
            return attempt()
        except grpc.RpcError as error:
            failure = named(error)
        if number == _ATTEMPTS or not is_passing(failure):
            raise failure
        delay = random.uniform(0, min(_MAX_DELAY, _FIRST_DELAY * 2**number))  # noqa: S311
        log.info("retry_call", attempt=number, reason=failure.reason, seconds=round(delay, 3))
        sleep(delay)
    raise RelayUnavailable("the relay could not be reached")


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
