"""Keys in Google Cloud Key Management Service.

::

    gcpkms:projects/hospital/locations/europe-west3/keyRings/sealift?protection=hsm

Credentials are Google's Application Default Credentials. Keys are made in an HSM, or with
`protection=software` without one.

Identities are ECDSA P-256 at either level, of which the service signs a digest: an Ed25519 key
would need the message itself, which may be longer than a request.

The client speaks REST: a gRPC channel that is open during a fork may hang it (connections.py).

Source: Cloud KMS API reference v1.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import google.auth
import requests
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import kms_v1
from google.protobuf.json_format import ParseError

from sealift.crypto.suites.hpke import refused
from sealift.keystore.backend import Algorithm, AskSecret, HeldKey, SignatureAlgorithm
from sealift.keystore.backends.encodings import encoded, raw_signature
from sealift.keystore.backends.forks import PerProcess
from sealift.keystore.backends.urls import is_private_origin
from sealift.process.log import keep_debug_off
from sealift_protocol.errors import (
    InvalidArgument,
    KeyDenied,
    KeyNotFound,
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreThrottled,
    KeystoreTimeout,
    KeystoreUnavailable,
)
from sealift_protocol.objects.cards import WrapSuite

_PREFIX = "sealift-"
# Only keys with it are Sealift's.
_LABEL = {"sealift": "key"}
_SECONDS = 15.0
_MADE_WITHIN = 60.0
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 2.0
_SCOPE = "https://www.googleapis.com/auth/cloudkms"
_SUFFIX = ".googleapis.com"
_RING = re.compile(r"projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+", re.ASCII)
# No name of a key is ever used twice, so the first version is the only one that Sealift makes.
_VERSION = "/cryptoKeyVersions/1"
_PROTECTION = {
    "hsm": kms_v1.ProtectionLevel.HSM,
    "software": kms_v1.ProtectionLevel.SOFTWARE,
}
_Purpose = kms_v1.CryptoKey.CryptoKeyPurpose
_Spec = kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm
_State = kms_v1.CryptoKeyVersion.CryptoKeyVersionState
_SPECS: dict[Algorithm, tuple[int, int]] = {
    SignatureAlgorithm.ECDSA_P256: (
        _Purpose.ASYMMETRIC_SIGN,
        _Spec.EC_SIGN_P256_SHA256,
    ),
    WrapSuite.RSA_OAEP_SHA256: (
        _Purpose.ASYMMETRIC_DECRYPT,
        _Spec.RSA_DECRYPT_OAEP_3072_SHA256,
    ),
}
_ALGORITHMS: dict[int, Algorithm] = {
    spec: algorithm for algorithm, (_, spec) in _SPECS.items()
}


@dataclass(frozen=True, slots=True)
class RingUrl:
    """What the URL of a key ring says.

    Attributes:
        ring: its resource name.
        protection: level of new keys: "hsm" or "software".
        endpoint: address of the service; empty for Google's usual one.
    """

    ring: str
    protection: str = "hsm"
    endpoint: str = ""

    @property
    def plain(self) -> bool:
        """Whether the endpoint is on this machine, without TLS; it is sent no credentials."""
        return self.endpoint.startswith("http://")


def parse_url(url: str) -> RingUrl:
    """Reads a URL.

    Raises:
        InvalidArgument: it names no key ring, or credentials could leak to whom it names.
    """
    ring, _, query = url.partition(":")[2].partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    protection, endpoint = options.get("protection", "hsm"), options.get("endpoint", "")
    unknown = options.keys() - {"protection", "endpoint"}
    if unknown or protection not in _PROTECTION or not _RING.fullmatch(ring):
        raise InvalidArgument(
            "this does not name a key ring of Google Cloud KMS",
            hint="write gcpkms:projects/PROJECT/locations/LOCATION/keyRings/RING?protection=hsm",
        )
    if "endpoint" in options and not _may_be_called(endpoint):
        raise InvalidArgument(
            "the endpoint is neither Google's, over TLS, nor on this machine",
            hint=f"write endpoint=https://NAME{_SUFFIX}, or leave it out",
        )
    return RingUrl(ring, protection, endpoint)


def open_gcpkms(url: str, ask: AskSecret) -> GcpKmsBackend:
    """Makes a client for a key ring; see `OpenBackend`. Nothing is asked for."""
    del ask
    where = parse_url(url)
    # At DEBUG they write answers into the log, and with them what was decrypted.
    services = "google.cloud.kms_v1.services.key_management_service"
    keep_debug_off(
        "google", "google.auth", f"{services}.client", f"{services}.transports.rest"
    )

    def client() -> kms_v1.KeyManagementServiceClient:
        credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
        if not where.plain:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
        return kms_v1.KeyManagementServiceClient(
            credentials=credentials,
            transport="rest",
            client_options={"api_endpoint": where.endpoint} if where.endpoint else None,
        )

    with _named():
        return GcpKmsBackend(url, client)


class GcpKmsBackend:
    """The keys of one key ring."""

    signatures = (SignatureAlgorithm.ECDSA_P256,)
    suites = (WrapSuite.RSA_OAEP_SHA256,)

    def __init__(
        self, url: str, client: Callable[[], kms_v1.KeyManagementServiceClient]
    ) -> None:
        self.url = url
        self._where = parse_url(url)
        self._clients = PerProcess(client)

    def held_keys(self) -> list[HeldKey]:
        """The keys with Sealift's label; the names of destroyed ones stay, and are left out."""
        held = []
        with _named():
            for key in self._clients.get().list_crypto_keys(
                parent=self._where.ring, retry=None, timeout=_SECONDS
            ):
                if dict(key.labels).items() >= _LABEL.items():
                    version = self._version(key.name + _VERSION)
                    if version.state == _State.ENABLED:
                        held.append(self._read(version))
        return held

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """A fresh key; no key leaves the service."""
        if algorithm not in _SPECS:
            raise KeyOperationUnsupported(
                "Google Cloud KMS is not used with keys of this kind",
                hint="use rsa-oaep-sha256",
            )
        purpose, spec = _SPECS[algorithm]
        with _named():
            made = self._clients.get().create_crypto_key(
                parent=self._where.ring,
                crypto_key_id=f"{_PREFIX}{label}-{secrets.token_hex(8)}",
                crypto_key=kms_v1.CryptoKey(
                    purpose=purpose,
                    version_template=kms_v1.CryptoKeyVersionTemplate(
                        algorithm=spec,
                        protection_level=_PROTECTION[self._where.protection],
                    ),
                    labels=_LABEL,
                ),
                retry=None,
                timeout=_SECONDS,
            )
            return self._read(self._generated(made.name + _VERSION))

    def destroy(self, key: HeldKey) -> None:
        """Takes a key out of use now; the service destroys it when the ring's delay is over."""
        with _named():
            self._clients.get().destroy_crypto_key_version(
                name=key.reference, retry=None, timeout=_SECONDS
            )

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """A signature, 64 bytes."""
        if key.algorithm is not SignatureAlgorithm.ECDSA_P256:
            raise KeyOperationUnsupported("a recipient key does not sign")
        with _named():
            answer = self._clients.get().asymmetric_sign(
                name=key.reference,
                digest=kms_v1.Digest(sha256=hashlib.sha256(message).digest()),
                retry=None,
                timeout=_SECONDS,
            )
        return raw_signature(answer.signature)

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        """Is not to be had."""
        del key, point
        raise KeyOperationUnsupported("Google Cloud KMS is used with RSA keys")

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """What an RSA-OAEP-SHA256 block carries."""
        if key.algorithm is not WrapSuite.RSA_OAEP_SHA256:
            raise KeyOperationUnsupported("a signing key does not unwrap")
        with _named():
            try:
                answer = self._clients.get().asymmetric_decrypt(
                    name=key.reference, ciphertext=block, retry=None, timeout=_SECONDS
                )
            except exceptions.BadRequest as error:
                if _status(error) != "INVALID_ARGUMENT":
                    raise
                raise refused() from None
        return answer.plaintext

    def close(self) -> None:
        """Ends the connections."""
        self._clients.get().transport.close()  # type: ignore[no-untyped-call]

    def _version(self, name: str) -> kms_v1.CryptoKeyVersion:
        return self._clients.get().get_crypto_key_version(
            name=name, retry=None, timeout=_SECONDS
        )

    def _generated(self, name: str) -> kms_v1.CryptoKeyVersion:
        """The version of a fresh key, once the service has generated it."""
        wait, until = _FIRST_WAIT, time.monotonic() + _MADE_WITHIN
        while (version := self._version(name)).state == _State.PENDING_GENERATION:
            if time.monotonic() >= until:
                raise KeystoreTimeout("Google Cloud KMS has not made a key in time")
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        if version.state != _State.ENABLED:
            raise KeystoreError(
                "Google Cloud KMS could not make a key",
                hint="its page in the Cloud console says why",
            )
        return version

    def _read(self, version: kms_v1.CryptoKeyVersion) -> HeldKey:
        algorithm = _ALGORITHMS.get(version.algorithm)
        if algorithm is None:
            raise KeystoreError(
                "a key with Sealift's label is of another kind",
                hint="take the label `sealift` off it in the Cloud console",
            )
        answer = self._clients.get().get_public_key(
            name=version.name, retry=None, timeout=_SECONDS
        )
        label = version.name.removesuffix(_VERSION).rpartition("/")[2]
        public = load_pem_public_key(answer.pem.encode())
        return HeldKey(version.name, label, algorithm, encoded(public))


