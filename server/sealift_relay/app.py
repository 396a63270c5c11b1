"""The running relay: listeners, services, limits, shutdown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from sealift_protocol.errors import InvalidArgument
from sealift_protocol.v1 import (
    datasets_pb2_grpc,
    directory_pb2_grpc,
    enrolment_pb2_grpc,
    log_pb2_grpc,
)
from sealift_protocol.wire import SHARDS_SERVICE
from sealift_relay.ca import load_authority
from sealift_relay.calls import CallInterceptor
from sealift_relay.checkpoints import Publisher, load_log_key
from sealift_relay.config import Config, Limits
from sealift_relay.destruction import Destruction
from sealift_relay.idle import IdleWatch
from sealift_relay.log import log
from sealift_relay.peer import Callers
from sealift_relay.services.datasets import Datasets
from sealift_relay.services.directory import Directory
from sealift_relay.services.enrolment import Enrolment
from sealift_relay.services.log import Log
from sealift_relay.services.shards import Shards
from sealift_relay.store.blobs import Blobs
from sealift_relay.store.members import Quota
from sealift_relay.store.metadata import Metadata
from sealift_relay.sweeper import Sweeper

_SERVICES = (
    SHARDS_SERVICE,
    "sealift.v1.Datasets",
    "sealift.v1.Directory",
    "sealift.v1.Log",
)
_ENROLMENT_WORKERS = 4
# How much longer than their time calls may take to end.
_ENDING_SECONDS = 10.0


class Relay:
    """A relay on one machine; a context manager that stops it cleanly."""

    def __init__(self, config: Config) -> None:
        """Opens the stores and binds the listeners, which do not serve yet.

        Raises:
            InvalidArgument: a port is taken, or the TLS files cannot be used.
            LogDamaged: the log on disk is not the one that the relay signed.
        """
        self._limits = config.limits
        authority = load_authority(config.tls)
        log_key = load_log_key(config.tls)
        key_and_chain = _read_server_identity(config)
        self._metadata = Metadata(config.storage.metadata)
        self._metadata.upgrade()
        self._blobs = Blobs(config.storage.blobs)
        limits = config.limits
        witnesses = config.log.witnesses.split()
        self._publisher = Publisher(self._metadata.log, log_key, witnesses)
        self._sweeper = Sweeper(
            self._metadata.shards,
            self._blobs,
            every_seconds=limits.sweep_seconds,
            uncommitted_seconds=limits.uncommitted_seconds,
        )
        self._idle = IdleWatch(limits.idle_stream_seconds)

        self._members = _server(config.limits, config.limits.workers)
        authority_pem = (config.tls / "ca.pem").read_bytes()
        mutual = grpc.ssl_server_credentials(
            [key_and_chain], authority_pem, require_client_auth=True
        )
        host = config.listen.host
        self.port = _bind(self._members, host, config.listen.port, mutual)
        self._enrolment = _server(config.limits, _ENROLMENT_WORKERS)
        server_only = grpc.ssl_server_credentials([key_and_chain])
        self.enrolment_port = _bind(
            self._enrolment, host, config.listen.enrolment_port, server_only
        )
        self.advertised = config.listen.advertised

        default = Quota(
            limits.member_bytes, limits.member_shards, limits.member_calls_a_minute
        )
        callers = Callers(self._metadata, default)
        destruction = Destruction(self._metadata, self._sweeper, log_key)
        shards = Shards(
            callers,
            self._metadata.shards,
            self._blobs,
            self._idle,
            limits.disclosure_seconds,
        )
        self._members.add_generic_rpc_handlers((shards.handlers(),))
        datasets_pb2_grpc.add_DatasetsServicer_to_server(
            Datasets(callers, self._metadata, destruction, limits.clock_skew_seconds),
            self._members,
        )
        directory_pb2_grpc.add_DirectoryServicer_to_server(
            Directory(callers, self._metadata, authority), self._members
        )
        log_pb2_grpc.add_LogServicer_to_server(
            Log(callers, self._metadata, self._publisher), self._members
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._members)
        reflection.enable_server_reflection(
            (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._members
        )
        enrolment_pb2_grpc.add_EnrolmentServicer_to_server(
            Enrolment(
                self._metadata.members,
                authority,
                f"{self.advertised}:{self.port}",
                config.limits.failed_enrolments_a_minute,
            ),
            self._enrolment,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts to serve calls."""
        self._members.start()
        self._enrolment.start()
        self._sweeper.start()
        for service in ("", *_SERVICES):
            self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        log.info("start_relay", port=self.port, enrolment_port=self.enrolment_port)

    def stop(self) -> None:
        """Refuses new calls, gives running calls time to finish, then closes the stores."""
        self._health.enter_graceful_shutdown()
        stopped = [
            server.stop(self._limits.drain_seconds)
            for server in (self._enrolment, self._members)
        ]
        for event in stopped:
            # Calls that cannot be ended must not keep the process from ending.
            if not event.wait(self._limits.drain_seconds + _ENDING_SECONDS):
                log.warning("calls_not_ended")
        self._idle.close()
        self._sweeper.close()
        self._publisher.close()
        self._blobs.close()
        self._metadata.close()
        log.info("stop_relay")


def _server(limits: Limits, workers: int) -> grpc.Server:
    return grpc.server(
        ThreadPoolExecutor(workers, thread_name_prefix="relay-call"),
        interceptors=[CallInterceptor(limits.call_seconds)],
        maximum_concurrent_rpcs=limits.concurrent_calls,
        options=[
            ("grpc.max_receive_message_length", limits.message_bytes),
            ("grpc.max_metadata_size", limits.header_bytes),
            ("grpc.absolute_max_metadata_size", limits.header_bytes),
            ("grpc.max_concurrent_streams", limits.streams_a_connection),
            ("grpc.max_connection_idle_ms", limits.idle_connection_seconds * 1000),
            ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
            ("grpc.http2.max_ping_strikes", 3),
            ("grpc.keepalive_time_ms", 120_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            # Two relays must not share a port by accident.
            ("grpc.so_reuseport", 0),
        ],
    )


def _bind(
    server: grpc.Server, host: str, port: int, credentials: grpc.ServerCredentials
) -> int:
    try:
        bound: int = server.add_secure_port(f"{host}:{port}", credentials)
    except RuntimeError:
        bound = 0
    if bound == 0:
        raise InvalidArgument(
            f"port {port} cannot be used",
            hint="stop the other relay if one is running, or change the port in relay.toml",
        )
    return bound


def _read_server_identity(config: Config) -> tuple[bytes, bytes]:
    try:
        key = (config.tls / "server.key").read_bytes()
        chain = (config.tls / "server.pem").read_bytes() + (
            config.tls / "ca.pem"
        ).read_bytes()
    except OSError:
        raise InvalidArgument(
            "the relay's TLS files cannot be read; see certs/README.md"
        ) from None
    return key, chain
