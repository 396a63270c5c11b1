"""Wrapping an epoch key to a recipient."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sealift.crypto.grants import choose_recipient_key
from sealift.crypto.suites import generate, load_private_key, load_recipient, rsa_oaep
from sealift.crypto.suites import hpke as hpke_suite
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    CardExpired,
    InvalidArgument,
    MalformedObject,
    WrongKey,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.cards import Card, RecipientKey, WrapSuite

EPOCH_KEY = Secret(bytes(range(32)))
CONTEXT = b"the terms of a grant"
SIZES = {
    WrapSuite.MLKEM768_X25519: (1216, 1168),
    WrapSuite.X25519: (32, 80),
    WrapSuite.P256: (65, 113),
    WrapSuite.RSA_OAEP_SHA256: (422, 432),
}
KEYS = {suite: generate(suite) for suite in WrapSuite}
suites = pytest.mark.parametrize("suite", list(WrapSuite))


@suites
def test_what_is_wrapped_opens_with_a_stored_key(suite: WrapSuite) -> None:
    private = load_private_key(suite, KEYS[suite].private_bytes())
    public = KEYS[suite].recipient().public_key
    wrapped = load_recipient(suite, public).wrap(EPOCH_KEY, CONTEXT)
    assert private.unwrap(wrapped, CONTEXT) == EPOCH_KEY
    assert (len(public), len(wrapped)) == SIZES[suite]


@suites
def test_two_wraps_differ(suite: WrapSuite) -> None:
    recipient = KEYS[suite].recipient()
    assert recipient.wrap(EPOCH_KEY, CONTEXT) != recipient.wrap(EPOCH_KEY, CONTEXT)


@suites
def test_another_context_or_key_does_not_open(suite: WrapSuite) -> None:
    wrapped = KEYS[suite].recipient().wrap(EPOCH_KEY, CONTEXT)
    with pytest.raises(WrongKey):
        KEYS[suite].unwrap(wrapped, CONTEXT + b"!")
    with pytest.raises(WrongKey):
        generate(suite).unwrap(wrapped, CONTEXT)


@suites
def test_any_changed_byte_does_not_open(suite: WrapSuite) -> None:
    wrapped = KEYS[suite].recipient().wrap(EPOCH_KEY, CONTEXT)
    for position in random.Random(0).sample(range(len(wrapped)), 40):
        changed = bytearray(wrapped)
        changed[position] ^= 0x40
        with pytest.raises(WrongKey):
            KEYS[suite].unwrap(bytes(changed), CONTEXT)
    for cut in (0, 1, len(wrapped) - 1):
        with pytest.raises(WrongKey):
            KEYS[suite].unwrap(wrapped[:cut], CONTEXT)


@suites
def test_only_epoch_keys_are_wrapped(suite: WrapSuite) -> None:
    with pytest.raises(InvalidArgument):
        KEYS[suite].recipient().wrap(Secret(b"short"), CONTEXT)


@suites
def test_bytes_that_are_no_key_are_refused(suite: WrapSuite) -> None:
    for data in (b"", b"\0" * 31, b"\xff" * 2000):
        with pytest.raises(MalformedObject):
            load_recipient(suite, data)
        with pytest.raises(MalformedObject):
            load_private_key(suite, Secret(data))


def test_degenerate_points_are_refused() -> None:
    with pytest.raises(MalformedObject):
        load_recipient(WrapSuite.X25519, bytes(32)).wrap(EPOCH_KEY, CONTEXT)
    with pytest.raises(MalformedObject):
        load_recipient(WrapSuite.P256, b"\x04" + bytes(64))
    with pytest.raises(MalformedObject):
        load_recipient(WrapSuite.MLKEM768_X25519, b"\xff" * 1216)
    with pytest.raises(MalformedObject):
        load_private_key(WrapSuite.P256, Secret(bytes(32)))


def test_weak_or_foreign_rsa_keys_are_refused() -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    for key in (
        rsa.generate_private_key(65537, 2048),
        rsa.generate_private_key(3, 3072),
        curve,
    ):
        private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(MalformedObject):
            load_private_key(WrapSuite.RSA_OAEP_SHA256, Secret(private))
        with pytest.raises(MalformedObject):
            load_recipient(WrapSuite.RSA_OAEP_SHA256, public)


def test_a_wrapped_secret_of_another_size_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A sender that does not check: the recipient still does.
    for module in (hpke_suite, rsa_oaep):
        monkeypatch.setattr(module, "check_secret_size", lambda _: None)
    for suite in (WrapSuite.X25519, WrapSuite.RSA_OAEP_SHA256):
        wrapped = KEYS[suite].recipient().wrap(Secret(b"short"), CONTEXT)
        with pytest.raises(WrongKey):
            KEYS[suite].unwrap(wrapped, CONTEXT)


def test_the_first_valid_key_of_a_card_is_chosen() -> None:
    old, good, later = (
        RecipientKey(bytes([i]) * 16, WrapSuite.X25519, bytes(32), *span)
        for i, span in enumerate([(0, 10), (5, 100), (0, 100)])
    )
    card = Card(
        "a", "", 1, b"", 0, (old, good, later), 0, Fingerprint(bytes(32)), bytes(32)
    )
    assert choose_recipient_key(card, 50) == good
    with pytest.raises(CardExpired):
        choose_recipient_key(card, 100)


def test_secrets_compare_and_measure_without_showing() -> None:
    assert Secret(b"a") == Secret(b"a") != Secret(b"b")
    assert Secret(b"a") != b"a"
    assert len(Secret(b"abc")) == 3
    with pytest.raises(TypeError):
        hash(Secret(b"a"))