def _may_be_called(endpoint: str) -> bool:
    """Whether an address may be sent credentials, or is on this machine and is sent none."""
    parts = urlsplit(endpoint)
    of_google = (parts.hostname or "").endswith(_SUFFIX)
    return is_private_origin(parts) and (parts.scheme == "http" or of_google)


def _status(error: exceptions.GoogleAPICallError) -> str:
    """The service's own code; several of them have one HTTP code."""
    try:
        return str(error.response.json()["error"]["status"])
    except (AttributeError, LookupError, TypeError, ValueError):
        return ""


@contextmanager
def _named() -> Iterator[None]:
    """The SDK's errors by ours; none of them quotes what was sent."""
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        raise _by_code(error) from None
    except (auth_exceptions.TransportError, auth_exceptions.TimeoutError):
        raise KeystoreUnavailable(
            "Google's service for credentials cannot be reached"
        ) from None
    except auth_exceptions.GoogleAuthError:
        raise KeyDenied(
            "there are no Google credentials, or they have ended",
            hint="run `gcloud auth application-default login`",
        ) from None
    except requests.Timeout:
        raise KeystoreTimeout("Google Cloud KMS did not answer in time") from None
    except ParseError:
        raise KeystoreError(
            "what answers there is not Google Cloud KMS",
            hint="check the URL of the keystore",
        ) from None
    except OSError:
        # requests' own errors are of this kind.
        raise KeystoreUnavailable("Google Cloud KMS cannot be reached") from None


def _by_code(error: exceptions.GoogleAPICallError) -> KeystoreError:
    code, status = int(error.code or 0), _status(error)
    if code == 404 or status == "FAILED_PRECONDITION":
        return KeyNotFound(
            "Google Cloud KMS does not have the key or the ring, or it is not enabled"
        )
    if code in (401, 403):
        return KeyDenied("Google Cloud does not allow it with these credentials")
    if code == 429:
        return KeystoreThrottled("Google Cloud KMS takes no more calls for a moment")
    if code in (408, 504):
        return KeystoreTimeout("Google Cloud KMS did not answer in time")
    if code >= 500 or status == "ABORTED":
        return KeystoreUnavailable("Google Cloud KMS has failed for a moment")
    return KeystoreError(
        f"Google Cloud KMS refused: {status if status.isidentifier() else code}",
        hint="its API reference says what that means",
    )
