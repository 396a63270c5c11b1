"""A relay on several hosts, one of which goes away; workers that are forked and spawned."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from conftest import RunningRelay, make_relay
from documents import data_of
from patience import PATIENCE
from ports import free_port

import sealift
from sealift.cli.main import cli
from sealift.home.profile import find_profile
from sealift.relay.transport import Relay
from sealift.session import Session
from sealift_protocol.errors import (
    InvalidArgument,
    LogInvalid,
    RelayUnavailable,
    RelayUntrusted,
)
from sealift_protocol.v1 import shards_pb2
from sealift_relay.app import Relay as Server
from sealift_relay.config import Config, Listen

SCRIPTS = Path(sys.executable).parent
ROWS = 120_000


class Process:
    """A host of a relay as a process of its own, on a folder that others may share."""

    def __init__(self, folder: Path, listen: Listen) -> None:
        self.address = f"localhost:{listen.port}"
        ports = {"PORT": listen.port, "ENROLMENT_PORT": listen.enrolment_port}
        variables = {
            f"SEALIFT_RELAY_LISTEN_{key}": str(port) for key, port in ports.items()
        }
        path = folder.parent / f"{listen.port}.log"
        with path.open("w") as log:
            self._process = subprocess.Popen(
                [SCRIPTS / "sealift-relay", "serve", folder],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={
                    **os.environ,
                    "SEALIFT_RELAY_LIMITS_DRAIN_SECONDS": "1",
                    **variables,
                },
            )
        assert self._process.stdout is not None
        if not self._process.stdout.readline().startswith("relay ready"):
            self.end()
            pytest.fail(path.read_text())

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        self._process.send_signal(number)
        self._process.wait(PATIENCE)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return make_relay(tmp_path / "hosts")


@pytest.fixture
def hosts(config: Config) -> Iterator[list[Process]]:
    """Two hosts with one database and one CA; members join at the first."""
    second = Listen(port=free_port(), enrolment_port=free_port())
    with ExitStack() as stack:
        found = []
        for listen in (config.listen, second):
            found.append(Process(config.folder, listen))
            stack.callback(found[-1].end)
        yield found


def join(config: Config, name: str, role: str) -> None:
    running = RunningRelay(config.folder, config, None)  # type: ignore[arg-type]
    passphrase = sealift.Secret(os.environ["SEALIFT_PASSPHRASE"].encode())
    sealift.join(running.token(name, role), passphrase)


@pytest.fixture
def members(config: Config, hosts: list[Process]) -> Iterator[tuple[Session, Session]]:
    """An owner and a trainer who know both hosts and trust each other."""
    join(config, "hospital", "owner")
    join(config, "laboratory", "trainer")
    more = [host.address for host in hosts]
    with (
        sealift.connect("hospital", relays=more) as hospital,
        sealift.connect("laboratory", relays=more) as laboratory,
    ):
        hospital.trust("laboratory", str(laboratory.fingerprint))
        laboratory.trust("hospital", str(hospital.fingerprint))
        yield hospital, laboratory


@pytest.fixture
def fail_overs(
    caplog: pytest.LogCaptureFixture,
) -> Callable[[], list[logging.LogRecord]]:
    caplog.set_level(logging.INFO, logger="sealift")
    return lambda: [record for record in caplog.records if record.msg == "fail_over"]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "records.csv"
    path.write_text("id,text\n" + "".join(f"{i},{'x' * 200}\n" for i in range(ROWS)))
    return path


SMALL = sealift.PushLimits(commit_bytes=3 << 20, jobs=1)

# --- a host goes away ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_pull_ends_with_the_same_data_when_a_host_goes_away_in_the_middle(
    how: signal.Signals,
    members: tuple[Session, Session],
    hosts: list[Process],
    csv: Path,
    fail_overs,
    monkeypatch,
) -> None:
    hospital, laboratory = members
    hospital.push(csv, dataset="study", to="laboratory", limits=SMALL)
    relay = laboratory._connection.relay
    get_segments = relay.get_segments
    ended: list[int] = []

    def interrupted(request: shards_pb2.GetRequest) -> Iterator[bytes]:
        for number, message in enumerate(get_segments(request)):
            if number == 3 and not ended:
                ended.append(number)
                hosts[0].end(how)
            yield message

    monkeypatch.setattr(relay, "get_segments", interrupted)
    table = laboratory.open_dataset("hospital/study", cache=None).to_table()
    assert ended
    assert table["id"].to_pylist() == list(range(ROWS))
    assert [event.address for event in fail_overs()] == [1]


def test_a_push_goes_on_at_the_other_host_and_commits_everything_once(
    members: tuple[Session, Session], hosts, csv: Path, fail_overs
) -> None:
    hospital, laboratory = members
    ended: list[int] = []

    def progress(found: sealift.PushProgress) -> None:
        if found.committed and not ended:
            ended.append(found.committed)
            hosts[0].end()

    hospital.push(
        csv, dataset="study", to="laboratory", limits=SMALL, progress=progress
    )
    assert ended
    assert fail_overs()
    table = laboratory.open_dataset("hospital/study").to_table()
    assert table["id"].to_pylist() == list(range(ROWS))


def test_hosts_that_take_turns_show_one_log(
    members: tuple[Session, Session], hosts: list[Process], records: pa.Table
) -> None:
    hospital, laboratory = members
    away = [sealift.connect("hospital"), laboratory]
    away[0]._connection.relay = Relay.at(
        replace(hospital._connection.relay.access, addresses=(hosts[1].address,))
    )
    away[0]._connection.reload()
    for session in (hospital, away[0], hospital, away[0]):
        session.push(records, dataset="study", to="laboratory")
        assert laboratory.open_dataset("hospital/study").num_records % 1000 == 0
    assert hospital.open_dataset("hospital/study").num_records == 4000
    away[0].close()


# --- the command line ----------------------------------------------------------------------------


@pytest.fixture
def second(relay: RunningRelay) -> Iterator[Server]:
    """Another host of the relay, in this process."""
    listen = Listen(port=free_port(), enrolment_port=free_port())
    with Server(replace(relay.config, listen=listen)) as server:
        yield server


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["--profile", "hospital", "relay", *arguments])
    if done.exception is not None:
        raise done.exception
    return done.output


def test_an_address_is_added_listed_used_and_removed(
    relay: RunningRelay, second: Server, hospital: Session
) -> None:
    own = f"localhost:{relay.config.listen.port}"
    other = f"127.0.0.1:{second.port}"
    assert run("ls") == f"{own}\n"
    assert "is the same relay" in run("add", other)
    run("add", other)
    run("add", own)
    assert find_profile("hospital").settings.relays == (other,)
    assert data_of(run("ls", "--json")) == {"relays": [own, other]}
    relay.server.stop()
    with sealift.connect("hospital") as session:
        assert session.datasets() == []
        assert session._connection.relay.access.addresses == (own, other)
    assert data_of(run("remove", other, "--json")) == {"relays": [own]}
    with pytest.raises(InvalidArgument):
        run("remove", other)
    with pytest.raises(InvalidArgument):
        run("remove", own)


def added(relay: RunningRelay) -> list[str]:
    return data_of(run("ls", "--json"))["relays"][1:]


def test_a_strangers_server_is_not_added(
    relay: RunningRelay, hospital: Session, tmp_path: Path
) -> None:
    stranger = make_relay(tmp_path / "stranger")
    with Server(stranger), pytest.raises(RelayUntrusted):
        run("add", f"localhost:{stranger.listen.port}")
    assert added(relay) == []


def test_a_server_of_the_same_ca_with_another_log_is_not_added(
    relay: RunningRelay, hospital: Session, tmp_path: Path
) -> None:
    other = make_relay(tmp_path / "other")
    for name in ("ca.pem", "server.pem", "server.key"):
        (other.tls / name).write_bytes((relay.config.tls / name).read_bytes())
    # The same database, so that it knows the member; another key signs its log.
    other = replace(other, storage=relay.config.storage)
    with Server(other), pytest.raises(LogInvalid):
        run("add", f"localhost:{other.listen.port}")
    assert added(relay) == []


def test_an_address_where_nobody_answers_is_not_added(
    relay: RunningRelay, hospital: Session, monkeypatch
) -> None:
    monkeypatch.setattr("sealift.relay.transport._ATTEMPTS", 1)
    with pytest.raises(RelayUnavailable):
        run("add", f"localhost:{free_port()}")
    with pytest.raises(InvalidArgument, match="HOST:PORT"):
        run("add", "localhost")
    assert added(relay) == []


def test_a_session_may_know_more_addresses(
    relay: RunningRelay, second: Server, hospital: Session
) -> None:
    relay.server.stop()
    with sealift.connect("hospital", relays=f"localhost:{second.port}") as session:
        assert session.datasets() == []
    with pytest.raises(InvalidArgument):
        sealift.connect("hospital", relays=["localhost"])


# --- processes that were forked, or spawned ------------------------------------------------------

# Each in a process of its own: while gRPC serves, as it does in this one, no fork can use it.
_BEGINNING = """
import multiprocessing, os, signal, sys, threading
import sealift
from sealift.relay.transport import Relay

