"""The reference of the command line is what the programs say of themselves."""

from __future__ import annotations

import importlib.util
from pathlib import Path

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def test_the_reference_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate", REFERENCE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (REFERENCE / "cli.md").read_text() == generate.write_page(), (
        "run `make docs`"
    )
