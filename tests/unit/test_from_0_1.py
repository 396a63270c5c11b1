"""docs/start/from-0.1.md names only what exists in this release."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec

import pytest
from places import DOCS

import sealift
from sealift.api.dataset import RemoteDataset
from sealift.session import Session

PAGE = (DOCS / "start" / "from-0.1.md").read_text()


def the_class_of(module: str) -> type:
    """The one class that a module defines."""
    [found] = [
        value
        for value in vars(import_module(module)).values()
        if isinstance(value, type) and value.__module__ == module
    ]
    return found


HOMES = {
    "dataset": RemoteDataset,
    "session.keys": the_class_of("sealift.api.keys"),
    "session.people": the_class_of("sealift.api.people"),
    "session.identity": the_class_of("sealift.api.identity"),
    "session.log": the_class_of("sealift.api.log"),
    "session": Session,
}


def rows() -> list[tuple[str, str]]:
    """The rows of all tables: what was, and what became of it."""
    found = re.findall(r"^\| (.*?) \| (.*?) \|$", PAGE, re.M)
    return [(old, new) for old, new in found if old != "0.1"]


def names_in(cell: str) -> list[str]:
    """Modules of a cell; a bare name is next to the module before it."""
    found: list[str] = []
    for name in re.findall(r"`([\w.]+)`", re.sub(r"\(.*?\)", "", cell)):
        home = found[-1].rpartition(".")[0] if found else ""
        found.append(name if name.startswith("sealift") else f"{home}.{name}")
    return found


CALLS = [
    (home, method)
    for _, new in rows()
    for home, method in re.findall(r"`(session(?:\.\w+)?|dataset)\.(\w+)", new)
]
MODULES = [
    pair
    for before, after in rows()
    if before.startswith("`sealift") and after != "the same"
    for pair in zip(names_in(before), names_in(after), strict=True)
]


@pytest.mark.parametrize(("home", "method"), CALLS)
def test_every_new_method_exists(home: str, method: str) -> None:
    assert hasattr(HOMES[home], method)


def test_the_page_lists_every_method_that_a_session_hands_out() -> None:
    assert len(CALLS) > 30
    listed = set(re.findall(r"\w+", PAGE))
    for owner in HOMES.values():
        public = {name for name in vars(owner) if not name.startswith("_")}
        assert public - listed == set()


@pytest.mark.parametrize(("old", "new"), MODULES)
def test_every_module_is_where_the_page_says(old: str, new: str) -> None:
    home, _, name = new.rpartition(".")
    if name[0].isupper():
        assert hasattr(import_module(home), name)
        return
    assert find_spec(new) is not None
    # In the old place there is nothing, or a package with the modules of that kind.
    stays = find_spec(old.rpartition(".")[0])
    left = find_spec(old) if stays else None
    assert left is None or left.submodule_search_locations is not None


def test_what_stays_is_there() -> None:
    stays = PAGE.split("## What stays")[1].split("\n## ")[0]
    for name in re.findall(r"sealift\.(\w+)", stays):
        assert hasattr(sealift, name), name
    line = next(li for li in stays.splitlines() if "`Session.trust`" in li)
    for name in re.findall(r"`(?:Session\.)?(\w+)`", line):
        assert hasattr(Session, name), name
