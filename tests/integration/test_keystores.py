"""Keys that live elsewhere: the same contract for every backend, and members who use one."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

import sealift
from sealift.cli.main import cli
from sealift.keystore.backend import Backend, SignatureAlgorithm
from sealift.keystore.custody import Custody
from sealift.keystore.held import HeldPrivateKey, HeldSigningKey
from sealift.keystore.keychain import unlock
from sealift.keystore.registry import open_backend
from sealift.keystore.unwrapped import Unwrapped
from sealift.secret import Secret
from sealift.session import Session
from sealift_protocol.errors import (
    InvalidArgument,
    KeyNotFound,
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreUnavailable,
    SealiftError,
    WrongKey,
    WrongPin,
)
from sealift_protocol.objects import WrapSuite
from sealift_protocol.signatures import verify_signature

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "123456"
ROWS = pa.table({"id": range(100), "value": [n / 7 for n in range(100)]})


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a fresh SoftHSM token."""
    pkcs11 = pytest.importorskip("pkcs11")
    if not SOFTHSM.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed")
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\n"
        "log.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    monkeypatch.setenv("SEALIFT_PASSPHRASE", PIN)
    for label in ("hospital", "spare"):
        subprocess.run(
            [
                *("softhsm2-util", "--init-token", "--free", "--so-pin=87654321"),
                *(f"--label={label}", f"--pin={PIN}"),
            ],
            check=True,
            capture_output=True,
        )
    pkcs11.lib(str(SOFTHSM)).reinitialize()
    return f"pkcs11:token=hospital?module-path={SOFTHSM}"


def pin(_: str) -> Secret:
    return Secret(PIN.encode())


@pytest.fixture
def backend(token: str) -> Iterator[Backend]:
    opened = open_backend(token, pin)
    yield opened
    opened.close()


# --- the contract --------------------------------------------------------------------------------


def test_a_key_of_each_kind_signs_and_is_verified_by_anybody(backend: Backend) -> None:
    assert backend.signatures
    for algorithm in backend.signatures:
        key = HeldSigningKey(backend, backend.create(algorithm, "identity"))
        for message in (b"", b"message", b"m" * 100_000):
            verify_signature(key.public_key, message, key.sign(message))


def test_a_key_unwraps_what_was_wrapped_to_its_public_half_and_nothing_else(
    backend: Backend,
) -> None:
    held = backend.create(WrapSuite.P256, "recipient")
    key = HeldPrivateKey(backend, held, Unwrapped())
    secret = Secret.random(32)
    wrapped = key.recipient().wrap(secret, b"context")
    assert key.unwrap(wrapped, b"context") == secret
    changed = bytearray(wrapped)
    changed[-1] ^= 1
    other = HeldPrivateKey(backend, backend.create(WrapSuite.P256, "recipient"), Unwrapped())
    for refused in (
        lambda: key.unwrap(wrapped, b"another context"),
        lambda: key.unwrap(bytes(changed), b"context"),
        # A point that is not on the curve never reaches the token.
        lambda: key.unwrap(b"\x04" + bytes(64) + wrapped[65:], b"context"),
        lambda: key.unwrap(wrapped[:40], b"context"),
        lambda: other.unwrap(wrapped, b"context"),
    ):
        with pytest.raises(WrongKey):
            refused()


def test_keys_are_listed_until_they_are_destroyed(backend: Backend, token: str) -> None:
    made = {backend.create(SignatureAlgorithm.ED25519, "identity") for _ in range(2)}
    made.add(backend.create(WrapSuite.P256, "recipient"))
    again = open_backend(token, pin)
    assert set(again.held_keys()) == set(backend.held_keys()) == made
    gone = made.pop()
    again.destroy(gone)
    assert set(backend.held_keys()) == made
    use = backend.agree if isinstance(gone.algorithm, WrapSuite) else backend.sign
    with pytest.raises(KeyNotFound):
        use(gone, b"\x04" + bytes(64))
    again.close()


def test_keys_do_not_print_and_do_not_travel(backend: Backend) -> None:
    key = HeldSigningKey(backend, backend.create(SignatureAlgorithm.ED25519, "identity"))
    assert PIN not in repr(key) + repr(vars(backend)["_pin"])
    with pytest.raises((TypeError, RuntimeError)):
        pickle.dumps(key)


