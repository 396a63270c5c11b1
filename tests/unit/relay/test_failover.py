"""Several addresses of one relay: which is used, when it is left, what threads share."""

from __future__ import annotations

import copy
import logging
import pickle
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from patience import PATIENCE, within
from ports import free_port

import sealift
from sealift.home.settings import Settings, read_settings, write_settings
from sealift.keystore.tlskeys import certificate_request, generate_tls_key, key_as_pem
from sealift.process.secret import Secret
from sealift.relay.connections import RelayAccess
from sealift.relay.transport import Relay
from sealift_protocol.errors import (
    InvalidArgument,
    ProfileError,
    RelayBusy,
    RelayError,
    RelayStorageFull,
    RelayUnavailable,
    RelayUntrusted,
)
from sealift_protocol.status import to_status
from sealift_protocol.v1 import directory_pb2, shards_pb2
from sealift_relay.ca import issue_member_certificate, load_authority, write_tls

Answer = Callable[[grpc.ServicerContext], Iterator[bytes]]


class Host(grpc.GenericRpcHandler):
    """A relay's host that answers every call as it was told to."""

    def __init__(self, tls: Path) -> None:
        self.answer: Answer = lambda _: iter(
            [directory_pb2.WhoAmIResponse().SerializeToString()]
        )
        self.calls: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers((self,))
        authority = (tls / "ca.pem").read_bytes()
        chain = (tls / "server.pem").read_bytes() + authority
        credentials = grpc.ssl_server_credentials(
            [((tls / "server.key").read_bytes(), chain)],
            authority,
            require_client_auth=True,
        )
        self.address = (
            f"localhost:{self._server.add_secure_port('localhost:0', credentials)}"
        )
        self._server.start()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def call(
            requests: Iterator[bytes], context: grpc.ServicerContext
        ) -> Iterator[bytes]:
            self.calls.append(details.method.rpartition("/")[2])
            yield from self.answer(context)

        return grpc.stream_stream_rpc_method_handler(call)

    def stop(self) -> None:
        self._server.stop(0).wait()


def failing(error: RelayError) -> Answer:
    def answer(context: grpc.ServicerContext) -> Iterator[bytes]:
        context.abort_with_status(to_status(error, "1"))
        yield b""

    return answer


