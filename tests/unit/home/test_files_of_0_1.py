"""Files of a profile as 0.1 wrote them are read; damaged ones are refused by name and key."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

import pytest

from sealift.home.lastseen import LastSeen
from sealift.home.profile import Membership, read_membership
from sealift.home.settings import RotationPolicy, Settings, read_settings
from sealift.home.trust import Pin, TrustStore
from sealift.process.secret import Secret
from sealift_protocol.errors import MalformedObject, ProfileError
from sealift_protocol.ids import Fingerprint
from sealift_protocol.notes import KeyKind, VerifierKey

FINGERPRINT = Fingerprint(bytes(32))
FORMER = Fingerprint(bytes(31) + b"\1")
SETTINGS = """{
 "version": 3,
 "witnesses": [
  "a+b+c"
 ],
 "quorum": 1,
 "recovery": [
  "safe"
 ],
 "trust_on_first_use": true,
 "relays": [
  "other:7443"
 ],
 "rotation": {
  "key_epochs": 7776000,
  "recipient_keys": 63072000,
  "identity": 94608000,
  "datasets": {
   "ab": 86400
  }
 },
 "keyring": "hospital-1"
}
"""
READ_SETTINGS = Settings(
    ("a+b+c",),
    1,
    ("safe",),
    trust_on_first_use=True,
    relays=("other:7443",),
    rotation=RotationPolicy(7_776_000, datasets={"ab": 86_400}),
    keyring="hospital-1",
)
TRUST = """{
 "version": 2,
 "pins": {
  "laboratory": {
   "fingerprint": "%s",
   "how": "compared",
   "since": 1790000000,
   "endorses": true,
   "former": [
    "%s"
   ]
  }
 }
}
"""


def log_key() -> str:
    return str(VerifierKey("relay.example.org", next(iter(KeyKind)), bytes(32)))


def membership(**changes: object) -> bytes:
    document = {
        "version": 3,
        "name": "hospital",
        "role": "owner",
        "address": "relay.example.org:7443",
        "fingerprint": str(FINGERPRINT),
        "log_key": log_key(),
        "identity_since": 1790000000,
        **changes,
    }
    left = {key: value for key, value in document.items() if value is not None}
    return json.dumps(left, indent=1).encode() + b"\n"


def test_settings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(SETTINGS)
    assert read_settings(path) == READ_SETTINGS


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"quorum": 1', '"quorum": "1"', 'key "quorum" has a value of another type'),
        ('"quorum": 1', '"quorum": 2', 'key "quorum" does not fit "witnesses"'),
        ('"quorum": 1', '"quarum": 1', 'key "quarum" is not known'),
        ('"identity": 94608000,', "", "^$"),
        ('"identity": 94608000', '"identity": 5', '"rotation" has a time out of'),
        ('"identity": 94608000', '"identity": "5"', '"rotation.identity" has a value'),
        ('"version": 3', '"version": 4', "version that this release does not know"),
        ('"version": 3', '"version": 2', 'key "rotation" is not known'),
    ],
)
def test_damaged_settings_are_refused_by_key(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(SETTINGS.replace(old, new))
    if problem == "^$":
        # 0.1 took the default where a rotation time was missing, too.
        assert read_settings(path) == READ_SETTINGS
        return
    with pytest.raises(ProfileError, match=problem) as caught:
        read_settings(path)
    assert "settings file" in str(caught.value)
    assert caught.value.hint


def test_a_membership_is_read() -> None:
    assert read_membership(membership()) == Membership(
        "hospital",
        "owner",
        "relay.example.org:7443",
        str(FINGERPRINT),
        log_key(),
        1790000000,
    )
    # Version 2 did not say since when an identity is used.
    assert read_membership(membership(version=2, identity_since=None)) == Membership(
        "hospital", "owner", "relay.example.org:7443", str(FINGERPRINT), log_key()
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": None}, 'key "name" is missing'),
        ({"name": 3}, 'key "name" has a value of another type'),
        ({"fingerprint": "abcd"}, 'key "fingerprint" is malformed'),
        ({"log_key": "abcd"}, 'key "log_key" is malformed'),
        ({"nickname": "x"}, 'key "nickname" is not known'),
        ({"version": 9}, "version that this release does not know"),
    ],
)
def test_a_damaged_membership_is_refused_by_key(
    changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(ProfileError, match=problem) as caught:
        read_membership(membership(**changes))
    assert "membership file" in str(caught.value)
    assert "abcd" not in str(caught.value)


def test_a_trust_store_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    content = TRUST % (FINGERPRINT, FORMER)
    path.write_text(content)
    store = TrustStore(path)
    pin = Pin(FINGERPRINT, "compared", 1790000000, True, (FORMER,))
    assert store.pins() == {"laboratory": pin}
    store.add("laboratory", pin)
    assert path.read_text() == content
    for old, new, problem in (
        ('"how"', '"why"', r'"pins\[...\].why" is not known'),
        ('"endorses": true', '"endorses": 1', r'"pins\[...\].endorses" has a value'),
        (str(FORMER), "abcd", "malformed fingerprint"),
        ('"version": 2', '"version": 3', "version that this release does not know"),
    ):
        path.write_text(content.replace(old, new))
        with pytest.raises(MalformedObject, match=problem) as caught:
            store.pins()
        assert "trust store" in str(caught.value)
        assert "laboratory" not in str(caught.value)


# What 0.1 wrote for the key of 32 times "s".
SEEN = (
    '{"version": 2, "document": "{\\"checkpoint\\": [9, \\"0a\\"], \\"cards\\": '
    '{\\"c\\": [1, \\"0b\\"]}, \\"heads\\": {\\"1000\\": [3, \\"0c\\"]}, '
    '\\"revoked\\": {\\"r\\": true}, \\"purges\\": {\\"1000\\": {\\"2\\": \\"0d\\"}}, '
    '\\"datasets\\": {\\"t\\": \\"1000\\"}}", "mac": "MAC"}'
)


def seen_of_0_1() -> str:
    document = json.loads(SEEN)["document"]
    return SEEN.replace(
        "MAC", hmac.digest(b"s" * 32, document.encode(), "sha256").hex()
    )


def test_what_was_seen_last_is_read_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    path.write_text(seen_of_0_1())
    seen = LastSeen(path, Secret(b"s" * 32))
    assert seen.checkpoint() == (9, b"\x0a")
    assert seen.seen_head(b"\x10\0") == (3, b"\x0c")
    assert seen.purges(b"\x10\0") == {2: b"\x0d"}
    seen.remember_checkpoint(10, b"\x0e")
    written = json.loads(path.read_text())
    assert written["version"] == 2
    assert json.loads(written["document"]) == {
        **json.loads(json.loads(SEEN)["document"]),
        "checkpoint": [10, "0e"],
    }


def test_a_record_with_a_key_that_is_not_known_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    path.write_text(seen_of_0_1().replace('"mac"', '"more": 1, "mac"'))
    with pytest.raises(MalformedObject, match='key "more" is not known') as caught:
        LastSeen(path, Secret(b"s" * 32)).checkpoint()
    assert "seen.json" in caught.value.hint


@pytest.mark.parametrize("content", ["\ud800", "{}"])
def test_a_record_whose_code_does_not_fit_is_refused(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "seen.json"
    for mac in ("00" * 32, "\ud800", "é"):
        path.write_text(json.dumps({"version": 2, "document": content, "mac": mac}))
        with pytest.raises(MalformedObject, match="it was changed"):
            LastSeen(path, Secret(b"s" * 32)).checkpoint()