def test_an_algorithm_that_does_not_work_is_refused_and_leaves_no_key(backend: Backend) -> None:
    custody = Custody.of_backend(backend)
    with pytest.raises(KeyOperationUnsupported, match="MLKEM768_X25519"):
        custody.new_recipient_keys((WrapSuite.MLKEM768_X25519,), 0)
    # SoftHSM lists RSA-OAEP, and has it with SHA-1 alone.
    with pytest.raises(KeyOperationUnsupported, match="SHA-1"):
        custody.new_recipient_keys((WrapSuite.RSA_OAEP_SHA256,), 0)
    assert backend.held_keys() == []


# --- PKCS#11 -------------------------------------------------------------------------------------


def test_private_keys_cannot_be_taken_out_of_the_token(backend: Backend) -> None:
    import pkcs11

    backend.create(SignatureAlgorithm.ED25519, "identity")
    backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    backend.create(WrapSuite.P256, "recipient")
    with backend._session() as session:  # type: ignore[attr-defined]
        found = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
        assert len(found) == 3
        for key in found:
            assert key[pkcs11.Attribute.SENSITIVE]
            assert not key[pkcs11.Attribute.EXTRACTABLE]
            assert key[pkcs11.Attribute.NEVER_EXTRACTABLE]
            with pytest.raises(pkcs11.exceptions.AttributeSensitive):
                key[pkcs11.Attribute.VALUE]