ROWS = list(range(120_000))

def child(act):
    "Runs something in a fork; says how it ended."
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(1800)
        try:
            said = str(act())
        except Exception as error:
            said = type(error).__name__ + ": " + str(error)
        os.write(writing, said.encode())
        if LEAVE == "quickly":
            os._exit(0)
        sys.exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    return said if status == 0 else f"{said} status {status}"

def read(session):
    table = session.open_dataset("hospital/study", cache=None).to_table()
    return table["id"].to_pylist() == ROWS

def everything(session):
    "A request for every segment, with the disclosure that a reader made."
    relay, asked = session._connection.relay, []
    get_segments = relay.get_segments
    relay.get_segments = lambda request: asked.append(request) or get_segments(request)
    read(session)
    relay.get_segments = get_segments
    for other in asked[1:]:
        asked[0].ranges.extend(other.ranges)
    return asked[0]

def name(access):
    with Relay.at(access) as relay:
        return relay.who_am_i().name

def spawned(access, queue):
    queue.put(name(access))

LEAVE = "quickly"

def main():
    global LEAVE
    session = sealift.connect("laboratory")
    relay = session._connection.relay
"""
_END = """
if __name__ == "__main__":
    main()
"""


def script(tmp_path: Path, body: str, **environment: str) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(
        _BEGINNING + "".join(f"    {line}\n" for line in body.splitlines()) + _END
    )
    done = subprocess.run(
        [sys.executable, path],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    assert "fork" not in done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def study(hospital: Session, laboratory: Session, csv: Path) -> None:
    hospital.push(csv, dataset="study", to="laboratory", limits=SMALL)


def test_a_fork_uses_the_relay_on_its_own_connection(
    study: None, tmp_path: Path
) -> None:
    said = script(
        tmp_path,
        """
