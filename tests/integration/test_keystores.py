"""Keys that live elsewhere: the same contract for every backend, and members who use one."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from documents import data_of
from grpc.experimental import PrivateKeySignatureAlgorithm
from patience import PATIENCE, within
from places import DOCS, ROOT
from services.keystores import (
    PIN,
    ROOT_TOKEN,
    SOFTHSM,
    Place,
    empty_moto,
    empty_openbao,
    gcp_kms,
    key_vault,
    moto,
    openbao,
    softhsm,
)

import sealift
from sealift.cli.main import cli
from sealift.home.profile import Profile
from sealift.keystore.backend import Backend, HeldKey, SignatureAlgorithm
from sealift.keystore.custody import Custody
from sealift.keystore.encoding import encode_keys, held_document
from sealift.keystore.held import HeldPrivateKey, HeldSigningKey
from sealift.keystore.keychain import Keychain, unlock
from sealift.keystore.registry import open_backend
from sealift.keystore.tls import HeldTlsKey
from sealift.keystore.unwrapped import Unwrapped
from sealift.process.secret import Secret
from sealift.relay import connections
from sealift.relay.connections import Connection, RelayAccess
from sealift.relay.transport import Relay
from sealift.session import Session
from sealift.types import OwnKeys
from sealift_protocol.errors import (
    InvalidArgument,
    KeyDenied,
    KeyNotFound,
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreThrottled,
    KeystoreTimeout,
    KeystoreUnavailable,
    ProfileError,
    SealiftError,
    TokenRefused,
    WrongKey,
    WrongPin,
)
from sealift_protocol.objects.cards import WrapSuite
from sealift_protocol.signatures import verify_signature
from sealift_relay.cli import invite

ROWS = pa.table({"id": range(100), "value": [n / 7 for n in range(100)]})
PASSPHRASE = os.environ["SEALIFT_PASSPHRASE"]


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A fresh SoftHSM token; its PIN is in the environment."""
    made = softhsm(tmp_path, monkeypatch)
    monkeypatch.setenv("SEALIFT_PASSPHRASE", made.secret)
    return made


@pytest.fixture(scope="session")
def running_openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One OpenBao server, which takes half a second to start."""
    with openbao(tmp_path_factory.mktemp("openbao")) as place:
        yield place


@pytest.fixture(scope="session")
def running_moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One moto, which takes seconds to start."""
    monkeypatch = pytest.MonkeyPatch()
    with moto(tmp_path_factory.mktemp("moto"), monkeypatch) as place:
        monkeypatch.undo()
        yield place


@pytest.fixture(scope="session")
def running_taught_moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One moto that we taught to decrypt."""
    monkeypatch = pytest.MonkeyPatch()
    with moto(tmp_path_factory.mktemp("taught"), monkeypatch, taught=True) as place:
        monkeypatch.undo()
        yield place


@pytest.fixture
def server(running_openbao: Place) -> Place:
    """An OpenBao server without keys."""
    return empty_openbao(running_openbao)


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Place]:
    """An OpenBao server that was not set up."""
    with openbao(tmp_path) as place:
        yield place


@pytest.fixture(
    params=[
        "softhsm",
        "openbao",
        "aws_kms_of_moto",
        "aws_kms_of_moto_taught_to_decrypt",
        "gcp_kms_of_a_fake_server",
        "azure_key_vault_of_a_fake_server",
    ]
)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Each kind of place in turn."""

    def shared(fixture: str, empty: Callable[..., Place], *more: object) -> Any:
        return contextlib.nullcontext(empty(request.getfixturevalue(fixture), *more))

    with {
        "softhsm": lambda: contextlib.nullcontext(softhsm(tmp_path, monkeypatch)),
        "openbao": lambda: shared("running_openbao", empty_openbao),
        "aws_kms_of_moto": lambda: shared("running_moto", empty_moto, monkeypatch),
        "aws_kms_of_moto_taught_to_decrypt": lambda: shared(
            "running_taught_moto", empty_moto, monkeypatch
        ),
        "gcp_kms_of_a_fake_server": gcp_kms,
        "azure_key_vault_of_a_fake_server": lambda: key_vault(tmp_path, monkeypatch),
    }[request.param]() as found:
        yield found


@pytest.fixture
def backend(place: Place) -> Iterator[Backend]:
    opened = place.open()
    yield opened
    opened.close()


@pytest.fixture
def of_token(token: Place) -> Iterator[Backend]:
    opened = token.open()
    yield opened
    opened.close()


@pytest.fixture
def plain_moto(request: pytest.FixtureRequest, place: Place) -> bool:
    """Whether the place is moto as it comes, which does less than Amazon's service."""
    return bool(request.node.callspec.params["place"] == "aws_kms_of_moto")


# --- the contract --------------------------------------------------------------------------------


def test_a_key_of_each_kind_signs_and_is_verified_by_anybody(
    backend: Backend, plain_moto: bool
) -> None:
    assert backend.signatures
    for algorithm in backend.signatures:
        key = HeldSigningKey(backend, backend.create(algorithm, "identity"))
        verify_signature(key.public_key, b"m", key.sign(b"m"))
        if plain_moto:
            # It hashes a digest once more, which Amazon's service does not.
            continue
        verify_signature(key.public_key, b"m" * 100_000, key.sign(b"m" * 100_000))


def test_a_forked_process_and_its_parent_use_a_place_at_the_same_time(
    backend: Backend,
) -> None:
    key = HeldSigningKey(backend, backend.create(backend.signatures[0], "identity"))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for number in range(20):
                os.write(writing, key.sign(bytes([number])))
        finally:
            os._exit(0)
    os.close(writing)
    for number in range(20, 40):
        verify_signature(key.public_key, bytes([number]), key.sign(bytes([number])))
    with os.fdopen(reading, "rb") as pipe:
        signatures = pipe.read()
    os.waitpid(child, 0)
    assert len(signatures) == 20 * 64
    for number in range(20):
        signature = signatures[number * 64 : (number + 1) * 64]
        verify_signature(key.public_key, bytes([number]), signature)


def test_a_key_unwraps_what_was_wrapped_to_its_public_half_and_nothing_else(
    backend: Backend, plain_moto: bool
) -> None:
    if plain_moto:
        pytest.skip(
            "moto refuses to decrypt with RSA; see the test with the SDK's stubs"
        )
    suite = backend.suites[0]
    held = backend.create(suite, "recipient")
    key = HeldPrivateKey(backend, held, Unwrapped())
    secret = Secret.random(32)
    wrapped = key.recipient().wrap(secret, b"context")
    assert key.unwrap(wrapped, b"context") == secret
    changed = bytearray(wrapped)
    changed[-1] ^= 1
    other = HeldPrivateKey(backend, backend.create(suite, "recipient"), Unwrapped())
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


def test_keys_are_listed_until_they_are_destroyed(
    backend: Backend, place: Place, plain_moto: bool
) -> None:
    made = {backend.create(backend.signatures[0], "identity") for _ in range(2)}
    made.add(backend.create(backend.suites[0], "recipient"))
    again = place.open()
    assert set(again.held_keys()) == set(backend.held_keys()) == made
    gone = next(key for key in made if isinstance(key.algorithm, SignatureAlgorithm))
    again.destroy(gone)
    assert set(backend.held_keys()) == made - {gone}
    if not plain_moto:
        # moto signs with keys that wait for deletion, which Amazon's service does not.
        with pytest.raises(KeyNotFound):
            backend.sign(gone, b"message")
    again.close()
    other = place.open(place.other)
    assert other.held_keys() == []
    other.close()


