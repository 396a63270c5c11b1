"""CPU time of short commands, compared with `python -c pass` and `import pyarrow` in the same run.

    python bench/startup.py --json

Each is a separate process; its CPU time is user and system time of the child. The cases take
turns, and the median of several turns is compared. `the imports of ls` imports the modules that
`sealift ls` loads, in the same order, and does nothing with them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from harness import Stage, stage

PYTHON = [sys.executable]
SEALIFT = [sys.executable, str(Path(sys.executable).with_name("sealift"))]
COMPLETION = {
    "_SEALIFT_COMPLETE": "bash_complete",
    "COMP_WORDS": "sealift pu",
    "COMP_CWORD": "1",
}
# Runs the command line in this process, then prints what was loaded for it.
LOADED = """
import json, sys
from sealift.cli.main import cli
sys.argv[1:] = ["--profile", "owner", "ls"]
cli(standalone_mode=False)
print(json.dumps(list(sys.modules)))
"""
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
"""


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    """User and system time of one run."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def loaded_modules(here: Stage) -> list[str]:
    """What `sealift ls` has imported when it ends."""
    done = subprocess.run(
        [*PYTHON, "-c", LOADED],
        env=here.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    names = json.loads(done.stdout.splitlines()[-1])
    return [name for name in names if name != "__main__"]


def measure(here: Stage, turns: int) -> dict[str, float]:
    """Median CPU seconds of each case."""
    plain = here.environment
    cases: dict[str, tuple[list[str], dict[str, str]]] = {
        "python -c pass": ([*PYTHON, "-c", "pass"], plain),
        "import pyarrow": ([*PYTHON, "-c", "import pyarrow"], plain),
        "import click": ([*PYTHON, "-c", "import click"], plain),
        "import sealift": ([*PYTHON, "-c", "import sealift"], plain),
        "sealift --version": ([*SEALIFT, "--version"], plain),
        "sealift --help": ([*SEALIFT, "--help"], plain),
        "sealift push --help": ([*SEALIFT, "push", "--help"], plain),
        "completion": (SEALIFT, {**plain, **COMPLETION}),
        "the imports of ls": (
            [*PYTHON, "-c", IMPORT_ALL, *loaded_modules(here)],
            plain,
        ),
        "sealift ls": ([*SEALIFT, "--profile", "owner", "ls"], plain),
    }
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(turns):
        for name, (command, environment) in cases.items():
            taken[name].append(cpu_seconds(command, environment))
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    """Prints a table, or one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7, help="runs of each case")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    with stage() as here:
        # Bytecode and the certificate exist from now on, as after the first day of use.
        measure(here, 1)
        seconds = measure(here, options.turns)
    nothing, arrow = seconds["python -c pass"], seconds["import pyarrow"]
    results = {
        name: {
            "cpu_seconds": round(value, 4),
            "to_pass": round(value / nothing, 2),
            "to_pyarrow": round(value / arrow, 2),
        }
        for name, value in seconds.items()
    }
    over_imports = round(seconds["sealift ls"] / seconds["the imports of ls"], 2)
    if options.json:
        print(json.dumps({"cases": results, "ls_to_its_imports": over_imports}))
        return
    print(f"{'':22}{'CPU ms':>9}{'x pass':>9}{'x pyarrow':>11}")
    for name, found in results.items():
        print(
            f"{name:22}{1000 * found['cpu_seconds']:9.0f}"
            f"{found['to_pass']:9.1f}{found['to_pyarrow']:11.2f}"
        )
    print(f"sealift ls costs {over_imports} times its imports")


if __name__ == "__main__":
    main()
