"""What is left on the owner's machine: a planted value is looked for wherever it could be."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
import mmap
import os
import pkgutil
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from patience import PATIENCE
from services import keystores
from shards import seal_shard

import sealift
import sealift_protocol
from sealift.crypto.sealing import ShardContext
from sealift.keystore.custody import Custody
from sealift.owner.push.appending import PushTerms
from sealift.owner.sources import SourceOptions
from sealift.owner.sources.interface import Chunk, Part
from sealift.owner.sources.lines import Block
from sealift.session import Session
from sealift_protocol.layout import HEADER_SIZE
from sealift_protocol.objects.cards import WrapSuite

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# The command line as its script runs it, after `PREPARE`; every log line, with all of its fields,
# goes to the file $TEST_LOG.
COMMAND = """
import json, logging, os, sys

class Whole(logging.Formatter):
    def format(self, record):
        return super().format(record) + repr(record.__dict__)

handler = logging.FileHandler(os.environ["TEST_LOG"])
handler.setFormatter(Whole())
logging.basicConfig(level=logging.DEBUG, handlers=[handler])
exec(os.environ.get("PREPARE", ""))
from sealift.cli.main import main
main()
"""
UNLIMITED_CORES = """
import resource
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
"""
# Takes every capability away, for good: root is like anybody then.
WITHOUT_CAPABILITIES = """
import ctypes, os, sys
for number in range(64):
    ctypes.CDLL(None).prctl(24, number, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@dataclass(frozen=True)
class Planted:
    """Names and values that are nowhere else, and a CSV file that holds them."""

    value: str
    column: str
    path: Path

    def needles(self, what: str) -> list[bytes]:
        """The forms in which a text could lie about."""
        raw = what.encode()
        return [
            raw,
            what.encode("utf-16-le"),
            raw.hex().encode(),
            base64.b64encode(raw)[:-4],
        ]

    def found(self, content: bytes, *what: str) -> list[str]:
        names = what or (self.value, self.column, self.path.stem)
        return [
            name for name in names for needle in self.needles(name) if needle in content
        ]


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    value, column, name = (
        f"{kind}{secrets.token_hex(8)}" for kind in ("value", "column", "file")
    )
    path = tmp_path / "export" / f"{name}.csv"
    path.parent.mkdir()
    path.write_text(
        f"{column},number\n" + "".join(f"{value}-{i},{i}\n" for i in range(1000))
    )
    return Planted(value, column, path)


@dataclass
class Machine:
    """A machine whose every place for files of no importance is an empty, watched folder."""

    root: Path
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        places = {
            name: str(self.root / name)
            for name in (
                "HOME",
                "TMPDIR",
                "XDG_CACHE_HOME",
                "XDG_CONFIG_HOME",
                "XDG_DATA_HOME",
                "XDG_RUNTIME_DIR",
                "XDG_STATE_HOME",
            )
        }
        return {
            **os.environ,
            **places,
            "PYTHONDONTWRITEBYTECODE": "1",
            "TEST_LOG": str(self.log),
        }

    def start(
        self,
        *arguments: object,
        prepare: str = "",
        before: tuple[str, ...] = (),
        debug: str = "",
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*before, sys.executable, "-c", COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.root / "cwd",
            env={**self.environment, "PREPARE": prepare, "SEALIFT_DEBUG": debug},
        )

    def files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if not path.is_dir()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    root = tmp_path / "machine"
    made = Machine(root, tmp_path / "log")
    (root / "cwd").mkdir(parents=True)
    for value in made.environment.values():
        if value.startswith(str(root)):
            Path(value).mkdir()
    return made


def contents(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, bytes(path) + path.read_bytes()


def new_files(
    folder: Path, before: set[Path], but: Path
) -> Iterator[tuple[Path, bytes]]:
    """Files made since then in a folder that all users share."""
    for path in set(folder.iterdir()) - before:
        if path in but.parents or not path.is_file() or not os.access(path, os.R_OK):
            continue
        if path.stat().st_size < 256 << 20:
            yield path, bytes(path) + path.read_bytes()


def written_to(pid: int) -> set[str]:
    """Regular files that a process has open for writing now; empty if we may not look."""
    written = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            link = Path(entry.path)
            if link.stat().st_mode & 0o170000 != 0o100000:
                continue
            fields = (
                (Path("/proc") / str(pid) / "fdinfo" / entry.name).read_text().split()
            )
            if int(fields[fields.index("flags:") + 1], 8) & (os.O_WRONLY | os.O_RDWR):
                written.add(str(link.readlink()))
    except OSError:
        # A root's process, or one that has ended.
        pass
    return written


PUSH = ("--profile", "hospital", "push")
TERMS = ("--dataset", "study", "--to", "laboratory")


# --- A30: disk -----------------------------------------------------------------------------------


@linux_only
def test_a30_a_push_leaves_nothing_of_its_records_anywhere(
    relay,
    hospital,
    laboratory,
    profiles,
    planted: Planted,
    machine: Machine,
    tmp_path: Path,
) -> None:
    public = [
        Path(name) for name in ("/tmp", "/var/tmp", "/dev/shm") if Path(name).is_dir()
    ]
    before = {folder: set(folder.iterdir()) for folder in public}
    pushing = machine.start(*PUSH, planted.path, *TERMS)
    opened: set[str] = set()
    surroundings = b""
    while pushing.poll() is None:
        opened |= written_to(pushing.pid)
        for name in ("environ", "cmdline"):
            try:
                surroundings += (Path("/proc") / str(pushing.pid) / name).read_bytes()
            except OSError:
                continue
        time.sleep(0.002)
    stdout, stderr = pushing.communicate()
    assert pushing.returncode == 0, stderr
    assert b"pushed 1,000 records" in stdout
    assert laboratory.open_dataset("hospital/study").num_records == 1000

    assert machine.files() == []
    allowed = (str(profiles), str(machine.log))
    assert [path for path in opened if not path.startswith(allowed)] == []
    assert planted.found(surroundings, planted.value, planted.column) == []
    assert planted.found(stdout + stderr, planted.value) == []
    log = machine.log.read_bytes()
    assert b"harden_process" in log
    assert planted.found(log) == []
    for path, content in contents(profiles, relay.folder):
        assert planted.found(content) == [], path
    for folder in public:
        for path, content in new_files(folder, before[folder], tmp_path):
            assert planted.found(content) == [], path


@linux_only
def test_a30_a_push_and_a_pull_open_no_temporary_file(
    relay,
    hospital,
    laboratory,
    profiles,
    planted: Planted,
    machine: Machine,
    tmp_path: Path,
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    out = tmp_path / "out"
    commands = (
        (*PUSH, planted.path, *TERMS),
        ("--profile", "laboratory", "pull", "hospital/study", "--out", out),
    )
    for place, command in enumerate(commands):
        trace = tmp_path / f"trace-{place}"
        strace = ("strace", "-f", "-qq", "-o", str(trace))
        calls = ("-e", "trace=open,openat,creat,memfd_create,symlink,link,mknod")
        running = machine.start(*command, before=(*strace, *calls))
        _, stderr = running.communicate()
        if b"PTRACE" in stderr:
            pytest.skip("processes may not be traced here")
        assert running.returncode == 0, stderr
        made = [
            line
            for line in trace.read_text().splitlines()
            if re.search(
                r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|creat\(|memfd|link\(|mknod", line
            )
            and not line.endswith(("ENOENT (No such file or directory)", "resumed>"))
        ]
        # A pull writes plaintext where it was told to, under another name until it is complete.
        partial = str(out.with_name(f".{out.name}."))
        allowed = (str(profiles), str(machine.log), str(out), partial, "/dev/")
        assert any(str(profiles) in line for line in made)
        assert [
            line for line in made if not any(f'"{path}' in line for path in allowed)
        ] == []
    assert machine.files() == []


# --- A30: core dumps and memory ------------------------------------------------------------------


def wait_status(process: subprocess.Popen[bytes]) -> int:
    """The status with the bit that says whether a core was dumped, which Popen throws away."""
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return status


@pytest.fixture
def cores_are_dumped(tmp_path: Path) -> None:
    """Skips where not even an ordinary process leaves a core."""
    code = UNLIMITED_CORES + "import os; os.abort()"
    folder = tmp_path / "ordinary"
    folder.mkdir()
    ordinary = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stderr=subprocess.DEVNULL
    )
    if not os.WCOREDUMP(wait_status(ordinary)):
        pytest.skip("this system dumps no cores")
    shutil.rmtree(folder)


@linux_only
def test_a30_a_push_that_is_killed_leaves_no_core(
    cores_are_dumped,
    relay,
    hospital,
    profiles,
    planted: Planted,
    machine: Machine,
    tmp_path: Path,
) -> None:
    with planted.path.open("a") as file:
        for start in range(1000, 2_400_000, 100_000):
            rows = range(start, start + 100_000)
            file.write("".join(f"{planted.value}-{i},{i}\n" for i in rows))
    for place, reason in enumerate((signal.SIGSEGV, signal.SIGABRT)):
        pushing = machine.start(
            *PUSH, planted.path, "--dataset", f"study-{place}", prepare=UNLIMITED_CORES
        )
        stored = set((relay.folder / "blobs").rglob("*"))
        deadline = time.monotonic() + PATIENCE
        while (
            set((relay.folder / "blobs").rglob("*")) <= stored
            and time.monotonic() < deadline
        ):
            assert pushing.poll() is None
            time.sleep(0.005)
        pushing.send_signal(reason)
        status = wait_status(pushing)
        assert os.WTERMSIG(status) == reason
        assert not os.WCOREDUMP(status)
    assert machine.files() == []
    assert [path for path in tmp_path.rglob("*core*") if path.is_file()] == []
    assert planted.found(machine.log.read_bytes()) == []
    for path, content in contents(profiles, relay.folder):
        assert planted.found(content) == [], path


READER = """
import shutil, subprocess, sys
harden = "from sealift.process import hardening; hardening.harden_process(); " * int(sys.argv[1])
target = subprocess.Popen(
    [sys.executable, "-c", harden + "print('ready', flush=True); input()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
)
target.stdout.readline()
try:
    with open(f"/proc/{target.pid}/mem", "rb"):
        print("memory: open")
except PermissionError:
    print("memory: refused")
if shutil.which("gcore"):
    done = subprocess.run(
        ["gcore", "-o", sys.argv[2], str(target.pid)], capture_output=True, stdin=subprocess.DEVNULL
    )
    print("core:", "refused" if done.returncode else "taken")
target.communicate(b"\\n")
"""


@linux_only
@pytest.mark.parametrize("hardened", [True, False])
def test_a30_no_process_of_the_same_user_can_attach(
    hardened: bool, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c", WITHOUT_CAPABILITIES),
            *("-c", READER, str(int(hardened)), tmp_path / "core"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = dict(line.split(": ") for line in done.stdout.splitlines())
    if hardened:
        assert set(seen.values()) == {"refused"}
        assert list(tmp_path.iterdir()) == []
    elif seen["memory"] == "open":
        # Otherwise this system refuses everyone, and the test above proves nothing.
        assert seen.get("core", "taken") == "taken"


HOLDER = """
import json, os, signal, sys
from sealift.process.buffers import BufferPool
from sealift.crypto.opening import open_shard_into
from sealift.crypto.sealing import ShardContext
from sealift.process.secret import Secret

given = json.load(sys.stdin)
ordinary = bytearray.fromhex(given["ordinary"])[::-1]
shard = bytes.fromhex(given["shard"])
pool = BufferPool(1 << 20, 1)
lease = pool.lease()
size = open_shard_into(
    shard,
    bytes.fromhex(given["digests"]),
    lease,
    digest=bytes.fromhex(given["digest"]),
    epoch_key=Secret(bytes(32)),
    context=ShardContext(bytes(16), bytes(16), 1),
)
print(size, flush=True)
sys.stdin = open(os.devnull)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@linux_only
@pytest.mark.parametrize("tool", ["gcore", "kernel"])
def test_a30_a_core_holds_nothing_of_the_pooled_buffers(
    tool: str, cores_are_dumped, tmp_path: Path
) -> None:
    # The holder is not hardened, like a training program: its buffers have to be.
    if tool == "gcore" and shutil.which("gcore") is None:
        pytest.skip("gdb is not installed")
    sealed_value, ordinary_value = (secrets.token_hex(16).encode() for _ in range(2))
    payload = sealed_value * 1000
    context = ShardContext(bytes(16), bytes(16), 1)
    shard = seal_shard(payload, epoch_key=sealift.Secret(bytes(32)), context=context)
    assert sealed_value not in shard.data
    assert len(shard.data) > HEADER_SIZE
    given = {
        "ordinary": ordinary_value[::-1].hex(),
        "shard": shard.data.hex(),
        "digests": shard.head.segment_digests.hex(),
        "digest": shard.head.digest.hex(),
    }
    holder = subprocess.Popen(
        [sys.executable, "-c", UNLIMITED_CORES + HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin as stdin:
        stdin.write(json.dumps(given).encode())
    assert int(holder.stdout.readline()) == len(payload)
    if tool == "gcore":
        done = subprocess.run(
            ["gcore", "-o", tmp_path / "core", str(holder.pid)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        holder.kill()
        wait_status(holder)
        if done.returncode:
            pytest.skip("processes may not be traced here")
    else:
        holder.send_signal(signal.SIGABRT)
        holder.send_signal(signal.SIGCONT)
        assert os.WCOREDUMP(wait_status(holder))
    cores = list(tmp_path.glob("core*"))
    if not cores:
        pytest.skip("this system hands its cores to a program")
    content = cores[0].read_bytes()
    assert ordinary_value in content
    assert sealed_value not in content


MEMBER = """
import os, sys
import sealift

given = bytes.fromhex(sys.argv[1])[::-1]
ask = lambda what: sealift.Secret(os.read(0, 100))
session = sealift.connect("laboratory", passphrase=ask)
dataset = session.open_dataset("hospital/study", cache=None)
dataset.to_table()
print("ready", flush=True)
sys.stdin.read()
"""


@linux_only
@pytest.mark.parametrize("custody", ["file", "P-256 in a file", "SoftHSM"])
def test_a30_a_core_of_a_program_that_is_not_hardened_holds_no_key(
    custody: str, relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("gcore") is None:
        pytest.skip("gdb is not installed")
    # The environment is in every core; so this passphrase or PIN comes by another way.
    secret, ordinary = secrets.token_hex(12).encode(), secrets.token_bytes(32)
    monkeypatch.delenv("SEALIFT_PASSPHRASE")
    monkeypatch.setenv("SEALIFT_KEYSTORE_COST", "interactive")
    monkeypatch.setattr(keystores, "PIN", secret.decode())
    place = keystores.softhsm(tmp_path, monkeypatch) if custody == "SoftHSM" else None
    given = sealift.Secret(secret)
    suites = (WrapSuite.P256,) if "P-256" in custody else ()
    for name, role in (("hospital", "owner"), ("laboratory", "trainer")):
        where = (
            Custody.of_backend(place.open()) if place else Custody.of_passphrase(given)
        )
        sealift.join(relay.token(name, role), where, suites=suites)
        where.close()
    with (
        sealift.connect("hospital", passphrase=given) as hospital,
        sealift.connect("laboratory", passphrase=given) as laboratory,
    ):
        hospital.trust("laboratory", str(laboratory.fingerprint))
        laboratory.trust("hospital", str(hospital.fingerprint))
        hospital.push(pa.table({"id": range(100)}), dataset="study", to="laboratory")
        with laboratory.open_dataset("hospital/study", cache=None) as dataset:
            epoch_key = dataset.parts[0].opened.epoch_keys[1]
        keys = laboratory._connection.keychain.keys
    sought = {
        "passphrase or PIN": given,
        "epoch key": epoch_key,
        "owner secret": keys.owner_secret,
    }
    if place is None:
        sought |= {
            "identity": keys.identity,
            "recipient key": keys.recipient_keys[0].private,
        }
    member = subprocess.Popen(
        [sys.executable, "-c", MEMBER, ordinary[::-1].hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert member.stdin is not None
    assert member.stdout is not None
    member.stdin.write(secret)
    member.stdin.flush()
    assert member.stdout.readline() == b"ready\n"
    taken = subprocess.run(
        ["gcore", "-o", tmp_path / "core", str(member.pid)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    member.communicate()
    if taken.returncode:
        pytest.skip("processes may not be traced here")
    (core,) = tmp_path.glob("core.*")
    with (
        core.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        assert content.find(ordinary) >= 0
        # The second half: what is freed loses its beginning first.
        found = [
            name
            for name, key in sought.items()
            if content.find(key.view()[len(key) // 2 :]) >= 0
        ]
    core.unlink()
    assert found == []


# --- A32: what a crash prints --------------------------------------------------------------------

# An exception whose text quotes the records that were in hand, out of the middle of a push.
FAIL_WHILE_SEALING = """
from sealift.crypto import sealing

def write_padding(buffer, size):
    text = str(bytes(buffer[:size]))
    records = buffer[:size]
    logging.getLogger("library").debug("about to fail")
    raise ValueError(f"cannot pad {text}")

sealing.write_padding = write_padding
"""


def test_a32_a_crash_in_the_middle_of_a_push_prints_no_record(
    relay, hospital, profiles, planted: Planted, machine: Machine
) -> None:
    command = (*PUSH, planted.path, "--dataset", "study")
    crashed = machine.start(*command, prepare=FAIL_WHILE_SEALING)
    stdout, stderr = crashed.communicate()
    assert crashed.returncode == 1
    last = stderr.decode().splitlines()[-1]
    assert re.match(
        r"error: unexpected \(ValueError at sealift\.crypto\.sealing:\d+\); hint: ",
        last,
    )
    assert b"Traceback" not in stderr
    assert planted.found(stdout + stderr, planted.value) == []
    log = machine.log.read_bytes()
    assert b"about to fail" in log
    assert planted.found(log) == []
    assert b"Traceback" not in log
    for path, content in contents(profiles, machine.root, relay.folder):
        assert planted.found(content) == [], path

    # Who asks for it sees all, as the hint says.
    shown = machine.start(*command, prepare=FAIL_WHILE_SEALING, debug="1")
    _, stderr = shown.communicate()
    assert shown.returncode == 1
    assert b"Traceback" in stderr
    assert planted.found(stderr, planted.value)


# --- A32: reprs, which crash reporters collect from every frame ----------------------------------


def our_dataclasses() -> Iterator[type]:
    for package in (sealift, sealift_protocol):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for value in vars(module).values():
                if (
                    isinstance(value, type)
                    and dataclasses.is_dataclass(value)
                    and value.__module__ == found.name
                ):
                    yield value


def test_a32_no_repr_shows_records_or_schemas() -> None:
    shown = [
        f"{cls.__module__}.{cls.__name__}.{field.name}"
        for cls in our_dataclasses()
        for field in dataclasses.fields(cls)
        if field.repr
        and re.search(r"RecordBatch|Table|Array|Schema", str(field.type))
        and "Callable" not in str(field.type)
    ]
    assert shown == []


def test_a32_no_repr_shows_a_planted_value(hospital: Session) -> None:
    value = secrets.token_hex(8)
    batch = pa.record_batch({value: [value]})
    things = (
        Chunk(batch, begin=value, end=value),
        Part(value, path=Path(value)),
        Block(value.encode(), offset=0, end=16, line=1),
        SourceOptions(types={value: "string"}, query=value, cursor_column=value),
        PushTerms(description=value, subject_column=value),
        hospital,
        sealift.Secret(value.encode()),
    )
    for thing in things:
        assert value not in repr(thing) + str(thing)
    # The test would see it.
    assert value in repr(batch)