def test_keys_do_not_print_and_do_not_travel(backend: Backend, place: Place) -> None:
    key = HeldSigningKey(backend, backend.create(backend.signatures[0], "identity"))
    if place.secret:
        assert place.secret not in repr(key) + repr(vars(backend))
    with pytest.raises((TypeError, RuntimeError)):
        pickle.dumps(key)


def test_nothing_that_opens_keys_or_records_is_logged(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    # Of all libraries, too.
    caplog.set_level(logging.DEBUG)
    backend = place.open()
    secret, message = Secret.random(32), b"planted message"
    key = HeldSigningKey(backend, backend.create(backend.signatures[0], "identity"))
    key.sign(message)
    held = HeldPrivateKey(
        backend, backend.create(backend.suites[0], "recipient"), Unwrapped()
    )
    with contextlib.suppress(WrongKey):
        # moto refuses; the others unwrap.
        held.unwrap(held.recipient().wrap(secret, b"context"), b"context")
    backend.close()
    for planted in (secret.reveal(), message, place.secret.encode()):
        for shown in (
            repr(planted)[2:-1],
            planted.hex(),
            base64.b64encode(planted).decode(),
        ):
            assert not shown or shown not in caplog.text


def test_a_suite_that_a_place_does_not_have_is_refused(backend: Backend) -> None:
    with pytest.raises(KeyOperationUnsupported, match="MLKEM768_X25519"):
        Custody.of_backend(backend).new_recipient_keys((WrapSuite.MLKEM768_X25519,), 0)
    for use in (backend.agree, backend.decrypt):
        with pytest.raises((KeyOperationUnsupported, KeystoreError, WrongKey)):
            use(backend.create(backend.signatures[0], "identity"), b"\x04" + bytes(64))
    with pytest.raises(KeyOperationUnsupported):
        backend.sign(backend.create(backend.suites[0], "recipient"), b"message")


def test_aws_kms_unwraps_and_signs_what_is_long_by_the_sdks_stubs() -> None:
    boto3 = pytest.importorskip("boto3")
    from botocore.stub import Stubber

    from sealift.keystore.backends.awskms import AwsKmsBackend

    client = boto3.client(
        "kms",
        region_name="eu-central-1",
        aws_access_key_id="t",
        aws_secret_access_key="t",
    )
    private = rsa.generate_private_key(65537, 3072)
    info = private.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    held = HeldKey("key", "alias/sealift-recipient-1", WrapSuite.RSA_OAEP_SHA256, info)
    key = HeldPrivateKey(
        AwsKmsBackend("awskms:eu-central-1", lambda: client), held, Unwrapped(seconds=0)
    )
    secret = Secret.random(32)
    wrapped = key.recipient().wrap(secret, b"context")
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), label=None)
    asked = {
        "KeyId": "key",
        "CiphertextBlob": wrapped[:384],
        "EncryptionAlgorithm": "RSAES_OAEP_SHA_256",
    }
    with Stubber(client) as stub:
        for code, error in (
            ("InvalidCiphertextException", WrongKey),
            ("NotFoundException", KeyNotFound),
            ("AccessDeniedException", KeyDenied),
            ("UnsupportedOperationException", KeystoreError),
        ):
            stub.add_client_error("decrypt", code)
            with pytest.raises(error):
                key.unwrap(wrapped, b"context")
        stub.add_client_error("decrypt", "ThrottlingException")
        stub.add_response(
            "decrypt", {"Plaintext": private.decrypt(wrapped[:384], oaep)}, asked
        )
        assert key.unwrap(wrapped, b"context") == secret
        stub.add_response(
            "sign",
            {
                "Signature": ec.generate_private_key(ec.SECP256R1()).sign(
                    b"", ec.ECDSA(SHA256())
                )
            },
            {
                "KeyId": "key",
                "Message": hashlib.sha256(b"m" * 4097).digest(),
                "MessageType": "DIGEST",
                "SigningAlgorithm": "ECDSA_SHA_256",
            },
        )
        signs = HeldKey(
            "key", "alias/sealift-identity-1", SignatureAlgorithm.ECDSA_P256, b""
        )
        assert len(key.backend.sign(signs, b"m" * 4097)) == 64
        stub.assert_no_pending_responses()


# --- clouds, of which the servers are ours -------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealift.keystore.held._FIRST_DELAY", 0.01)


@pytest.fixture
def google() -> Iterator[tuple[Any, Backend]]:
    """A fake of Google Cloud KMS, and a ring of it that is open."""
    pytest.importorskip("google.cloud.kms_v1")
    from fakes import gcpkms as fake_gcpkms

    service = fake_gcpkms.Service()
    with gcp_kms(service) as place:
        opened = place.open()
        yield service, opened
        opened.close()


@pytest.fixture
def vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, Backend]]:
    """A fake of Azure Key Vault, and its vault, open."""
    pytest.importorskip("azure.keyvault.keys")
    from fakes import keyvault as fake_keyvault

    service = fake_keyvault.Service()
    with key_vault(tmp_path, monkeypatch, service) as place:
        opened = place.open()
        yield service, opened
        opened.close()


class FaultsOfAws:
    """Answers some calls itself, as AWS does when it refuses, before they are sent to moto."""

    def __init__(self, backend: Backend) -> None:
        self.faults: list[Any] = []
        self.calls: list[str] = []
        client = backend._clients.get()  # type: ignore[attr-defined]
        client.meta.events.register("before-send.kms", self.answer)

    def answer(self, request: Any, event_name: str, **_: object) -> Any:
        from botocore.awsrequest import AWSResponse

        self.calls.append(event_name)
        if not self.faults:
            return None
        fault = self.faults.pop(0)
        if isinstance(fault, Exception):
            raise fault
        code, status = fault
        body = json.dumps(
            {"__type": code, "message": "planted text of the service"}
        ).encode()
        raw = SimpleNamespace(stream=lambda: [body])
        return AWSResponse(
            request.url, status, {"Content-Type": "application/x-amz-json-1.1"}, raw
        )