class Relays:
    """Hosts of one relay, and members' connections to them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.tls = folder / "tls"
        self._stack = stack
        write_tls(self.tls, ["localhost"])
        self.key = generate_tls_key()
        request = certificate_request(self.key, "member")
        certificate = issue_member_certificate(
            load_authority(self.tls), request, "member", datetime.now(UTC)
        )
        self.certificate = certificate.public_bytes(Encoding.PEM)

    def host(self) -> Host:
        host = Host(self.tls)
        self._stack.callback(host.stop)
        return host

    def connect(self, *addresses: str) -> Relay:
        relay = Relay(
            addresses,
            authority_pem=(self.tls / "ca.pem").read_bytes(),
            certificate_pem=self.certificate,
            tls_key=Secret(key_as_pem(self.key)),
        )
        self._stack.callback(relay.close)
        return relay


@pytest.fixture
def relays(tmp_path: Path) -> Iterator[Relays]:
    with ExitStack() as stack:
        yield Relays(tmp_path, stack)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Host]:
    """A server with a CA of its own."""
    write_tls(tmp_path / "stranger", ["localhost"])
    host = Host(tmp_path / "stranger")
    yield host
    host.stop()


@pytest.fixture
def events(
    caplog: pytest.LogCaptureFixture,
) -> Callable[[str], list[logging.LogRecord]]:
    caplog.set_level(logging.INFO, logger="sealift")
    return lambda event: [record for record in caplog.records if record.msg == event]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.relay.transport._FIRST_DELAY", 0.01)


def nobody() -> str:
    return f"localhost:{free_port()}"


SEGMENTS = shards_pb2.GetRequest()


# --- which address -------------------------------------------------------------------------------


def test_the_first_address_is_used_while_it_works(relays: Relays) -> None:
    first, second = relays.host(), relays.host()
    relay = relays.connect(first.address, second.address)
    for _ in range(3):
        relay.who_am_i()
    assert (len(first.calls), len(second.calls)) == (3, 0)


def test_an_address_where_nobody_ever_was_is_passed_over_once(
    relays: Relays, events
) -> None:
    host = relays.host()
    relay = relays.connect(nobody(), host.address)
    started = time.monotonic()
    relay.who_am_i()
    relay.who_am_i()
    assert time.monotonic() - started < within(5)
    assert len(host.calls) == 2
    assert [(e.address, e.reason) for e in events("fail_over")] == [
        (1, "RELAY_UNAVAILABLE")
    ]
    assert not events("retry_call")


@pytest.mark.parametrize("error", [RelayBusy, RelayUnavailable])
def test_a_host_that_refuses_in_passing_is_left_until_the_next_one_does(
    relays: Relays, error: type[RelayError]
) -> None:
    first, second = relays.host(), relays.host()
    first.answer = failing(error("later"))
    relay = relays.connect(first.address, second.address)
    relay.who_am_i()
    relay.who_am_i()
    assert (len(first.calls), len(second.calls)) == (1, 2)
    working, second.answer = second.answer, failing(error("later"))
    first.answer = working
    relay.who_am_i()
    relay.who_am_i()
    assert (len(first.calls), len(second.calls)) == (3, 3)


def test_what_another_address_cannot_mend_is_raised_at_once(
    relays: Relays, events
) -> None:
    first, second = relays.host(), relays.host()
    first.answer = failing(RelayStorageFull("full"))
    with pytest.raises(RelayStorageFull):
        relays.connect(first.address, second.address).who_am_i()
    assert not second.calls
    assert not events("fail_over")


def test_nobody_waits_before_every_address_has_failed(
    relays: Relays, events, quick
) -> None:
    hosts = [relays.host() for _ in range(3)]
    for host in hosts:
        host.answer = failing(RelayBusy("later"))
    with pytest.raises(RelayBusy):
        relays.connect(*(host.address for host in hosts)).who_am_i()
    assert [len(host.calls) for host in hosts] == [5, 5, 5]
    assert len(events("retry_call")) == 4
    assert [event.address for event in events("fail_over")] == [1, 2, 3] * 5


def test_one_address_is_never_left(relays: Relays, events, quick) -> None:
    host = relays.host()
    host.answer = failing(RelayBusy("later"))
    relay = relays.connect(host.address)
    before = relay._channel
    with pytest.raises(RelayBusy):
        relay.who_am_i()
    assert relay._channel is before
    assert not events("fail_over")


def test_an_address_that_accepts_and_says_nothing_costs_seconds(relays: Relays) -> None:
    host = relays.host()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        relay = relays.connect(f"127.0.0.1:{silent.getsockname()[1]}", host.address)
        started = time.monotonic()
        relay.who_am_i()
        # Five until the connection is given up, and five to ask what was the matter.
        assert time.monotonic() - started < within(15)


# --- impostors -----------------------------------------------------------------------------------


def test_an_impostor_is_skipped_with_a_warning(
    relays: Relays, stranger: Host, events
) -> None:
    host = relays.host()
    relay = relays.connect(stranger.address, host.address)
    relay.who_am_i()
    assert not stranger.calls
    (event,) = events("fail_over")
    assert (event.levelname, event.address, event.reason) == (
        "WARNING",
        1,
        "RELAY_UNTRUSTED",
    )


def test_an_impostor_is_named_at_once_if_it_is_alone(
    relays: Relays, stranger: Host
) -> None:
    with pytest.raises(RelayUntrusted):
        relays.connect(stranger.address).who_am_i()


@pytest.mark.parametrize("first", [True, False])
def test_an_impostor_is_named_if_no_other_address_works(
    first: bool, relays: Relays, stranger: Host, quick
) -> None:
    addresses = [stranger.address, nobody()]
    relay = relays.connect(*(addresses if first else reversed(addresses)))
    with pytest.raises(RelayUntrusted):
        relay.who_am_i()
    assert not stranger.calls


def test_a_stream_says_that_an_impostor_is_there_and_may_be_asked_for_again(
    relays: Relays, stranger: Host
) -> None:
    relay = relays.connect(nobody(), stranger.address)
    with pytest.raises(RelayUnavailable):
        list(relay.get_segments(SEGMENTS))
    relay = relays.connect(stranger.address, nobody())
    with pytest.raises(RelayUnavailable):
        list(relay.get_segments(SEGMENTS))


def test_an_impostor_does_not_shorten_the_wait_for_the_relay(
    relays: Relays, stranger: Host, quick
) -> None:
    host = relays.host()
    working, host.answer = host.answer, failing(RelayBusy("later"))
    relay = relays.connect(host.address, stranger.address)
    threading.Timer(0.2, lambda: setattr(host, "answer", working)).start()
    relay.patience = 20
    relay.who_am_i()


# --- streams -------------------------------------------------------------------------------------


def test_a_stream_that_broke_is_raised_and_the_next_one_is_elsewhere(
    relays: Relays,
) -> None:
    first, second = relays.host(), relays.host()

    def breaks(context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b"one"
        context.abort_with_status(to_status(RelayUnavailable("stopping"), "1"))

    first.answer = breaks
    second.answer = lambda _: iter([b"one", b"two"])
    relay = relays.connect(first.address, second.address)
    got = []
    with pytest.raises(RelayUnavailable):
        got.extend(relay.get_segments(SEGMENTS))
    assert not second.calls
    assert list(relay.get_segments(SEGMENTS)) == [b"one", b"two"]


def test_a_stream_that_has_not_begun_goes_on_by_itself(relays: Relays) -> None:
    host = relays.host()
    host.answer = lambda _: iter([b"one", b"two"])
    relay = relays.connect(nobody(), nobody(), host.address)
    assert list(relay.get_segments(SEGMENTS)) == [b"one", b"two"]


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN])
def test_a_connection_that_broke_is_passing_whatever_grpc_calls_it(
    relays: Relays, code: grpc.StatusCode
) -> None:
    first, second = relays.host(), relays.host()

    def broken(context: grpc.ServicerContext) -> Iterator[bytes]:
        context.abort(code, "Stream removed")
        yield b""

    first.answer = broken
    relays.connect(first.address, second.address).who_am_i()
    assert second.calls


def hanging(begun: threading.Event, go_on: threading.Event) -> Answer:
    def answer(context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b"one"
        begun.set()
        while context.is_active() and not go_on.wait(0.05):
            pass
        yield b"two"

    return answer


def test_a_stream_under_way_outlives_the_switch_and_its_channel_closes_after_it(
    relays: Relays,
) -> None:
    first, second = relays.host(), relays.host()
    begun, go_on = threading.Event(), threading.Event()
    first.answer = hanging(begun, go_on)
    relay = relays.connect(first.address, second.address)
    stream = relay.get_segments(SEGMENTS)
    assert next(stream) == b"one"
    old = relay._channel
    first.answer = failing(RelayBusy("later"))
    relay.who_am_i()
    assert relay._channel is not old
    go_on.set()
    assert list(stream) == [b"two"]
    with pytest.raises(ValueError, match="closed channel"):
        old.unary_unary("/x/y")(b"")


def test_a_reader_that_stops_early_lets_the_old_channel_go(relays: Relays) -> None:
    first, second = relays.host(), relays.host()
    first.answer = hanging(threading.Event(), threading.Event())
    relay = relays.connect(first.address, second.address)
    stream = relay.get_segments(SEGMENTS)
    next(stream)
    old = relay._channel
    first.answer = failing(RelayBusy("later"))
    relay.who_am_i()
    del stream
    with pytest.raises(ValueError, match="closed channel"):
        old.unary_unary("/x/y")(b"")


def test_reconnecting_lets_calls_under_way_end(relays: Relays) -> None:
    host = relays.host()
    begun, go_on = threading.Event(), threading.Event()
    host.answer = hanging(begun, go_on)
    relay = relays.connect(host.address)
    stream = relay.get_segments(SEGMENTS)
    next(stream)
    relay.reconnect(relays.certificate)
    go_on.set()
    assert list(stream) == [b"two"]


def test_an_interrupt_ends_streams_on_old_channels_too_and_is_not_taken_for_a_failure(
    relays: Relays, events
) -> None:
    first, second = relays.host(), relays.host()
    first.answer = hanging(threading.Event(), threading.Event())
    relay = relays.connect(first.address, second.address)
    stream = relay.get_segments(SEGMENTS)
    next(stream)
    first.answer = failing(RelayBusy("later"))
    relay.who_am_i()
    relay.interrupt()
    with pytest.raises(RelayError) as caught:
        next(stream)
    assert type(caught.value) is RelayError
    assert len(events("fail_over")) == 1
    relay.who_am_i()
    assert (len(first.calls), len(second.calls)) == (2, 2)


def test_a_call_that_was_interrupted_is_not_repeated(relays: Relays) -> None:
    host = relays.host()
    host.answer = hanging(begun := threading.Event(), threading.Event())
    relay = relays.connect(host.address)
    caught: queue.Queue[sealift.SealiftError] = queue.Queue()

    def collect() -> None:
        try:
            relay.get_pages(b"d" * 16, [b"p" * 32])
        except sealift.SealiftError as error:
            caught.put(error)

    thread = threading.Thread(target=collect)
    thread.start()
    begun.wait(PATIENCE)
    relay.interrupt()
    thread.join(PATIENCE)
    assert type(caught.get(timeout=1)) is RelayError
    assert len(host.calls) == 1


def test_a_closed_relay_says_so(relays: Relays) -> None:
    host = relays.host()
    relay = relays.connect(host.address)
    relay.who_am_i()
    relay.close()
    relay.close()
    with pytest.raises(InvalidArgument, match="closed"):
        relay.who_am_i()


# --- threads -------------------------------------------------------------------------------------


@contextmanager
def together(
    count: int, act: Callable[[], object]
) -> Iterator[list[sealift.SealiftError]]:
    """Runs something in threads; yields what they raise."""
    errors: list[sealift.SealiftError] = []

    def run() -> None:
        try:
            act()
        except sealift.SealiftError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield errors
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)


def test_threads_that_fail_together_switch_once(relays: Relays, events) -> None:
    first, second, third = (relays.host() for _ in range(3))
    barrier = threading.Barrier(8)

    def fails_together(context: grpc.ServicerContext) -> Iterator[bytes]:
        barrier.wait(PATIENCE)
        yield from failing(RelayBusy("later"))(context)

    first.answer = fails_together
    relay = relays.connect(first.address, second.address, third.address)
    with together(8, relay.who_am_i) as errors:
        pass
    assert not errors
    assert (len(first.calls), len(second.calls), len(third.calls)) == (8, 8, 0)
    assert len(events("fail_over")) == 1


def test_threads_come_through_hosts_that_come_and_go(relays: Relays, quick) -> None:
    hosts = [relays.host() for _ in range(3)]
    working = hosts[0].answer
    relay = relays.connect(*(host.address for host in hosts))
    relay.patience = 30

    def many() -> None:
        for _ in range(40):
            relay.who_am_i()

    with together(6, many) as errors:
        for turn in range(30):
            down = hosts[turn % 3]
            down.answer = failing(RelayUnavailable("stopping"))
            time.sleep(0.02)
            down.answer = working
    assert not errors
    assert sum(len(host.calls) for host in hosts) >= 240
    assert not [c for c in relay._route._open if c is not relay._route._in_use]
    assert relay._route._in_use is None or relay._route._in_use.calls == 0


# --- addresses, and what a worker gets -----------------------------------------------------------


NO_ADDRESSES = (
    *(
        "",
        "relay",
        "relay:",
        ":7443",
        "relay:0",
        "relay:65536",
        "relay:07443",
        "relay:7443\n",
    ),
    *("dns:///relay:1", "unix:/tmp/x", "a/b:1", "re lay:1", "::1:7443", "[::1]"),
)


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_not_an_address_is_refused(relays: Relays, address: str) -> None:
    with pytest.raises(InvalidArgument, match="HOST:PORT"):
        relays.connect("localhost:7443", address)


def test_addresses_are_kept_in_order_and_once(relays: Relays) -> None:
    with pytest.raises(InvalidArgument):
        relays.connect()
    relay = relays.connect("b:1", "a.example.org:65535", "b:1", "[::1]:7443")
    assert relay.access.addresses == ("b:1", "a.example.org:65535", "[::1]:7443")


def test_access_makes_another_connection_and_shows_no_key(relays: Relays) -> None:
    host = relays.host()
    relay = relays.connect(host.address)
    access = relay.access
    pem = key_as_pem(relays.key)
    assert access.tls_key == Secret(pem)
    for text in (repr(access), str(access), repr(relay.__dict__)):
        assert "PRIVATE" not in text
    with Relay.at(access) as other:
        other.who_am_i()
        assert other.access == access
    relay.who_am_i()


def test_access_is_not_pickled_to_a_file(relays: Relays) -> None:
    access = relays.connect("localhost:1").access
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(RuntimeError, match="inheritance"):
            pickle.dumps(access, protocol)
    with pytest.raises(RuntimeError):
        copy.deepcopy(access)


def test_a_new_certificate_is_in_what_a_worker_gets(relays: Relays) -> None:
    relay = relays.connect("localhost:1")
    relay.reconnect(b"another")
    assert relay.access.certificate_pem == b"another"
    assert isinstance(relay.access, RelayAccess)


# --- settings ------------------------------------------------------------------------------------


def test_settings_of_before_there_were_several_addresses_are_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(
        '{"version": 1, "witnesses": ["a+b+c"], "quorum": 1, "recovery": [], '
        '"trust_on_first_use": true}'
    )
    assert read_settings(path) == Settings(("a+b+c",), 1, trust_on_first_use=True)


def test_addresses_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    chosen = Settings(relays=("a:1", "b:2"))
    write_settings(path, chosen)
    assert '"version": 3' in path.read_text()
    assert read_settings(path) == chosen


@pytest.mark.parametrize("version", ["1", "4", "null"])
def test_addresses_in_settings_of_another_version_are_refused(
    tmp_path: Path, version: str
) -> None:
    path = tmp_path / "settings.json"
    write_settings(path, Settings(relays=("a:1",)))
    path.write_text(path.read_text().replace('"version": 3', f'"version": {version}'))
    with pytest.raises(ProfileError):
        read_settings(path)
