"""What a process gives away when it ends badly, is swapped out, or prints an exception."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sealift.crypto import padding
from sealift.process import hardening, memory
from sealift.process.buffers import BufferPool
from sealift.process.secret import Secret

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="/proc and prctl are Linux's"
)

# Takes every capability away, for good: root is like anybody then.
WITHOUT_CAPABILITIES = """
import ctypes, os, sys
for number in range(64):
    ctypes.CDLL(None).prctl(24, number, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
START = """
import ctypes, json, mmap, resource
from sealift.process import hardening

def facts():
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return {
        "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "locked": int(status["VmLck"].split()[0]),
        "resident": int(status["VmRSS"].split()[0]),
    }
"""


def run(
    code: str, *, capable: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    if not capable:
        command = [sys.executable, "-c", WITHOUT_CAPABILITIES, code]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def answer(code: str, *, capable: bool = True) -> dict[str, object]:
    done = run(START + code, capable=capable)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def flags_of(view: memoryview) -> set[str]:
    """The kernel's flags of the mapping that a buffer lies in (proc_pid_smaps(5))."""
    address = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if bounds:
            inside = int(bounds[1], 16) <= address < int(bounds[2], 16)
        elif inside and line.startswith("VmFlags:"):
            return set(line.split()[1:])
    raise AssertionError("the buffer is in no mapping")


# --- core dumps and memory -----------------------------------------------------------------------


@linux_only
def test_a_hardened_process_and_its_forks_dump_no_core() -> None:
    seen = answer("""
import os, sys
done = hardening.harden_process()
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, json.dumps(facts()).encode())
    os._exit(0)
child = json.loads(os.read(reader, 4096))
print(json.dumps([done.core_dumps_off, done.not_dumpable, facts(), child]))
""")
    off, not_dumpable, parent, child = seen
    assert off
    assert not_dumpable
    for process in (parent, child):
        assert process["core"] == [0, 0]
        assert process["dumpable"] == 0
    # What the docstring says: a child has to lock its memory itself.
    assert child["locked"] == 0


@linux_only
def test_all_memory_is_locked_where_no_limit_binds_and_costs_nothing_to_speak_of() -> (
    None
):
    seen = answer("""
before = facts()
done = hardening.harden_process()
reserved = mmap.mmap(-1, 256 << 20)
after = facts()
print(json.dumps([done.memory_locked, before, after]))
""")
    how, before, after = seen
    if how != "all":
        pytest.skip("this user may not lock memory without a limit")
    assert after["locked"] > 256 << 10
    # Pages are locked as they are touched: reserved memory does not become real.
    assert after["resident"] - before["resident"] < 32 << 10


@linux_only
@pytest.mark.parametrize(
    ("limit", "how"), [(4 << 20, "buffers"), (1 << 20, "no"), (0, "no")]
)
def test_a_limit_on_locked_memory_is_kept_and_later_allocations_succeed(
    limit: int, how: str
) -> None:
    seen = answer(
        f"""
from sealift_protocol import layout
layout.MAX_SHARD_PLAINTEXT = 2 << 20
everything = []
really = hardening._lock_everything
hardening._lock_everything = lambda: everything.append(1) or really()
resource.setrlimit(resource.RLIMIT_MEMLOCK, ({limit}, {limit}))
done = hardening.harden_process()
from sealift.process.buffers import BufferPool
pool = BufferPool(3 << 20, 4)
leases = [pool.lease() for _ in range(4)]
for lease in leases:
    lease[:] = bytes(3 << 20)
print(json.dumps([done.memory_locked, facts()["locked"], len(everything)]))
""",
        capable=False,
    )
    locked = 3 << 10 if limit >= 3 << 20 else 0
    assert seen == [how, locked, 0]


@linux_only
def test_worker_processes_run_under_locked_memory() -> None:
    seen = answer("""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
hardening.harden_process()
found = []
for method, prepare in (("fork", None), ("spawn", hardening.harden_process)):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context, initializer=prepare) as workers:
        found.append(workers.submit(sum, [1, 2]).result())
print(json.dumps(found))
""")
    assert seen == [3, 3]


@linux_only
def test_pooled_buffers_are_out_of_core_dumps_and_locked() -> None:
    with BufferPool(64 << 10, 1) as pool:
        flags = flags_of(pool.lease())
    assert "dd" in flags
    assert ("lo" in flags) == hardening._can_lock(64 << 10)


@linux_only
def test_secrets_are_out_of_core_dumps_and_locked() -> None:
    secret = Secret.random(32)
    flags = flags_of(secret.view())
    assert "dd" in flags
    assert ("lo" in flags) == hardening._can_lock(64 << 10)


@linux_only
def test_a_forked_process_does_not_write_into_its_parents_buffers() -> None:
    with BufferPool(4096, 1) as pool:
        lease = pool.lease()
        lease[:6] = b"parent"
        child = os.fork()
        if child == 0:
            lease[:6] = b"child!"
            os._exit(0)
        os.waitpid(child, 0)
        assert bytes(lease[:6]) == b"parent"


def test_a_system_without_these_functions_says_that_nothing_took_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (hardening, memory):
        monkeypatch.setattr(module, "libc_function", lambda name: None)
    assert not hardening._forbid_dumping()
    assert hardening._lock_memory() == "no"
    with BufferPool(4096, 1) as pool:
        pool.lease()[:] = bytes(4096)


def test_the_module_can_be_imported_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)
    spec = importlib.util.spec_from_file_location("on_windows", hardening.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "on_windows", module)
    spec.loader.exec_module(module)
    assert module.harden_process() == module.Hardening(False, False, "no")


# --- exceptions ----------------------------------------------------------------------------------

TALKATIVE = """
import logging, threading, warnings
from sealift.process.hardening import keep_values_off_stderr
keep_values_off_stderr()
warnings.warn("planted-value")
logging.getLogger("library").error("planted-value")
logging.getLogger("configured").addHandler(logging.StreamHandler())
logging.getLogger("configured").warning("%d", "planted-value")

def fail():
    raise ValueError("planted-value")

thread = threading.Thread(target=fail)
thread.start()
thread.join()

class Dying:
    def __del__(self):
        fail()

Dying()
try:
    fail()
except ValueError:
    raise KeyError("planted-value")
"""


def test_nothing_that_others_say_is_printed() -> None:
    done = run(TALKATIVE)
    assert done.returncode == 1
    assert "planted" not in done.stderr
    lines = done.stderr.splitlines()
    assert [line.partition("; ")[0] for line in lines] == [
        "error: unexpected (ValueError at __main__:11)",
        "error: unexpected (ValueError at __main__:11)",
        "error: unexpected (KeyError at __main__:25)",
    ]
    assert "hint: " in lines[0]


def test_who_asks_for_tracebacks_gets_them() -> None:
    done = run(TALKATIVE, SEALIFT_DEBUG="1")
    assert done.returncode == 1
    assert done.stderr.count("Traceback") >= 3
    assert done.stderr.count("planted-value") > 3


def test_a_crash_is_placed_at_our_innermost_line() -> None:
    try:
        padding.read_payload_size("not a memoryview")  # type: ignore[arg-type]
    except TypeError as error:
        line = hardening.describe_crash(error)
    assert re.match(
        r"error: unexpected \(TypeError at sealift\.crypto\.padding:\d+\); hint: ", line
    )
    assert hardening.describe_crash(ValueError("never raised")).startswith(
        "error: unexpected (ValueError at ?:0)"
    )
