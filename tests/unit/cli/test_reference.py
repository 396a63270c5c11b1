"""The reference is what the programs and docstrings say of themselves."""

from __future__ import annotations

import subprocess
import sys

from places import DOCS


def test_the_reference_is_current() -> None:
    # In a process of its own: click keeps the help option that a command was first asked for.
    generate = [sys.executable, DOCS / "reference" / "generate.py", "--check"]
    done = subprocess.run(generate, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
