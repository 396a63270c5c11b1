"""The examples run as they stand, and say what they should."""

from __future__ import annotations

import subprocess
import sys

import pytest
from patience import PATIENCE
from places import ROOT

EXAMPLES = ROOT / "examples"
pytestmark = pytest.mark.usefixtures("warm_scripts")


def test_a_whole_study_is_played() -> None:
    script = EXAMPLES / "study.py"
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "ana  trusted: endorsed by institute",
        "ana trains: accuracy 0.9790209790209791, on the plaintext 0.9790209790209791",
        "destroyed 1 old private key",
        "ben has no access to tumour-measurements from now on",
        "5 disclosures verified",
        "a line of the report differs from what was signed",
        "erased 1 record from 1 shard",
        "note: the owner has erased records since",
        "confirmed the purge of 1 erasure",
        "1 cosignature",
        "found: nothing",
    ):
        assert line in done.stdout, line