@pytest.fixture
def taught_moto(running_taught_moto: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A moto that we taught to decrypt, without keys."""
    return empty_moto(running_taught_moto, monkeypatch)


@pytest.fixture
def aws(taught_moto: Place) -> Iterator[tuple[FaultsOfAws, Backend]]:
    """What AWS refuses, and a region of such a moto, open and empty."""
    opened = taught_moto.open()
    for held in opened.held_keys():
        opened.destroy(held)
    yield FaultsOfAws(opened), opened
    opened.close()


PASSING = (KeystoreUnavailable, KeystoreThrottled, KeystoreTimeout)


def check_fault(
    service: Any, backend: Backend, fault: object, error: type[KeystoreError]
) -> None:
    """One fault is named; what passes is tried again, and what does not is tried once."""
    signing = HeldSigningKey(
        backend, backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    )
    signing.sign(b"message")
    service.faults.append(fault)
    with pytest.raises(KeystoreError) as caught:
        backend.sign(signing.held, b"message")
    assert type(caught.value) is error
    assert "planted" not in str(caught.value) + str(caught.value.__cause__)
    assert caught.value.__suppress_context__
    service.faults += [fault] * 3
    service.calls.clear()
    if error in PASSING:
        verify_signature(signing.public_key, b"message", signing.sign(b"message"))
        assert len(service.calls) == 4
        service.faults += [fault] * 4
    with pytest.raises(error):
        signing.sign(b"message")
    assert len(service.calls) == (8 if error in PASSING else 1)
    # Nothing else that a member does says it otherwise.
    for use in (
        backend.held_keys,
        lambda: backend.create(WrapSuite.RSA_OAEP_SHA256, "recipient"),
        lambda: backend.destroy(signing.held),
    ):
        service.faults[:] = [fault]
        with pytest.raises(error):
            use()
    service.faults.clear()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("RESOURCE_EXHAUSTED", KeystoreThrottled),
        ("UNAVAILABLE", KeystoreUnavailable),
        ("INTERNAL", KeystoreUnavailable),
        ("ABORTED", KeystoreUnavailable),
        ("DEADLINE_EXCEEDED", KeystoreTimeout),
        ("PERMISSION_DENIED", KeyDenied),
        ("UNAUTHENTICATED", KeyDenied),
        ("NOT_FOUND", KeyNotFound),
        ("FAILED_PRECONDITION", KeyNotFound),
        ("INVALID_ARGUMENT", KeystoreError),
    ],
)
def test_what_google_cloud_kms_refuses_is_named_and_tried_again_if_it_may_pass(
    google: tuple[Any, Backend], impatient: None, fault: str, error: type[KeystoreError]
) -> None:
    check_fault(*google, fault, error)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (429, KeystoreThrottled),
        (500, KeystoreUnavailable),
        (503, KeystoreUnavailable),
        (408, KeystoreTimeout),
        (504, KeystoreTimeout),
        (401, KeyDenied),
        (403, KeyDenied),
        (404, KeyNotFound),
        (400, KeystoreError),
        (409, KeystoreError),
    ],
)
def test_what_azure_key_vault_refuses_is_named_and_tried_again_if_it_may_pass(
    vault: tuple[Any, Backend], impatient: None, fault: int, error: type[KeystoreError]
) -> None:
    check_fault(*vault, fault, error)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (("ThrottlingException", 400), KeystoreThrottled),
        (("KMSInternalException", 500), KeystoreUnavailable),
        (("DependencyTimeoutException", 503), KeystoreUnavailable),
        (("KeyUnavailableException", 500), KeystoreUnavailable),
        (("ServiceUnavailableException", 503), KeystoreUnavailable),
        (("AccessDeniedException", 400), KeyDenied),
        (("ExpiredTokenException", 400), KeyDenied),
        (("InvalidSignatureException", 400), KeyDenied),
        (("NotFoundException", 400), KeyNotFound),
        (("KMSInvalidStateException", 400), KeyNotFound),
        (("LimitExceededException", 400), KeystoreError),
        (("ValidationException", 400), KeystoreError),
        ("NoCredentialsError", KeyDenied),
        ("UnauthorizedSSOTokenError", KeyDenied),
        ("ReadTimeoutError", KeystoreTimeout),
        ("ConnectTimeoutError", KeystoreTimeout),
        ("EndpointConnectionError", KeystoreUnavailable),
        ("ConnectionClosedError", KeystoreUnavailable),
        ("SSLError", KeystoreError),
        ("NoRegionError", KeystoreError),
    ],
)
def test_what_aws_kms_of_moto_refuses_is_named_and_tried_again_if_it_may_pass(
    aws: tuple[FaultsOfAws, Backend],
    impatient: None,
    fault: Any,
    error: type[KeystoreError],
) -> None:
    if isinstance(fault, str):
        from botocore import exceptions

        fault = getattr(exceptions, fault)(endpoint_url="planted", error="planted")
    check_fault(*aws, fault, error)


def test_a_key_of_moto_that_an_administrator_took_away_leaves_the_others(
    aws: tuple[FaultsOfAws, Backend],
) -> None:
    _, backend = aws
    gone = backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    there = backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    client = backend._clients.get()  # type: ignore[attr-defined]
    client.schedule_key_deletion(KeyId=gone.reference, PendingWindowInDays=7)
    assert backend.held_keys() == [there]
    with pytest.raises(KeyNotFound):
        backend.sign(gone, b"message")


@pytest.mark.parametrize("step", ["GetPublicKey", "CreateAlias"])
def test_a_key_of_moto_that_gets_no_alias_is_not_left_over(
    aws: tuple[FaultsOfAws, Backend], step: str
) -> None:
    service, backend = aws
    client = backend._clients.get()  # type: ignore[attr-defined]
    before = len(client.list_keys()["Keys"])

    def deny(event_name: str, **_: object) -> None:
        if event_name.endswith(step):
            service.faults.append(("AccessDeniedException", 400))

    client.meta.events.register_first("before-send.kms", deny)
    with pytest.raises(KeyDenied):
        backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    made = [
        client.describe_key(KeyId=key["KeyId"]) for key in client.list_keys()["Keys"]
    ]
    assert len(made) == before + 1
    assert all(key["KeyMetadata"]["KeyState"] == "PendingDeletion" for key in made)


def unwrapping_key(backend: Backend) -> tuple[HeldPrivateKey, bytes]:
    held = backend.create(WrapSuite.RSA_OAEP_SHA256, "recipient")
    key = HeldPrivateKey(backend, held, Unwrapped(seconds=0))
    wrapped = key.recipient().wrap(Secret.random(32), b"context")
    key.unwrap(wrapped, b"context")
    return key, wrapped


def test_a_key_of_google_that_is_disabled_is_gone_and_not_wrong(
    google: tuple[Any, Backend],
) -> None:
    service, backend = google
    key, wrapped = unwrapping_key(backend)
    service.faults = ["FAILED_PRECONDITION"]
    with pytest.raises(KeyNotFound):
        key.unwrap(wrapped, b"context")
    service.faults = ["INVALID_ARGUMENT"]
    with pytest.raises(WrongKey):
        key.unwrap(wrapped, b"context")


@pytest.mark.parametrize("cloud", ["google", "vault"])
def test_a_service_that_does_not_answer_in_time_is_named(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cloud: str
) -> None:
    module = {"google": "gcpkms", "vault": "azurekeyvault"}[cloud]
    monkeypatch.setattr(f"sealift.keystore.backends.{module}._SECONDS", 0.5)
    service, backend = request.getfixturevalue(cloud)
    key = backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    backend.sign(key, b"message")
    service.delay = 1.0
    with pytest.raises(KeystoreTimeout):
        backend.sign(key, b"message")


def test_servers_of_clouds_that_are_gone_are_named_after_a_few_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    for name in ("google.cloud.kms_v1", "azure.keyvault.keys"):
        pytest.importorskip(name)
    for place in (gcp_kms(), key_vault(tmp_path, monkeypatch)):
        with place as open_place:
            backend = open_place.open()
            key = HeldSigningKey(
                backend, backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
            )
            key.sign(b"message")
        with pytest.raises(KeystoreUnavailable, match="cannot be reached"):
            key.sign(b"message")
        backend.close()


def test_google_generates_keys_after_the_call_and_is_waited_for_within_bounds(
    google: tuple[Any, Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, backend = google
    monkeypatch.setattr("sealift.keystore.backends.gcpkms._FIRST_WAIT", 0.001)
    service.pending = 5
    key = HeldSigningKey(
        backend, backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    )
    verify_signature(key.public_key, b"message", key.sign(b"message"))
    monkeypatch.setattr("sealift.keystore.backends.gcpkms._MADE_WITHIN", 0.01)
    service.pending = 1_000_000
    with pytest.raises(KeystoreTimeout, match="did not make a key in time"):
        backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    # What is not there yet is not listed.
    assert backend.held_keys() == [key.held]


def test_google_makes_keys_in_an_hsm_unless_it_is_told_otherwise() -> None:
    kms = pytest.importorskip("google.cloud.kms_v1")
    from fakes import gcpkms as fake_gcpkms

    service = fake_gcpkms.Service()
    with gcp_kms(service) as place:
        for url in (place.url, place.other):
            backend = place.open(url)
            backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
            backend.close()
    levels = [key.version_template.protection_level for key in service.keys.values()]
    assert levels == [kms.ProtectionLevel.HSM, kms.ProtectionLevel.SOFTWARE]


def test_keys_of_others_in_the_same_ring_are_not_listed(
    google: tuple[Any, Backend],
) -> None:
    service, backend = google
    own, other = (
        backend.create(SignatureAlgorithm.ECDSA_P256, "identity") for _ in range(2)
    )
    for name, key in service.keys.items():
        if other.reference.startswith(name):
            key.labels = {"team": "sealift"}
    assert backend.held_keys() == [own]


def test_keys_of_others_in_the_same_vault_are_not_listed(
    vault: tuple[Any, Backend],
) -> None:
    service, backend = vault
    own, other, disabled = (
        backend.create(SignatureAlgorithm.ECDSA_P256, "identity") for _ in range(3)
    )
    service.keys[other.label][0].tags = {"team": "sealift"}
    service.keys[disabled.label][0].enabled = False
    assert backend.held_keys() == [own]


def test_a_vault_that_rotates_keys_by_itself_takes_none_away(
    vault: tuple[Any, Backend],
) -> None:
    service, backend = vault
    own = backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    first = service.keys[own.label][0]
    asked = {"kty": "EC", "crv": "P-256", "key_ops": first.key_ops, "tags": first.tags}
    service.create(own.label, asked)
    assert backend.held_keys() == [own]
    verify_signature(own.public_key, b"message", backend.sign(own, b"message"))


@pytest.mark.parametrize(
    ("level", "may_purge", "kept"),
    [
        ("Recoverable+Purgeable", True, False),
        ("Recoverable+Purgeable", False, True),
        ("Recoverable", True, True),
    ],
)
def test_a_destroyed_key_is_purged_where_the_vault_allows_it(
    vault: tuple[Any, Backend], level: str, may_purge: bool, kept: bool
) -> None:
    service, backend = vault
    service.recovery_level, service.may_purge = level, may_purge
    key = backend.create(SignatureAlgorithm.ECDSA_P256, "identity")
    backend.destroy(key)
    assert backend.held_keys() == []
    assert (key.label in service.deleted) is kept
    with pytest.raises(KeyNotFound):
        backend.sign(key, b"message")


def test_a_vault_makes_keys_in_an_hsm_if_it_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("azure.keyvault.keys")
    from fakes import keyvault as fake_keyvault

    service = fake_keyvault.Service()
    with key_vault(tmp_path, monkeypatch, service) as place:
        backend = place.open(f"{place.url}?hsm=true")
        made = [
            backend.create(algorithm, "test")
            for algorithm in (SignatureAlgorithm.ECDSA_P256, WrapSuite.RSA_OAEP_SHA256)
        ]
        assert set(backend.held_keys()) == set(made)
        backend.close()
    assert {versions[0].kty for versions in service.keys.values()} == {
        "EC-HSM",
        "RSA-HSM",
    }


def test_a_place_that_asks_for_the_token_of_another_vault_gets_none(
    vault: tuple[Any, Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, backend = vault
    service.resource = "https://vault.azure.net"
    with pytest.raises(KeystoreError, match="not a key vault"):
        backend.held_keys()
    assert service.tokens == 0


def test_without_credentials_a_cloud_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("google.cloud.kms_v1", "azure.keyvault.keys"):
        pytest.importorskip(name)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(KeyDenied, match="no Google credentials"):
        open_backend("gcpkms:projects/p/locations/l/keyRings/r", lambda _: Secret(b"x"))
    with key_vault(tmp_path, monkeypatch) as place:
        monkeypatch.setenv("IDENTITY_HEADER", "of-another-machine")
        backend = place.open()
        with pytest.raises(KeyDenied, match="no Azure credentials"):
            backend.held_keys()
        backend.close()


def test_what_google_decrypts_is_not_logged_even_where_its_log_is_at_debug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("google.cloud.kms_v1")
    name = "google.cloud.kms_v1.services.key_management_service.transports.rest"
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(caplog.handler)
    try:
        with gcp_kms() as place:
            backend = place.open()
            unwrapping_key(backend)
            backend.close()
        assert caplog.text == ""
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(before)


# --- OpenBao -------------------------------------------------------------------------------------


def test_a_token_that_the_server_does_not_know_is_named(server: Place) -> None:
    with pytest.raises(WrongPin, match="refused the login"):
        open_backend(server.url, lambda _: Secret(b"another-token"))


def test_an_app_role_logs_in_renews_and_logs_in_again(fresh_server: Place) -> None:
    import hvac

    address = fresh_server.url.removeprefix("openbao:")
    root = hvac.Client(url=address, token=fresh_server.secret)
    root.sys.create_or_update_policy(
        "member",
        'path "transit/*" { capabilities = ["create","read","update","delete","list"] }',
    )
    root.sys.enable_auth_method("approle")
    root.auth.approle.create_or_update_approle(
        "hospital", token_policies=["member"], token_ttl="1h"
    )
    role = root.auth.approle.read_role_id("hospital")["data"]["role_id"]
    secret = root.auth.approle.generate_secret_id("hospital")["data"]["secret_id"]
    url = f"{fresh_server.url}?role-id={role}"
    with pytest.raises(WrongPin):
        open_backend(url, lambda _: Secret(b"wrong"))
    asked = []
    backend = open_backend(
        url, lambda what: asked.append(what) or Secret(secret.encode())
    )
    assert asked == ["secret id of the AppRole"]
    key = HeldSigningKey(
        backend, backend.create(SignatureAlgorithm.ED25519, "identity")
    )
    login = backend._logins.get()  # type: ignore[attr-defined]
    first = login.client.token
    # Half of the login's life is over.
    login.renew_at = 0.0
    verify_signature(key.public_key, b"message", key.sign(b"message"))
    assert login.renew_at > 0
    assert login.client.token == first
    root.auth.token.revoke(first)
    verify_signature(key.public_key, b"message", key.sign(b"message"))
    assert login.client.token != first
    # What the policy does not allow is reported.
    root.sys.create_or_update_policy(
        "member", 'path "transit/keys/*" { capabilities = ["read"] }'
    )
    with pytest.raises(KeyDenied):
        key.sign(b"message")
    backend.close()


@pytest.mark.parametrize(
    "algorithm", [SignatureAlgorithm.ED25519, SignatureAlgorithm.ECDSA_P256]
)
def test_a_server_that_rotates_keys_by_itself_takes_none_away(
    server: Place, algorithm: SignatureAlgorithm
) -> None:
    import hvac

    root = hvac.Client(url=server.url.partition(":")[2], token=ROOT_TOKEN)
    backend = server.open()
    signs = backend.create(algorithm, "identity")
    key, wrapped = unwrapping_key(backend)
    for held in (signs, key.held):
        root.secrets.transit.rotate_key(held.reference)
    assert sorted(held.reference for held in backend.held_keys()) == sorted(
        (signs.reference, key.held.reference)
    )
    assert {held.public_key for held in backend.held_keys()} == {
        signs.public_key,
        key.held.public_key,
    }
    verify_signature(signs.public_key, b"message", backend.sign(signs, b"message"))
    key.unwrap(wrapped, b"context")
    # One whose first version it does not have any more leaves the other.
    root.secrets.transit.update_key_configuration(
        signs.reference, min_decryption_version=2
    )
    assert [held.reference for held in backend.held_keys()] == [key.held.reference]
    backend.close()


def test_a_server_that_is_gone_is_named_after_a_few_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealift.keystore.held._FIRST_DELAY", 0.01)
    with openbao(tmp_path) as place:
        backend = place.open()
        key = HeldSigningKey(
            backend, backend.create(SignatureAlgorithm.ED25519, "identity")
        )
    with pytest.raises(KeystoreUnavailable, match="cannot be reached"):
        key.sign(b"message")


@pytest.mark.parametrize(
    "url",
    [
        "openbao:http://bao.example:8200",
        "openbao:https://name:password@bao.example",
        "openbao:https://bao.example?token=abc",
        "openbao:",
        "awskms:",
        "awskms:eu-central-1?secret=abc",
        "awskms:eu-central-1?endpoint=",
        "awskms:eu-central-1?endpoint=http://kms.example",
        "awskms:eu-central-1?endpoint=https://abc@kms.example",
        "awskms:eu-central-1?endpoint=https://kms.example/abc",
        "gcpkms:",
        "gcpkms:projects/p/locations/l",
        "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/abc",
        "gcpkms:projects/p/locations/l/keyRings/r?credentials=abc",
        "gcpkms:projects/p/locations/l/keyRings/r?protection=abc",
        "gcpkms:projects/p/locations/l/keyRings/r?protection=",
        "gcpkms:projects/p/locations/l/keyRings/r?endpoint=",
        "gcpkms:projects/p/locations/l/keyRings/r?endpoint=http://kms.example",
        "gcpkms:projects/p/locations/l/keyRings/r?endpoint=https://kms.example",
        "gcpkms:projects/p/locations/l/keyRings/r?endpoint=https://evilgoogleapis.com",
        "gcpkms:projects/p/locations/l/keyRings/r?endpoint=https://abc@kms.googleapis.com",
        "gcpkms:projects/p/locations/l/keyRings/r?endpoint=https://kms.example/.googleapis.com",
        "azurekeyvault:",
        "azurekeyvault:hospital.vault.azure.net",
        "azurekeyvault:http://127.0.0.1:8200",
        "azurekeyvault:https://name:abc@hospital.vault.azure.net",
        "azurekeyvault:https://hospital.vault.azure.net/keys/abc",
        "azurekeyvault:https://hospital.vault.azure.net?client-secret=abc",
        "azurekeyvault:https://hospital.vault.azure.net?hsm=abc",
    ],
)
def test_a_url_of_a_server_that_cannot_be_used_is_refused(url: str) -> None:
    for package in ("hvac", "boto3", "google.cloud.kms_v1", "azure.keyvault.keys"):
        pytest.importorskip(package)
    with pytest.raises(InvalidArgument) as caught:
        open_backend(url, lambda _: Secret(b"x"))
    assert "abc" not in str(caught.value)


# --- PKCS#11 -------------------------------------------------------------------------------------


def test_private_keys_cannot_be_taken_out_of_the_token(of_token: Backend) -> None:
    import pkcs11

    of_token.create(SignatureAlgorithm.ED25519, "identity")
    of_token.create(SignatureAlgorithm.ECDSA_P256, "identity")
    of_token.create(WrapSuite.P256, "recipient")
    with of_token._session() as session:  # type: ignore[attr-defined]
        found = list(
            session.get_objects(
                {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
            )
        )
        assert len(found) == 3
        for key in found:
            assert key[pkcs11.Attribute.SENSITIVE]
            assert not key[pkcs11.Attribute.EXTRACTABLE]
            assert key[pkcs11.Attribute.NEVER_EXTRACTABLE]
            with pytest.raises(pkcs11.exceptions.AttributeSensitive):
                key[pkcs11.Attribute.VALUE]


def test_keys_of_others_on_the_same_token_are_not_listed(of_token: Backend) -> None:
    import pkcs11

    own = of_token.create(SignatureAlgorithm.ECDSA_P256, "identity")
    with of_token._session() as session:  # type: ignore[attr-defined]
        for label in ("payroll", "sealift-payroll", None):
            session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label=label)
    assert of_token.held_keys() == [own]


def test_a_member_whom_the_relay_refuses_leaves_no_key(relay, token: Place) -> None:
    invitation = relay.token("hospital", "owner")
    for number in range(2):
        backend = token.open()
        with contextlib.suppress(TokenRefused):
            sealift.join(
                invitation, Custody.of_backend(backend), profile_name=f"p{number}"
            )
        assert len(backend.held_keys()) == 2
        backend.close()


def test_a_pin_that_is_wrong_later_is_not_tried_again_and_again(
    of_token: Backend,
) -> None:
    import pkcs11

    key = HeldSigningKey(
        of_token, of_token.create(SignatureAlgorithm.ED25519, "identity")
    )
    of_token._pin = Secret(b"000000")  # type: ignore[attr-defined]
    pkcs11.lib(str(SOFTHSM)).reinitialize()
    tried = []
    honest = of_token._token  # type: ignore[attr-defined]

    class Counting:
        def open(self, **options: object) -> object:
            tried.append(options.get("user_pin"))
            return honest().open(**options)

    of_token._token = Counting  # type: ignore[attr-defined]
    for _ in range(3):
        with pytest.raises(WrongPin):
            key.sign(b"message")
    assert tried == ["000000"]


def test_a_wrong_pin_is_named_and_tried_once(token: Place) -> None:
    asked = []

    def ask(what: str) -> Secret:
        asked.append(what)
        return Secret(b"000000")

    with pytest.raises(WrongPin, match="PIN"):
        open_backend(token.url, ask)
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
def test_a_url_that_names_no_token_is_refused(
    token: Place, url: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        open_backend(url.format(so=SOFTHSM), token.ask)
    assert "123456" not in str(caught.value)


def test_a_pin_may_lie_in_a_file(token: Place, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(f"{PIN}\n")
    url = f"{token.url}&pin-source=file:{tmp_path / 'pin'}"
    opened = open_backend(url, lambda what: pytest.fail(f"asked for the {what}"))
    assert opened.held_keys() == []
    opened.close()
    with pytest.raises(InvalidArgument, match="cannot be read"):
        open_backend(f"{token.url}&pin-source=file:{tmp_path / 'none'}", token.ask)


def test_a_session_that_ended_is_opened_again(of_token: Backend) -> None:
    import pkcs11

    key = HeldSigningKey(
        of_token, of_token.create(SignatureAlgorithm.ED25519, "identity")
    )
    # As if the token had been pulled and plugged in again.
    pkcs11.lib(str(SOFTHSM)).reinitialize()
    verify_signature(key.public_key, b"message", key.sign(b"message"))


# --- members -------------------------------------------------------------------------------------


@pytest.fixture
def member(relay, token: Place) -> Iterator[Callable[[str, str], Session]]:
    """Joins a member whose keys are in the token."""
    sessions = []

    def join(name: str, role: str) -> Session:
        custody = Custody.of_backend(token.open())
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
    rotated = laboratory.keys.rotate()
    assert (rotated.keys, rotated.rewrapped, rotated.destroyed) == (1, 1, 1)
    hospital.dataset("study").rotate(reseal=True)
    hospital.push(ROWS, dataset="study")
    assert laboratory.open_dataset("hospital/study").num_records == 200
    assert len(hospital.dataset("study").disclosures().lines) >= 1
    hospital.dataset("study").revoke("laboratory")
    with pytest.raises(SealiftError):
        laboratory.open_dataset("hospital/study").to_table()
    old = hospital.fingerprint
    assert hospital.identity.succeed() != old
    assert hospital.open_dataset("hospital/study").num_records == 200
    # Of each: an identity and a recipient key. What they had before is destroyed.
    backend = hospital._connection.keychain.custody.backend
    assert backend is not None
    assert len(backend.held_keys()) == 4


def test_opening_costs_one_operation_a_key_epoch_however_many_shards(
    pair: tuple[Session, Session],
) -> None:
    hospital, _ = pair
    for number in range(12):
        if number in (4, 8):
            hospital.dataset("study").rotate()
        hospital.push(ROWS, dataset="study", to="laboratory")
    with sealift.connect("laboratory") as session:
        unwrapped = session._connection.keychain.custody.unwrapped
        before = unwrapped.operations
        dataset = session.open_dataset("hospital/study", cache=None)
        assert dataset.num_shards == 12
        assert dataset.to_table().num_rows == 1200
        session.open_dataset("hospital/study", cache=None).to_table()
        assert unwrapped.operations - before == 3


def test_a_stolen_profile_is_worth_nothing_without_the_token(
    pair: tuple[Session, Session], token: Place, profiles: Path
) -> None:
    hospital, _ = pair
    hospital.push(ROWS, dataset="study")
    stored = (profiles / "hospital" / "keystore").read_bytes()
    assert b"PRIVATE" not in stored
    other = token.open(token.other)
    with pytest.raises(KeystoreError):
        Custody.of_backend(other).lock.open(stored)
    other.close()
    backend = hospital._connection.keychain.custody.backend
    assert backend is not None
    for key in backend.held_keys():
        backend.destroy(key)
    with pytest.raises(KeyNotFound):
        unlock(profiles / "hospital" / "keystore", token.ask, {hospital.fingerprint})


def test_an_identity_of_p256_is_a_member_like_any_other(
    relay, laboratory: Session, token: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = token.open()
    backend.signatures = (SignatureAlgorithm.ECDSA_P256,)
    sealift.join(relay.token("clinic", "owner"), Custody.of_backend(backend))
    backend.close()
    with sealift.connect("clinic") as clinic:
        assert len(clinic._connection.member.identity.public_key) == 65
        clinic.trust("laboratory", str(laboratory.fingerprint))
        laboratory.trust("clinic", str(clinic.fingerprint))
        clinic.push(ROWS, dataset="study", to="laboratory")
        assert laboratory.open_dataset("clinic/study").to_table().equals(ROWS)
        # Its disclosures and bills verify, too.
        with clinic.open_dataset("clinic/study", cache=None) as own:
            own.to_table()
            bill = own.bill_of_materials()
        assert clinic.log.verify_bill(bill)
        assert [
            line.disclosure.signer
            for line in clinic.dataset("study").disclosures().lines
        ]


def test_the_command_line_joins_lists_and_proves(relay, token: Place) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == code, done.output
        return done.output

    assert "joined as hospital" in run(
        "join", relay.token("hospital", "owner"), "--keystore", token.url
    )
    listed = run("keystore", "ls")
    assert token.url in listed
    assert "identity   ed25519" in listed
    assert "recipient  p256" in listed
    assert "2 keys in pkcs11:" in run("keystore", "test")
    tried = data_of(run("keystore", "test", token.url, "--json"))
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
    opened = token.open()
    left = opened.create(WrapSuite.P256, "recipient")
    assert f"not used here  p256       {left.reference}" in run("keystore", "ls")
    done = CliRunner().invoke(cli, ["keystore", "destroy", "identity", "--yes"])
    assert isinstance(done.exception, InvalidArgument)
    assert run("keystore", "destroy", left.reference, "--yes") == "destroyed 1 key\n"
    assert len(opened.held_keys()) == 2
    opened.close()
    done = CliRunner().invoke(cli, ["keystore", "passphrase"])
    assert isinstance(done.exception, InvalidArgument)


def test_new_keys_in_a_token_take_over_from_those_in_a_file(
    hospital: Session,
    laboratory: Session,
    token: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    pinned = laboratory.people.member("hospital").card.signer
    arguments = ["--profile", "hospital", "keystore", "create", token.url]
    monkeypatch.setenv("SEALIFT_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("SEALIFT_NEW_PASSPHRASE", "000000")
    done = CliRunner().invoke(cli, [*arguments, "--yes"])
    assert isinstance(done.exception, WrongPin)
    monkeypatch.setenv("SEALIFT_NEW_PASSPHRASE", PIN)
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, InvalidArgument)
    done = CliRunner().invoke(cli, [*arguments, "--yes"])
    assert done.exit_code == 0, done.output
    # From here on the token opens the profile, and nothing private of it is in the file.
    monkeypatch.setenv("SEALIFT_PASSPHRASE", PIN)
    with sealift.connect("hospital") as moved:
        assert str(moved.fingerprint) in done.output
        assert len(moved._connection.keychain.keys.held) == 2
        assert moved._connection.keychain.custody.backend is not None
        assert len(moved._connection.keychain.custody.backend.held_keys()) == 2
        assert moved.open_dataset("hospital/study").to_table().equals(ROWS)
        moved.push(ROWS, dataset="study")
        assert moved.identity.status().keystore == token.url
    assert laboratory.people.member("hospital").card.signer != pinned
    assert laboratory.open_dataset("hospital/study").num_records == 200
    done = CliRunner().invoke(cli, [*arguments, "--yes"])
    assert "already in a token or KMS" in str(done.exception)


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Relay, "succeed"),
        (Profile, "write_membership"),
        (Keychain, "adopt"),
        (Custody, "destroy"),
        (OwnKeys, "rotate"),
    ],
)
def test_a_move_that_was_interrupted_is_continued(
    hospital: Session,
    laboratory: Session,
    token: Place,
    owner: type,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    custody = Custody.of_backend(token.open())
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            hospital.keys.move_to(custody)
    custody.close()
    if step in ("destroy", "rotate"):
        with sealift.connect("hospital") as session:
            session.keys.rotate()
    else:
        with sealift.connect("hospital", passphrase=PASSPHRASE) as session:
            session.keys.move_to(Custody.of_backend(token.open()))
    with sealift.connect("hospital") as session:
        assert (
            len(session._connection.keychain.keys.held)
            == len(token.open().held_keys())
            == 2
        )
        assert session.open_dataset("hospital/study").to_table().equals(ROWS)
    assert laboratory.open_dataset("hospital/study").to_table().equals(ROWS)


def test_a_place_that_fails_in_a_move_is_left_as_it_was(
    hospital: Session, token: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = token.open()
    for step in ("new_identity", "new_recipient_keys"):
        custody = Custody.of_backend(backend)
        with monkeypatch.context() as patch:
            patch.setattr(Custody, step, raising(KeyDenied("no")))
            with pytest.raises(KeyDenied):
                hospital.keys.move_to(custody)
    with monkeypatch.context() as patch:
        patch.setattr(Keychain, "stage", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            hospital.keys.move_to(Custody.of_backend(backend))
    assert backend.held_keys() == []
    hospital.push(ROWS, dataset="study")
    backend.close()


def test_a_keystore_of_somebody_without_the_token_is_refused(
    pair: tuple[Session, Session], token: Place, profiles: Path
) -> None:
    # It is wrapped to the hospital's public key, and signed by keys that are not in the token.
    hospital, _ = pair
    path = profiles / "hospital" / "keystore"
    honest, keys = path.read_bytes(), hospital._connection.keychain.keys
    other = token.open(token.other)
    attacker = Custody.of_backend(other)
    other.url = token.url
    assert isinstance(keys.identity, HeldKey)
    forged = replace(
        keys, identity=attacker.new_identity(), owner_secret=Secret(bytes(32))
    )
    path.write_bytes(attacker.lock.seal(encode_keys(forged), forged))
    with pytest.raises(KeystoreError, match="another identity"):
        # Nor is the PIN asked for.
        sealift.connect(
            "hospital", passphrase=lambda what: pytest.fail(f"asked for the {what}")
        )
    # Under the hospital's name the signature does not verify.
    claimed = replace(forged, identity=keys.identity)
    content = attacker.lock.seal(encode_keys(claimed), forged)
    shown = [
        json.dumps(held_document(key.identity)).encode() for key in (forged, claimed)
    ]
    size = len(shown[1]) - len(shown[0])
    front = content[:9] + (int.from_bytes(content[9:13]) + size).to_bytes(4)
    path.write_bytes(front + content[13:].replace(*shown))
    with pytest.raises(KeystoreError, match="changed"):
        sealift.connect("hospital")
    path.write_bytes(honest)
    with sealift.connect("hospital") as again:
        assert again.fingerprint == hospital.fingerprint
    attacker.close()


def test_a_keystore_of_another_profile_on_the_same_token_is_refused(
    pair: tuple[Session, Session], profiles: Path
) -> None:
    moved = (profiles / "laboratory" / "keystore").read_bytes()
    (profiles / "hospital" / "keystore").write_bytes(moved)
    with pytest.raises(KeystoreError, match="another identity"):
        sealift.connect("hospital")


@pytest.mark.parametrize("step", ["write_membership", "adopt", "destroy"])
def test_a_succession_that_crashes_is_continued(
    pair: tuple[Session, Session], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital, _ = pair
    hospital.push(ROWS, dataset="study")
    old = hospital.fingerprint
    owner = {"write_membership": Profile, "adopt": Keychain, "destroy": Custody}[step]
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            hospital.identity.succeed()
    with sealift.connect("hospital") as again:
        assert (again.fingerprint == old) is (step != "destroy")
        if step != "destroy":
            assert again.identity.succeed() != old
        again.push(ROWS, dataset="study")


def raising(error: BaseException) -> Callable[..., bytes]:
    def sign(*_: object) -> bytes:
        raise error

    return sign


# --- the TLS key in the token --------------------------------------------------------------------


@pytest.fixture
def signed_by_token(
    relay, token: Place, monkeypatch: pytest.MonkeyPatch
) -> list[HeldKey]:
    """A clinic whose TLS key is in the token; each of its signatures, by key."""
    from sealift.keystore.backends.pkcs11 import Pkcs11Backend

    custody = Custody.of_backend(token.open())
    sealift.join(relay.token("clinic", "owner"), custody, tls_key_in_keystore=True)
    custody.close()
    signed: list[HeldKey] = []
    honest = Pkcs11Backend.sign

    def sign(backend: Pkcs11Backend, key: HeldKey, message: bytes) -> bytes:
        signed.append(key)
        return honest(backend, key, message)

    monkeypatch.setattr(Pkcs11Backend, "sign", sign)
    return signed


def of_tls(signed: list[HeldKey]) -> int:
    return sum(key.label == "sealift-tls" for key in signed)


def test_a_tls_key_in_the_token_signs_each_handshake_once(
    relay, laboratory: Session, token: Place, signed_by_token: list[HeldKey]
) -> None:
    with sealift.connect("clinic") as clinic:
        document = encode_keys(clinic._connection.keychain.keys)
        assert "tls_private_key" not in json.loads(document)
        assert "held_tls" in json.loads(document)
        clinic.trust("laboratory", str(laboratory.fingerprint))
        laboratory.trust("clinic", str(clinic.fingerprint))
        clinic.push(ROWS, dataset="study", to="laboratory")
        with clinic.open_dataset("clinic/study", cache=None) as own:
            assert own.to_table().equals(ROWS)
        assert of_tls(signed_by_token) == 1
        # The request for a new certificate is signed, too; the next connection is a handshake.
        clinic.identity.renew()
        assert of_tls(signed_by_token) == 2
        clinic._connection.relay.reconnect(
            clinic._connection.profile.certificate.read_bytes()
        )
        clinic.push(ROWS, dataset="study")
        assert of_tls(signed_by_token) == 3
        clinic.identity.succeed()
    signed_by_token.clear()
    with sealift.connect("clinic") as clinic:
        assert clinic.open_dataset("clinic/study").num_records == 200
        assert of_tls(signed_by_token) == 1
    assert laboratory.open_dataset("clinic/study").num_records == 200


def test_a_tls_key_in_the_token_outlives_joining_again(
    relay, token: Place, signed_by_token: list[HeldKey]
) -> None:
    again = CliRunner().invoke(
        invite, ["clinic", "--role", "owner", "--again", "--dir", str(relay.folder)]
    )
    done = CliRunner().invoke(cli, ["rejoin", again.output.strip()])
    assert done.exit_code == 0, done.output
    listed = CliRunner().invoke(cli, ["keystore", "ls"]).output
    assert "tls        ecdsa-p256" in listed
    assert "3 keys in pkcs11:" in CliRunner().invoke(cli, ["keystore", "test"]).output
    with sealift.connect("clinic") as clinic:
        clinic.push(ROWS, dataset="study")


def test_a_tls_key_that_is_gone_or_a_token_that_was_pulled_is_named(
    relay, token: Place, signed_by_token: list[HeldKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealift.keystore.held._FIRST_DELAY", 0.01)
    with sealift.connect("clinic") as clinic:
        backend = clinic._connection.keychain.custody.backend
        tls = clinic._connection.keychain.keys.tls_private_key
        assert backend is not None
        assert isinstance(tls, HeldKey)
        for error in (
            KeystoreUnavailable("the token is not present"),
            WrongPin("refused"),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(type(backend), "sign", raising(error))
                started = time.monotonic()
                with pytest.raises(type(error)):
                    clinic.push(ROWS, dataset="study")
                assert time.monotonic() - started < within(10)
        # A token that is plugged in again is used at once.
        clinic.push(ROWS, dataset="study")
        backend.destroy(tls)
        # Open connections stay; no new one is made.
        clinic.push(ROWS, dataset="study")
    with (
        sealift.connect("clinic") as clinic,
        pytest.raises(KeyNotFound, match="the token"),
    ):
        clinic.push(ROWS, dataset="study")


FORKING = """
import os, sys
import sealift
from sealift.keystore.backends.pkcs11 import Pkcs11Backend
signed, honest = [], Pkcs11Backend.sign

def sign(backend, key, message):
    signed.append(key.label)
    return honest(backend, key, message)

Pkcs11Backend.sign = sign
with sealift.connect("clinic") as clinic:
    clinic._connection.relay.who_am_i()
    for number in range(3):
        child = os.fork()
        if child == 0:
            clinic._connection.relay.who_am_i()
            os._exit(signed.count("sealift-tls"))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        clinic._connection.relay.who_am_i()
print(signed.count("sealift-tls"))
"""


def test_a_process_that_is_forked_connects_with_the_tls_key_in_the_token(
    relay, signed_by_token: list[HeldKey]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    # Each child signs once more than its parent had until then.
    assert done.stdout.split() == ["2", "3", "4", "4"], done.stderr


def test_a_process_that_is_spawned_does_not_get_a_tls_key_of_the_token(
    token: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = token.open()
    key = HeldTlsKey(backend, Custody.of_backend(backend).new_tls_key())
    access = RelayAccess(("localhost:1",), b"", b"", key)
    with pytest.raises(RuntimeError, match="inheritance"):
        pickle.dumps(access)
    # As multiprocessing does it for its own.
    monkeypatch.setattr(connections, "assert_spawning", lambda _: None)
    with pytest.raises(KeyOperationUnsupported, match="spawned"):
        pickle.dumps(access)
    backend.close()


def test_a_tls_key_in_the_token_does_nothing_but_sign_with_sha_256(
    of_token: Backend,
) -> None:
    key = HeldTlsKey(of_token, Custody.of_backend(of_token).new_tls_key())
    key.public_key().verify(
        key.sign(b"message", ec.ECDSA(SHA256())), b"message", ec.ECDSA(SHA256())
    )
    assert (key.key_size, copy.deepcopy(key), copy.copy(key)) == (256, key, key)
    for refused in (
        lambda: key.sign(b"message", ec.ECDSA(SHA384())),
        lambda: key.exchange(ec.ECDH(), key.public_key()),
        key.private_numbers,
        lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ):
        with pytest.raises(KeyOperationUnsupported):
            refused()
    with pytest.raises(ProfileError, match="certificate"):
        Connection(RelayAccess(("localhost:1",), b"", b"", key), 0)


def test_a_tls_key_in_openbao_connects(relay, server: Place, monkeypatch) -> None:
    monkeypatch.setenv("SEALIFT_PASSPHRASE", server.secret)
    custody = Custody.of_backend(server.open())
    sealift.join(relay.token("clinic", "owner"), custody, tls_key_in_keystore=True)
    custody.close()
    with sealift.connect("clinic") as clinic:
        clinic.identity.renew()
        clinic.push(ROWS, dataset="study")


def test_a_handshake_of_another_kind_is_refused(
    relay, signed_by_token: list[HeldKey]
) -> None:
    with (
        sealift.connect("clinic") as clinic,
        clinic._connection.relay._route.use() as connection,
    ):
        key = clinic._connection.relay.access.tls_key
        for algorithm in PrivateKeySignatureAlgorithm:
            if algorithm is not PrivateKeySignatureAlgorithm.ECDSA_SECP256R1_SHA256:
                with pytest.raises(KeyOperationUnsupported, match="not ECDSA P-256"):
                    connection._sign_handshake(key, b"message", int(algorithm), None)


def test_a_tls_key_in_the_keystore_needs_one() -> None:
    done = CliRunner().invoke(cli, ["join", "TOKEN", "--tls-key-in-keystore"])
    assert isinstance(done.exception, InvalidArgument)


# --- docs/start/custody.md ---------------------------------------------------------------

CUSTODY = DOCS / "start" / "custody.md"


def blocks(heading: str, kind: str) -> list[str]:
    """The code blocks of a kind under a heading."""
    section = CUSTODY.read_text().split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [content for language, content in found if language == kind]


def bash(script: str, **environment: str) -> str:
    """What a block prints, without installing anything; from a profile folder of this test."""
    quiet = "apt-get() { :; }; pip() { :; }\n"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", quiet + script],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_for_a_file_do_what_the_page_says(
    hospital: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = bash(blocks("A file", "sh")[0])
    assert "share 5 of 5 (3 are needed)" in said
    words = re.findall(r"^  (\w+ .*)$", said, re.MULTILINE)[1:4]
    (tmp_path / "words").write_text("\n".join(words))
    command = re.search(r"`(sealift keystore restore .*?)`", CUSTODY.read_text())
    assert command is not None
    assert "restored" in bash(
        f'sealift() {{ command sealift --profile again "$@"; }}; {command[1]} words'
    )
    assert "the shares open the backup" in bash(f"{command[1]} words --check")


def test_the_commands_for_an_hsm_do_what_the_page_says(
    relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    softhsm(tmp_path, monkeypatch, labels=())
    script = blocks("An HSM", "sh")[0].replace(
        "TOKEN", relay.token("hospital", "owner")
    )
    said = bash(script, SEALIFT_PASSPHRASE=PIN)
    assert blocks("An HSM", "")[0] in said
    assert "joined as hospital" in said
    said = bash(blocks("Every day", "sh")[0], SEALIFT_PASSPHRASE=PIN)
    assert "current" in said
    assert "2 keys in pkcs11:" in said
    assert "destroyed 1 old private key" in said


def test_the_commands_for_openbao_do_what_the_page_says(
    relay, fresh_server: Place
) -> None:
    script = blocks("OpenBao and Vault", "sh")[0]
    setting_up, joining = script.split("pip install", 1)
    address = fresh_server.url.removeprefix("openbao:")
    # The server of this test has an engine already.
    said = bash(
        setting_up.replace("bao secrets enable transit\n", ""),
        BAO_ADDR=address,
        BAO_TOKEN=fresh_server.secret,
    )
    role, secret = (
        re.search(rf"^{name} +(\S+)", said, re.M) for name in ("role_id", "secret_id")
    )
    assert role is not None
    assert secret is not None
    said = bash(
        ("pip install" + joining)
        .replace("https://bao.hospital.example:8200", address)
        .replace("ROLE-ID", role[1])
        .replace("TOKEN", relay.token("hospital", "owner")),
        SEALIFT_PASSPHRASE=secret[1],
    )
    assert "joined as hospital" in said
    said = bash("sealift keystore test", SEALIFT_PASSPHRASE=secret[1])
    assert "2 keys in openbao:" in said


# --- the whole study -----------------------------------------------------------------------------


def play_study(place: Place) -> str:
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "examples" / "study.py",
            "--keystore",
            place.url,
        ],
        env={**os.environ, "SEALIFT_PASSPHRASE": place.secret},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_twelve_keys(place: Place) -> None:
    """Six members: an identity and a recipient key each."""
    opened = place.open()
    assert len(opened.held_keys()) == 12
    opened.close()


def test_the_whole_study_is_played_with_keys_in_softhsm(token: Place) -> None:
    assert "found: nothing" in play_study(token)
    check_twelve_keys(token)


def test_the_whole_study_is_played_with_keys_in_openbao(server: Place) -> None:
    assert "found: nothing" in play_study(server)


def test_the_whole_study_is_played_with_keys_in_aws_kms_of_a_moto_that_we_taught_to_decrypt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with moto(tmp_path, monkeypatch, taught=True) as place:
        assert "found: nothing" in play_study(place)
        check_twelve_keys(place)


def test_the_whole_study_is_played_with_keys_in_gcp_kms_of_a_fake_server() -> None:
    with gcp_kms() as place:
        assert "found: nothing" in play_study(place)
        check_twelve_keys(place)


def test_the_whole_study_is_played_with_keys_in_azure_key_vault_of_a_fake_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with key_vault(tmp_path, monkeypatch) as place:
        assert "found: nothing" in play_study(place)
        check_twelve_keys(place)
