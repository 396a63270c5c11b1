"""What remembers unwrapped keys, what opens the keystore's file, and what a faulty backend does."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import nacl.bindings
import nacl.pwhash.argon2id as argon2id
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealift.cli.hints import hint_of
from sealift.crypto.suites.hpke import refused
from sealift.home.passphrase import read_passphrase
from sealift.keystore import Keys, locks
from sealift.keystore import held as held_module
from sealift.keystore.backend import Algorithm, HeldKey, SignatureAlgorithm
from sealift.keystore.custody import Custody
from sealift.keystore.encoding import decode_keys, encode_keys
from sealift.keystore.file import create, open_keystore
from sealift.keystore.held import HeldPrivateKey, HeldSigningKey, patiently
from sealift.keystore.keychain import Keychain
from sealift.keystore.locks import PassphraseLock, backend_of
from sealift.keystore.tlskeys import expiry, generate_tls_key, life_left
from sealift.keystore.unwrapped import Unwrapped
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeyDenied,
    KeyNotFound,
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreThrottled,
    KeystoreTimeout,
    ProfileError,
    SealiftError,
    UnsupportedVersion,
    WrongKey,
    WrongPassphrase,
)
from sealift_protocol.objects.cards import WrapSuite

OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), label=None)


class FakeBackend:
    """Keys in this process; fails as often as `failures` says."""

    url = "fake:here"
    signatures = (SignatureAlgorithm.ECDSA_P256,)
    suites = (WrapSuite.RSA_OAEP_SHA256, WrapSuite.P256)

    def __init__(self) -> None:
        self.private: dict[
            str, tuple[HeldKey, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]
        ] = {}
        self.failures: list[KeystoreError] = []
        self.lying = False

    def held_keys(self) -> list[HeldKey]:
        return [held for held, _ in self.private.values()]

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        if algorithm is WrapSuite.RSA_OAEP_SHA256:
            key = rsa.generate_private_key(65537, 3072)
            public = key.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
        else:
            key = ec.generate_private_key(ec.SECP256R1())
            shown = ec.generate_private_key(ec.SECP256R1()) if self.lying else key
            public = shown.public_key().public_bytes(
                Encoding.X962, PublicFormat.UncompressedPoint
            )
        held = HeldKey(f"{len(self.private)}", label, algorithm, public)
        self.private[held.reference] = held, key
        return held

    def destroy(self, key: HeldKey) -> None:
        del self.private[key.reference]

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        private = self._find(key)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        private = self._find(key)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        return private.exchange(ec.ECDH(), other)

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        private = self._find(key)
        assert isinstance(private, rsa.RSAPrivateKey)
        try:
            return private.decrypt(block, OAEP)
        except ValueError:
            raise refused() from None

    def close(self) -> None:
        """Nothing is open."""

    def _find(self, key: HeldKey) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        if self.failures:
            raise self.failures.pop(0)
        if key.reference not in self.private:
            raise KeyNotFound("gone")
        return self.private[key.reference][1]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(held_module.time, "sleep", slept.append)
    monkeypatch.setattr(patiently, "__defaults__", (slept.append,))
    return slept


def keys_in(custody: Custody) -> Keys:
    return Keys(
        custody.new_identity(),
        custody.new_recipient_keys((), 0),
        generate_tls_key(),
        Secret.random(32),
    )


# --- what is remembered --------------------------------------------------------------------------


def test_a_secret_is_unwrapped_once_and_forgotten_in_time() -> None:
    now = [0.0]
    unwrapped = Unwrapped(seconds=60, clock=lambda: now[0])
    secrets = [Secret.random(32) for _ in range(3)]
    asked: list[int] = []

    def get(number: int) -> Secret:
        return unwrapped.remember(
            (b"key", bytes([number])), lambda: asked.append(number) or secrets[number]
        )

    for _ in range(2):
        assert [get(n) for n in range(3)] == secrets
    assert asked == [0, 1, 2]
    now[0] = 60.1
    assert get(1) == secrets[1]
    assert asked == [0, 1, 2, 1]
    # What is forgotten is not kept from being wiped.
    assert next(iter(unwrapped._entries.values())).secret is secrets[1]
    assert len(unwrapped._entries) == 1
    unwrapped.close()
    assert not unwrapped._entries
    assert unwrapped.operations == 4


def test_parts_of_a_source_are_told_apart() -> None:
    unwrapped = Unwrapped()
    one = unwrapped.remember((b"ab", b"c"), lambda: Secret(b"1" * 32))
    assert unwrapped.remember((b"a", b"bc"), lambda: Secret(b"2" * 32)) != one


def test_more_secrets_than_there_is_room_for_push_out_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sealift.keystore.unwrapped._ENTRIES", 4)
    unwrapped = Unwrapped()
    for number in range(6):
        unwrapped.remember((bytes([number]),), lambda: Secret.random(32))
    before = unwrapped.operations
    unwrapped.remember((bytes([5]),), lambda: pytest.fail("unwrapped again"))
    unwrapped.remember((bytes([0]),), lambda: Secret.random(32))
    assert unwrapped.operations == before + 1


def test_nothing_is_remembered_for_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALIFT_UNWRAPPED_SECONDS", "0")
    unwrapped = Unwrapped()
    for _ in range(2):
        unwrapped.remember((b"key",), lambda: Secret(b"1" * 32))
    assert unwrapped.operations == 2
    assert not unwrapped._entries
    monkeypatch.setenv("SEALIFT_UNWRAPPED_SECONDS", "soon")
    with pytest.raises(InvalidArgument):
        Unwrapped()


# --- backends that fail, all of them fake --------------------------------------------------------


@pytest.mark.parametrize("suite", FakeBackend.suites)
def test_what_fails_in_passing_in_a_fake_backend_is_tried_again(
    suite: WrapSuite, waits: list[float]
) -> None:
    backend = FakeBackend()
    key = HeldPrivateKey(
        backend, backend.create(suite, "recipient"), Unwrapped(seconds=0)
    )
    secret = Secret.random(32)
    wrapped = key.recipient().wrap(secret, b"context")
    backend.failures = [KeystoreTimeout("slow"), KeystoreThrottled("busy")]
    assert key.unwrap(wrapped, b"context") == secret
    assert len(waits) == 2
    backend.failures = [KeystoreTimeout("slow")] * 4
    with pytest.raises(KeystoreTimeout):
        key.unwrap(wrapped, b"context")
    backend.failures = [KeyDenied("no"), KeyDenied("no")]
    with pytest.raises(KeyDenied):
        key.unwrap(wrapped, b"context")
    assert len(backend.failures) == 1
    for changed in (
        b"",
        wrapped[:70],
        wrapped[:-1],
        b"\x04" + bytes(64) + wrapped[65:],
    ):
        backend.failures = []
        with pytest.raises(WrongKey):
            key.unwrap(changed, b"context")


def test_a_fresh_key_of_a_fake_backend_that_does_not_fit_is_destroyed() -> None:
    backend = FakeBackend()
    backend.lying = True
    custody = Custody.of_backend(backend)
    with pytest.raises(SealiftError):
        custody.new_identity()
    with pytest.raises(SealiftError):
        custody.new_recipient_keys((WrapSuite.P256,), 0)
    assert backend.held_keys() == []


def test_what_a_fake_backend_made_before_it_failed_is_destroyed() -> None:
    backend = FakeBackend()
    custody = Custody.of_backend(backend)
    with pytest.raises(KeyOperationUnsupported, match="X25519"):
        custody.new_recipient_keys((WrapSuite.P256, WrapSuite.X25519), 0)
    assert backend.held_keys() == []
    custody.try_out(SignatureAlgorithm.ECDSA_P256)
    assert backend.held_keys() == []


def test_a_signing_key_of_a_backend_stays_behind_when_a_process_is_spawned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = FakeBackend()
    key = HeldSigningKey(
        backend, backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    )
    with pytest.raises(RuntimeError):
        pickle.dumps(key)
    # As multiprocessing does it for its own.
    monkeypatch.setattr(held_module, "assert_spawning", lambda _: None)
    absent = pickle.loads(pickle.dumps(key))
    assert absent.public_key == key.public_key
    with pytest.raises(KeystoreError, match="worker process"):
        absent.sign(b"message")


def test_keys_that_are_in_a_backend_need_it() -> None:
    keys = keys_in(Custody.of_backend(FakeBackend()))
    file = Custody.of_passphrase(Secret(b"passphrase"))
    with pytest.raises(KeystoreError, match="not open"):
        file.identity(keys)
    with pytest.raises(KeystoreError, match="not open"):
        file.private_keys(keys)
    without = Keys(keys.identity, keys.recipient_keys, keys.tls_private_key)
    with pytest.raises(KeystoreError, match="owner's secret"):
        Custody.of_backend(FakeBackend()).identity(without)
    other = replace(keys.recipient_keys[0], key_id=bytes(16))
    backend = FakeBackend()
    custody = Custody.of_backend(backend)
    wrong = replace(keys_in(custody), recipient_keys=(other,))
    with pytest.raises(KeystoreError, match="published"):
        custody.prove(wrong)


def test_keys_are_proven_and_a_lost_one_is_named() -> None:
    backend = FakeBackend()
    custody = Custody.of_backend(backend)
    keys = keys_in(custody)
    custody.prove(keys)
    assert isinstance(keys.recipient_keys[0].private, HeldKey)
    backend.destroy(keys.recipient_keys[0].private)
    with pytest.raises(KeyNotFound):
        custody.prove(keys)
    Custody.of_passphrase(Secret(b"passphrase")).prove(
        keys_in(Custody.of_passphrase(Secret(b"passphrase")))
    )


# --- the file ------------------------------------------------------------------------------------


def test_a_file_that_a_backend_opens_comes_back_and_follows_the_newest_key(
    tmp_path: Path,
) -> None:
    backend = FakeBackend()
    custody = Custody.of_backend(backend)
    keys = keys_in(custody)
    path = tmp_path / "keystore"
    create(path, keys, custody.lock)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.tls_private_key.reveal() not in path.read_bytes()
    keychain = Keychain(path, Custody.of_backend(backend))
    assert keychain.keys == keys
    fresh = custody.new_recipient_keys((WrapSuite.P256,), 1)
    old = keychain.keys.recipient_keys
    keychain.store(
        Keys(keys.identity, fresh + old, keys.tls_private_key, keys.owner_secret)
    )
    custody.destroy(*(key.private for key in old))
    assert (
        open_keystore(path, Custody.of_backend(backend).lock).recipient_keys
        == fresh + old
    )


def test_a_keystore_of_a_passphrase_gets_another(tmp_path: Path) -> None:
    first, second = Secret(b"the first one"), Secret(b"the second one")
    custody = Custody.of_passphrase(first)
    path = tmp_path / "keystore"
    create(path, keys_in(custody), custody.lock)
    keychain = Keychain(path, custody)
    keychain.relock(Custody.of_passphrase(second))
    assert open_keystore(path, PassphraseLock(second)) == keychain.keys
    with pytest.raises(KeystoreError):
        open_keystore(path, PassphraseLock(first))


def test_any_changed_byte_of_a_file_that_a_backend_opens_is_refused(
    tmp_path: Path,
) -> None:
    backend = FakeBackend()
    custody = Custody.of_backend(backend)
    path = tmp_path / "keystore"
    create(path, keys_in(custody), custody.lock)
    content = path.read_bytes()
    size = struct.unpack(">I", content[9:13])[0]
    places = [
        *range(13),
        *range(13, 13 + size, 37),
        *range(13 + size, len(content), 53),
    ]
    for place in [*places, len(content) - 1]:
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(SealiftError):
            open_keystore(path, Custody.of_backend(backend).lock)
    path.write_bytes(content[:60])
    with pytest.raises(KeystoreError):
        open_keystore(path, Custody.of_backend(backend).lock)


def test_a_backend_that_is_busy_when_its_file_is_opened_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_module, "_FIRST_DELAY", 0.001)
    backend = FakeBackend()
    custody = Custody.of_backend(backend)
    keys = keys_in(custody)
    content = custody.lock.seal(encode_keys(keys), keys)
    listed, failures = backend.held_keys, [KeystoreThrottled("busy")]

    def held_keys() -> list[HeldKey]:
        if failures:
            raise failures.pop()
        return listed()

    monkeypatch.setattr(backend, "held_keys", held_keys)
    assert decode_keys(custody.lock.open(content)) == keys
    assert failures == []


def test_a_file_that_another_key_of_the_backend_signed_is_refused() -> None:
    custody = Custody.of_backend(FakeBackend())
    keys = keys_in(custody)
    other = replace(keys, identity=custody.new_identity())
    with pytest.raises(KeystoreError, match="changed"):
        custody.lock.open(custody.lock.seal(encode_keys(keys), other))
    with pytest.raises(InvalidArgument, match="identity"):
        custody.lock.seal(b"{}", replace(keys, identity=Secret(bytes(32))))


def test_a_file_that_is_signed_but_does_not_decrypt_is_refused() -> None:
    backend = FakeBackend()
    custody = Custody.of_backend(backend)
    keys = keys_in(custody)
    sealed = bytearray(custody.lock.seal(encode_keys(keys), keys)[:-64])
    sealed[-1] ^= 1
    digest = hashlib.sha256(sealed).digest()
    assert isinstance(keys.identity, HeldKey)
    signature = backend.sign(keys.identity, b"sealift/1 keystore file" + digest)
    with pytest.raises(KeystoreError, match="changed"):
        custody.lock.open(bytes(sealed) + signature)


def test_an_older_file_of_the_same_identity_still_opens() -> None:
    # SECURITY.md says so.
    custody = Custody.of_backend(FakeBackend())
    keys = keys_in(custody)
    older = custody.lock.seal(encode_keys(keys), keys)
    custody.lock.seal(encode_keys(replace(keys, owner_secret=Secret.random(32))), keys)
    assert decode_keys(custody.lock.open(older)) == keys


@pytest.mark.parametrize("left", [0, 1, 15])
def test_a_file_that_is_cut_in_its_tag_is_refused(left: int) -> None:
    lock = Custody.of_passphrase(Secret(b"passphrase")).lock
    content = lock.seal(b"", keys_in(Custody.of_passphrase(Secret(b"passphrase"))))
    with pytest.raises(WrongPassphrase):
        lock.open(content[: len(content) - 16 + left])


def test_files_of_other_kinds_and_versions_are_refused() -> None:
    backend = FakeBackend()
    lock = Custody.of_backend(backend).lock
    passphrase = Custody.of_passphrase(Secret(b"passphrase"))
    of_passphrase = passphrase.lock.seal(b"{}", keys_in(passphrase))
    of_backend = lock.seal(b"{}", keys_in(Custody.of_backend(backend)))
    assert backend_of(of_passphrase) is None
    with pytest.raises(KeystoreError, match="another backend"):
        lock.open(of_passphrase)
    with pytest.raises(KeystoreError, match="not by a passphrase"):
        passphrase.lock.open(of_backend)
    with pytest.raises(UnsupportedVersion, match="version 9"):
        backend_of(of_backend[:8] + b"\x09" + of_backend[9:])
    with pytest.raises(KeystoreError, match="not a keystore"):
        backend_of(b"something else entirely")
    with pytest.raises(InvalidArgument, match="recipient key"):
        lock.seal(b"{}", keys_in(passphrase))


@pytest.fixture
def argon2_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id at the cost that people pay; the other tests run at the smallest."""
    cost = []
    for name in ("OPSLIMIT_INTERACTIVE", "MEMLIMIT_INTERACTIVE"):
        cost.append(getattr(nacl.bindings, f"crypto_pwhash_argon2id_{name}"))
        monkeypatch.setattr(argon2id, name, cost[-1])
    monkeypatch.setitem(locks._COSTS, "interactive", tuple(cost))