print(read(session))
for LEAVE in ("quickly", "normally"):
    print(child(lambda: read(session)), child(lambda: name(relay.access)))
    print(child(lambda: (relay.close(), session.close())))
print(child(lambda: (name(relay.access), child(lambda: read(session)), read(session))))
with Relay.at(relay.access) as other:
    other.who_am_i()
# Right after a connection was closed.
print(child(lambda: name(relay.access)), read(session))
""",
    )
    each = ["True laboratory", "(None, None)"]
    assert said == [
        "True",
        *each,
        *each,
        "('laboratory', 'True', True)",
        "laboratory True",
    ]


_AMID_A_STREAM = """
request = everything(session)
for LEAVE in ("quickly", "normally"):
    messages = relay.get_segments(request)
    next(messages)
    print(child(lambda: (read(session), name(relay.access), messages.close())))
    try:
        print(len(list(messages)))
    except sealift.errors.RelayUnavailable:
        print("asked again", sum(map(len, relay.get_segments(request))) > 20_000_000)
rows, forks = [], []
for number, batch in enumerate(session.open_dataset("hospital/study", cache=None).batches()):
    rows += batch["id"].to_pylist()
    if number in (0, 2, 4):
        forks.append(child(lambda: read(session)))
print(rows == ROWS, *forks)
"""


@pytest.mark.parametrize("support", [None, "1"])
def test_a_fork_amid_a_stream_works_and_the_reader_goes_on(
    support: str | None, study: None, tmp_path: Path
) -> None:
    environment = {} if support is None else {"GRPC_ENABLE_FORK_SUPPORT": support}
    said = script(tmp_path, _AMID_A_STREAM, **environment)
    each = ["(True, 'laboratory', None)", "asked again True"]
    assert said == [*each, *each, "True True True True"]


def test_calls_of_other_threads_come_through_a_fork(
    study: None, csv: Path, tmp_path: Path
) -> None:
    said = script(
        tmp_path,
        f"""
hospital = sealift.connect("hospital")
stop, errors, counts = threading.Event(), [], []

def ask():
    count = 0
    while not stop.is_set():
        try:
            count += relay.who_am_i().name == "laboratory"
        except Exception as error:
            errors.append(repr(error))
    counts.append(count)

def push():
    try:
        limits = sealift.PushLimits(commit_bytes=3 << 20, jobs=2)
        hospital.push({str(csv)!r}, dataset="again", to="laboratory", limits=limits)
    except Exception as error:
        errors.append(repr(error))

pushing = threading.Thread(target=push)
threads = [threading.Thread(target=ask) for _ in range(3)]
for thread in [pushing, *threads]:
    thread.start()
forks = {{child(lambda: name(relay.access)) for _ in range(4)}}
pushing.join()
stop.set()
for thread in threads:
    thread.join()
table = session.open_dataset("hospital/again", cache=None).to_table()
print(forks, errors, min(counts) > 0, table["id"].to_pylist() == ROWS)
""",
    )
    assert said == ["{'laboratory'} [] True True"]


def test_a_fork_that_grpc_was_told_not_to_prepare_for_is_told(
    study: None, tmp_path: Path
) -> None:
    said = script(
        tmp_path,
        """
print(child(lambda: name(relay.access)))
print(read(session))
print(child(lambda: read(session)))
print(child(lambda: name(relay.access)))
print(read(session))
""",
        GRPC_ENABLE_FORK_SUPPORT="0",
    )
    refused = "InvalidArgument: the relay cannot be used in this process"
    assert said[2].startswith(refused)
    assert said[3].startswith(refused)
    assert (said[0], said[1], said[4]) == ("laboratory", "True", "True")


def test_a_process_that_is_spawned_amid_a_stream_gets_the_access_and_connects(
    study: None, tmp_path: Path
) -> None:
    said = script(
        tmp_path,
        """
messages = relay.get_segments(everything(session))
next(messages)
for method in ("spawn", "forkserver"):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=spawned, args=(relay.access, queue))
    process.start()
    print(queue.get(timeout=1800))
    process.join()
print(sum(map(len, messages)) > 20_000_000)
""",
    )
    assert said == ["laboratory", "laboratory", "True"]
