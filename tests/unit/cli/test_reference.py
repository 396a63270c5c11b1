"""The reference is what the programs and docstrings say of themselves."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("page", ["cli.md", "api.md"])
def test_the_reference_is_current(page: str) -> None:
    spec = importlib.util.spec_from_file_location("generate", REFERENCE / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (REFERENCE / page).read_text() == generate.PAGES[page](), "run `make docs`"