def test_a_wrong_pin_is_named_and_tried_once(token: str) -> None:
    asked = []

    def ask(what: str) -> Secret:
        asked.append(what)
        return Secret(b"000000")

    with pytest.raises(WrongPin, match="PIN"):
        open_backend(token, ask)
    assert asked == ["PIN of the token"]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("pkcs11:token=elsewhere?module-path={so}", KeystoreUnavailable),
        ("pkcs11:token=hospital?module-path=/nowhere.so", KeystoreError),
        ("pkcs11:token=hospital", InvalidArgument),
        ("pkcs11:?module-path={so}", InvalidArgument),
        ("pkcs11:token=hospital?module-path={so}&pin-value=123456", InvalidArgument),
        ("pkcs11:token=hospital;object=x?module-path={so}", InvalidArgument),
        ("vault9:here", InvalidArgument),
        ("hospital", InvalidArgument),
    ],
)
def test_a_url_that_names_no_token_is_refused(token: str, url: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        open_backend(url.format(so=SOFTHSM), pin)
    assert "123456" not in str(caught.value)


def test_a_pin_may_lie_in_a_file(token: str, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(f"{PIN}\n")
    url = f"{token}&pin-source=file:{tmp_path / 'pin'}"
    opened = open_backend(url, lambda what: pytest.fail(f"asked for the {what}"))
    assert opened.held_keys() == []
    opened.close()
    with pytest.raises(InvalidArgument, match="cannot be read"):
        open_backend(f"{token}&pin-source=file:{tmp_path / 'none'}", pin)


def test_a_session_that_ended_is_opened_again(backend: Backend) -> None:
    import pkcs11

    key = HeldSigningKey(backend, backend.create(SignatureAlgorithm.ED25519, "identity"))
    # As if the token had been pulled and plugged in again.
    pkcs11.lib(str(SOFTHSM)).reinitialize()
    verify_signature(key.public_key, b"message", key.sign(b"message"))


def test_a_forked_process_uses_the_token_on_its_own(backend: Backend) -> None:
    key = HeldSigningKey(backend, backend.create(SignatureAlgorithm.ED25519, "identity"))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, key.sign(b"message"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        verify_signature(key.public_key, b"message", pipe.read())
    os.waitpid(child, 0)
    verify_signature(key.public_key, b"again", key.sign(b"again"))


# --- members -------------------------------------------------------------------------------------


@pytest.fixture
def member(relay, token: str) -> Iterator[Callable[[str, str], Session]]:
    """Joins somebody whose keys are in the token."""
    sessions = []

    def join(name: str, role: str) -> Session:
        custody = Custody.of_backend(open_backend(token, pin))
        sealift.join(relay.token(name, role), custody)
        custody.close()
        sessions.append(sealift.connect(name))
        return sessions[-1]

    yield join
    for session in sessions:
        session.close()


@pytest.fixture
def pair(member: Callable[[str, str], Session]) -> tuple[Session, Session]:
    hospital, laboratory = member("hospital", "owner"), member("laboratory", "trainer")
    hospital.trust("laboratory", str(laboratory.fingerprint))
    laboratory.trust("hospital", str(hospital.fingerprint))
    return hospital, laboratory


def test_members_with_keys_in_a_token_share_rotate_and_revoke(
    pair: tuple[Session, Session], relay
) -> None:
    hospital, laboratory = pair
    hospital.push(ROWS, dataset="study", to="laboratory")
    assert laboratory.open_dataset("hospital/study").to_table().equals(ROWS)
    rotated = laboratory.rotate_keys()
    assert (rotated.keys, rotated.rewrapped, rotated.destroyed) == (1, 1, 1)
    hospital.rotate("study", reseal_history=True)
    hospital.push(ROWS, dataset="study")
    assert laboratory.open_dataset("hospital/study").num_records == 200
    assert len(hospital.disclosures("study").lines) >= 1
    hospital.revoke("study", "laboratory")
    with pytest.raises(SealiftError):
        laboratory.open_dataset("hospital/study").to_table()
    old = hospital.fingerprint
    assert hospital.succeed() != old
    assert hospital.open_dataset("hospital/study").num_records == 200


def test_opening_costs_one_operation_a_key_epoch_however_many_shards(
    pair: tuple[Session, Session],
) -> None:
    hospital, _ = pair
    for number in range(12):
        if number in (4, 8):
            hospital.rotate("study")
        hospital.push(ROWS, dataset="study", to="laboratory")
    with sealift.connect("laboratory") as session:
        unwrapped = session._keychain.custody.unwrapped
        before = unwrapped.operations
        dataset = session.open_dataset("hospital/study", cache=None)
        assert dataset.num_shards == 12
        assert dataset.to_table().num_rows == 1200
        session.open_dataset("hospital/study", cache=None).to_table()
        assert unwrapped.operations - before == 3


def test_a_stolen_profile_is_worth_nothing_without_the_token(
    pair: tuple[Session, Session], token: str, profiles: Path
) -> None:
    hospital, _ = pair
    hospital.push(ROWS, dataset="study")
    stored = (profiles / "hospital" / "keystore").read_bytes()
    assert b"PRIVATE" not in stored
    other = open_backend(token.replace("hospital", "spare"), pin)
    with pytest.raises(KeystoreError):
        Custody.of_backend(other).lock.open(stored)
    other.close()
    backend = hospital._keychain.custody.backend
    assert backend is not None
    for key in backend.held_keys():
        backend.destroy(key)
    with pytest.raises(KeyNotFound):
        unlock(profiles / "hospital" / "keystore", pin)


def test_an_identity_of_p256_is_a_member_like_any_other(
    relay, laboratory: Session, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_backend(token, pin)
    backend.signatures = (SignatureAlgorithm.ECDSA_P256,)
    sealift.join(relay.token("clinic", "owner"), Custody.of_backend(backend))
    backend.close()
    with sealift.connect("clinic") as clinic:
        assert len(clinic._reader.identity.public_key) == 65
        clinic.trust("laboratory", str(laboratory.fingerprint))
        laboratory.trust("clinic", str(clinic.fingerprint))
        clinic.push(ROWS, dataset="study", to="laboratory")
        assert laboratory.open_dataset("clinic/study").to_table().equals(ROWS)
        # Its disclosures and bills verify, too.
        with clinic.open_dataset("clinic/study", cache=None) as own:
            own.to_table()
            bill = own.bill_of_materials()
        assert clinic.verify_bill(bill)
        assert [line.disclosure.signer for line in clinic.disclosures("study").lines]


def test_the_command_line_joins_lists_and_proves(relay, token: str) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == code, done.output
        return done.output

    assert "joined as hospital" in run(
        "join", relay.token("hospital", "owner"), "--keystore", token
    )
    listed = run("keystore", "ls")
    assert token in listed
    assert "identity   ed25519" in listed
    assert "recipient  p256" in listed
    assert "2 keys in pkcs11:" in run("keystore", "test")
    tried = json.loads(run("keystore", "test", token, "--json"))
    assert tried == {
        "ed25519": True,
        "ecdsa-p256": True,
        "p256": True,
        "rsa-oaep-sha256": False,
        "x25519": False,
        "mlkem768-x25519": False,
    }
    # What was tried left nothing behind.
    assert "not used here" not in run("keystore", "ls")
    done = CliRunner().invoke(cli, ["keystore", "passphrase"])
    assert isinstance(done.exception, InvalidArgument)