@pytest.mark.usefixtures("argon2_as_it_is")
def test_a_planted_file_of_another_cost_or_content_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passphrase = Secret(b"passphrase")
    lock = PassphraseLock(passphrase)
    keys = keys_in(Custody.of_passphrase(passphrase))
    content = lock.seal(encode_keys(keys), keys)
    with pytest.raises(KeystoreError, match="cost"):
        lock.open(content[:9] + struct.pack(">IQ", 1, 1 << 13) + content[21:])
    with pytest.raises(KeystoreError, match="not a keystore"):
        lock.open(content[:20])
    for planted in (b"{}", b"[]", b"not JSON", b'{"identity_seed": 1}'):
        with pytest.raises(
            KeystoreError, match="the keystore's content cannot be read"
        ):
            decode_keys(planted)
    monkeypatch.setenv("SEALIFT_KEYSTORE_COST", "cheap")
    with pytest.raises(InvalidArgument, match="SEALIFT_KEYSTORE_COST"):
        lock.seal(b"{}", keys)


def test_no_switch_makes_a_keystore_that_is_cheap_to_guess(tmp_path: Path) -> None:
    """What the tests lower is in this folder of theirs, and nowhere in the product."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    seal = """
import sys
from sealift.keystore.locks import PassphraseLock
from sealift.process.secret import Secret
sys.stdout.buffer.write(PassphraseLock(Secret(b"passphrase")).seal(b"{}", None))
"""
    done = subprocess.run(
        [sys.executable, "-c", seal], env=environment, capture_output=True, check=True
    )
    assert struct.unpack(">IQ", done.stdout[9:21]) == (2, 64 << 20)


def test_what_a_fake_backend_holds_is_used_for_what_it_is() -> None:
    backend = FakeBackend()
    signs = backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    with pytest.raises(KeystoreError, match="signing key"):
        HeldPrivateKey(backend, signs, Unwrapped()).unwrap(bytes(113), b"context")
    held = backend.create(WrapSuite.P256, "recipient")
    odd = replace(held, algorithm=WrapSuite.X25519)
    with pytest.raises(KeyOperationUnsupported, match="P-256 or RSA"):
        HeldPrivateKey(backend, odd, Unwrapped()).unwrap(bytes(80), b"context")
    # HPKE would carry anything; only epoch keys are asked for.
    point = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), held.public_key
    )
    suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    wrapped = suite.encrypt(b"too short", point, info=b"context")
    with pytest.raises(WrongKey):
        HeldPrivateKey(backend, held, Unwrapped()).unwrap(wrapped, b"context")


def test_a_key_of_a_fake_backend_that_unwraps_something_else_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = FakeBackend()
    monkeypatch.setattr(HeldPrivateKey, "unwrap", lambda *_: Secret.random(32))
    with pytest.raises(KeystoreError, match="a different secret"):
        Custody.of_backend(backend).new_recipient_keys((WrapSuite.P256,), 0)
    assert backend.held_keys() == []


# --- where the passphrase comes from -------------------------------------------------------------


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No passphrase in the environment, and no terminal to ask at."""
    monkeypatch.delenv("SEALIFT_PASSPHRASE")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())


