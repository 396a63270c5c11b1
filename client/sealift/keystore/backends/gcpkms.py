"""Keys in Google Cloud Key Management Service.

::

    gcpkms:projects/hospital/locations/europe-west3/keyRings/sealift?protection=hsm

Credentials are Google's Application Default Credentials. Keys are made in an HSM, or with
`protection=software` without one.

Identities are ECDSA P-256 at either level, because the service then signs a digest: an Ed25519 key
needs the message itself, which may be longer than a request.

The client uses REST, because a gRPC channel that is open during a fork may hang (connections.py).

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
# Only keys with this label are Sealift's.
_LABEL = {"sealift": "key"}
_SECONDS = 15.0
_MADE_WITHIN = 60.0
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 2.0
_SCOPE = "https://www.googleapis.com/auth/cloudkms"
_SUFFIX = ".googleapis.com"
_RING = re.compile(r"projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+", re.ASCII)
# A key's name is never reused, so the first version is the only one that Sealift makes.
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
    """The parsed URL of a key ring.

    Attributes:
        ring: its resource name.
        protection: protection level of new keys: "hsm" or "software".
        endpoint: address of the service; empty for Google's default.
    """

    ring: str
    protection: str = "hsm"
    endpoint: str = ""

    @property
    def plain(self) -> bool:
        """Whether the endpoint is on this machine, without TLS; it gets no credentials."""
        return self.endpoint.startswith("http://")


def parse_url(url: str) -> RingUrl:
    """Parse a URL.

    Raises:
        InvalidArgument: it does not name a key ring, or credentials could leak to its endpoint.
    """
    ring, _, query = url.partition(":")[2].partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    protection, endpoint = options.get("protection", "hsm"), options.get("endpoint", "")
    unknown = options.keys() - {"protection", "endpoint"}
    if unknown or protection not in _PROTECTION or not _RING.fullmatch(ring):
        raise InvalidArgument(
            "the URL does not name a key ring of Google Cloud KMS",
            hint="write gcpkms:projects/PROJECT/locations/LOCATION/keyRings/RING?protection=hsm",
        )
    if "endpoint" in options and not _may_be_called(endpoint):
        raise InvalidArgument(
            "the endpoint is neither Google's over TLS nor on this machine",
            hint=f"write endpoint=https://NAME{_SUFFIX}, or leave it out",
        )
    return RingUrl(ring, protection, endpoint)


def open_gcpkms(url: str, ask: AskSecret) -> GcpKmsBackend:
    """Make a client for a key ring, without asking for a secret; see `OpenBackend`."""
    del ask
    where = parse_url(url)
    # At DEBUG these libraries log responses, which contain decrypted secrets.
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
    """The keys of a key ring."""

    signatures = (SignatureAlgorithm.ECDSA_P256,)
    suites = (WrapSuite.RSA_OAEP_SHA256,)

    def __init__(
        self, url: str, client: Callable[[], kms_v1.KeyManagementServiceClient]
    ) -> None:
        self.url = url
        self._where = parse_url(url)
        self._clients = PerProcess(client)

    def held_keys(self) -> list[HeldKey]:
        """Return the keys with Sealift's label, without destroyed keys, whose names remain."""
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
        """Make a key, which never leaves the service."""
        if algorithm not in _SPECS:
            raise KeyOperationUnsupported(
                "Google Cloud KMS does not support keys of this kind",
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
        """Take a key out of use now; the service destroys it after the ring's delay."""
        with _named():
            self._clients.get().destroy_crypto_key_version(
                name=key.reference, retry=None, timeout=_SECONDS
            )

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""
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
        """Not supported: recipient keys in Google Cloud KMS are RSA keys."""
        del key, point
        raise KeyOperationUnsupported(
            "recipient keys in Google Cloud KMS must be RSA keys"
        )

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """Decrypt an RSA-OAEP-SHA256 block."""
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
        """Close the connections."""
        self._clients.get().transport.close()  # type: ignore[no-untyped-call]

    def _version(self, name: str) -> kms_v1.CryptoKeyVersion:
        return self._clients.get().get_crypto_key_version(
            name=name, retry=None, timeout=_SECONDS
        )

    def _generated(self, name: str) -> kms_v1.CryptoKeyVersion:
        """Return the version of a new key, once the service has generated it."""
        wait, until = _FIRST_WAIT, time.monotonic() + _MADE_WITHIN
        while (version := self._version(name)).state == _State.PENDING_GENERATION:
            if time.monotonic() >= until:
                raise KeystoreTimeout("Google Cloud KMS did not make a key in time")
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        if version.state != _State.ENABLED:
            raise KeystoreError(
                "Google Cloud KMS could not make a key",
                hint="see the key's page in the Cloud console for the reason",
            )
        return version

    def _read(self, version: kms_v1.CryptoKeyVersion) -> HeldKey:
        algorithm = _ALGORITHMS.get(version.algorithm)
        if algorithm is None:
            raise KeystoreError(
                "a key with Sealift's label is of a kind that Sealift does not use",
                hint="remove the label `sealift` from it in the Cloud console",
            )
        answer = self._clients.get().get_public_key(
            name=version.name, retry=None, timeout=_SECONDS
        )
        label = version.name.removesuffix(_VERSION).rpartition("/")[2]
        public = load_pem_public_key(answer.pem.encode())
        return HeldKey(version.name, label, algorithm, encoded(public))


def _may_be_called(endpoint: str) -> bool:
    """Return whether an address is Google's, or is on this machine and gets no credentials."""
    parts = urlsplit(endpoint)
    of_google = (parts.hostname or "").endswith(_SUFFIX)
    return is_private_origin(parts) and (parts.scheme == "http" or of_google)


def _status(error: exceptions.GoogleAPICallError) -> str:
    """Return the service's status, of which several share an HTTP code."""
    try:
        return str(error.response.json()["error"]["status"])
    except (AttributeError, LookupError, TypeError, ValueError):
        return ""


@contextmanager
def _named() -> Iterator[None]:
    """Turn the SDK's errors into ours, none of which quotes what was sent."""
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        raise _by_code(error) from None
    except (auth_exceptions.TransportError, auth_exceptions.TimeoutError):
        raise KeystoreUnavailable(
            "Google's credentials service cannot be reached"
        ) from None
    except auth_exceptions.GoogleAuthError:
        raise KeyDenied(
            "there are no Google credentials, or they have expired",
            hint="run `gcloud auth application-default login`",
        ) from None
    except requests.Timeout:
        raise KeystoreTimeout("Google Cloud KMS did not answer in time") from None
    except ParseError:
        raise KeystoreError(
            "the server at that address is not Google Cloud KMS",
            hint="check the URL of the keystore",
        ) from None
    except OSError:
        # Errors of requests are subclasses of OSError.
        raise KeystoreUnavailable("Google Cloud KMS cannot be reached") from None


def _by_code(error: exceptions.GoogleAPICallError) -> KeystoreError:
    code, status = int(error.code or 0), _status(error)
    if code == 404 or status == "FAILED_PRECONDITION":
        return KeyNotFound(
            "Google Cloud KMS does not have the key or key ring, or the key is not enabled"
        )
    if code in (401, 403):
        return KeyDenied("Google Cloud KMS denied the operation to these credentials")
    if code == 429:
        return KeystoreThrottled("Google Cloud KMS is throttling calls at the moment")
    if code in (408, 504):
        return KeystoreTimeout("Google Cloud KMS did not answer in time")
    if code >= 500 or status == "ABORTED":
        return KeystoreUnavailable("Google Cloud KMS failed temporarily")
    return KeystoreError(
        f"Google Cloud KMS refused: {status if status.isidentifier() else code}",
        hint="see its API reference for the meaning",
    )
