"""Keys in Azure Key Vault or Managed HSM.

::

    azurekeyvault:https://hospital.vault.azure.net?hsm=true

Credentials are those of azure-identity's DefaultAzureCredential. With `hsm=true` new keys are made
in an HSM, which a vault of the tier Premium has; a Managed HSM has no others.

Source: Azure Key Vault REST API 2025-07-01; RFC 7518 section 3.4 (the form of its signatures).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.core import exceptions
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient, KeyProperties, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm
from azure.keyvault.keys.crypto import SignatureAlgorithm as VaultSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sealift.crypto.suites.hpke import refused
from sealift.keystore.backend import Algorithm, AskSecret, HeldKey, SignatureAlgorithm
from sealift.keystore.backends.encodings import encoded
from sealift.keystore.backends.forks import PerProcess
from sealift.process.log import keep_debug_off, log
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
_TAG = {"sealift": "key"}
_SECONDS = 15
_DELETED_WITHIN = 30
_RSA_BITS = 3072


@dataclass(frozen=True, slots=True)
class VaultUrl:
    """What the URL of a vault says.

    Attributes:
        address: scheme, host and port.
        hsm: whether new keys are made in an HSM.
    """

    address: str
    hsm: bool = False


def parse_url(url: str) -> VaultUrl:
    """Reads a URL.

    Raises:
        InvalidArgument: it names no vault over TLS, or has a secret in it.
    """
    parts = urlsplit(url.partition(":")[2])
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    hsm = options.get("hsm", "false")
    if (
        options.keys() - {"hsm"}
        or hsm not in ("true", "false")
        or parts.scheme != "https"
        or not parts.hostname
        or parts.username is not None
        or parts.path not in ("", "/")
    ):
        raise InvalidArgument(
            "this does not name a key vault, over TLS and without a secret in it",
            hint="write azurekeyvault:https://VAULT.vault.azure.net?hsm=true",
        )
    return VaultUrl(f"https://{parts.netloc}", hsm == "true")


def open_azurekeyvault(url: str, ask: AskSecret) -> AzureKeyVaultBackend:
    """Makes a client for a vault; see `OpenBackend`. Nothing is asked for."""
    del ask
    where = parse_url(url)
    # At DEBUG bodies may be written into the log, and with them what was decrypted.
    keep_debug_off(
        "azure", "azure.core.pipeline.policies._universal", "azure.identity", "msal"
    )
    bounds = {"connection_timeout": _SECONDS, "read_timeout": _SECONDS}

    def clients() -> Clients:
        credential = DefaultAzureCredential(**bounds)
        # Trying again is `patiently`'s business, or it would be done twice.
        return Clients(
            KeyClient(where.address, credential, retry_total=0, **bounds), credential
        )

    with _named():
        return AzureKeyVaultBackend(url, clients)


@dataclass(frozen=True, slots=True)
class Clients:
    """What speaks with a vault.

    Attributes:
        keys: makes and lists keys.
        credential: logs in.
        users: what uses each key, by its id; each asks the vault for its key once.
    """

    keys: KeyClient
    credential: DefaultAzureCredential
    users: dict[str, CryptographyClient] = field(default_factory=dict)


class AzureKeyVaultBackend:
    """The keys of one vault."""

    signatures = (SignatureAlgorithm.ECDSA_P256,)
    suites = (WrapSuite.RSA_OAEP_SHA256,)

    def __init__(self, url: str, clients: Callable[[], Clients]) -> None:
        self.url = url
        self._hsm = parse_url(url).hsm
        self._clients = PerProcess(clients)

    def held_keys(self) -> list[HeldKey]:
        """The keys with Sealift's tag."""
        with _named():
            return [
                _read(self._first_version(key))
                for key in self._clients.get().keys.list_properties_of_keys()
                if (key.tags or {}).items() >= _TAG.items() and key.enabled
            ]

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """A fresh key that is not exportable."""
        name = f"{_PREFIX}{label}-{secrets.token_hex(8)}"
        common: dict[str, Any] = {"hardware_protected": self._hsm, "tags": _TAG}
        with _named():
            keys = self._clients.get().keys
            if algorithm is SignatureAlgorithm.ECDSA_P256:
                uses = ["sign", "verify"]
                return _read(
                    keys.create_ec_key(
                        name, curve="P-256", key_operations=uses, **common
                    )
                )
            if algorithm is WrapSuite.RSA_OAEP_SHA256:
                uses = ["encrypt", "decrypt"]
                return _read(
                    keys.create_rsa_key(
                        name, size=_RSA_BITS, key_operations=uses, **common
                    )
                )
        raise KeyOperationUnsupported(
            "a key vault is not used with keys of this kind", hint="use rsa-oaep-sha256"
        )

    def destroy(self, key: HeldKey) -> None:
        """Deletes a key, and purges it where the vault allows that at once."""
        with _named():
            poller = self._clients.get().keys.begin_delete_key(key.label)
        self._clients.get().users.pop(key.reference, None)
        if "Purgeable" not in (poller.result().properties.recovery_level or ""):
            return
        try:
            poller.wait(_DELETED_WITHIN)
            self._clients.get().keys.purge_deleted_key(key.label)
        except exceptions.AzureError as error:
            # It is out of use in any case, and ends with the time that the vault keeps what was
            # deleted: purging needs a permission of its own.
            log.info("leave_key_unpurged", error=type(error).__name__)

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """A signature, 64 bytes."""
        if key.algorithm is not SignatureAlgorithm.ECDSA_P256:
            raise KeyOperationUnsupported("a recipient key does not sign")
        with _named():
            digest = hashlib.sha256(message).digest()
            return self._user(key).sign(VaultSignature.es256, digest).signature

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        """Is not to be had."""
        del key, point
        raise KeyOperationUnsupported("a key vault is used with RSA keys")

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """What an RSA-OAEP-SHA256 block carries."""
        if key.algorithm is not WrapSuite.RSA_OAEP_SHA256:
            raise KeyOperationUnsupported("a signing key does not unwrap")
        with _named():
            try:
                return (
                    self._user(key)
                    .decrypt(EncryptionAlgorithm.rsa_oaep_256, block)
                    .plaintext
                )
            except exceptions.HttpResponseError as error:
                if error.status_code != 400:
                    raise
                raise refused() from None

    def close(self) -> None:
        """Ends the connections."""
        clients = self._clients.get()
        clients.keys.close()
        clients.credential.close()

    def _user(self, key: HeldKey) -> CryptographyClient:
        clients = self._clients.get()
        user = clients.users.get(key.reference)
        if user is None:
            version = key.reference.rpartition("/")[2]
            user = clients.keys.get_cryptography_client(key.label, key_version=version)
            clients.users[key.reference] = user
        return user

    def _first_version(self, key: KeyProperties) -> KeyVaultKey:
        """What Sealift made: a vault may have been told to rotate its keys, which adds versions."""
        versions = self._clients.get().keys.list_properties_of_key_versions(key.name)
        first = min(versions, key=_created)
        return self._clients.get().keys.get_key(key.name, first.version)