def test_a_passphrase_comes_from_a_descriptor_the_environment_or_a_credential(
    nowhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sealift-passphrase").write_text("from the manager\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_passphrase(fd=None, confirm=False) == Secret(b"from the manager")
    monkeypatch.setenv("SEALIFT_PASSPHRASE", "from the environment")
    assert read_passphrase(fd=None, confirm=False) == Secret(b"from the environment")
    reading, writing = os.pipe()
    os.write(writing, b"the old one\nand the new one\n")
    assert read_passphrase(fd=reading, confirm=False) == Secret(b"the old one")
    assert read_passphrase(fd=reading, confirm=True) == Secret(b"and the new one")
    os.close(reading)
    os.close(writing)
    with pytest.raises(KeystoreError, match="descriptor"):
        read_passphrase(fd=reading, confirm=False)


def test_a_passphrase_that_cannot_be_had_says_where_it_is_looked_for(
    nowhere: None,
) -> None:
    with pytest.raises(KeystoreError) as caught:
        read_passphrase("PIN of the token", fd=None, confirm=False)
    for place in ("--passphrase-fd", "SEALIFT_PASSPHRASE", "sealift-passphrase"):
        assert place in hint_of(caught.value)


def test_a_new_passphrase_is_not_taken_from_a_credential_and_not_short(
    nowhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sealift-passphrase").write_text("from the manager")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(KeystoreError):
        read_passphrase(fd=None, confirm=True)
    monkeypatch.setenv("SEALIFT_PASSPHRASE", "short")
    with pytest.raises(InvalidArgument, match="8 characters"):
        read_passphrase(fd=None, confirm=True)


def test_a_person_is_asked_by_what_is_wanted(
    nowhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked: list[str] = []
    answers = iter(["123456", "one of them", "the other one"])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(
        "getpass.getpass", lambda text: asked.append(text) or next(answers)
    )
    assert read_passphrase("PIN of the token", fd=None, confirm=False) == Secret(
        b"123456"
    )
    with pytest.raises(KeystoreError, match="do not match"):
        read_passphrase(fd=None, confirm=True)
    assert asked == [
        "PIN of the token: ",
        "passphrase of the keystore: ",
        "the same again: ",
    ]


def test_a_keystore_without_a_key_names_the_one_that_is_missing() -> None:
    document = json.loads(
        encode_keys(keys_in(Custody.of_passphrase(Secret(b"passphrase"))))
    )
    del document["identity_seed"]
    with pytest.raises(KeystoreError, match='the key "identity_seed" is missing'):
        decode_keys(json.dumps(document).encode())


def test_a_key_of_an_unknown_algorithm_is_refused() -> None:
    document = json.loads(encode_keys(keys_in(Custody.of_backend(FakeBackend()))))
    document["held"]["algorithm"] = "ed448"
    with pytest.raises(KeystoreError, match="an algorithm is not known"):
        decode_keys(json.dumps(document).encode())


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_a_certificate_that_cannot_be_read_is_named(content: bytes) -> None:
    with pytest.raises(ProfileError, match="the profile's certificate cannot be read"):
        expiry(content)
    with pytest.raises(ProfileError):
        life_left(content, datetime.now(UTC))
