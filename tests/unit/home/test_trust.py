"""A name that is not pinned: the error names it, and the pinned name most like it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sealift.home.trust import Pin, TrustStore
from sealift_protocol.errors import NotTrusted
from sealift_protocol.ids import Fingerprint


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    store = TrustStore(tmp_path / "trust.json")
    for name in ("laboratory", "institute"):
        digest = hashlib.sha256(name.encode()).digest()
        store.add(name, Pin(Fingerprint(digest)))
    return store


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            "laboratry",
            'no fingerprint is pinned for "laboratry"; did you mean "laboratory"?',
        ),
        (
            "Laboratory",
            'no fingerprint is pinned for that name; did you mean "laboratory"?',
        ),
        ("clinic", 'no fingerprint is pinned for "clinic"'),
        ("sealift1-AbC/dEf+", "no fingerprint is pinned for that name"),
        ("a\x1b[2J", "no fingerprint is pinned for that name"),
    ],
)
def test_the_error_names_the_pinned_name_most_like_it(
    store: TrustStore, name: str, what: str
) -> None:
    for ask in (store.find, store.remove):
        with pytest.raises(NotTrusted) as caught:
            ask(name)
        assert caught.value.what == what
    assert list(store.pins()) == ["institute", "laboratory"]


def test_the_hint_tells_how_to_pin_unless_a_pinned_name_is_like_it(
    store: TrustStore,
) -> None:
    def hint(name: str) -> str:
        with pytest.raises(NotTrusted) as caught:
            store.find(name)
        return caught.value.hint

    assert hint("laboratry") == ""
    assert hint("clinic") == NotTrusted.default_hint
