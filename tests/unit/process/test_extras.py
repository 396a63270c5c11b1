"""Packages of extras: the errors when one is missing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import sealift
from sealift.process.extras import extra, is_installed, not_installed
from sealift_protocol.errors import InvalidArgument

ROOT = Path(__file__).parents[3]


def test_a_missing_package_names_the_extra_that_installs_it() -> None:
    with (
        pytest.raises(InvalidArgument, match="reading it needs absent, which is not"),
        extra("images", "reading it needs absent"),
    ):
        import sealift_absent  # noqa: F401
    assert not_installed("images", "it").hint == (
        "install it with: pip install 'sealift[images]'"
    )


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), extra("images", "reading it needs absent"):
        1 / 0  # noqa: B018


def test_a_module_is_found_without_being_imported() -> None:
    assert is_installed("this")
    assert not is_installed("sealift_absent")


def test_every_extra_that_the_code_names_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    folder = Path(sealift.__file__).parent
    named = {
        name
        for path in folder.rglob("*.py")
        for name in re.findall(r'\b(?:extra|not_installed)\("(\w+)"', path.read_text())
    }
    assert len(named) > 10
    assert named <= project["optional-dependencies"].keys()