def _created(version: KeyProperties) -> float:
    # The service always says; the SDK's type does not.
    return version.created_on.timestamp() if version.created_on else 0.0


def _read(key: KeyVaultKey) -> HeldKey:
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    material: Any = key.key
    algorithm: Algorithm
    if material.kty.startswith("EC") and material.crv == "P-256":
        x, y = (int.from_bytes(part) for part in (material.x, material.y))
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        algorithm = SignatureAlgorithm.ECDSA_P256
    elif material.kty.startswith("RSA"):
        e, n = (int.from_bytes(part) for part in (material.e, material.n))
        public = rsa.RSAPublicNumbers(e, n).public_key()
        algorithm = WrapSuite.RSA_OAEP_SHA256
    else:
        raise KeystoreError(
            "a key with Sealift's tag is of another kind",
            hint="take the tag `sealift` off it in the Azure portal",
        )
    return HeldKey(key.id, key.name, algorithm, encoded(public))


@contextmanager
def _named() -> Iterator[None]:
    """The SDK's errors by ours; none of them quotes what was sent."""
    try:
        yield
    except exceptions.ClientAuthenticationError:
        raise KeyDenied(
            "there are no Azure credentials, or the vault does not take them",
            hint="run `az login`, or check the identity that this machine has",
        ) from None
    except exceptions.HttpResponseError as error:
        raise _by_code(error.status_code or 0) from None
    except (
        exceptions.ServiceRequestTimeoutError,
        exceptions.ServiceResponseTimeoutError,
    ):
        raise KeystoreTimeout("the key vault did not answer in time") from None
    except exceptions.AzureError:
        raise KeystoreUnavailable("the key vault cannot be reached") from None
    except ValueError:
        # A challenge that asks for credentials of another place, and answers that are no JSON.
        raise KeystoreError(
            "what answers there is not a key vault",
            hint="check the URL of the keystore",
        ) from None


def _by_code(code: int) -> KeystoreError:
    if code == 404:
        return KeyNotFound("the key vault does not have the key, or has deleted it")
    if code == 403:
        return KeyDenied("the key vault does not allow it with these credentials")
    if code == 429:
        return KeystoreThrottled("the key vault takes no more calls for a moment")
    if code in (408, 504):
        return KeystoreTimeout("the key vault did not answer in time")
    if code >= 500:
        return KeystoreUnavailable("the key vault has failed for a moment")
    return KeystoreError(
        f"the key vault refused: HTTP {code}",
        hint="its REST reference says what that means",
    )
