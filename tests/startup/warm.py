"""Programs that start without importing: forked from one that has imported everything.

Most of what a short command costs is imports. Tests to which only a program's output, exit code
and files matter have it forked: each is a process of its own, with its own arguments, environment,
folder, streams and signals. Its process ID is the only thing that the test does not see.

`serve` runs in one process for each program, which the workers of a run share. `hand_over` runs in
every process that a test starts as that program; it passes everything on and ends as the forked
process ended.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import re
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

FOLDER = "SEALIFT_TESTS_WARM"
"""Names, in a test that wants it, the folder with the sockets."""
OF_THIS_RUN = "SEALIFT_TESTS_RUN_WARM"
"""Names that folder to all workers of a run of the tests."""
PROGRAMS = {
    "sealift": "sealift.cli.main",
    "sealift-relay": "sealift_relay.cli",
}
SCRIPTS = "scripts"
"""Scripts of examples/ and bench/, which need what trainers need."""
_TREE = Path(__file__).parents[2]
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# These need packages that most commands do not.
_EXTRAS = re.compile(
    r"sealift\.ray|\.(frameworks|backends|migrations)\b|\.(metrics|ocr|analysis)$"
)
_LATE = {
    "sealift": (
        *("platformdirs", "rich.progress"),
        *("pyarrow.compute", "pyarrow.csv", "pyarrow.parquet"),
    ),
    "sealift-relay": (),
    SCRIPTS: (
        *("torch", "torch.utils.data", "torchdata.stateful_dataloader", "datasets"),
        *("sklearn.linear_model", "sklearn.ensemble", "sklearn.model_selection"),
        *("sklearn.datasets", "sklearn.metrics", "lightning"),
    ),
}
_NUMBER = struct.Struct("=i")


def hand_over(arguments: list[str]) -> None:
    """Runs this process as a fork of one that serves its program; returns if none does."""
    script = Path(arguments[0]).absolute()
    program = script.name
    if {_TREE / "examples", _TREE / "bench"} & {*script.parents}:
        program = SCRIPTS
    elif program not in PROGRAMS:
        return
    path = Path(os.environ[FOLDER], program)
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(str(path))
        except OSError:
            return
        server.setblocking(True)
        told = json.dumps([arguments, dict(os.environ), str(Path.cwd())]).encode()
        streams = array.array("i", [0, 1, 2]).tobytes()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)]
        server.sendmsg([_NUMBER.pack(len(told))], rights)
        server.sendall(told)
        number = _NUMBER.unpack(_read(server, _NUMBER.size))[0]
        for signal_number in _PASSED_ON:
            if signal.getsignal(signal_number) is not signal.SIG_IGN:
                signal.signal(signal_number, lambda got, _: _send(number, got))
        status = _NUMBER.unpack(_read(server, _NUMBER.size))[0]
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _send(number: int, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal_number)


def _read(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            os._exit(255)
        data += part
    return data


@contextlib.contextmanager
def served(programs: Iterable[str]) -> Iterator[None]:
    """Sees that programs are served, by this worker or by another one that was first."""
    folder = os.environ[OF_THIS_RUN]
    environment = {**os.environ, FOLDER: folder}
    with contextlib.ExitStack() as ending:
        for program in programs:
            with Path(folder, f"{program}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if Path(folder, program).exists():
                    continue
                command = [sys.executable, __file__, program]
                server = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=environment,
                )
                ending.enter_context(server)
                assert server.stdout is not None
                assert server.stdout.readline()
        yield


def serve(program: str) -> None:
    """Forks a process for each connection, until the process that started this one ends."""
    main = _main_of(program)
    _import_all(program)
    before = dict(os.environ)
    path = Path(before[FOLDER], program)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{path}.new")
    listening.listen(16)
    Path(f"{path}.new").rename(path)
    os.write(1, b"ready\n")
    waking, woken = socket.socketpair()
    for end in (waking, woken):
        end.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C at the terminal is for the tests, which end this process by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for source in (listening, waking, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        ending = False
        while running or not ending:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    # Other workers may still wait for what was forked for them.
                    ending = True
                    path.unlink()
                    selector.unregister(sys.stdin)
                    selector.unregister(listening)
                    continue
                if key.fileobj is waking:
                    with contextlib.suppress(BlockingIOError):
                        waking.recv(4096)
                    _reap(running, selector)
                elif key.fileobj is listening:
                    client, _ = listening.accept()
                    child = _fork(client, [listening, waking, woken, *running.values()])
                    if child is None:
                        selector.close()
                        _run(main)
                    running[child] = client
                    selector.register(client, selectors.EVENT_READ, child)
                elif key.data in running:
                    # Who waited for it was killed.
                    selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)


def _run(main: Callable[[], object]) -> NoReturn:
    """Ends without taking apart what was imported, which would copy it all."""
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        code = 1
        sys.excepthook(type(error), error, error.__traceback__)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _main_of(program: str) -> Callable[[], object]:
    if program == SCRIPTS:
        return _run_script
    main: Callable[[], object] = importlib.import_module(PROGRAMS[program]).main
    return main


def _run_script() -> None:
    sys.path.insert(0, str(Path(sys.argv[0]).absolute().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")


def _import_all(program: str) -> None:
    name = "sealift" if program == SCRIPTS else program.replace("-", "_")
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not _EXTRAS.search(module.name):
            importlib.import_module(module.name)
    for name in _LATE[program]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # What is here stays as it is, so that forked processes share its memory.
    gc.collect()
    gc.freeze()


def _reap(running: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    for child, client in list(running.items()):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            del running[child]
            with contextlib.suppress(KeyError):
                selector.unregister(client)
            with contextlib.suppress(OSError):
                client.sendall(_NUMBER.pack(status))
            client.close()


def _fork(client: socket.socket, others: list[socket.socket]) -> int | None:
    """Returns the child's process ID; None in the child, which is as the client is."""
    header, rights, _, _ = client.recvmsg(_NUMBER.size, socket.CMSG_SPACE(12))
    streams = array.array("i", rights[0][2])
    told = _read(client, _NUMBER.unpack(header)[0])
    child = os.fork()
    if child:
        client.sendall(_NUMBER.pack(child))
        for stream in streams:
            os.close(stream)
        return child
    for source in (client, *others):
        source.close()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, *_PASSED_ON):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    arguments, environment, folder = json.loads(told)
    os.chdir(folder)
    # Whatever a program's import put there, an import of its own would have put there.
    imported = {k: v for k, v in os.environ.items() if k.startswith("GRPC_")}
    os.environ.clear()
    os.environ.update(imported | environment)
    sys.argv[:] = arguments
    for name, number, mode in (
        ("stdin", 0, "r"),
        ("stdout", 1, "w"),
        ("stderr", 2, "w"),
    ):
        stream = open(number, f"{mode}b", closefd=False)  # noqa: SIM115
        text = io.TextIOWrapper(
            stream, "utf-8", line_buffering=name == "stderr" or stream.isatty()
        )
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
    return None


if __name__ == "__main__":
    serve(sys.argv[1])
