"""What 0.1 called otherwise goes on working, and says what it is called now."""

from __future__ import annotations

import re
from typing import Any

import pytest
from places import DOCS

from sealift.api.former import FORMER, former
from sealift.session import Session


class Recorder:
    """Stands in for a session, and notes which of its parts is called, and with what."""

    def __init__(self, path: str = "session") -> None:
        self.path = path

    def __getattr__(self, name: str) -> Recorder:
        return Recorder(f"{self.path}.{name}")

    def __call__(self, *arguments: Any, **named: Any) -> Recorder:
        given = [repr(value) for value in arguments]
        given += [f"{key}={value!r}" for key, value in named.items()]
        return Recorder(f"{self.path}({', '.join(given)})")


@pytest.mark.parametrize(
    ("name", "arguments", "named", "becomes"),
    [
        (
            "grant",
            ("study",),
            {"to": "lab"},
            "session.dataset('study').grant(to='lab')",
        ),
        ("erase_subject", ("study", "7"), {}, "session.dataset('study').erase('7')"),
        (
            "rotate",
            ("study",),
            {"reseal_history": True},
            "session.dataset('study').rotate(reseal=True)",
        ),
        (
            "set_co_owner",
            ("study", "clinic"),
            {"remove": True},
            "session.dataset('study').remove_co_owner('clinic')",
        ),
        ("rotate_keys", (), {}, "session.keys.rotate()"),
        ("card", ("lab",), {}, "session.people.member('lab').card"),
    ],
)
def test_a_former_name_is_passed_on(
    name: str, arguments: tuple[str, ...], named: dict[str, Any], becomes: str
) -> None:
    with pytest.warns(DeprecationWarning, match=rf"Session\.{name} is session\."):
        found = former(Recorder(), name)
    assert found(*arguments, **named).path == becomes


@pytest.mark.parametrize("name", sorted(FORMER))
def test_every_former_name_leads_to_something_that_is_there(name: str) -> None:
    with pytest.warns(DeprecationWarning, match="ends with 0.3") as warned:
        former(Recorder(), name)
    new = str(warned[0].message).split(" is session.")[1].split(" ")[0]
    page = (DOCS / "start" / "from-0.1.md").read_text()
    assert f"`session.{name}" in page
    last = new.rpartition(".")[2]
    assert last in page


def test_the_page_names_no_former_method_that_is_gone() -> None:
    page = (DOCS / "start" / "from-0.1.md").read_text()
    rows = re.findall(r"^\| `session\.(\w+)[^|]*\| `", page, re.M)
    today = {name for name in dir(Session) if not name.startswith("_")}
    assert set(rows) - today <= FORMER


def test_a_name_that_never_was_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'erase_everything'"):
        former(Recorder(), "erase_everything")
