"""Calls to a relay: deadlines, retries, failover and named errors, in one place.

A relay is one or more hosts, each with an address, that share a database and a CA. One address is
in use until it fails; then calls continue at the next, in rotation. Threads may share a `Relay`,
and forked processes may keep using it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self, TypeVar

import grpc
from google.protobuf.message import Message

from sealift.keystore.tlskeys import (
    TlsKey,
    certificate_as_pem,
    diagnose_handshake,
)
from sealift.process.log import log
from sealift.process.retrying import Noted, RetryPolicy, retrying
from sealift.relay.connections import TRANSFER_SECONDS, Connection, RelayAccess, Route
from sealift_protocol import framing
from sealift_protocol.errors import (
    InvalidArgument,
    MalformedObject,
    NotAuthenticated,
    RelayBusy,
    RelayError,
    RelayStorageFull,
    RelayTimeout,
    RelayUnavailable,
    SealiftError,
)
from sealift_protocol.status import from_rpc_error
from sealift_protocol.v1 import (
    datasets_pb2,
    datasets_pb2_grpc,
    directory_pb2,
    log_pb2,
    objects_pb2,
    shards_pb2,
)

CONTROL_SECONDS = 30.0
# Enough for a history of 500,000 commits, or a snapshot of 3,000,000 shards.
_MAX_STREAM = 256 << 20
_PAGES_A_CALL = 32
_ATTEMPTS = 5
_FIRST_DELAY = 0.2
_MAX_DELAY = 5.0
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([1-9][0-9]{0,4})")
# gRPC's codes for a server that goes away during a call; the relay itself never sends them.
_BROKEN = (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)


class RelayClient(Protocol):
    """The relay calls of owners and trainers. Nothing that they return is verified."""

    @property
    def access(self) -> RelayAccess:
        """Everything that a worker process needs to make its own connection."""

    @property
    def patience(self) -> float:
        """Seconds for which a call is retried while the relay is unreachable or busy."""

    def interrupt(self) -> None:
        """End the calls in progress; later calls use a new connection."""

    def who_am_i(self) -> directory_pb2.WhoAmIResponse:
        """Return the caller's identity, as the relay sees it."""

    def get_card(
        self, name: str, fingerprint: bytes = b""
    ) -> directory_pb2.GetCardResponse:
        """Return a member's card and the statements about the member."""

    def list_datasets(self) -> list[datasets_pb2.DatasetSummary]:
        """Return the caller's datasets."""

    def append(
        self, commit: objects_pb2.Signed, grants: Iterable[objects_pb2.Signed]
    ) -> objects_pb2.Signed | None:
        """Append a commit and its grants; return a deletion receipt if it destroys anything."""

    def put_pages(self, dataset_id: bytes, pages: Sequence[bytes]) -> None:
        """Store pages of a snapshot."""

    def get_commits(
        self,
        dataset_id: bytes,
        first: int = 0,
        last: int = 0,
        *,
        from_snapshot: bool = False,
    ) -> Iterator[objects_pb2.Signed]:
        """Return a dataset's commits."""

    def get_pages(self, dataset_id: bytes, digests: Sequence[bytes]) -> list[bytes]:
        """Return pages of snapshots."""

    def get_grants(
        self, dataset_id: bytes, *, everybody: bool = False
    ) -> datasets_pb2.GetGrantsResponse:
        """Return grants of a dataset."""

    def put_rewraps(self, rewraps: Sequence[objects_pb2.Signed]) -> None:
        """Add rewraps of the caller's grants."""

    def disclose(self, disclosure: objects_pb2.Signed) -> None:
        """Log a disclosure."""

    def confirm_purge(self, receipt: objects_pb2.Signed) -> None:
        """Log a purge receipt."""

    def account(
        self, accounting: objects_pb2.Signed
    ) -> list[datasets_pb2.AccountResponse]:
        """Return every log entry of a dataset."""

    def prove(self, old_size: int, digests: Sequence[bytes]) -> log_pb2.ProveResponse:
        """Return the log's newest checkpoint and proofs to it."""

    def put_shard(self, messages: Callable[[], Iterator[bytes]]) -> bytes:
        """Upload a shard; return its digest as computed by the relay."""

    def get_segments(self, request: shards_pb2.GetRequest) -> Iterator[bytes]:
        """Yield the serialised GetResponses of a request."""


