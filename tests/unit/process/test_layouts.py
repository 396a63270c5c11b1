"""Files of ours: what is read has the types that it should, and errors quote no value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from sealift.process.layouts import FileStruct, Layout
from sealift_protocol.errors import ProfileError

VALUE = "a-value-that-nobody-may-see"


class Inner(FileStruct, frozen=True):
    key: bytes
    time: int = 0


class Outer(FileStruct, frozen=True):
    version: int
    name: str
    inner: Inner
    pins: dict[str, tuple[int, str]] = msgspec.field(default_factory=dict)


LAYOUT = Layout("the example", {1: Outer}, ProfileError, "write it again")
GOOD: Mapping[str, Any] = {"version": 1, "name": "x", "inner": {"key": "AAEC"}}


def read(**changes: object) -> Outer:
    return LAYOUT.read_json(json.dumps({**GOOD, **changes}))


def test_what_fits_is_read_with_its_types() -> None:
    found = read(pins={"a": [1, "b"]})
    assert found == Outer(1, "x", Inner(b"\0\1\2"), {"a": (1, "b")})
    assert LAYOUT.read_json(json.dumps(GOOD).encode()) == read()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": 7}, 'the key "name" has a value of another type'),
        ({"name": None}, 'the key "name" has a value of another type'),
        ({"more": VALUE}, 'the key "more" is not known'),
        ({"inner": {}}, 'the key "inner.key" is missing'),
        ({"inner": {"key": VALUE}}, 'the key "inner.key" has a value of another type'),
        ({"inner": {"key": "AAEC", "x": VALUE}}, 'the key "inner.x" is not known'),
        ({"inner": {"key": "AAEC", "time": "5"}}, '"inner.time" has a value of an'),
        ({"inner": {"key": "AAEC", "time": True}}, '"inner.time" has a value of an'),
        ({"pins": {VALUE: [VALUE]}}, 'the key "pins[...]" has a value of another type'),
        ({"pins": {VALUE: [1, 2]}}, 'the key "pins[...][1]" has a value of another'),
        ({f"{VALUE} `,": 1}, "it has a key that is not known"),
        ({"version": 2}, "a version that this release does not know"),
        ({"version": True}, "a version that this release does not know"),
        ({"version": "1"}, "a version that this release does not know"),
    ],
)
def test_what_does_not_fit_is_named_by_its_key(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ProfileError) as caught:
        read(**changes)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("the example ")
    assert VALUE not in str(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("key", ["version", "name", "inner"])
def test_a_missing_key_is_named(key: str) -> None:
    left = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(ProfileError, match=f'the key "{key}" is missing') as caught:
        LAYOUT.read_json(json.dumps(left))
    assert caught.value.hint == "write it again"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff{}", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (json.dumps(GOOD).encode() + b" {}", "not JSON"),
        (b"[]", "not an object"),
        (b"3", "not an object"),
    ],
)
def test_what_is_not_json_or_no_object_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ProfileError, match=problem):
        LAYOUT.read_json(content)


def test_toml_is_read_the_same_way() -> None:
    layout = Layout("the example", dict[str, Inner], ProfileError, "")
    assert layout.read_toml(b'[a]\nkey = "AAEC"\n') == {"a": Inner(b"\0\1\2")}
    for content, problem in (
        (b"a =", "not TOML"),
        (b'[a]\nkey = "AAEC"\n[a]\nkey = "AAEC"\n', "not TOML"),
        (b"\xff", "not TOML"),
        (b'[a]\nkey = "AAEC"\nother = 1\n', r'"\[\.\.\.\]\.other" is not known'),
    ):
        with pytest.raises(ProfileError, match=problem):
            layout.read_toml(content)


def test_text_that_the_standard_library_reads_is_read() -> None:
    """A path of 0.1 that was not UTF-8 is in a keystore's header as a lone surrogate."""
    assert read(name="a\udc80").name == "a\udc80"
