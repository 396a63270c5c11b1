"""A real relay over real mutual TLS, and members who joined it as people do."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["SEALIFT_KEYSTORE_COST"] = "interactive"
os.environ["SEALIFT_PASSPHRASE"] = "correct horse battery staple"
# In this process and in all that it starts, Argon2id costs next to nothing.
if "startup" not in os.environ.get("PYTHONPATH", ""):
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [f"{Path(__file__).parent}/startup", os.getenv("PYTHONPATH")])
    )

import startup.sitecustomize  # noqa: F401, I001 - before PyNaCl is imported
import sealift_relay  # sets what gRPC reads when it is imported

import functools
import importlib.util
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import hypothesis
import pyarrow as pa
import pytest
import sqlalchemy as sa
from ports import free_port
from services import guard, programs
from sealift_relay.app import Relay
from sealift_relay.ca import write_tls
from sealift_relay.checkpoints import write_log_key
from sealift_relay.cli import invite
from sealift_relay.config import Config, Limits, Listen, load_config, write_config
from sealift_relay.store.metadata import Metadata
from startup import warm

import sealift
from click.testing import CliRunner
from sealift.session import Session

assert sealift_relay

# A shell that starts tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says nothing on a machine that does other things too.
hypothesis.settings.register_profile("sealift", deadline=None)
hypothesis.settings.load_profile("sealift")


def pytest_configure(config: pytest.Config) -> None:
    """Whatever ends this run ends all that it started; workers are started by it."""
    if not hasattr(config, "workerinput"):
        guard.watch()
        folder = tempfile.TemporaryDirectory(prefix="sealift-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ[warm.OF_THIS_RUN] = folder.name


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what tests were skipped for, and what to do about it."""
    if packages := programs.missing():
        terminalreporter.write_line(
            f"not installed, so that tests skip themselves: {', '.join(packages)}\n"
            f"install them: make test-system (apt-get install {' '.join(packages)})",
            yellow=True,
        )


@dataclass
class RunningRelay:
    """A relay in this process, and how to invite members to it."""

    folder: Path
    config: Config
    server: Relay

    def token(self, name: str, role: str, valid_for: str = "24h") -> str:
        done = CliRunner().invoke(
            invite,
            [name, "--role", role, "--valid-for", valid_for, "--dir", str(self.folder)],
            catch_exceptions=False,
        )
        return done.output.strip()

    def join(self, name: str, role: str, **options: object) -> Session:
        sealift.join(self.token(name, role), _passphrase(), **options)  # type: ignore[arg-type]
        return sealift.connect(name)

    def disk(self) -> bytes:
        """Every byte that the relay stores."""
        files = [p for p in self.folder.rglob("*") if p.is_file()]
        return b"\0".join(p.name.encode() + b"\0" + p.read_bytes() for p in files)


def _passphrase() -> sealift.Secret:
    return sealift.Secret(os.environ["SEALIFT_PASSPHRASE"].encode())


def make_relay(folder: Path, **limits: int) -> Config:
    folder.mkdir(parents=True)
    write_tls(folder / "tls", ["localhost", "127.0.0.1"])
    write_log_key(folder / "tls")
    write_config(folder, Listen(port=free_port(), enrolment_port=free_port()))
    loaded = load_config(folder, {})
    chosen = Limits(**{"drain_seconds": 1, "sweep_seconds": 1, **limits})
    config = Config(folder, loaded.listen, loaded.storage, chosen)
    # Most of what making a relay costs is its tables, which are the same for all.
    Path(sa.make_url(config.storage.metadata).database or "").write_bytes(_no_rows())
    return config


@functools.cache
def _no_rows() -> bytes:
    """A database as the migrations make it, before the first row."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "relay.db"
        metadata = Metadata(f"sqlite:///{database}")
        metadata.upgrade()
        metadata.close()
        return database.read_bytes()


@pytest.fixture(scope="session")
def warm_programs() -> Iterator[None]:
    """The programs of `tests/startup/warm.py` are forked."""
    with warm.served(warm.PROGRAMS):
        yield


@pytest.fixture(scope="session")
def warm_scripts(warm_programs: None) -> Iterator[None]:
    """Scripts of examples/ and bench/ are forked, too."""
    with warm.served([warm.SCRIPTS]):
        yield


@pytest.fixture(autouse=True)
def _programs_are_forked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs whose process is not the point start in milliseconds."""
    folder = request.path.parent.name
    alone = request.node.get_closest_marker("own_process")
    if folder in {"integration", "faults"} and alone is None:
        request.getfixturevalue("warm_programs")
        monkeypatch.setenv(warm.FOLDER, os.environ[warm.OF_THIS_RUN])


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Profiles of this test alone."""
    monkeypatch.setenv("SEALIFT_HOME", str(tmp_path / "profiles"))
    monkeypatch.setenv("SEALIFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SEALIFT_PROFILE", raising=False)
    return tmp_path / "profiles"


@pytest.fixture
def relay(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningRelay]:
    """A relay; a test that is marked `limits` chooses some of its limits."""
    marker = request.node.get_closest_marker("limits")
    config = make_relay(tmp_path / "relay", **(marker.kwargs if marker else {}))
    with Relay(config) as server:
        yield RunningRelay(config.folder, config, server)


@pytest.fixture
def hospital(relay: RunningRelay) -> Iterator[Session]:
    with relay.join("hospital", "owner") as session:
        yield session


@pytest.fixture
def laboratory(relay: RunningRelay, hospital: Session) -> Iterator[Session]:
    """A trainer; it and the hospital trust each other."""
    with relay.join("laboratory", "trainer") as session:
        session.trust("hospital", str(hospital.fingerprint))
        hospital.trust("laboratory", str(session.fingerprint))
        yield session


@pytest.fixture
def clinic(
    relay: RunningRelay, hospital: Session, laboratory: Session
) -> Iterator[Session]:
    """A second owner; all three trust each other."""
    with relay.join("clinic", "owner") as session:
        for one, other in ((session, hospital), (session, laboratory)):
            one.trust(other.identity.name, str(other.fingerprint))
            other.trust(one.identity.name, str(one.fingerprint))
        yield session


@pytest.fixture
def vector_script() -> Callable[[str], ModuleType]:
    """A script in tests/vectors/, as a module."""

    def load(name: str) -> ModuleType:
        path = Path(__file__).parent / "vectors" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def records() -> pa.Table:
    return pa.table(
        {
            "patient": [f"canary-patient-{i:04d}" for i in range(1000)],
            "age": pa.array(range(1000), pa.int32()),
            "score": pa.array([i / 7 for i in range(1000)], pa.float64()),
        }
    )