class Relay:
    """A relay over mutual TLS. Every method raises a `SealiftError` when the call fails.

    If the relay has several addresses, a call with a transient failure continues at the next.
    Threads may share a relay, and so may forked processes: each makes its own connections. Before
    a fork all connections are closed. Calls in progress are repeated after it, and a stream of
    segments ends with RelayUnavailable, as if the connection had broken.

    Attributes:
        patience: seconds for which a call is retried while the relay is unreachable or busy; 0
            for the few seconds that a restart takes.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        *,
        authority_pem: bytes,
        certificate_pem: bytes,
        tls_key: TlsKey,
    ) -> None:
        """Prepare a relay, which connects on first use.

        Args:
            addresses: host:port of each host of the relay, the preferred one first.
            authority_pem: the relay's CA certificate, which issued every host's certificate.
            certificate_pem: the member's certificate.
            tls_key: the certificate's private key, PEM; or a key in a backend that signs.

        Raises:
            InvalidArgument: there are no addresses, or one is not host:port.
        """
        self.patience = 0.0
        chosen = [addresses] if isinstance(addresses, str) else list(addresses)
        unique = tuple(dict.fromkeys(_check_address(address) for address in chosen))
        if not unique:
            raise InvalidArgument("a relay needs at least one address")
        self._route = Route(
            RelayAccess(unique, authority_pem, certificate_pem, tls_key)
        )

    @classmethod
    def at(cls, access: RelayAccess) -> Self:
        """Connect with the access that another process passed on."""
        return cls(
            access.addresses,
            authority_pem=access.authority_pem,
            certificate_pem=access.certificate_pem,
            tls_key=access.tls_key,
        )

    @property
    def access(self) -> RelayAccess:
        """Everything that a worker process needs to make its own connection."""
        return self._route.access

    @property
    def _channel(self) -> grpc.Channel:
        """The channel in use, for services without a method here."""
        with self._route.use() as connection:
            return connection.channel

    @property
    def _datasets(self) -> datasets_pb2_grpc.DatasetsStub:
        with self._route.use() as connection:
            return connection.datasets

    def reconnect(self, certificate_pem: bytes) -> None:
        """Reconnect with a new certificate for the same key.

        Calls in progress finish on the old connection.
        """
        self._route.change(replace(self._route.access, certificate_pem=certificate_pem))

    def interrupt(self) -> None:
        """End the calls in progress; later calls use a new connection."""
        self._route.cut()

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
        """Close the connection; calls in progress fail."""
        self._route.close()

    def who_am_i(self) -> directory_pb2.WhoAmIResponse:
        """Return the caller's identity, as the relay sees it, and the relay's clock."""
        response: directory_pb2.WhoAmIResponse = self._unary(
            lambda to: to.directory.WhoAmI, directory_pb2.WhoAmIRequest()
        )
        return response

    def get_card(
        self, name: str, fingerprint: bytes = b""
    ) -> directory_pb2.GetCardResponse:
        """Return a member's card, by name or fingerprint, and the statements about the member."""
        request = directory_pb2.GetCardRequest(name=name, fingerprint=fingerprint)
        response: directory_pb2.GetCardResponse = self._unary(
            lambda to: to.directory.GetCard, request
        )
        return response

    def put_card(self, card: objects_pb2.Signed) -> None:
        """Replace the caller's card."""
        self._unary(
            lambda to: to.directory.PutCard, directory_pb2.PutCardRequest(card=card)
        )

    def put_statement(self, statement: objects_pb2.Signed) -> None:
        """Publish an endorsement or an identity revocation."""
        request = directory_pb2.PutStatementRequest(statement=statement)
        self._unary(lambda to: to.directory.PutStatement, request)

    def succeed(self, succession: objects_pb2.Signed, card: objects_pb2.Signed) -> None:
        """Replace the caller's identity with a new one."""
        request = directory_pb2.SucceedRequest(succession=succession, card=card)
        self._unary(lambda to: to.directory.Succeed, request)

    def renew(self, certificate_request: bytes) -> bytes:
        """Return a new certificate (PEM) for the caller."""
        request = directory_pb2.RenewRequest(certificate_request=certificate_request)
        return certificate_as_pem(
            self._unary(lambda to: to.directory.Renew, request).certificate
        )

    def put_probe(self, probe: objects_pb2.Signed) -> None:
        """Leave a probe for another member."""
        self._unary(
            lambda to: to.directory.PutProbe, directory_pb2.PutProbeRequest(probe=probe)
        )

    def get_probes(self) -> directory_pb2.GetProbesResponse:
        """Return probes for the caller, and answers to the caller's own probes."""
        response: directory_pb2.GetProbesResponse = self._unary(
            lambda to: to.directory.GetProbes, directory_pb2.GetProbesRequest()
        )
        return response

    def answer_probe(self, answer: objects_pb2.Signed) -> None:
        """Answer a probe."""
        self._unary(
            lambda to: to.directory.AnswerProbe,
            directory_pb2.AnswerProbeRequest(answer=answer),
        )

    def list_datasets(
        self, *, include_future: bool = False
    ) -> list[datasets_pb2.DatasetSummary]:
        """Return the caller's datasets, unverified."""
        request = datasets_pb2.ListRequest(include_future=include_future)
        return list(self._unary(lambda to: to.datasets.List, request).datasets)

    def append(
        self, commit: objects_pb2.Signed, grants: Iterable[objects_pb2.Signed]
    ) -> objects_pb2.Signed | None:
        """Append a commit and its grants; repeating the same commit is harmless."""
        request = datasets_pb2.AppendRequest(commit=commit, grants=grants)
        response: datasets_pb2.AppendResponse = self._unary(
            lambda to: to.datasets.Append, request
        )
        return response.receipt if response.HasField("receipt") else None

    def put_pages(self, dataset_id: bytes, pages: Sequence[bytes]) -> None:
        """Store pages of a snapshot."""
        for start in range(0, len(pages), _PAGES_A_CALL):
            part = pages[start : start + _PAGES_A_CALL]
            request = datasets_pb2.PutPagesRequest(dataset_id=dataset_id, pages=part)
            self._unary(lambda to: to.datasets.PutPages, request)

    def get_commits(
        self,
        dataset_id: bytes,
        first: int = 0,
        last: int = 0,
        *,
        from_snapshot: bool = False,
    ) -> Iterator[objects_pb2.Signed]:
        """Yield commits from `first` or the newest snapshot, up to `last` unless it is 0."""
        request = datasets_pb2.GetCommitsRequest(
            dataset_id=dataset_id, first=first, last=last, from_snapshot=from_snapshot
        )
        return (
            r.commit for r in self._stream(lambda to: to.datasets.GetCommits, request)
        )

    def get_pages(self, dataset_id: bytes, digests: Sequence[bytes]) -> list[bytes]:
        """Return pages of snapshots, in order."""
        if not digests:
            return []
        request = datasets_pb2.GetPagesRequest(dataset_id=dataset_id, digests=digests)
        return [r.page for r in self._stream(lambda to: to.datasets.GetPages, request)]

    def get_grants(
        self, dataset_id: bytes, *, everybody: bool = False
    ) -> datasets_pb2.GetGrantsResponse:
        """Return the caller's grants of a dataset, or everyone's for its authors; unverified."""
        request = datasets_pb2.GetGrantsRequest(
            dataset_id=dataset_id, everybody=everybody
        )
        response: datasets_pb2.GetGrantsResponse = self._unary(
            lambda to: to.datasets.GetGrants, request
        )
        return response

    def put_rewraps(self, rewraps: Sequence[objects_pb2.Signed]) -> None:
        """Add rewraps of the caller's grants."""
        self._unary(
            lambda to: to.datasets.PutRewraps,
            datasets_pb2.PutRewrapsRequest(rewraps=rewraps),
        )

    def disclose(self, disclosure: objects_pb2.Signed) -> None:
        """Log a disclosure."""
        self._unary(
            lambda to: to.datasets.Disclose,
            datasets_pb2.DiscloseRequest(disclosure=disclosure),
        )

    def confirm_purge(self, receipt: objects_pb2.Signed) -> None:
        """Log a purge receipt."""
        self._unary(
            lambda to: to.datasets.ConfirmPurge,
            datasets_pb2.ConfirmPurgeRequest(receipt=receipt),
        )

    def account(
        self, accounting: objects_pb2.Signed
    ) -> list[datasets_pb2.AccountResponse]:
        """Return every log entry of a dataset, unverified."""
        request = datasets_pb2.AccountRequest(accounting=accounting)
        return self._stream(lambda to: to.datasets.Account, request)

    def prove(self, old_size: int, digests: Sequence[bytes]) -> log_pb2.ProveResponse:
        """Return the log's newest checkpoint and proofs to it, unverified."""
        request = log_pb2.ProveRequest(old_size=old_size, digests=digests)
        response: log_pb2.ProveResponse = self._unary(lambda to: to.log.Prove, request)
        return response

    def get_tile(self, level: int, index: int) -> bytes:
        """Return a tile of the log's hashes, unverified."""
        request = log_pb2.GetTileRequest(level=level, index=index)
        response: log_pb2.GetTileResponse = self._unary(
            lambda to: to.log.GetTile, request
        )
        return response.hashes

    def get_entries(self, first: int, count: int) -> list[log_pb2.GetEntriesResponse]:
        """Return log entries with their objects, unverified; for auditors."""
        request = log_pb2.GetEntriesRequest(first=first, count=count)
        return self._stream(lambda to: to.log.GetEntries, request)

    def stat(
        self, dataset_id: bytes, shard_ids: Iterable[bytes]
    ) -> list[shards_pb2.ShardStatus]:
        """Return what the relay holds of some shards."""
        request = shards_pb2.StatRequest(dataset_id=dataset_id, shard_ids=shard_ids)
        return list(self._unary(lambda to: to.shards.Stat, request).shards)

    def put_shard(self, messages: Callable[[], Iterator[bytes]]) -> bytes:
        """Upload a shard; return its digest (32 bytes) as computed by the relay.

        Args:
            messages: called once per attempt; yields the same serialised PutRequests each time.
        """

        def upload(to: Connection) -> bytes:
            response: shards_pb2.PutResponse = to.put(
                messages(), timeout=TRANSFER_SECONDS
            )
            return response.digest

        return self._call(upload)

    def get_segments(self, request: shards_pb2.GetRequest) -> Iterator[bytes]:
        """Yield the serialised GetResponses of a request.

        A broken stream is not retried here; a new request goes to the next address.
        """
        failures: list[SealiftError] = []
        begun = False
        while not begun and len(failures) < len(self.access.addresses):
            with self._route.use() as connection:
                try:
                    with closing(connection.segments(request)) as messages:
                        for message in messages:
                            begun = True
                            yield message
                    return
                except (grpc.RpcError, ValueError) as error:
                    if begun or not connection.closed_for_fork:
                        failures.append(self._fail_over(connection, error))
        failure = _first_passing(failures)
        if len(self.access.addresses) > 1 and not is_passing(failures[-1]):
            # Not RelayUntrusted, because the next address may be the genuine relay.
            raise RelayUnavailable(
                "the relay cannot be reached, and the server at one of its addresses has a "
                "certificate that is not the relay's, or not valid now"
            )
        raise failure

    def _stream(
        self, pick: Callable[[Connection], Callable[..., Iterable[_M]]], request: object
    ) -> list[_M]:
        def collect(to: Connection) -> list[_M]:
            answers: list[_M] = []
            size = 0
            stream = pick(to)(request, timeout=CONTROL_SECONDS)
            for answer in stream:
                size += answer.ByteSize()
                if size > _MAX_STREAM:
                    stream.cancel()  # type: ignore[attr-defined] # a gRPC call
                    raise MalformedObject(
                        "the relay's answer is longer than any honest one"
                    )
                answers.append(answer)
            return answers

        return self._call(collect)

    def _unary(
        self, pick: Callable[[Connection], Callable[..., _T]], request: object
    ) -> _T:
        return self._call(lambda to: pick(to)(request, timeout=CONTROL_SECONDS))

    def _call(self, invoke: Callable[[Connection], _T]) -> _T:
        refused: list[SealiftError] = []
        try:
            return retry(
                lambda: self._try_each(invoke, refused), patience=self.patience
            )
        except SealiftError as error:
            if refused and is_passing(error):
                # No address works, and one has an untrusted server: that matters more to the user.
                raise refused[-1] from None
            raise

    def _try_each(
        self, invoke: Callable[[Connection], _T], refused: list[SealiftError]
    ) -> _T:
        """Call the address in use and, after a transient failure, each other address once."""
        failures: list[SealiftError] = []
        while len(failures) < len(self.access.addresses):
            with self._route.use() as connection:
                try:
                    return invoke(connection)
                except (grpc.RpcError, ValueError) as error:
                    if not connection.closed_for_fork:
                        failures.append(self._fail_over(connection, error))
        refused += [failure for failure in failures if not is_passing(failure)]
        raise _first_passing(failures)

    def _fail_over(
        self, connection: Connection, error: grpc.RpcError | ValueError
    ) -> SealiftError:
        """Return a failure as an error, after a switch to the next address if that may help.

        Raises:
            SealiftError: no other address would help.
        """
        failure, elsewhere = _diagnose(self.access, connection, error)
        if not elsewhere:
            if failure is connection.key_failure:
                # The channel would keep reporting this failure after the token recovers.
                self._route.change(self.access)
            raise failure from None
        if self._route.leave(connection):
            # The operator should hear of an impostor or of an expired certificate.
            report = log.info if is_passing(failure) else log.warning
            reason = failure.reason or "RELAY_UNTRUSTED"
            report("fail_over", address=connection.position + 1, reason=reason)
        return failure


