"""Process hardening: no core dumps, nothing in swap, no values in the output of a crash.

A library must not decide this for the program that imports it, so only the command line calls
it; a training program may. Linux supports all of it, other systems a part.

Sources: core(5), prctl(2) PR_SET_DUMPABLE, mlockall(2) of the Linux man-pages.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import sys
import threading
import warnings
from types import TracebackType
from typing import Literal, NamedTuple

from sealift.process.memory import libc_function, lock
from sealift_protocol.crash import debugging, describe_crash

# <linux/prctl.h>, <bits/mman-linux.h>. MCL_* differ on POWER and SPARC, which refuse these.
_PR_SET_DUMPABLE = 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
# No user address space is larger, so a higher limit does not bind.
_NO_LIMIT = 1 << 47


class Hardening(NamedTuple):
    """What took effect.

    Attributes:
        core_dumps_off: the core file size limit is 0, for child processes too.
        not_dumpable: crash handlers get no core either, and other processes of the same user
            cannot attach or read the memory.
        memory_locked: what stays out of swap: "all" memory, the pooled "buffers", or "no".
    """

    core_dumps_off: bool
    not_dumpable: bool
    memory_locked: Literal["all", "buffers", "no"]


def harden_process() -> Hardening:
    """Turn off core dumps and lock memory for this process, as far as the system allows.

    Child processes inherit the core file size limit. A forked child is not dumpable either, but a
    new program is. No child inherits locked memory: each worker process must call this itself.
    """
    hardening = Hardening(
        core_dumps_off=_turn_core_dumps_off(),
        not_dumpable=_forbid_dumping(),
        memory_locked=_lock_memory(),
    )
    # Help and completion run this too, and structlog is slow to import.
    if logging.getLogger("sealift").isEnabledFor(logging.DEBUG):
        from sealift.process.log import log

        log.debug(
            "harden_process",
            core_dumps_off=hardening.core_dumps_off,
            not_dumpable=hardening.not_dumpable,
            memory_locked=hardening.memory_locked,
        )
    return hardening


def keep_values_off_stderr() -> None:
    """Print uncaught exceptions as one line without their text, and silence warnings.

    Exceptions, warnings and stray log lines of other libraries may quote the values that caused
    them. With SEALIFT_DEBUG=1 this changes nothing.
    """
    if debugging():
        return

    def of_program(
        _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
    ) -> None:
        _print_line(error)

    def of_thread(caught: threading.ExceptHookArgs) -> None:
        if caught.exc_value is not None:
            _print_line(caught.exc_value)

    def of_finaliser(caught: sys.UnraisableHookArgs) -> None:
        if caught.exc_value is not None:
            _print_line(caught.exc_value)

    sys.excepthook = of_program
    threading.excepthook = of_thread
    sys.unraisablehook = of_finaliser
    warnings.simplefilter("ignore")
    # The last resort prints warnings of libraries whose loggers are not configured.
    logging.lastResort = logging.NullHandler()
    # Otherwise logging prints the arguments of a record that it fails to write.
    logging.raiseExceptions = False


def _print_line(error: BaseException) -> None:
    # A daemon may have closed stderr.
    if sys.stderr is not None:
        print(describe_crash(error), file=sys.stderr, flush=True)  # noqa: T201


def _turn_core_dumps_off() -> bool:
    if sys.platform == "win32":
        return False
    import resource

    return _set_limit(resource.RLIMIT_CORE, 0)


def _forbid_dumping() -> bool:
    # A core_pattern that pipes to a crash handler ignores RLIMIT_CORE (core(5)).
    prctl = libc_function("prctl")
    if sys.platform != "linux" or prctl is None:
        return False
    nothing = ctypes.c_ulong(0)
    return prctl(_PR_SET_DUMPABLE, nothing, nothing, nothing, nothing) == 0


def _lock_memory() -> Literal["all", "buffers", "no"]:
    if sys.platform == "win32":
        return "no"
    import resource

    _, limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    _set_limit(resource.RLIMIT_MEMLOCK, limit)
    unlimited = limit == resource.RLIM_INFINITY or limit >= _NO_LIMIT
    # Under a limit that binds, MCL_FUTURE would make later allocations fail. The kernel does not
    # report whether it binds (CAP_IPC_LOCK counts only in the initial user namespace), so try it.
    if (unlimited or _can_lock(limit + mmap.PAGESIZE)) and _lock_everything():
        return "all"
    from sealift_protocol.layout import MAX_SHARD_PLAINTEXT

    return "buffers" if _can_lock(MAX_SHARD_PLAINTEXT) else "no"


def _set_limit(which: int, limit: int) -> bool:
    import resource

    try:
        resource.setrlimit(which, (limit, limit))
    except (OSError, ValueError):
        return False
    return True


def _lock_everything() -> bool:
    mlockall = libc_function("mlockall")
    if sys.platform != "linux" or mlockall is None:
        return False
    return mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0


def _can_lock(size: int) -> bool:
    """Return whether this many bytes can be locked now."""
    try:
        with mmap.mmap(-1, size) as unused:
            return lock(unused)
    except OSError:
        return False