def retry(
    attempt: Callable[[], _T],
    *,
    named: Callable[[grpc.RpcError], SealiftError] = from_rpc_error,
    patience: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> _T:
    """Return the result of a call, retried while its failures are transient.

    Retries end after 3 to 6 seconds of waiting, which is enough for a relay to restart, or after
    `patience` seconds if that is longer.

    Raises:
        SealiftError: the last failure, or the first that a retry cannot fix.
    """

    def named_attempt() -> _T:
        try:
            return attempt()
        except grpc.RpcError as error:
            raise named(error) from None

    return retrying(
        named_attempt,
        is_passing,
        retry_policy(patience),
        noted=note_retry("retry_call"),
        sleep=sleep,
        clock=clock,
    )


def retry_policy(patience: float) -> RetryPolicy:
    """Return the policy to retry relay calls for at least `patience` seconds."""
    return RetryPolicy(
        attempts=_ATTEMPTS,
        patience=patience,
        first_delay=_FIRST_DELAY,
        max_delay=_MAX_DELAY,
    )


def note_retry(event: str) -> Noted:
    """Return a callback that logs an event before each wait, with the failure's reason."""

    def note(error: Exception, failures: int, delay: float) -> None:
        reason = error.reason if isinstance(error, SealiftError) else ""
        log.info(event, attempt=failures, reason=reason, seconds=round(delay, 3))

    return note


def is_passing(error: Exception) -> bool:
    """Return whether an error is transient, so that the same call may succeed later."""
    return isinstance(
        error, RelayUnavailable | RelayBusy | RelayTimeout
    ) and not isinstance(error, RelayStorageFull)


def _first_passing(failures: Sequence[SealiftError]) -> SealiftError:
    return next(filter(is_passing, failures), failures[-1])


def _diagnose(
    access: RelayAccess, connection: Connection, error: grpc.RpcError | ValueError
) -> tuple[SealiftError, bool]:
    """Return a failed call's error, and whether another address may help."""
    if connection.closed_for_fork:
        return RelayUnavailable(
            "the connection to the relay was closed for a fork"
        ), True
    if isinstance(error, ValueError):
        # gRPC raises this if the channel was closed just before the call began.
        if not connection.cut:
            raise error
        return RelayError("the call to the relay was interrupted"), False
    named = from_rpc_error(error)
    if connection.cut:
        return named, False
    if type(named) is RelayError and error.code() in _BROKEN:
        named = RelayUnavailable("the connection to the relay broke")
    if type(named) is RelayUnavailable and connection.key_failure is not None:
        return connection.key_failure, False
    if type(named) is RelayUnavailable:
        named = diagnose_handshake(
            connection.address, access.authority_pem, connection.certificate_pem, named
        )
        # Only our own certificate is the same at every address.
        return named, not isinstance(named, NotAuthenticated)
    return named, is_passing(named)


def _check_address(address: str) -> str:
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match[2]) > 65_535:
        raise InvalidArgument(
            "a relay's address is HOST:PORT", hint="for example relay.example.org:7443"
        )
    return address


def segment_stream(
    head: shards_pb2.PutHead,
    segments: Iterable[bytes | memoryview],
    tail: Callable[[], bytes],
) -> Iterator[bytes]:
    """Yield the PutRequests of a shard; `tail` returns its digest once all is sealed."""
    yield shards_pb2.PutRequest(head=head).SerializeToString()
    for segment in segments:
        yield framing.segment_message(segment)
    yield shards_pb2.PutRequest(
        tail=shards_pb2.PutTail(digest=tail())
    ).SerializeToString()
